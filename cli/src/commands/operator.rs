//! `shoal operator`: so far only what builds its files.

use std::path::Path;

use shoal_core::{Failure, Reason};

use crate::args::OperatorCommand;
use crate::exit::End;
use crate::terminal::print;

/// Carries out one of its commands.
pub(crate) fn run(command: OperatorCommand) -> Result<(), End> {
    let OperatorCommand::Generate { root } = command;
    for (path, content) in shoal_operator::generated_files().into_iter().chain(shoal_api::generated_files()) {
        write(&root.join(path), &content)?;
        print(&format!("{path}\n"))?;
    }
    Ok(())
}

fn write(path: &Path, content: &str) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).and_then(|()| std::fs::write(path, content)).map_err(|error| {
        Failure::new(Reason::Io, "a generated file cannot be written").file(path.display().to_string()).because(&error)
    })
}
