//! `shoal cluster`: changes the cluster of a running head, or explains it.

use clap::{Args, Subcommand};
use shoal_core::limits::{DRAIN_DEFAULT, DRAIN_MAX};

use crate::client_args::ClientArgs;

/// Changes the cluster of a running head, or explains it.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shoal cluster drain worker-1")]
pub(crate) struct ClusterArgs {
    #[command(flatten)]
    pub(crate) client: ClientArgs,
    #[command(subcommand)]
    pub(crate) command: ClusterCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Lets a worker leave in order: no more tasks, and what it holds moves to others.
    #[command(after_help = "Example:\n  shoal cluster drain worker-1 --within 60")]
    Drain {
        /// Name of the worker.
        name: String,
        /// How long it may take, in seconds.
        #[arg(long, value_name = "SECONDS", default_value_t = DRAIN_DEFAULT.as_secs(),
              value_parser = clap::value_parser!(u64).range(..=DRAIN_MAX.as_secs()))]
        within: u64,
    },
    /// Holds a way to the head of a ShoalCluster open for a program that asks it itself, until that closes this one's stdin.
    #[command(hide = true, after_help = "Example:\n  shoal cluster door --cluster shared")]
    Door,
    /// Says why a ShoalCluster that the operator scales is as large as it is.
    #[command(after_help = "Example:\n  shoal cluster explain --cluster shared --namespace team")]
    Explain,
}
