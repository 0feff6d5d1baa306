#![allow(clippy::unwrap_used)]

use super::*;

/// Calls `check` with the path and the schema of every field, the root first.
fn walk(schema: &Value, path: &str, check: &mut dyn FnMut(&str, &Value)) {
    check(path, schema);
    for (name, child) in schema["properties"].as_object().into_iter().flatten() {
        walk(child, &format!("{path}.{name}"), check);
    }
    if let Some(items) = schema.get("items") {
        walk(items, &format!("{path}[]"), check);
    }
}

/// As [`walk`], over what a user writes and the operator says of every kind of resource.
fn walk_all(check: &mut dyn FnMut(&str, &Value)) {
    for (kind, schema) in
        [("ShoalJob", job_schema()), ("ShoalCluster", cluster_schema()), ("ShoalWorkerGroup", worker_group_schema())]
    {
        // Of the rest, a schema may say only what the API server does not know by itself.
        for part in ["spec", "status"] {
            walk(&schema["properties"][part], &format!("{kind}.{part}"), check);
        }
    }
}

#[test]
fn every_field_has_a_description() {
    let mut fields = 0;
    walk_all(&mut |path, schema| {
        let text = schema["description"].as_str().unwrap_or_default();
        assert!(path.ends_with("[]") || text.len() > 10, "{path} has no description: {schema}");
        assert!(!text.contains("\n"), "{path} has a description of more than one paragraph");
        fields += 1;
    });
    assert!(fields > 20, "the walk saw {fields} fields");
}

#[test]
fn every_text_list_and_number_is_bounded() {
    walk_all(&mut |path, schema| {
        let has = |keyword: &str| schema.get(keyword).is_some();
        match schema["type"].as_str() {
            Some("string") => assert!(has("maxLength") || has("enum"), "{path} has no maxLength: {schema}"),
            Some("array") => {
                assert!(has("maxItems") && has("items"), "{path} has no maxItems: {schema}");
                assert!(has("x-kubernetes-list-type"), "{path} has no list type: {schema}");
            }
            Some("integer" | "number") => assert!(has("minimum") && has("maximum"), "{path} has no bounds: {schema}"),
            Some("object" | "boolean") => {}
            None if schema["x-kubernetes-int-or-string"] == true => {
                assert!(has("maxLength") && has("maximum"), "{path} has no bounds: {schema}");
            }
            other => panic!("{path} has the type {other:?}: {schema}"),
        }
    });
}

#[test]
fn only_keywords_of_a_structural_schema_are_used() {
    const ALLOWED: [&str; 22] = [
        "type",
        "description",
        "default",
        "enum",
        "format",
        "properties",
        "required",
        "items",
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
        "pattern",
        "x-kubernetes-list-type",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-int-or-string",
        "x-kubernetes-validations",
    ];
    walk_all(&mut |path, schema| {
        for keyword in schema.as_object().unwrap().keys() {
            assert!(ALLOWED.contains(&keyword.as_str()), "{path} has {keyword}: {schema}");
        }
        if let Some(format) = schema.get("format") {
            assert!(FORMATS.contains(&format.as_str().unwrap()), "{path} has the format {format}");
        }
        assert!(!schema["default"].is_null() || schema.get("default").is_none(), "{path} has null as its default");
    });
}

#[test]
fn the_resource_says_of_the_api_servers_own_fields_only_what_it_may() {
    let schema = job_schema();
    assert_eq!(schema["required"], json!(["spec"]));
    let metadata = schema["properties"]["metadata"].as_object().unwrap();
    assert_eq!(metadata.keys().collect::<Vec<_>>(), ["properties", "type"]);
    assert_eq!(metadata["properties"].as_object().unwrap().keys().collect::<Vec<_>>(), ["name"]);
    assert!(schema["properties"]["kind"].get("enum").is_none());
    assert_eq!(document()["properties"]["kind"]["enum"], json!(["ShoalJob"]));
}

#[test]
fn defaults_and_enums_are_those_of_the_types() {
    let at = |pointer: &str| document().pointer(pointer).cloned();
    let training = "/properties/spec/properties/groupedTraining/properties";
    assert_eq!(at(&format!("{training}/strategy/default")), Some(json!({"auto": {}})));
    assert_eq!(at(&format!("{training}/onMissing/default")), Some(json!("drop")));
    assert_eq!(
        at(&format!("{training}/input/properties/format/enum")),
        Some(json!(["csv", "ndjson", "parquet", "delta"]))
    );
    assert_eq!(at(&format!("{training}/model/properties/ols/properties/intercept/default")), Some(json!(true)));
    let policy = "/properties/spec/properties/failurePolicy";
    assert_eq!(at(&format!("{policy}/default")), Some(json!({"maxTaskAttempts": 4})));
    assert_eq!(at(&format!("{policy}/properties/maxProcessDeaths/default")), Some(json!(10)));
}

#[test]
fn unions_that_rust_makes_become_one_schema() {
    let mut documented =
        json!({"oneOf": [{"type": "string", "enum": ["a"], "description": "A."}, {"type": "string", "enum": ["b"]}]});
    make_structural(&mut documented);
    assert_eq!(documented, json!({"type": "string", "enum": ["a", "b"]}));

    let mut optional =
        json!({"description": "Mine.", "anyOf": [{"type": "object", "description": "Its."}, {"type": "null"}]});
    make_structural(&mut optional);
    assert_eq!(optional, json!({"type": "object", "description": "Mine."}));

    let mut union = json!({"anyOf": [{"type": "object"}, {"type": "string"}]});
    make_structural(&mut union);
    assert!(union.get("anyOf").is_some(), "what cannot be said stays, so that the test above finds it");
}
