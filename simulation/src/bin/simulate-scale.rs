//! Measures the control plane at the size of a large cluster.
//!
//! ```text
//!   simulate-scale [--workers N] [--slots N] [--jobs N] [--tasks N] [--write FOLDER]
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use shoal_simulation::scale::{Size, plot};

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut words: impl Iterator<Item = String>) -> Result<(), String> {
    let mut size = Size { workers: 10_000, slots: 4, jobs: 1_000, tasks: 1_000_000 };
    let mut folder = None;
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        let number = || value.parse::<u32>().map_err(|_| format!("`{value}` is no number"));
        match word.as_str() {
            "--workers" => size.workers = number()?,
            "--slots" => size.slots = number()?,
            "--jobs" => size.jobs = number()?.max(1),
            "--tasks" => size.tasks = number()?,
            "--write" => folder = Some(PathBuf::from(&value)),
            _ => return Err(format!("`{word}` is no option")),
        }
    }
    let measured = size.run().map_err(|failure| format!("{failure}: {}", failure.causes.join(": ")))?;
    let json = format!("{:#}\n", measured.to_json());
    print!("{json}");
    if let Some(folder) = folder {
        let write = |name: &str, text: &str| {
            std::fs::write(folder.join(name), text).map_err(|error| format!("{name} cannot be written: {error}"))
        };
        write("scale.json", &json)?;
        write("scale.svg", &plot(&measured))?;
    }
    Ok(())
}
