//! `make bench-exchange`: partitions of one process read by another over Flight, beside a `DoGet` of pyarrow.
//!
//! Both sides have the same batches in memory and one stream, and are measured from the request to the last batch. Ours
//! checks what it reads against the checksum that the writer reported, as every read of a partition does.

mod holder;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use arrow::ipc::writer::FileWriter;
use clap::Parser;
use futures::TryStreamExt;
use shoal_benches::processes::{Environment, Process, python};
use shoal_benches::{BenchResult, Runs, bench_dir, compare, finish};
use shoal_core::partition::PartitionStore;
use shoal_core::task::PartitionSource;

/// Rows of a batch: what tasks read at a time.
const BATCH_ROWS: i64 = 8192;

/// What the peer's seconds are divided by, at the least: `DoGet` at 0.7 of its rate takes so many times as long.
const TIMES_MAX: f64 = 1.0 / 0.7;

/// The exchange of rows, beside pyarrow's Flight.
#[derive(Parser)]
struct Arguments {
    /// Runs that count; one more warms up.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Batches that are exchanged, of a quarter of a MiB each.
    #[arg(long, default_value_t = 2048)]
    batches: i64,
    /// Holds the batches of a file and hands them out: what this program starts itself for.
    #[arg(long, hide = true)]
    hold: Option<std::path::PathBuf>,
}

#[tokio::main]
async fn main() -> BenchResult<()> {
    let arguments = Arguments::parse();
    if let Some(file) = &arguments.hold {
        return holder::hold(file).await;
    }
    let folder = bench_dir()?;
    let file = folder.join("exchange.arrow");
    write(&file, arguments.batches)?;
    let path = file.to_str().ok_or("the path is no UTF-8")?;
    let rows = u64::try_from(arguments.batches * BATCH_ROWS)?;
    let case = format!("{} MiB over Flight", (rows * 4 * 8) >> 20);
    let ours = read(&folder, path, arguments.runs, rows).await?;
    let theirs = python(Environment::Tests, "exchange_pyarrow.py", &[path, &arguments.runs.to_string()])?;
    finish("exchange", &compare(&case, ("shoal", &ours), ("pyarrow.flight DoGet", &theirs), TIMES_MAX))
}

/// Batches of a key and three numbers, as a regression's rows are.
fn write(file: &Path, batches: i64) -> BenchResult<()> {
    let batch = |number: i64| -> BenchResult<RecordBatch> {
        let rows = number * BATCH_ROWS..(number + 1) * BATCH_ROWS;
        let numbers = |factor: f64| -> ArrayRef {
            Arc::new(Float64Array::from_iter_values(rows.clone().map(|row| (row as f64 * factor).fract())))
        };
        let keys: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.clone().map(|row| row % 100_003)));
        let columns = [("g", keys), ("x1", numbers(0.618)), ("x2", numbers(0.414)), ("y", numbers(0.732))];
        Ok(RecordBatch::try_from_iter(columns)?)
    };
    let first = batch(0)?;
    let mut writer = FileWriter::try_new(std::fs::File::create(file)?, &first.schema())?;
    writer.write(&first)?;
    for number in 1..batches {
        writer.write(&batch(number)?)?;
    }
    Ok(writer.finish()?)
}

async fn read(folder: &Path, file: &str, runs: usize, rows: u64) -> BenchResult<Runs> {
    let (holder, sources) =
        Process::start(Command::new(std::env::current_exe()?).args(["--hold", file]), holder::READY)?;
    let sources: Vec<PartitionSource> = serde_json::from_str(&sources)?;
    let reader = holder::store("reader", &folder.join("exchange-reader"))?;
    let mut result = Runs::default();
    for run in 0..=runs {
        let start = Instant::now();
        let mut batches = reader.read(sources.clone()).await?.batches;
        let mut read = 0;
        while let Some(batch) = batches.try_next().await? {
            read += batch.num_rows() as u64;
        }
        if read != rows {
            return Err(format!("{read} rows came, {rows} were expected").into());
        }
        if run > 0 {
            result.seconds.push(start.elapsed().as_secs_f64());
        }
    }
    result.peak_rss_mib = holder.peak_rss_mib()?;
    Ok(result)
}
