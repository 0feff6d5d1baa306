//! Figures that are held against a bar of their own, and those of peers that stand beside them.

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
    /// What it must reach, or must not pass; a peer's has none.
    pub bar: Option<f64>,
    /// Whether it does.
    pub holds: Option<bool>,
}

impl Figure {
    /// A figure that is good where it is high.
    pub fn at_least(case: &str, value: f64, unit: &str, bar: f64) -> Self {
        Self { bar: Some(bar), holds: Some(value >= bar), ..Self::of_peer(case, value, unit) }
    }

    /// A figure that is good where it is low.
    pub fn at_most(case: &str, value: f64, unit: &str, bar: f64) -> Self {
        Self { bar: Some(bar), holds: Some(value <= bar), ..Self::of_peer(case, value, unit) }
    }

    /// What a peer reaches on the same machine.
    pub fn of_peer(case: &str, value: f64, unit: &str) -> Self {
        Self { case: case.to_owned(), value, unit: unit.to_owned(), bar: None, holds: None }
    }
}

/// Prints the table and writes `target/bench/NAME.json`.
///
/// # Errors
/// The file cannot be written.
pub fn finish(name: &str, figures: &[Figure]) -> BenchResult<()> {
    println!("\n{:<64} {:>10} {:<4} {:>8}  holds", "case", "value", "unit", "bar");
    for Figure { case, value, unit, bar, holds } in figures {
        let bar = bar.map_or_else(String::new, |bar| format!("{bar:.0}"));
        let holds = holds.map_or("", |holds| if holds { "yes" } else { "NO" });
        println!("{case:<64} {value:>10.1} {unit:<4} {bar:>8}  {holds}");
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
