//! How fast the operator makes pods beside a client that does nothing else, what it writes and keeps for them, and how soon
//! a job's first task runs.
//!
//! Rates and writes are read from the API server's audit log. Many pods: a real API server with etcd, controllers and
//! scheduler, and nodes that run nothing (kwok). First tasks: a node with real pods.

mod audit;
mod client;
mod first_task;
mod fleet;

use clap::{Parser, ValueEnum};
use shoal_benches::BenchResult;
use shoal_benches::figures::finish;

/// Operator: pods per second beside a bare client, writes, memory, first task of a job.
#[derive(Parser)]
struct Args {
    /// Measures only that.
    #[arg(long)]
    part: Option<Part>,
    #[command(flatten)]
    size: fleet::Size,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Many pods that run nothing.
    Fleet,
    /// Few pods that run.
    FirstTask,
}

fn main() -> BenchResult<()> {
    let Args { part: wanted, size } = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut figures = Vec::new();
    if wanted.is_none_or(|part| part == Part::Fleet) {
        figures.extend(runtime.block_on(fleet::measure(size))?);
    }
    if wanted.is_none_or(|part| part == Part::FirstTask) {
        figures.extend(runtime.block_on(first_task::measure())?);
    }
    finish("operator", &figures)
}
