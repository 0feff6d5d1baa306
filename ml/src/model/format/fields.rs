//! The fields of a map, by name.

use crate::model::ModelError;

use super::cbor::Value;

/// The fields of a map. Those that nobody asks for are ignored, so that a later version may add some that an earlier one can
/// do without.
#[derive(Debug)]
pub(super) struct Fields(Vec<(String, Value)>);

type Result<T> = std::result::Result<T, ModelError>;

impl Fields {
    pub(super) fn of(value: Value, field: &'static str) -> Result<Self> {
        match value {
            Value::Map(fields) => Ok(Self(fields)),
            _ => Err(ModelError::Field { field, expected: "a map" }),
        }
    }

    pub(super) fn text(&mut self, field: &'static str) -> Result<String> {
        self.optional_text(field)?.ok_or(ModelError::Field { field, expected: "a text" })
    }

    /// A text that may be null or not there.
    pub(super) fn optional_text(&mut self, field: &'static str) -> Result<Option<String>> {
        match self.take(field) {
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(Value::Null) | None => Ok(None),
            _ => Err(ModelError::Field { field, expected: "a text" }),
        }
    }

    pub(super) fn texts(&mut self, field: &'static str) -> Result<Vec<String>> {
        let expected = "a list of texts";
        let texts = self.list(field)?.into_iter().map(|value| match value {
            Value::Text(text) => Ok(text),
            _ => Err(ModelError::Field { field, expected }),
        });
        texts.collect()
    }

    pub(super) fn list(&mut self, field: &'static str) -> Result<Vec<Value>> {
        match self.take(field) {
            Some(Value::List(values)) => Ok(values),
            _ => Err(ModelError::Field { field, expected: "a list" }),
        }
    }

    pub(super) fn flag(&mut self, field: &'static str) -> Result<bool> {
        match self.take(field) {
            Some(Value::Bool(value)) => Ok(value),
            _ => Err(ModelError::Field { field, expected: "true or false" }),
        }
    }

    pub(super) fn natural(&mut self, field: &'static str) -> Result<u64> {
        match self.take(field) {
            Some(Value::Natural(value)) => Ok(value),
            _ => Err(ModelError::Field { field, expected: "a natural number" }),
        }
    }

    pub(super) fn number(&mut self, field: &'static str) -> Result<f64> {
        self.optional_number(field)?.ok_or(ModelError::Field { field, expected: "a number" })
    }

    /// A number that may be null or not there.
    pub(super) fn optional_number(&mut self, field: &'static str) -> Result<Option<f64>> {
        match self.take(field) {
            Some(Value::Number(value)) => Ok(Some(value)),
            Some(Value::Null) | None => Ok(None),
            _ => Err(ModelError::Field { field, expected: "a number" }),
        }
    }

    pub(super) fn numbers(&mut self, field: &'static str) -> Result<Vec<f64>> {
        match self.take(field) {
            Some(Value::Numbers(values)) => Ok(values),
            _ => Err(ModelError::Field { field, expected: "an array of 64-bit floats (tag 86)" }),
        }
    }

    pub(super) fn naturals(&mut self, field: &'static str) -> Result<Vec<u32>> {
        match self.take(field) {
            Some(Value::Naturals(values)) => Ok(values),
            _ => Err(ModelError::Field { field, expected: "an array of 32-bit naturals (tag 70)" }),
        }
    }

    pub(super) fn bytes(&mut self, field: &'static str) -> Result<Vec<u8>> {
        match self.take(field) {
            Some(Value::Bytes(values)) => Ok(values),
            _ => Err(ModelError::Field { field, expected: "an array of bytes (tag 64)" }),
        }
    }

    /// The fields of a map within this one.
    pub(super) fn map(&mut self, field: &'static str) -> Result<Self> {
        Self::of(self.take(field).unwrap_or(Value::Null), field)
    }

    /// A map that may be null or not there.
    pub(super) fn optional_map(&mut self, field: &'static str) -> Result<Option<Self>> {
        match self.take(field) {
            Some(Value::Null) | None => Ok(None),
            Some(value) => Self::of(value, field).map(Some),
        }
    }

    fn take(&mut self, field: &str) -> Option<Value> {
        let place = self.0.iter().position(|(name, _)| name == field)?;
        Some(self.0.swap_remove(place).1)
    }
}

/// A map of named values.
pub(super) fn map<'a>(fields: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    Value::Map(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// A text.
pub(super) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// A list of texts.
pub(super) fn texts(texts: &[String]) -> Value {
    Value::List(texts.iter().map(|each| text(each)).collect())
}

/// A number, or null.
pub(super) fn optional(number: Option<f64>) -> Value {
    number.map_or(Value::Null, Value::Number)
}
