//! Tests that need a process of their own: the same test, run once more where something was arranged for it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Tells a test that it is run by itself, and where.
const FOLDER: &str = "SHOAL_TEST_CHILD_FOLDER";

/// The folder that a test was given by the one that ran it; none in a test that was not.
pub(crate) fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// Runs a test of this binary in a process of its own, below a shell that arranges something first. There, `$1` is the
/// folder, and the test is what is left after a `shift`: `"$@"`.
///
/// # Panics
/// Where the shell or the test fails, with what they said.
pub(crate) fn run(test: &str, folder: &Path, arrange: &[&str]) {
    let (shell, arguments) = arrange.split_first().unwrap();
    let done = Command::new(shell)
        .args(arguments)
        .args(["sh".as_ref(), folder.as_os_str(), std::env::current_exe().unwrap().as_os_str()])
        .args(["--exact", test, "--nocapture"])
        .env(FOLDER, folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    // A name that is misspelt would run nothing and succeed.
    assert!(done.status.success() && said.contains("1 passed"), "{arrange:?}: {}\n{said}", done.status);
}
