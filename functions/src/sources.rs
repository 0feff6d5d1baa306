//! The Python side, which travels in this binary.

use std::io;
use std::path::Path;

macro_rules! sources {
    ($($file:literal),* $(,)?) => {
        [$(($file, include_str!(concat!("../../python/src/shoal/", $file)))),*]
    };
}

/// Files of the package `shoal` that a worker needs, by their paths in it: not those of clients.
const SOURCES: [(&str, &str); 18] = sources![
    "__init__.py",
    "_context.py",
    "worker/__init__.py",
    "worker/apply.py",
    "worker/channel.py",
    "worker/chunks.py",
    "worker/command.py",
    "worker/frames.py",
    "worker/guardian.py",
    "worker/isolation.py",
    "worker/packing.py",
    "worker/pickled.py",
    "worker/predictions.py",
    "worker/program.py",
    "worker/progress.py",
    "worker/results.py",
    "worker/serve.py",
    "worker/speech.py",
];

/// Writes the package into a folder, from which Python imports it.
pub(crate) fn write(folder: &Path) -> io::Result<()> {
    for (file, text) in SOURCES {
        let path = folder.join("shoal").join(file);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, text)?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::*;

    fn python_files(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let found = entries.flat_map(|path| if path.is_dir() { python_files(&path) } else { vec![path] });
        found.filter(|path| path.extension().is_some_and(|extension| extension == "py")).collect()
    }

    #[test]
    fn no_file_of_the_workers_side_is_left_behind() {
        let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../python/src/shoal");
        let mut files = python_files(&package.join("worker"));
        // What is beside it is the client's, but for these, which workers import too.
        files.extend(["__init__.py", "_context.py"].map(|file| package.join(file)));
        let files: BTreeSet<PathBuf> =
            files.iter().map(|file| file.strip_prefix(&package).unwrap().to_owned()).collect();
        assert_eq!(files, SOURCES.iter().map(|(file, _)| PathBuf::from(file)).collect());
    }
}
