//! Fills in a schema's defaults, as the API server does before it validates.

use serde_json::Value;

/// Fills in the default of each field that is absent, from the outside in: a default object gets its own members'
/// defaults too. A field that may be absent and is written as null counts as absent.
pub(super) fn fill_in(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
                if let Some(default) = schema.get("default")
                    && members.get(name).is_none_or(Value::is_null)
                {
                    members.insert(name.clone(), default.clone());
                }
                if let Some(member) = members.get_mut(name) {
                    fill_in(schema, member);
                }
            }
            members.retain(|name, member| !member.is_null() || !is_optional(schema, name));
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                items.iter_mut().for_each(|item| fill_in(schema, item));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether a field is one that may be absent.
fn is_optional(schema: &Value, name: &str) -> bool {
    let is_required = schema["required"].as_array().into_iter().flatten().any(|required| required == name);
    schema["properties"].get(name).is_some() && !is_required
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_are_filled_in_from_the_outside_in() {
        let schema = json!({"properties": {
            "a": {"default": {"b": 1}, "properties": {"b": {"default": 2}, "c": {"default": 3}}},
            "d": {"items": {"properties": {"e": {"default": true}}}},
            "f": {"type": "string"},
            "g": {"type": "string"},
        }, "required": ["g"]});
        for (mut given, expected) in [
            (json!({}), json!({"a": {"b": 1, "c": 3}})),
            (json!({"a": {}}), json!({"a": {"b": 2, "c": 3}})),
            (json!({"a": null, "f": null, "g": null, "h": null}), json!({"a": {"b": 1, "c": 3}, "g": null, "h": null})),
            (json!({"a": 7, "d": [{}, {"e": false}]}), json!({"a": 7, "d": [{"e": true}, {"e": false}]})),
        ] {
            fill_in(&schema, &mut given);
            assert_eq!(given, expected);
        }
    }
}
