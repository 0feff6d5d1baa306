//! What `shoal program` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What brings this program into other container images, where pods run users' functions.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shoal program copy --to /shoal-program\n  \
                        /shoal-program/loader --library-path /shoal-program/lib /shoal-program/shoal program check-python")]
pub(crate) struct ProgramArgs {
    #[command(subcommand)]
    pub(crate) command: ProgramCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProgramCommand {
    /// Copies this program with the loader, the shared libraries and the authorities that it runs with.
    #[command(after_help = "Example:\n  shoal program copy --to /shoal-program")]
    Copy {
        /// The folder.
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
    /// Fails unless there is a `python3` here that can call functions.
    #[command(after_help = "Example:\n  shoal program check-python")]
    CheckPython,
}
