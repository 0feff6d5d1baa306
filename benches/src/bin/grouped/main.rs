//! `make bench-grouped`: one model per group of large shuffled tables, Shoal beside DuckDB, polars-ds and Spark; and
//! `make bench-python`: one call of a Python function per group, beside plain processes that loop over them and Spark.
//!
//! Shoal: from the submission of a job to its commit in a Delta table, head and worker already running. The others: from a
//! query to a written Parquet file, connection or session already open.

mod case;
mod growth;
mod peers;
mod plot;
mod shoal;
mod watch;

use std::path::{Path, PathBuf};

use case::{Bar, Case};
use clap::{Parser, ValueEnum};
use shoal_benches::{BenchResult, Measurement, Runs, against, bench_dir, compare, data, finish, within_memory};

/// Grouped training, Shoal beside its peers.
#[derive(Parser)]
struct Arguments {
    /// Measures these cases; without it all of models.
    #[arg(long, value_delimiter = ',')]
    case: Vec<Case>,
    /// Measures the cases of Python functions instead.
    #[arg(long, conflicts_with = "case")]
    python: bool,
    /// Also runs the peers that `make bench-peers` installs.
    #[arg(long)]
    peers: bool,
    /// Measures instead how time grows with rows and groups, and writes a plot into this folder.
    #[arg(long, conflicts_with_all = ["case", "peers"])]
    growth: Option<PathBuf>,
    /// Runs that count; one more warms up.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Cores for either side.
    #[arg(long, default_value_t = 2)]
    cores: usize,
}

fn main() -> BenchResult<()> {
    let arguments = Arguments::parse();
    let folder = bench_dir()?;
    if let Some(docs) = &arguments.growth {
        return growth::measure(&folder, docs, arguments.runs, arguments.cores);
    }
    let asked: Vec<Case> = match arguments.case.as_slice() {
        [] => Case::value_variants().iter().copied().filter(|case| case.is_python() == arguments.python).collect(),
        some => some.to_vec(),
    };
    let mut measured: Vec<(Case, Runs)> = Vec::new();
    let mut results = Vec::new();
    for case in asked {
        let (found, runs) = measure(case, &arguments, &folder, &measured)?;
        results.extend(found);
        measured.push((case, runs));
    }
    finish(if arguments.python { "python" } else { "grouped" }, &results)
}

fn measure(
    case: Case,
    arguments: &Arguments,
    folder: &Path,
    before: &[(Case, Runs)],
) -> BenchResult<(Vec<Measurement>, Runs)> {
    let plan = case.plan();
    let table = data::shuffled_groups(folder, plan.groups, plan.rows_per_group, plan.features)?;
    println!("{}", case.name());
    let mut found = Vec::new();
    let counted = case.runs(arguments.runs);
    let runs = if case == Case::Small {
        shoal::run(&plan, folder, &table, counted)?
    } else {
        let submitted = shoal::submit(&plan, folder, &table, counted, arguments.cores)?;
        found.push(against(case.name(), ("whole command", &submitted.commands), None));
        if case.is_python() {
            found.push(against(case.name(), ("start of processes", &submitted.starts), None));
        }
        submitted.jobs
    };
    for bar in case.bars() {
        match bar {
            Bar::Times(peer, _) if peer.is_extra() && !arguments.peers => {}
            Bar::Times(peer, times) => {
                let theirs = peer.run(&table, arguments.cores, arguments.runs)?;
                found.extend(compare(case.name(), ("shoal", &runs), (peer.name(), &theirs), *times));
            }
            Bar::TimesCase(other, times) | Bar::TimesCasePerRow(other, times) => {
                let Some((_, theirs)) = before.iter().find(|(case, _)| case == other) else {
                    println!("  is held against `{}`, which was not measured", other.name());
                    continue;
                };
                let rows = if matches!(bar, Bar::TimesCase(..)) { 1.0 } else { plan.rows() / other.plan().rows() };
                found.extend(compare(case.name(), ("shoal", &runs), (other.name(), theirs), times * rows));
            }
            Bar::MemoryMib(most) => found.push(within_memory(case.name(), ("shoal's memory", &runs), *most)),
            Bar::GroupsPerSecond(rate) => {
                let seconds = plan.groups as f64 / rate;
                found.push(against(case.name(), ("shoal", &runs), Some(seconds)));
            }
            Bar::Seconds(seconds) => found.push(against(case.name(), ("shoal", &runs), Some(*seconds))),
        }
    }
    Ok((found, runs))
}
