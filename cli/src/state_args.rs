//! What was typed behind `shoal state`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use shoal_core::JobUid;

use crate::args::{Output, StateArgs};

/// Looks after what heads remember: verifies it, writes it out, reads it in.
///
/// No head may run on it meanwhile.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shoal state check --state-dir .shoal")]
pub(crate) struct StateToolArgs {
    /// How the result is written to stdout.
    #[arg(long, global = true, value_enum, default_value = "table")]
    pub(crate) output: Output,
    #[command(subcommand)]
    pub(crate) command: StateCommand,
}

/// What is done with the state.
#[derive(Debug, Subcommand)]
pub(crate) enum StateCommand {
    /// Reads every record and replays every job; exits with 1 where something is broken.
    #[command(after_help = "Example:\n  shoal state check --state-dir .shoal")]
    Check {
        #[command(flatten)]
        state: StateArgs,
    },
    /// Writes all of it as JSON lines, in the format that every later build reads.
    #[command(after_help = "Examples:\n  shoal state export --to state.jsonl\n  \
                            shoal state export --without 01890a5d-ac96-774b-bcce-b302099a8057 --to state.jsonl")]
    Export {
        /// The file, which must not be there yet [default: stdout].
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
        /// Leaves out the job with this uid, as `state check` names it; may be repeated.
        #[arg(long, value_name = "UID", value_parser = parse_uid)]
        without: Vec<JobUid>,
        #[command(flatten)]
        state: StateArgs,
    },
    /// Reads an export into an empty state: all of it or nothing.
    #[command(after_help = "Example:\n  shoal state import state.jsonl --state-dir restored")]
    Import {
        /// The file.
        #[arg(value_name = "FILE")]
        from: PathBuf,
        #[command(flatten)]
        state: StateArgs,
    },
}

fn parse_uid(text: &str) -> Result<JobUid, String> {
    text.parse().map(JobUid).map_err(|_| format!("`{text}` is no uid of a job"))
}
