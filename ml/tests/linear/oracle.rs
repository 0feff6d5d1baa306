//! Python with statsmodels and scikit-learn, asked what is right.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// Python with the packages that the oracles need.
fn python() -> PathBuf {
    let environment = std::env::var_os("SHOAL_VENV").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache/shoal/venv"),
        PathBuf::from,
    );
    let python = environment.join("bin/python");
    assert!(python.exists(), "there is no {}: run `make setup`", python.display());
    python
}

/// What the script of that name answers to each of the questions. Numbers that JSON does not have are null.
pub(crate) fn ask(script: &str, questions: &[Value]) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle").join(script);
    let mut child = Command::new(python())
        .arg(&path)
        // Problems this small only lose by more than one thread.
        .env("OMP_NUM_THREADS", "1")
        .env("OPENBLAS_NUM_THREADS", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The script reads all of it before it answers, so neither waits for the other.
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(questions).unwrap()).unwrap();
    let answer = child.wait_with_output().unwrap();
    assert!(answer.status.success(), "{script} failed; if a package is missing, run `make setup`");
    let answers: Vec<Value> = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(answers.len(), questions.len());
    answers
}

/// The number at `pointer`, NaN where there is none.
#[track_caller]
pub(crate) fn number(answer: &Value, pointer: &str) -> f64 {
    answer.pointer(pointer).unwrap_or_else(|| panic!("no {pointer} in {answer}")).as_f64().unwrap_or(f64::NAN)
}

/// The numbers at `pointer`.
#[track_caller]
pub(crate) fn numbers(answer: &Value, pointer: &str) -> Vec<f64> {
    let list = answer.pointer(pointer).and_then(Value::as_array).unwrap_or_else(|| panic!("no {pointer} in {answer}"));
    list.iter().map(|value| value.as_f64().unwrap_or(f64::NAN)).collect()
}

/// Fails unless each of `actual` is there and within `tolerance` of what is expected, relative to the larger of that
/// and `scale`.
#[track_caller]
pub(crate) fn assert_all(actual: &[Option<f64>], expected: &[f64], scale: f64, tolerance: f64, what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    for (term, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        assert_near(*actual, *expected, scale, tolerance, &format!("{what}, term {term}"));
    }
}

/// As [`assert_all`], for one value.
#[track_caller]
pub(crate) fn assert_near(actual: Option<f64>, expected: f64, scale: f64, tolerance: f64, what: &str) {
    let actual = actual.unwrap_or_else(|| panic!("{what}: missing, expected {expected:e}"));
    let error = (actual - expected).abs() / expected.abs().max(scale);
    assert!(
        actual == expected || error <= tolerance,
        "{what}: {actual:e} is {error:e} away from {expected:e}, allowed {tolerance:e}"
    );
}
