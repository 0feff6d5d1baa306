//! Tables of models, compared row by row.

use std::collections::BTreeMap;

use serde_json::Value;

/// Rows by the JSON text of their keys.
pub type ByKey = BTreeMap<String, Value>;

/// How far two numbers may be apart, relative to the larger.
pub const TOLERANCE: f64 = 1e-9;

/// Below this a probability is zero for everybody, and libraries differ in how they get there.
const NO_PROBABILITY: f64 = 1e-300;

/// Puts rows by their keys.
///
/// # Panics
/// Where a key comes twice.
pub fn by_key(rows: &[Value], keys: &[&str]) -> ByKey {
    let mut table = ByKey::new();
    for row in rows {
        let key: Vec<&Value> = keys.iter().map(|key| &row[*key]).collect();
        let key = serde_json::to_string(&key).unwrap();
        assert!(table.insert(key.clone(), row.clone()).is_none(), "the group {key} is there twice");
    }
    table
}

/// The rows without their stored models, whose bytes have the last bit of numbers that stand beside them: those are what
/// two ways to a sum are compared by.
///
/// # Panics
/// Where a row has no place for a model.
pub fn without_models(mut rows: Vec<Value>) -> Vec<Value> {
    rows.iter_mut().for_each(|row| assert!(row.as_object_mut().unwrap().remove("model").is_some(), "{row}"));
    rows
}

/// Where `found` differs from what is expected: fields that the expected value does not have are not looked at.
pub fn differences(path: &str, found: &Value, expected: &Value) -> Vec<String> {
    differences_within(TOLERANCE, path, found, expected)
}

fn differences_within(tolerance: f64, path: &str, found: &Value, expected: &Value) -> Vec<String> {
    match (found, expected) {
        (_, Value::Object(fields)) => fields
            .iter()
            .flat_map(|(name, expected)| {
                let found = found.get(name).unwrap_or(&Value::Null);
                differences_within(tolerance, &format!("{path}.{name}"), found, expected)
            })
            .collect(),
        (Value::Array(found), Value::Array(expected)) if found.len() == expected.len() => (found.iter().zip(expected))
            .enumerate()
            .flat_map(|(index, (found, expected))| {
                differences_within(tolerance, &format!("{path}[{index}]"), found, expected)
            })
            .collect(),
        (Value::Number(left), Value::Number(right)) => {
            let (left, right) = (left.as_f64().unwrap(), right.as_f64().unwrap());
            let is_tiny = path.contains("p_value") && left < NO_PROBABILITY && right < NO_PROBABILITY;
            let same = is_tiny || (left - right).abs() <= tolerance * left.abs().max(right.abs());
            if same { Vec::new() } else { vec![format!("{path} is {left}, expected {right}")] }
        }
        _ if found == expected => Vec::new(),
        _ => vec![format!("{path} is {found}, expected {expected}")],
    }
}

/// Compares the expected groups with those found; groups that nobody expects are not looked at.
///
/// # Panics
/// With the first differences, where there are some.
pub fn assert_agrees(found: &ByKey, expected: &ByKey) {
    assert_agrees_within(TOLERANCE, found, expected);
}

/// As [`assert_agrees`], of numbers that may be so far apart, relative to the larger.
///
/// # Panics
/// With the first differences, where there are some.
pub fn assert_agrees_within(tolerance: f64, found: &ByKey, expected: &ByKey) {
    let different: Vec<String> = expected
        .iter()
        .flat_map(|(key, expected)| match found.get(key) {
            None => vec![format!("{key} is missing")],
            Some(found) => differences_within(tolerance, key, found, expected),
        })
        .collect();
    let first: Vec<&String> = different.iter().take(20).collect();
    assert!(different.is_empty(), "{} differences: {first:#?}", different.len());
}

/// Compares two tables that must hold the same groups.
///
/// # Panics
/// With the first differences, where there are some.
pub fn assert_same(found: &ByKey, expected: &ByKey) {
    assert_eq!(found.len(), expected.len(), "numbers of groups");
    assert_agrees(found, expected);
    assert_agrees(expected, found);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_is_named() {
        let found = json!({"key": 1, "p_values": {"x": 0.0}, "r2": 0.5, "status": "ok", "more": 1});
        let same = json!({"key": 1, "p_values": {"x": 1e-310}, "r2": 0.500_000_000_000_1, "status": "ok"});
        assert!(differences("", &found, &same).is_empty());
        for (expected, field) in [
            (json!({"r2": 0.500_001}), ".r2"),
            (json!({"status": "rank_deficient"}), ".status"),
            (json!({"p_values": {"x": 1e-200}}), ".p_values.x"),
            (json!({"p_values": {"y": 0.0}}), ".p_values.y"),
            (json!({"aic": 1.0}), ".aic"),
            (json!({"r2": null}), ".r2"),
        ] {
            let different = differences("", &found, &expected);
            assert!(different.len() == 1 && different[0].starts_with(field), "{field}: {different:?}");
        }
    }

    #[test]
    #[should_panic(expected = "is there twice")]
    fn a_group_that_comes_twice_is_found() {
        by_key(&[json!({"k": null, "v": 1}), json!({"k": null, "v": 2})], &["k"]);
    }
}
