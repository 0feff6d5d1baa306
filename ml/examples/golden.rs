//! Writes the stored models that every later version has to read.
//!
//! ```text
//! cargo run -p shoal-ml --example golden
//! ```
//!
//! For an estimator that has none yet, add it to `samples.rs` and run this: it writes `ml/tests/golden/NAME.cbor` and
//! `NAME.json` (the rows and what the model predicts for them). A file that is there is never written again: it is what an
//! earlier version wrote.

#[path = "golden/samples.rs"]
mod samples;

use std::error::Error;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use shoal_ml::model::Values;

use samples::{Column, Sample};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    for sample in samples::all() {
        let stored = folder.join(format!("{}.cbor", sample.name));
        if stored.exists() {
            println!("{} is there", sample.name);
            continue;
        }
        fs::write(folder.join(format!("{}.json", sample.name)), expected(&sample)?)?;
        fs::write(stored, sample.model.encode())?;
        println!("{} is new", sample.name);
    }
    Ok(())
}

/// The rows, and what the model says about them now.
fn expected(sample: &Sample) -> Result<String, Box<dyn Error>> {
    let texts: Vec<Vec<Option<&str>>> = sample
        .columns
        .iter()
        .map(|column| match column {
            Column::Numbers(_) => Vec::new(),
            Column::Categories(values) => values.iter().map(Option::as_deref).collect(),
        })
        .collect();
    let values: Vec<Values<'_>> = sample
        .columns
        .iter()
        .zip(&texts)
        .map(|(column, texts)| match column {
            Column::Numbers(values) => Values::Numbers(values),
            Column::Categories(_) => Values::Categories(texts),
        })
        .collect();
    let columns: Vec<Value> = sample
        .columns
        .iter()
        .map(|column| match column {
            Column::Numbers(values) => json!({"numbers": values}),
            Column::Categories(values) => json!({"categories": values}),
        })
        .collect();
    let prediction = sample.model.predict(sample.rows, &values, sample.level)?;
    let interval = prediction.interval.map(|interval| json!({"lower": interval.lower, "upper": interval.upper}));
    let golden = json!({
        "rows": sample.rows, "level": sample.level, "columns": columns,
        "values": prediction.values, "interval": interval,
    });
    Ok(serde_json::to_string_pretty(&golden)? + "\n")
}
