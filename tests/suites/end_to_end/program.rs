//! The program as pods bring it into an image that has Python and nothing of Shoal.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use shoal_tests::process::{Finished, Process};
use shoal_tests::{shoal, slots};

/// The copy of a program, started by its own loader.
fn command(copy: &Path) -> Command {
    let mut command = Command::new(copy.join("loader"));
    command.arg("--library-path").arg(copy.join("lib")).env_clear();
    command
}

/// A copy of the program.
fn copy() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut copying = shoal::command(["program", "copy", "--to", folder.path().to_str().unwrap()]);
    assert_eq!(Process::start(&mut copying).finish().code, 0);
    folder
}

#[test]
fn a_copy_needs_nothing_of_the_system_around_it() {
    let _slots = slots::take(1);
    let folder = copy();
    // Of what there is already it makes the same.
    let path = folder.path().to_str().unwrap();
    assert_eq!(shoal::run(["program", "copy", "--to", path]).code, 0);
    let version = Process::start(command(folder.path()).arg(folder.path().join("shoal")).arg("--version")).finish();
    assert_eq!(version.stdout, shoal::run(["--version"]).stdout);
    let linked = Process::start(command(folder.path()).arg("--list").arg(folder.path().join("shoal"))).finish();
    let found: Vec<&str> = linked.stdout.lines().filter_map(|line| Some(line.split_once("=> ")?.1)).collect();
    assert!(found.len() >= 3 && found.iter().all(|library| library.starts_with(path)), "{linked:#?}");
    let authorities = std::fs::read_to_string(folder.path().join("ca-certificates.crt")).unwrap();
    assert!(authorities.contains("BEGIN CERTIFICATE"));
    let left: Vec<_> = std::fs::read_dir(folder.path().join("lib")).unwrap().map(|it| it.unwrap().path()).collect();
    assert!(left.iter().all(|file| file.extension().is_none_or(|extension| extension != "new")), "{left:?}");
}

/// What is said of a Python that does that.
fn check(copy: &Path, script: Option<&str>) -> Finished {
    let path = tempfile::tempdir().unwrap();
    if let Some(script) = script {
        let file = path.path().join("python3");
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let mut command = command(copy);
    command.arg(copy.join("shoal")).args(["program", "check-python"]).env("PATH", path.path());
    Process::start(&mut command).finish()
}

#[test]
fn a_python_that_cannot_call_functions_is_refused_with_the_reason() {
    let _slots = slots::take(1);
    let folder = copy();
    let real = shoal_testkit::python();
    let good = check(folder.path(), Some(&format!("exec {} \"$@\"", real.display())));
    assert!(good.code == 0 && good.stdout.starts_with("Python 3."), "{good:#?}");
    for (script, message) in [
        (None, "there is no `python3` in the path, which is /"),
        (Some("echo 'Python 3.9' >&2; exit 97"), "`python3` is Python 3.9, which is too old: 3.10 or newer is needed"),
        (Some("echo 'No module named mmap' >&2; exit 1"), "`python3` does not work: No module named mmap"),
    ] {
        let refused = check(folder.path(), script);
        assert_eq!(refused.code, 2, "{refused:#?}");
        assert!(refused.stderr.contains(message) && refused.stderr.contains("python:3.13-slim"), "{refused:#?}");
    }
}
