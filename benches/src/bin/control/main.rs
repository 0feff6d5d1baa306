//! How fast the control plane is, with everything that makes it safe switched on: every record is stored durably before
//! it is acted on, and heads and workers speak gRPC. Beside it what peers reach on the same machine, who store nothing.

mod cases;
mod cluster;
mod peers;
mod work;

use std::process::Command;

use clap::{Parser, ValueEnum};
use shoal_benches::BenchResult;
use shoal_benches::figures::{Figure, finish};

/// Control plane: completions per second, memory, latency, recovery.
#[derive(Parser)]
struct Args {
    /// Measures one case and prints its figure; without it every case runs in a process of its own, and then the peers.
    #[arg(long)]
    case: Option<Case>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Case {
    CompletionsRedb,
    CompletionsEtcd,
    PendingMemory,
    FirstTask,
    WorkerStart,
    Recovery,
}

impl Case {
    async fn measure(self) -> BenchResult<f64> {
        match self {
            Self::CompletionsRedb => cases::completions_in_redb().await,
            Self::CompletionsEtcd => cases::completions_in_etcd().await,
            Self::PendingMemory => cases::pending_memory().await,
            Self::FirstTask => cases::first_task().await,
            Self::WorkerStart => cases::worker_start().await,
            Self::Recovery => cases::recovery().await,
        }
    }

    fn figure(self, value: f64) -> Figure {
        match self {
            Self::CompletionsRedb => {
                Figure::at_least("task completions, journal in redb, every commit synced", value, "1/s", 5_000.0)
            }
            Self::CompletionsEtcd => {
                Figure::at_least("task completions, journal in one etcd of this machine", value, "1/s", 2_000.0)
            }
            Self::PendingMemory => Figure::at_most("memory of 100,000 pending tasks", value, "MB", 100.0),
            Self::FirstTask => Figure::at_most("submission to first task, one idle worker", value, "ms", 20.0),
            Self::WorkerStart => {
                Figure::at_most("start of a worker's process to its first task's end", value, "ms", 300.0)
            }
            Self::Recovery => Figure::at_most("restart over 10,000 done and 10,000 unfinished tasks", value, "s", 2.0),
        }
    }
}

fn main() -> BenchResult<()> {
    if let Some(case) = Args::parse().case {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        println!("{}", runtime.block_on(case.measure())?);
        return Ok(());
    }
    let mut figures = Vec::new();
    let mut add = |figure: Figure| {
        println!("{}: {:.1} {}", figure.case, figure.value, figure.unit);
        figures.push(figure);
    };
    for case in Case::value_variants() {
        let value = case.to_possible_value().ok_or("a case without a name")?;
        // A process of its own, so that no case has another's memory or threads.
        let output = Command::new(std::env::current_exe()?).args(["--case", value.get_name()]).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        add(case.figure(String::from_utf8(output.stdout)?.trim().parse()?));
    }
    for peer in peers::ALL {
        add(peer.measure()?);
    }
    finish("control", &figures)
}
