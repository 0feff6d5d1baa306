//! Python with statsmodels and scikit-learn, asked what is right.

use serde_json::Value;

use crate::python;

/// What the script of that name answers to each of the questions. Numbers that JSON does not have are null.
pub(crate) fn ask(script: &str, questions: &[Value]) -> Vec<Value> {
    let answer = python::run(script, &Value::from(questions));
    let answers = answer.as_array().unwrap().clone();
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
