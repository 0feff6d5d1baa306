//! What a job kind's planner tells its runners, and they tell it.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::failure::Failure;

/// A value in the kind's own format, which nobody between its planner and its runner looks into.
///
/// It is kept as JSON text: a head holds one for every task that waits, and as a tree of values each would take ten times
/// as much. Copies share the text. It is written as the value that it is, not as a text inside a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload(Arc<str>);

impl Payload {
    /// Writes a value down.
    ///
    /// # Errors
    /// [`crate::Reason::Internal`] where JSON has no form for it, such as a map whose keys are no texts.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, Failure> {
        // By way of a tree: equal values get equal texts, whatever the order of their fields was.
        serde_json::to_value(value)
            .map(Self::from)
            .map_err(|error| Failure::internal("a plan cannot be written as JSON").because(&error))
    }

    /// Reads the value.
    ///
    /// # Errors
    /// [`crate::Reason::Internal`] where it is another kind's, or another version's.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_str(&self.0).map_err(|error| Failure::internal("a plan cannot be read").because(&error))
    }

    fn to_value(&self) -> serde_json::Result<Value> {
        serde_json::from_str(&self.0)
    }
}

/// Nothing: `null`.
impl Default for Payload {
    fn default() -> Self {
        Value::Null.into()
    }
}

impl From<Value> for Payload {
    fn from(value: Value) -> Self {
        Self(value.to_string().into())
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_value().map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_written_as_the_value_that_it_is() {
        for value in [json!(null), json!({"b": [1, -2.5e-300, u64::MAX], "a": "\"\u{1F41F}\n"}), json!("null")] {
            let payload = Payload::from(value.clone());
            let text = serde_json::to_string(&payload).unwrap();
            assert_eq!(text, value.to_string());
            assert_eq!(serde_json::from_str::<Payload>(&text).unwrap(), payload);
            assert_eq!(serde_json::to_value(&payload).unwrap(), value);
            assert_eq!(payload.read::<Value>().unwrap(), value);
        }
        assert_eq!(Payload::default().read::<Option<u8>>().unwrap(), None);
    }

    #[test]
    fn equal_values_are_equal_payloads() {
        let read = |text: &str| serde_json::from_str::<Payload>(text).unwrap();
        assert_eq!(read(r#"{"a": 1, "b": 2}"#), read(r#"{"b":2,"a":1}"#));
        assert_ne!(read(r#"{"a": 1}"#), read(r#"{"a": 1.5}"#));
    }

    #[test]
    fn what_is_no_json_or_somebody_elses_is_told() {
        Payload::of(&BTreeMap::from([((1, 2), 3)])).unwrap_err();
        let failure = Payload::of("text").unwrap().read::<u64>().unwrap_err();
        assert!(failure.causes[0].contains("expected u64"), "{failure:?}");
    }
}
