//! Generated tables.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use shoal_core::splitmix::splitmix64;

use crate::BenchResult;

/// Rows that are made and written at a time.
const BATCH_ROWS: u64 = 1 << 16;

/// A table of `groups` groups with `rows_per_group` rows each, in an order that has nothing to do with the groups:
/// columns `g` (Int64), `x1`, `x2`, ... and `y = 1 + 2·x1 − 3·x2 + x3 / 2 + noise` (Float64; of features after the third
/// nothing depends). Made once and kept.
///
/// # Errors
/// The file cannot be written.
pub fn shuffled_groups(folder: &Path, groups: u64, rows_per_group: u64, features: usize) -> BenchResult<PathBuf> {
    let path = folder.join(format!("groups-{groups}x{rows_per_group}-{features}.parquet"));
    if path.exists() {
        return Ok(path);
    }
    println!("generating {} rows in {groups} groups: {}", groups * rows_per_group, path.display());
    let unfinished = path.with_extension("unfinished");
    let rows = groups * rows_per_group;
    let stride = coprime_stride(rows);
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
    let mut writer: Option<ArrowWriter<File>> = None;
    let mut start = 0;
    while start < rows {
        let end = (start + BATCH_ROWS).min(rows);
        let batch = batch(start..end, rows, stride, rows_per_group, features)?;
        let writer = match &mut writer {
            Some(writer) => writer,
            None => writer.insert(ArrowWriter::try_new(
                File::create(&unfinished)?,
                batch.schema(),
                Some(properties.clone()),
            )?),
        };
        writer.write(&batch)?;
        start = end;
    }
    if let Some(writer) = writer {
        writer.close()?;
    }
    std::fs::rename(unfinished, &path)?;
    Ok(path)
}

fn batch(
    places: std::ops::Range<u64>,
    rows: u64,
    stride: u64,
    rows_per_group: u64,
    features: usize,
) -> BenchResult<RecordBatch> {
    // A stride without a common divisor visits every row once: a shuffle without a list of all rows.
    let row_at = |place: u64| (u128::from(place) * u128::from(stride) % u128::from(rows)) as u64;
    let (mut g, mut y) = (Vec::new(), Vec::new());
    let mut x = vec![Vec::new(); features];
    let draws = features as u64 + 1;
    for place in places {
        let row = row_at(place);
        let mut value = 1.0 + uniform(row * draws + features as u64);
        for (index, column) in x.iter_mut().enumerate() {
            let drawn = uniform(row * draws + index as u64);
            value += [2.0, -3.0, 0.5].get(index).unwrap_or(&0.0) * drawn;
            column.push(drawn);
        }
        g.push((row / rows_per_group) as i64);
        y.push(value);
    }
    let mut columns: Vec<(String, ArrayRef)> = vec![("g".to_owned(), Arc::new(Int64Array::from(g)))];
    for (index, column) in x.into_iter().enumerate() {
        columns.push((format!("x{}", index + 1), Arc::new(Float64Array::from(column))));
    }
    columns.push(("y".to_owned(), Arc::new(Float64Array::from(y))));
    Ok(RecordBatch::try_from_iter(columns)?)
}

/// A number near the golden share of `rows` that has no common divisor with it.
fn coprime_stride(rows: u64) -> u64 {
    let golden = (rows as f64 * 0.618_033_988_75) as u64;
    (golden.max(1)..).find(|stride| gcd(*stride, rows) == 1).unwrap_or(1)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A number from -0.5 to 0.5 that depends on the seed alone.
fn uniform(seed: u64) -> f64 {
    (splitmix64(seed) >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
}
