//! Features and their encoders.

use crate::encode::{Encoder, Unknown};
use crate::model::{Feature, FeatureKind, ModelError};

use super::cbor::Value;
use super::fields::{Fields, map, text, texts};

const NUMBER: &str = "number";
const ONE_HOT: &str = "oneHot";
const ORDINAL: &str = "ordinal";
const HASH: &str = "hash";

const IGNORE: &str = "ignore";
const ERROR: &str = "error";

pub(super) fn to_value(feature: &Feature) -> Value {
    let Feature { name, expression, kind } = feature;
    let mut fields = vec![("name", text(name))];
    fields.extend(expression.as_ref().map(|expression| ("expression", text(expression))));
    match kind {
        FeatureKind::Number => fields.push(("encode", text(NUMBER))),
        FeatureKind::Categories(Encoder::OneHot { categories, drop_first, unknown }) => fields.extend([
            ("encode", text(ONE_HOT)),
            ("categories", texts(categories)),
            ("dropFirst", Value::Bool(*drop_first)),
            ("unknown", unknown_to_value(*unknown)),
        ]),
        FeatureKind::Categories(Encoder::Ordinal { categories, unknown }) => fields.extend([
            ("encode", text(ORDINAL)),
            ("categories", texts(categories)),
            ("unknown", unknown_to_value(*unknown)),
        ]),
        FeatureKind::Categories(Encoder::Hash { buckets }) => {
            fields.extend([("encode", text(HASH)), ("buckets", Value::Natural(u64::from(*buckets)))]);
        }
    }
    map(fields)
}

pub(super) fn from_value(value: Value) -> Result<Feature, ModelError> {
    let mut fields = Fields::of(value, "features")?;
    let name = fields.text("name")?;
    let expression = fields.optional_text("expression")?;
    let kind = match fields.text("encode")?.as_str() {
        NUMBER => FeatureKind::Number,
        ONE_HOT => FeatureKind::Categories(Encoder::OneHot {
            categories: fields.texts("categories")?,
            drop_first: fields.flag("dropFirst")?,
            unknown: unknown_from_fields(&mut fields)?,
        }),
        ORDINAL => FeatureKind::Categories(Encoder::Ordinal {
            categories: fields.texts("categories")?,
            unknown: unknown_from_fields(&mut fields)?,
        }),
        HASH => {
            let buckets = u32::try_from(fields.natural("buckets")?);
            let expected = "a natural number of 32 bits";
            let buckets = buckets.map_err(|_| ModelError::Field { field: "buckets", expected })?;
            FeatureKind::Categories(Encoder::Hash { buckets })
        }
        _ => return Err(ModelError::Field { field: "encode", expected: "number, oneHot, ordinal or hash" }),
    };
    Ok(Feature { name, expression, kind })
}

fn unknown_to_value(unknown: Unknown) -> Value {
    text(match unknown {
        Unknown::Ignore => IGNORE,
        Unknown::Error => ERROR,
    })
}

fn unknown_from_fields(fields: &mut Fields) -> Result<Unknown, ModelError> {
    match fields.text("unknown")?.as_str() {
        IGNORE => Ok(Unknown::Ignore),
        ERROR => Ok(Unknown::Error),
        _ => Err(ModelError::Field { field: "unknown", expected: "ignore or error" }),
    }
}
