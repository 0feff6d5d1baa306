//! Ratchets of style that no lint has.

use std::path::PathBuf;

use shoal_tests::workspace;

/// Lines that a file may have: what one can still read in one go.
const LINES_MAX: usize = 500;

#[test]
fn files_are_short() {
    let long: Vec<String> = workspace::files_with_extension("rs")
        .iter()
        .map(|file| (file, workspace::read(file).lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(file, lines)| format!("{} has {lines} lines; {LINES_MAX} are possible", file.display()))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn nothing_is_left_undone_or_skipped() {
    // Put together here, so that this file does not hold them itself.
    let refused = [concat!("to", "do!("), concat!("unimple", "mented!("), concat!("#[ig", "nore")];
    let mut found = Vec::new();
    for file in workspace::files_with_extension("rs") {
        for (line, number) in workspace::read(&file).lines().zip(1..) {
            if let Some(word) = refused.iter().find(|word| line.contains(**word)) {
                found.push(format!("{}:{number}: {word}", file.display()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_crate_takes_the_workspaces_lints() {
    for package in workspace::metadata().workspace_packages() {
        let manifest = workspace::read(&PathBuf::from(&package.manifest_path));
        assert!(manifest.contains("[lints]\nworkspace = true\n"), "{} sets its own lints", package.name);
    }
}
