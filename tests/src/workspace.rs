//! The tree under test.

use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{Metadata, MetadataCommand};

/// The root of the checkout.
pub fn root() -> PathBuf {
    PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap()).parent().unwrap().to_owned()
}

/// The files that git has or would take in, relative to the root, in the order of their paths. Without a repository:
/// everything that is no build output.
pub fn files() -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output();
    let mut files = match listed {
        Ok(listed) if listed.status.success() => {
            let names = String::from_utf8(listed.stdout).expect("paths of this project are UTF-8");
            names.split_terminator('\0').map(PathBuf::from).collect()
        }
        _ => {
            let mut files = Vec::new();
            walk(&root(), &mut files);
            files
        }
    };
    // A file that was deleted and is not yet staged as such is still listed.
    files.retain(|file| root().join(file).is_file());
    files.sort();
    files.dedup();
    files
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() {
            if !name.starts_with(".git") && name != "target" {
                walk(&path, files);
            }
        } else {
            files.push(path.strip_prefix(root()).unwrap().to_owned());
        }
    }
}

/// The files with that extension.
pub fn files_with_extension(extension: &str) -> Vec<PathBuf> {
    files().into_iter().filter(|file| file.extension().is_some_and(|found| found == extension)).collect()
}

/// A file of the tree as text.
pub fn read(file: &Path) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The packages of the workspace and all that they are built from on this platform.
pub fn metadata() -> Metadata {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        // Without the filter, packages of other platforms would have to be downloaded.
        .other_options(vec!["--locked".to_owned(), "--filter-platform".to_owned(), platform])
        .exec()
        .expect("cargo describes the workspace")
}
