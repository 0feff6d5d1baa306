//! The schema's rules over several fields, in CEL, evaluated as the API server does: `self` is the value with its
//! defaults, and only CEL's core functions are there.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use cel::{Context, Program, Value as Cel};
use serde_json::Value;

use super::path::FieldPath;
use super::problem::Problem;
use super::schema;
use crate::failure::Reason;

const VALIDATIONS: &str = "x-kubernetes-validations";

/// Rules by their text, compiled.
type Programs = BTreeMap<String, Program>;

/// The rules of the schema. One that does not compile is missing here, and broken where it is applied.
static PROGRAMS: LazyLock<Programs> = LazyLock::new(|| {
    let mut programs = BTreeMap::new();
    compile(schema::document(), &mut programs);
    programs
});

fn compile(schema: &Value, programs: &mut Programs) {
    for rule in rules_of(schema).filter_map(|rule| rule["rule"].as_str()) {
        if let Ok(program) = Program::compile(rule) {
            programs.insert(rule.to_owned(), program);
        }
    }
    schema["properties"].as_object().into_iter().flatten().for_each(|(_, child)| compile(child, programs));
    schema.get("items").into_iter().for_each(|child| compile(child, programs));
}

fn rules_of(schema: &Value) -> impl Iterator<Item = &Value> {
    schema[VALIDATIONS].as_array().into_iter().flatten()
}

/// What a document breaks of the rules of its schema.
///
/// The value must have passed the rest of the schema, because a rule may rely on that.
pub(super) fn broken(value: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    collect(schema::document(), value, &FieldPath::default(), &mut problems);
    problems
}

fn collect(schema: &Value, value: &Value, path: &FieldPath, problems: &mut Vec<Problem>) {
    problems.extend(rules_of(schema).filter_map(|rule| check(&PROGRAMS, rule, value, path)));
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                collect(&schema["properties"][name], member, &path.name(name), problems);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(&schema["items"], item, &path.index(index), problems);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn check(programs: &Programs, rule: &Value, value: &Value, path: &FieldPath) -> Option<Problem> {
    let text = rule["rule"].as_str().unwrap_or_default();
    let message = match holds(programs, text, value) {
        Ok(true) => return None,
        Ok(false) => rule["message"].as_str().map_or_else(|| format!("the rule `{text}` is broken"), str::to_owned),
        // The API server refuses a value too for which a rule has no answer.
        Err(error) => format!("the rule `{text}` has no answer: {error}"),
    };
    let Ok(relative) = rule["fieldPath"].as_str().unwrap_or_default().parse::<FieldPath>();
    let reason = match rule["reason"].as_str() {
        Some("FieldValueRequired") => Reason::MissingField,
        Some("FieldValueDuplicate") => Reason::DuplicateName,
        _ => Reason::InvalidValue,
    };
    Some(Problem::new(path.join(relative), reason, message))
}

fn holds(programs: &Programs, rule: &str, value: &Value) -> Result<bool, String> {
    let program = programs.get(rule).ok_or("it does not compile")?;
    let mut context = Context::default();
    context.add_variable_from_value("self", to_cel(value));
    match program.execute(&context).map_err(|error| error.to_string())? {
        Cel::Bool(holds) => Ok(holds),
        other => Err(format!("it is {other:?} and neither true nor false")),
    }
}

/// A value as the API server shows it to a rule: a whole number is an `int`, never a `uint`.
fn to_cel(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(value) => Cel::Bool(*value),
        Value::Number(number) => {
            number.as_i64().map_or_else(|| Cel::Float(number.as_f64().unwrap_or(f64::NAN)), Cel::Int)
        }
        Value::String(text) => Cel::String(Arc::new(text.clone())),
        Value::Array(items) => Cel::List(Arc::new(items.iter().map(to_cel).collect())),
        Value::Object(members) => {
            let members: HashMap<String, Cel> =
                members.iter().map(|(name, member)| (name.clone(), to_cel(member))).collect();
            Cel::Map(members.into())
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules(schema: &Value, found: &mut Vec<Value>) {
        found.extend(rules_of(schema).cloned());
        schema["properties"].as_object().into_iter().flatten().for_each(|(_, child)| rules(child, found));
        schema.get("items").into_iter().for_each(|child| rules(child, found));
    }

    #[test]
    fn every_rule_compiles_and_says_what_it_wants() {
        let mut found = Vec::new();
        rules(schema::document(), &mut found);
        assert!(found.len() >= 4, "{found:?}");
        for rule in found {
            let text = rule["rule"].as_str().unwrap();
            Program::compile(text).unwrap();
            assert!(!rule["message"].as_str().unwrap().is_empty(), "{text}");
            for keyword in rule.as_object().unwrap().keys() {
                assert!(["rule", "message", "fieldPath", "reason"].contains(&keyword.as_str()), "{text}: {keyword}");
            }
        }
    }

    #[test]
    fn a_broken_rule_is_told_at_its_field() {
        let programs = |rule: &str| BTreeMap::from([(rule.to_owned(), Program::compile(rule).unwrap())]);
        let path = FieldPath::default().name("spec");
        let value = json!({"a": [1, 2]});
        for (text, expected) in [
            ("size(self.a) < 2", Some("too many")),
            ("size(self.a) == 2", None),
            ("size(self.b) == 2", Some("the rule `size(self.b) == 2` has no answer: No such key: b")),
        ] {
            let rule = json!({"rule": text, "message": "too many", "fieldPath": ".a", "reason": "FieldValueDuplicate"});
            let problem = check(&programs(text), &rule, &value, &path);
            assert_eq!(problem.as_ref().map(|problem| problem.message.as_str()), expected);
            assert!(problem.is_none_or(|it| it.path.to_string() == "spec.a" && it.reason == Reason::DuplicateName));
        }
    }

    #[test]
    fn whole_numbers_are_ints() {
        assert_eq!(to_cel(&json!(5)), Cel::Int(5));
        assert_eq!(to_cel(&json!(-5)), Cel::Int(-5));
        assert_eq!(to_cel(&json!(0.5)), Cel::Float(0.5));
    }
}
