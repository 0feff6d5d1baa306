//! What all benches share: how sides are compared, and how that is written down.
//!
//! A bench runs Shoal and a peer in turn, in one go, on the same machine and data. It prints a table of ratios and writes
//! `target/bench/NAME.json`. Benches measure; they are no tests, and nothing but the bar decides what `holds`.

pub mod data;
pub mod figures;
pub mod processes;

use std::error::Error;
use std::path::PathBuf;

use serde::Serialize;

/// Whatever ends a bench early; it is a tool for developers, who see the text.
pub type BenchResult<T> = Result<T, Box<dyn Error>>;

/// One side of one case.
#[derive(Clone, Debug, Serialize)]
pub struct Measurement {
    /// What was done.
    pub case: String,
    /// Who did it.
    pub side: String,
    /// Median seconds of the runs that count.
    pub seconds: f64,
    /// Highest memory of the side's processes together, in MiB.
    pub peak_rss_mib: f64,
    /// Seconds divided by the seconds of the side that the case is compared with; 1 for that side itself.
    pub ratio: f64,
    /// Highest ratio that is good enough, where the case has one.
    pub bar: Option<f64>,
    /// Whether the ratio is within the bar.
    pub holds: Option<bool>,
}

/// Runs of one side.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    /// Seconds of each run that counts.
    pub seconds: Vec<f64>,
    /// Highest memory seen, in MiB.
    pub peak_rss_mib: f64,
}

impl Runs {
    /// The run in the middle.
    pub fn median(&self) -> f64 {
        figures::median(self.seconds.clone())
    }
}

/// A side by itself, held against seconds where there is such a bar.
pub fn against(case: &str, (side, runs): (&str, &Runs), seconds: Option<f64>) -> Measurement {
    let ratio = seconds.map_or(1.0, |seconds| runs.median() / seconds);
    Measurement {
        case: case.to_owned(),
        side: side.to_owned(),
        seconds: runs.median(),
        peak_rss_mib: runs.peak_rss_mib,
        ratio,
        bar: seconds.map(|_| 1.0),
        holds: seconds.map(|_| ratio <= 1.0),
    }
}

/// A side's memory, held against so many MiB.
pub fn within_memory(case: &str, (side, runs): (&str, &Runs), mib_max: f64) -> Measurement {
    let ratio = runs.peak_rss_mib / mib_max;
    Measurement { ratio, bar: Some(1.0), holds: Some(ratio <= 1.0), ..against(case, (side, runs), None) }
}

/// Compares a side with a peer.
pub fn compare(case: &str, side: (&str, &Runs), peer: (&str, &Runs), bar: f64) -> [Measurement; 2] {
    let ratio = side.1.median() / peer.1.median();
    let measurement = |(name, runs): (&str, &Runs), ratio, bar: Option<f64>| Measurement {
        case: case.to_owned(),
        side: name.to_owned(),
        seconds: runs.median(),
        peak_rss_mib: runs.peak_rss_mib,
        ratio,
        bar,
        holds: bar.map(|bar| ratio <= bar),
    };
    [measurement(side, ratio, Some(bar)), measurement(peer, 1.0, None)]
}

/// The folder for data and results of benches, in the checkout.
pub fn bench_dir() -> BenchResult<PathBuf> {
    let dir = std::env::current_dir()?.join("target/bench");
    std::fs::create_dir_all(&dir)?;
    Ok(dir)
}

/// Prints the table and writes `target/bench/NAME.json`.
///
/// # Errors
/// The file cannot be written.
pub fn finish(name: &str, measurements: &[Measurement]) -> BenchResult<()> {
    println!("\n{:<44} {:<22} {:>9} {:>10} {:>7} {:>6}  holds", "case", "side", "seconds", "peak MiB", "ratio", "bar");
    for Measurement { case, side, seconds, peak_rss_mib, ratio, bar, holds } in measurements {
        let bar = bar.map_or_else(String::new, |bar| format!("{bar:.2}"));
        let holds = holds.map_or("", |holds| if holds { "yes" } else { "NO" });
        println!("{case:<44} {side:<22} {seconds:>9.3} {peak_rss_mib:>10.0} {ratio:>7.2} {bar:>6}  {holds}");
    }
    let path = bench_dir()?.join(format!("{name}.json"));
    std::fs::write(&path, serde_json::to_vec_pretty(measurements)?)?;
    println!("\nwritten to {}", path.display());
    Ok(())
}
