//! The `shoal` binary: a head, a worker, or both for one job; and the client of a head.

mod args;
mod client;
mod client_args;
mod cluster;
mod cluster_args;
mod commands;
mod environments;
mod exit;
mod file_body;
mod follow;
mod interrupts;
mod job_args;
mod job_file;
mod kinds;
mod logs;
mod machine;
mod models;
mod parent;
mod program_args;
mod render;
mod simulate_args;
mod sizes;
mod state_args;
mod terminal;
mod trust_args;
mod uploads;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use shoal_core::{Failure, Reason};

use crate::args::{Cli, Command, LogFormat};
use crate::exit::End;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let Cli { log_format, command } = Cli::parse();
    logs::init(log_format, command.shows_functions());
    let output = command.output();
    match catch_unwind(AssertUnwindSafe(|| run(command, log_format))) {
        Ok(end) => {
            if let Err(end) = &end {
                render::show_end(end, output);
            }
            ExitCode::from(exit::code(&end))
        }
        // The hook has said what happened.
        Err(_) => ExitCode::from(exit::PLATFORM_FAILED),
    }
}

fn run(command: Command, log_format: LogFormat) -> Result<(), End> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        Failure::new(Reason::ResourcesExhausted, "the process cannot start its threads").because(&error)
    })?;
    let end = runtime.block_on(commands::run(command, log_format));
    // What still computes has been told that nobody wants it; waiting for it would only keep the user.
    runtime.shutdown_background();
    end
}
