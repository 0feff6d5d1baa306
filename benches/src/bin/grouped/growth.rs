//! How the time of a job grows with rows and with groups, over four decades of each.

use std::path::Path;

use serde::Serialize;
use shoal_benches::{BenchResult, data};

use crate::case::Case;
use crate::plot::{Line, plot};
use crate::shoal;

/// Groups while rows grow.
const GROUPS: u64 = 1_000;

/// Rows while groups grow.
const ROWS: u64 = 10_000_000;

/// Rows of the tables with [`GROUPS`] groups.
const ROWS_FROM: u64 = 10_000;
/// Groups of the tables with [`ROWS`] rows.
const GROUPS_FROM: u64 = 100;

/// Powers of ten from the first table to the last.
const DECADES: u32 = 4;

/// One table.
#[derive(Clone, Debug, Serialize)]
struct Point {
    groups: u64,
    rows: u64,
    /// The median from submission to commit.
    seconds: f64,
    /// Head and worker together, at their highest.
    peak_rss_mib: f64,
}

/// Both lines.
#[derive(Debug, Serialize)]
struct Growth {
    over_rows: Vec<Point>,
    over_groups: Vec<Point>,
}

/// Measures all tables and writes `grouped.json` and `grouped.svg` into a folder.
pub(crate) fn measure(folder: &Path, docs: &Path, runs: usize, cores: usize) -> BenchResult<()> {
    let decades = || (0..=DECADES).map(|decade| 10_u64.pow(decade));
    let point = |groups: u64, rows: u64| -> BenchResult<Point> {
        let plan = crate::case::Plan { groups, rows_per_group: rows / groups, ..Case::Coefficients.plan() };
        let table = data::shuffled_groups(folder, groups, plan.rows_per_group, plan.features)?;
        let jobs = shoal::submit(&plan, folder, &table, runs, cores)?.jobs;
        println!("{rows} rows in {groups} groups: {:.3} s", jobs.median());
        Ok(Point { groups, rows, seconds: jobs.median(), peak_rss_mib: jobs.peak_rss_mib })
    };
    let growth = Growth {
        over_rows: decades().map(|times| point(GROUPS, ROWS_FROM * times)).collect::<BenchResult<_>>()?,
        over_groups: decades().map(|times| point(GROUPS_FROM * times, ROWS)).collect::<BenchResult<_>>()?,
    };
    let over_rows = growth.over_rows.iter().map(|point| (point.rows as f64, point.seconds));
    let over_groups = growth.over_groups.iter().map(|point| (point.groups as f64, point.seconds));
    let svg = plot(
        &format!("least squares of two features on {cores} cores, from submission to commit"),
        &[
            Line { label: format!("seconds over rows, in {GROUPS} groups"), points: over_rows.collect() },
            Line { label: format!("seconds over groups, of {ROWS} rows"), points: over_groups.collect() },
        ],
    );
    std::fs::write(docs.join("grouped.svg"), svg)?;
    std::fs::write(docs.join("grouped.json"), serde_json::to_string_pretty(&growth)? + "\n")?;
    println!("written to {0}/grouped.svg and {0}/grouped.json", docs.display());
    Ok(())
}
