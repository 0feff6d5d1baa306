//! The log of a Delta table, read as the JSON that it is.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// The commits of a table, oldest first, each with its actions. None where there is no log.
pub fn commits(table: &Path) -> Vec<Vec<Value>> {
    let Ok(entries) = std::fs::read_dir(table.join("_delta_log")) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let actions = |file: PathBuf| {
        let text = std::fs::read_to_string(&file).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    files.into_iter().map(actions).collect()
}

/// How often an application id stands in the log.
pub fn times_committed(table: &Path, application_id: &str) -> usize {
    let is_it = |action: &&Value| action["txn"]["appId"] == application_id;
    commits(table).iter().flatten().filter(is_it).count()
}

/// Every file below a folder, by its path relative to it, with its content; nothing where the folder is not there.
pub fn content(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    collect(folder, folder, &mut found);
    found.sort();
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, found);
        } else {
            found.push((path.strip_prefix(root).unwrap().to_owned(), std::fs::read(&path).unwrap()));
        }
    }
}
