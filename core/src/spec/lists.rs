//! Lists of which no entry may be there twice: the API server reads that from a list's type, so here it is read from it, too.

use serde_json::Value;

use super::path::FieldPath;
use super::problem::{Problem, quoted};
use crate::failure::Reason;

/// The entries that are there a second time.
///
/// The value must have passed the rest of the schema: an entry of a wrong type is no repetition of anything.
pub(super) fn repeated(schema: &Value, value: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    collect(schema, value, &FieldPath::default(), &mut problems);
    problems
}

fn collect(schema: &Value, value: &Value, path: &FieldPath, problems: &mut Vec<Problem>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                collect(&schema["properties"][name], member, &path.name(name), problems);
            }
        }
        Value::Array(items) => {
            let keys: Vec<Option<Vec<&Value>>> = items.iter().map(|item| key_of(schema, item)).collect();
            for (index, item) in items.iter().enumerate() {
                let path = path.index(index);
                if let Some(key) =
                    keys[index].as_ref().filter(|key| keys[..index].iter().flatten().any(|it| it == *key))
                {
                    let text = key.iter().map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned));
                    let name = quoted(&text.collect::<Vec<_>>().join(", "));
                    let problem = Problem::new(path.clone(), Reason::DuplicateName, format!("{name} is there twice"));
                    problems.push(problem.next("remove one of the two"));
                }
                collect(&schema["items"], item, &path, problems);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What tells an entry from the others; `None` in a list whose entries may be equal.
fn key_of<'a>(list: &Value, item: &'a Value) -> Option<Vec<&'a Value>> {
    match list["x-kubernetes-list-type"].as_str() {
        Some("set") => Some(vec![item]),
        Some("map") => {
            let keys = list["x-kubernetes-list-map-keys"].as_array()?;
            Some(keys.iter().filter_map(Value::as_str).map(|key| &item[key]).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn entries_of_sets_and_maps_are_there_once() {
        let schema = json!({"properties": {
            "any": {"x-kubernetes-list-type": "atomic"},
            "set": {"x-kubernetes-list-type": "set"},
            "map": {
                "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "items": {"properties": {"inner": {"x-kubernetes-list-type": "set"}}},
            },
        }});
        let value = json!({
            "any": ["a", "a"],
            "set": ["a", "b", "a", "a"],
            "map": [{"name": "x", "inner": [1, 1]}, {"name": "y"}, {"name": "x"}],
        });
        let found: Vec<_> = repeated(&schema, &value)
            .into_iter()
            .map(|problem| format!("{}: {}", problem.path, problem.message))
            .collect();
        let mut expected = [
            "set[2]: `a` is there twice",
            "set[3]: `a` is there twice",
            "map[0].inner[1]: `1` is there twice",
            "map[2]: `x` is there twice",
        ];
        expected.sort_unstable();
        let mut found: Vec<_> = found.iter().map(String::as_str).collect();
        found.sort_unstable();
        assert_eq!(found, expected);
    }
}
