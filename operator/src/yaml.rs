//! Writes resources as YAML that is the same in every build and that `kubectl` and people read alike.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::Value;

/// The resource as a YAML document: keys sorted, whole numbers without a fraction.
pub(crate) fn document(resource: &impl Serialize) -> String {
    serde_saphyr::to_string(&Sorted(&plain(resource))).expect("a JSON value always has a YAML form")
}

/// The resource as a JSON value, in which whole numbers are integers: Kubernetes' types keep bounds as floats.
pub(crate) fn plain(resource: &impl Serialize) -> Value {
    let mut value = serde_json::to_value(resource).expect("a resource has text keys only");
    make_whole(&mut value);
    value
}

fn make_whole(value: &mut Value) {
    match value {
        Value::Number(number) => {
            /// From here on not every whole number is a float.
            const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
            if let Some(float) = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= EXACT_MAX) {
                *number = serde_json::Number::from(float as i64);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(make_whole),
        Value::Object(members) => members.values_mut().for_each(make_whole),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// Writes an object's members in the order of their names: serde_json's own order is a feature that any crate in the
/// build may switch.
struct Sorted<'a>(&'a Value);

impl Serialize for Sorted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(members) => serializer
                .collect_map(members.iter().map(|(name, value)| (name, Self(value))).collect::<BTreeMap<_, _>>()),
            Value::Array(items) => serializer.collect_seq(items.iter().map(Sorted)),
            scalar => scalar.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_sorted_and_whole_numbers_are_whole() {
        assert_eq!(
            document(&json!({"b": [1.0, 0.5], "a": {"d": "x", "c": true}})),
            "a:\n  c: true\n  d: x\nb:\n- 1\n- 0.5\n"
        );
    }
}
