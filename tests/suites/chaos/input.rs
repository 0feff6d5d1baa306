//! The table that runs train on.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};
use shoal_tests::data::Numbers;
use shoal_tests::job;

use crate::scenario::{Scenario, Strategy};

/// Name of the job of every run.
pub(crate) const JOB: &str = "chaos";

/// Files of a table. Each is larger than the smallest split, and two are larger than a slot's share of six: one split a
/// file.
const FILES: usize = 11;

/// Bytes of a file: just above the smallest split.
const FILE_BYTES: usize = 4_300_000;

/// Rows of a file.
const ROWS: usize = 12_000;

/// Groups, each with rows in every file.
const GROUPS: u64 = 2_000;

/// Buckets where rows travel: enough tasks for a fault to fall between two of them.
const BUCKETS: u32 = 24;

/// Seed of the table: it is the same in every run.
const SEED: u64 = 4;

/// Writes the table of a strategy into a folder: CSV where rows travel, Parquet where states do.
pub(crate) fn write(folder: &Path, strategy: Strategy) {
    std::fs::create_dir_all(folder).unwrap();
    let mut numbers = Numbers::new(SEED);
    for number in 0..FILES {
        match strategy {
            Strategy::Bucket => csv(&folder.join(format!("part-{number:02}.csv")), &mut numbers),
            Strategy::Aggregate => parquet(&folder.join(format!("part-{number:02}.parquet")), &mut numbers),
        }
    }
}

struct Row {
    shop: u64,
    a: f64,
    b: f64,
    y: f64,
}

fn row(numbers: &mut Numbers) -> Row {
    let (shop, a, b) = (numbers.below(GROUPS), numbers.between(0.0, 9.0), numbers.between(-5.0, 5.0));
    Row { shop, a, b, y: 3.0 + shop as f64 + 2.0 * a - b + numbers.between(-1.0, 1.0) }
}

/// What makes a row so long that the file has its size; it does not get shorter when it is compressed.
fn note(numbers: &mut Numbers) -> String {
    let digits = FILE_BYTES / ROWS;
    (0..digits / 16 + 1).map(|_| format!("{:016x}", numbers.below(u64::MAX))).collect()
}

fn csv(file: &Path, numbers: &mut Numbers) {
    let mut file = BufWriter::new(File::create(file).unwrap());
    writeln!(file, "shop,a,b,y,note").unwrap();
    for _ in 0..ROWS {
        let Row { shop, a, b, y } = row(numbers);
        writeln!(file, "{shop},{a},{b},{y},{}", note(numbers)).unwrap();
    }
    file.flush().unwrap();
}

fn parquet(file: &Path, numbers: &mut Numbers) {
    let rows: Vec<Row> = (0..ROWS).map(|_| row(numbers)).collect();
    // Half of what a hexadecimal digit takes is left after compression.
    let notes: StringArray = (0..ROWS).map(|_| Some(note(numbers) + &note(numbers))).collect();
    let floats = |of: fn(&Row) -> f64| Arc::new(rows.iter().map(of).collect::<Float64Array>());
    let batch = RecordBatch::try_from_iter([
        ("shop", Arc::new(rows.iter().map(|row| row.shop as i64).collect::<Int64Array>()) as _),
        ("a", floats(|row| row.a) as _),
        ("b", floats(|row| row.b) as _),
        ("y", floats(|row| row.y) as _),
        ("note", Arc::new(notes) as _),
    ])
    .unwrap();
    let mut writer = ArrowWriter::try_new(File::create(file).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// The job of a run.
pub(crate) fn job(scenario: &Scenario, input: &str, output: &str) -> Value {
    let job = job::training(JOB, input.as_ref(), "shop", &["a", "b"], "y", output.as_ref());
    let options = match scenario.strategy {
        Strategy::Bucket => json!({"buckets": BUCKETS}),
        Strategy::Aggregate => json!({}),
    };
    job::with(job, "/groupedTraining/strategy", json!({scenario.strategy.name(): options}))
}
