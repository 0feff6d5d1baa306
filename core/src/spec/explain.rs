//! Says what is wrong with a value in words for the person who wrote it.

use jsonschema::error::ValidationErrorKind as Kind;
use serde_json::Value;

use super::path::{FieldPath, Segment};
use super::problem::{Problem, listed, nearest, quoted};
use crate::failure::Reason;

/// The names that an object of this schema may have.
pub(super) fn names_of(schema: &Value) -> impl Iterator<Item = &str> {
    schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.as_str())
}

/// Those of them that are Shoal's own, which have a description; the rest of `metadata` would only fill the screen.
fn told_names_of(schema: &Value) -> impl Iterator<Item = &str> {
    names_of(schema).filter(|name| schema["properties"][*name].get("description").is_some())
}

/// The values that a text of this schema may have.
pub(super) fn enum_of(schema: &Value) -> impl Iterator<Item = &str> {
    schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// A field that `schema`, the one of the object at `path` of the document, does not have.
pub(super) fn unknown_field(root: &Value, schema: &Value, document: &Value, path: &FieldPath, name: &str) -> Problem {
    let problem = |message| Problem::new(path.name(name), Reason::UnknownField, message);
    let unknown = quoted(name);
    if let Some(near) = nearest(name, names_of(schema)) {
        let message = format!("unknown field {unknown}; did you mean {}?", quoted(near));
        return problem(message).next(format!("write {}", quoted(near))).meant(path.name(near));
    }
    let problem = problem(format!("unknown field {unknown}"));
    let mut homes = homes_of(root, name, &FieldPath::default());
    if homes.len() > 1 {
        // Of several kinds of jobs the one is meant that the document has.
        homes.retain(|home| is_there(document, home));
    }
    if let [home] = homes.as_slice() {
        let place =
            if home.segments().is_empty() { "the top of the file".to_owned() } else { quoted(&home.to_string()) };
        return problem.next(format!("move it to {place}")).meant(home.name(name));
    }
    match listed(told_names_of(schema)) {
        known if known.is_empty() => problem.next("remove it: nothing can be set here"),
        known => problem.next(format!("known here: {known}")),
    }
}

/// The objects of the schema that have a field of that name.
fn homes_of(schema: &Value, name: &str, path: &FieldPath) -> Vec<FieldPath> {
    let here = names_of(schema).any(|known| known == name).then(|| path.clone());
    let below = schema["properties"].as_object().into_iter().flatten();
    here.into_iter().chain(below.flat_map(|(inner, schema)| homes_of(schema, name, &path.name(inner)))).collect()
}

fn is_there(document: &Value, path: &FieldPath) -> bool {
    let mut value = Some(document);
    for segment in path.segments() {
        value = value.and_then(|value| match segment {
            Segment::Name(name) => value.get(name),
            Segment::Index(index) => value.get(index),
        });
    }
    value.is_some()
}

/// A field that `schema`, the one of the object at `path`, asks for.
pub(super) fn missing_field(schema: &Value, path: &FieldPath, name: &str) -> Problem {
    let about = schema["properties"][name]["description"].as_str().unwrap_or_default();
    Problem::new(path.name(name), Reason::MissingField, format!("{} is missing", quoted(name))).next(format!(
        "add {}: {}",
        quoted(name),
        first_sentence(about)
    ))
}

/// A value of another type than its schema has.
pub(super) fn wrong_type(schema: &Value, path: &FieldPath, value: &Value) -> Problem {
    let message = format!("{} must be {}, and is {}", path.leaf(), expected(schema), found(value));
    let problem = Problem::new(path.clone(), Reason::InvalidValue, message);
    match (schema["type"].as_str(), value) {
        (Some("string"), Value::Number(number)) => problem.next(format!("quote it: \"{number}\"")),
        (Some("string"), Value::Bool(value)) => problem.next(format!("quote it: \"{value}\"")),
        (Some("boolean"), Value::String(_)) => problem.next("write `true` or `false`, without quotes"),
        (Some("integer" | "number"), Value::String(text)) if text.parse::<f64>().is_ok() => {
            problem.next(format!("write it without quotes: {text}"))
        }
        (Some("array"), Value::String(text)) => problem.next(format!("write a list: [{}]", cut(text))),
        (Some("object"), Value::Null) if names_of(schema).next().is_none() => problem.next("write `{}`"),
        (Some("object"), Value::Null) => problem
            .next(format!("set {} below it, indented further", listed(told_names_of(schema)).replace(", ", " or "))),
        _ => problem,
    }
}

/// A value of the right type that its schema refuses.
pub(super) fn wrong_value(schema: &Value, path: &FieldPath, value: &Value, kind: &Kind) -> Problem {
    let leaf = path.leaf();
    let shown = shown(value);
    let problem = |message| Problem::new(path.clone(), Reason::InvalidValue, message);
    match kind {
        Kind::Enum { .. } => {
            let known = || enum_of(schema);
            let message = match nearest(value.as_str().unwrap_or_default(), known()) {
                Some(near) => format!("{leaf} cannot be {shown}; did you mean {}?", quoted(near)),
                None => format!("{leaf} cannot be {shown}"),
            };
            problem(message).next(format!("write one of {}", listed(known())))
        }
        Kind::Pattern { pattern } => problem(format!("{leaf} cannot be {shown}: it does not match `{pattern}`"))
            .next(schema["description"].as_str().map(trimmed).unwrap_or("correct the text")),
        Kind::MinLength { .. } => problem(format!("{leaf} is empty")),
        Kind::MaxLength { limit } => {
            let length = value.as_str().unwrap_or_default().chars().count();
            problem(format!("{leaf} has {length} characters; at most {limit} are possible"))
        }
        Kind::MinItems { .. } => problem(format!("{leaf} has no entry; at least one is expected")),
        Kind::MaxItems { limit } => {
            let length = value.as_array().map_or(0, Vec::len);
            problem(format!("{leaf} has {length} entries; at most {limit} are possible"))
        }
        Kind::Minimum { limit } => problem(format!("{leaf} is {shown}; at least {limit} is expected")),
        Kind::Maximum { limit } => problem(format!("{leaf} is {shown}; at most {limit} is possible")),
        Kind::MinProperties { .. } | Kind::MaxProperties { .. } => wrong_choice(schema, path, value),
        other => problem(format!("{leaf} cannot be {shown}: it breaks the schema's `{}`", other.keyword())),
    }
}

/// An object of which exactly one member must be there.
fn wrong_choice(schema: &Value, path: &FieldPath, value: &Value) -> Problem {
    let written: Vec<&str> = value.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let message = match written.as_slice() {
        [] => format!("{} names nothing; exactly one is expected", path.leaf()),
        written => format!("{} names {}; exactly one is expected", path.leaf(), listed(written.iter().copied())),
    };
    Problem::new(path.clone(), Reason::InvalidValue, message).next(format!("keep one of {}", listed(names_of(schema))))
}

fn expected(schema: &Value) -> &'static str {
    match schema["type"].as_str() {
        Some("string") => "a text",
        Some("integer") => "a whole number",
        Some("number") => "a number",
        Some("boolean") => "`true` or `false`",
        Some("array") => "a list",
        Some("object") => "an object",
        _ => "a whole number or a text",
    }
}

fn found(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text {}", quoted(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        other => found(other).replace("the number ", ""),
    }
}

fn cut(text: &str) -> String {
    quoted(text).trim_matches('`').to_owned()
}

fn first_sentence(text: &str) -> &str {
    trimmed(text.split_once(". ").map_or(text, |(first, _)| first))
}

fn trimmed(text: &str) -> &str {
    text.trim_end_matches('.')
}
