//! One module per command.

mod cluster;
mod completions;
mod door;
mod dry_run;
mod head;
mod job;
mod job_archive;
mod job_history;
mod operator;
mod program;
mod run;
mod simulate;
mod sql;
mod state;
mod timeline;
mod worker;

use std::net::SocketAddr;

use shoal_wire::Tls;
use shoal_wire::listen::is_in_the_clear;

use crate::args::{Command, LogFormat};
use crate::exit::End;

/// Carries out what was typed. Processes that are started for it write logs in the same format.
pub(crate) async fn run(command: Command, log_format: LogFormat) -> Result<(), End> {
    match command {
        Command::Run(args) => run::run(args, log_format).await,
        Command::Head(args) => head::run(args).await,
        Command::Worker(args) => worker::run(args).await,
        Command::Job(args) => job::run(args).await,
        Command::State(args) => state::run(args).await,
        Command::Cluster(args) => cluster::run(args).await,
        Command::Sql(args) => sql::run(args).await,
        Command::Simulate(args) => simulate::run(args),
        Command::Completions(args) => completions::run(&args),
        Command::Operator(args) => operator::run(args.command).await,
        Command::Program(args) => program::run(args.command).await,
    }
}

/// Tells whoever starts a process what others can read on the way to it.
fn warn_if_in_the_clear(addresses: &[SocketAddr], tls: Option<&Tls>) {
    if let Some(address) = addresses.iter().find(|address| is_in_the_clear(**address, tls.is_some())) {
        tracing::warn!(%address, "the token and all data can be read on the way here: switch TLS on with --tls-cert");
    }
}
