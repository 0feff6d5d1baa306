//! Applies the schema to a document: all that is wrong with it, as the API server would find it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::paths::LocationSegment;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

use super::path::{FieldPath, Segment};
use super::problem::{Problem, listed, nearest, quoted};
use super::{defaults, explain, lists, rules, schema};
use crate::failure::Reason;

static STRICT: LazyLock<Value> = LazyLock::new(schema::strict);

static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
    jsonschema::options()
        // The engine without backtracking: the same patterns as Kubernetes, in linear time.
        .with_pattern_options(PatternOptions::regex())
        .build(&STRICT)
        .expect("a test builds the validator of this very schema")
});

/// Fills in the defaults and finds what is wrong. Without a problem, the value is one that the types can hold.
pub(super) fn check(value: &mut Value) -> Vec<Problem> {
    // What is wrong with a resource of another kind is not to be told by this kind's schema.
    let foreign = foreign_kind(value);
    if !foreign.is_empty() {
        return foreign;
    }
    defaults::fill_in(schema::document(), value);
    let mut problems = against_schema(value);
    if problems.is_empty() {
        problems = lists::repeated(schema::document(), value);
    }
    // As in the API server, rules are asked only about values that have the right form.
    if problems.is_empty() { rules::broken(value) } else { problems }
}

fn foreign_kind(value: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    for field in ["apiVersion", "kind"] {
        let Some(found) = value.get(field).and_then(Value::as_str) else { continue };
        let known: Vec<&str> = explain::enum_of(&schema::document()["properties"][field]).collect();
        if !known.contains(&found) {
            let message = match nearest(found, known.iter().copied()) {
                Some(near) => format!("unknown `{field}` {}; did you mean {}?", quoted(found), quoted(near)),
                None => format!("unknown `{field}` {}", quoted(found)),
            };
            let problem = Problem::new(FieldPath::default().name(field), Reason::UnknownKind, message)
                .next(format!("this build knows {}", listed(known)));
            problems.push(problem);
        }
    }
    problems
}

fn against_schema(value: &Value) -> Vec<Problem> {
    let errors: Vec<ValidationError<'_>> = VALIDATOR.iter_errors(value).collect();
    let mistyped: BTreeSet<FieldPath> =
        errors.iter().filter(|error| matches!(error.kind(), Kind::Type { .. })).map(path_of).collect();
    let mut problems: Vec<Problem> = Vec::new();
    for error in &errors {
        let path = path_of(error);
        let schema = schema_at(&path);
        match error.kind() {
            Kind::AdditionalProperties { unexpected } => {
                problems
                    .extend(unexpected.iter().map(|name| explain::unknown_field(&STRICT, schema, value, &path, name)));
            }
            Kind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                problems.push(explain::missing_field(schema, &path, name));
            }
            Kind::Type { .. } => problems.push(explain::wrong_type(schema, &path, error.instance())),
            // A value of the wrong type is in no list of values either: once is enough.
            _ if mistyped.contains(&path) => {}
            kind => problems.push(explain::wrong_value(schema, &path, error.instance(), kind)),
        }
    }
    // A field whose name was mistyped, or that stands at another place, is not missing.
    let meant: BTreeSet<FieldPath> = problems.iter().filter_map(|problem| problem.meant.clone()).collect();
    problems.retain(|problem| problem.reason != Reason::MissingField || !meant.contains(&problem.path));
    problems
}

fn path_of(error: &ValidationError<'_>) -> FieldPath {
    error
        .instance_path()
        .iter()
        .map(|segment| match segment {
            LocationSegment::Property(name) => Segment::Name(name.into_owned()),
            LocationSegment::Index(index) => Segment::Index(index),
        })
        .collect()
}

fn schema_at(path: &FieldPath) -> &'static Value {
    path.segments().iter().fold(&*STRICT, |schema, segment| match segment {
        Segment::Name(name) => schema["properties"].get(name).unwrap_or(&schema["additionalProperties"]),
        Segment::Index(_) => &schema["items"],
    })
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
