//! Programs that others wrote, asked what is right.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// Python with the packages that the oracles need, where `scripts/setup` puts it.
fn python() -> PathBuf {
    let environment = std::env::var_os("SHOAL_VENV").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache/shoal/venv"),
        PathBuf::from,
    );
    let python = environment.join("bin/python");
    assert!(python.exists(), "there is no {}: run `make setup`", python.display());
    python
}

/// The answer of a script of `tests/oracle` to a question. NaN is null on both sides.
pub(crate) fn ask(script: &str, question: &Value) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle").join(script);
    let mut oracle = Command::new(python())
        .arg(path)
        // One thread, as the tests beside this one have theirs.
        .env("OMP_NUM_THREADS", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let question = serde_json::to_vec(question).unwrap();
    let mut to = oracle.stdin.take().unwrap();
    // A script that fails closes its end early; what it said is in its errors then.
    let written = to.write_all(&question);
    drop(to);
    let answer = oracle.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&answer.stderr);
    assert!(answer.status.success(), "{script} failed; if a package is missing, run `make setup`:\n{said}");
    written.unwrap();
    serde_json::from_slice(&answer.stdout).unwrap()
}

/// Numbers of an answer.
pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap_or(f64::NAN)).collect()
}

/// Fails unless each number is within `tolerance` of the oracle's, relative where that is above 1.
#[track_caller]
pub(crate) fn assert_all_close(actual: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(actual.len(), expected.len());
    for (place, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let error = (actual - expected).abs() / expected.abs().max(1.0);
        assert!(error <= tolerance, "number {place}: {actual:e} is {error:e} away from {expected:e}");
    }
}
