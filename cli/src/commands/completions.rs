//! `shoal completions`.

use clap::CommandFactory;

use crate::args::{Cli, CompletionsArgs};
use crate::exit::End;
use crate::terminal::print;

/// Writes the script to stdout.
pub(crate) fn run(args: &CompletionsArgs) -> Result<(), End> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "shoal", &mut script);
    Ok(print(&String::from_utf8_lossy(&script))?)
}
