//! How long the operator takes to decide how large a cluster's groups are to be.
//!
//! ```text
//!   bench-autoscaler [--workers N] [--tasks N] [--classes N] [--groups N]
//! ```

mod decision;

use std::process::ExitCode;

use clap::Parser;

use self::decision::Size;

/// Longest decision that is no failure, in milliseconds.
const DECISION_MS_MAX: f64 = 10.0;

#[derive(Parser)]
struct Arguments {
    /// Workers of all groups together.
    #[arg(long, default_value_t = 10_000)]
    workers: u32,
    /// Tasks that wait.
    #[arg(long, default_value_t = 1_000_000)]
    tasks: u64,
    /// Classes of those tasks, by group and priority.
    #[arg(long, default_value_t = 256)]
    classes: u32,
    /// Groups, at most 64.
    #[arg(long, default_value_t = 64)]
    groups: u32,
}

fn main() -> ExitCode {
    let Arguments { workers, tasks, classes, groups } = Arguments::parse();
    let size = Size { workers, tasks, classes: classes.max(1), groups: groups.clamp(1, 64) };
    println!("{workers} workers in {} groups, {tasks} tasks in {} classes", size.groups, size.classes);
    let mut is_slow = false;
    for (name, times) in size.measure() {
        let worst = times.worst_ms();
        is_slow |= worst > DECISION_MS_MAX;
        println!("{name}: {:.2} ms at the median, {worst:.2} ms at worst of {}", times.median_ms(), times.count());
    }
    if is_slow && !cfg!(debug_assertions) {
        eprintln!("a decision takes more than {DECISION_MS_MAX} ms");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
