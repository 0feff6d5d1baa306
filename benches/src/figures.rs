//! Figures that are held against a bar of their own, and not against a peer that runs beside them.

use serde::Serialize;

use crate::{BenchResult, bench_dir};

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// What was measured.
    pub case: String,
    /// The figure: the median where it was measured several times.
    pub value: f64,
    /// Its unit.
    pub unit: String,
    /// What it must reach, or must not pass.
    pub bar: f64,
    /// Whether it does.
    pub holds: bool,
}

impl Figure {
    /// A figure that is good where it is high.
    pub fn at_least(case: &str, value: f64, unit: &str, bar: f64) -> Self {
        Self { case: case.to_owned(), value, unit: unit.to_owned(), bar, holds: value >= bar }
    }

    /// A figure that is good where it is low.
    pub fn at_most(case: &str, value: f64, unit: &str, bar: f64) -> Self {
        Self { case: case.to_owned(), value, unit: unit.to_owned(), bar, holds: value <= bar }
    }
}

/// Prints the table and writes `target/bench/NAME.json`.
///
/// # Errors
/// The file cannot be written.
pub fn finish(name: &str, figures: &[Figure]) -> BenchResult<()> {
    println!("\n{:<56} {:>12} {:<8} {:>10}  holds", "case", "value", "unit", "bar");
    for Figure { case, value, unit, bar, holds } in figures {
        println!("{case:<56} {value:>12.1} {unit:<8} {bar:>10.1}  {}", if *holds { "yes" } else { "NO" });
    }
    let path = bench_dir()?.join(format!("{name}.json"));
    std::fs::write(&path, serde_json::to_vec_pretty(figures)?)?;
    println!("\nwritten to {}", path.display());
    Ok(())
}

/// The one in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
