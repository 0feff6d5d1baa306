//! `shoal program`.

use shoal_core::{Failure, Reason};

use crate::exit::End;
use crate::machine::program;
use crate::program_args::ProgramCommand;
use crate::terminal::print;

/// Carries out one of its commands.
pub(crate) async fn run(command: ProgramCommand) -> Result<(), End> {
    match command {
        ProgramCommand::Copy { to } => Ok(program::copy(&to)?),
        ProgramCommand::CheckPython => {
            let version = shoal_functions::python_version().await.map_err(|error| {
                Failure::new(Reason::InvalidEnvironment, error.to_string()).next(
                    "name an image that has Python 3.10 or newer in its path, as docker.io/library/python:3.13-slim",
                )
            })?;
            Ok(print(&format!("Python {version}\n"))?)
        }
    }
}
