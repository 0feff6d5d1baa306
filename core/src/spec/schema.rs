//! The schema of the resources, in the form that Kubernetes asks for, made from the types.
//!
//! One schema gives one verdict: `shoal run`, REST and the API server all apply it. A *structural* schema states one
//! type for each field and has no `$ref`, no unions, and no `additionalProperties: false` beside `properties` (the API
//! server knows unknown fields by itself); what schemars makes of Rust's types is rewritten to that here.

use std::sync::LazyLock;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::v1alpha1::{ClusterSpec, ShoalJob, WorkerGroupSpec, status};

/// Formats that Kubernetes knows and that schemars uses; with any other the API server warns.
const FORMATS: [&str; 5] = ["int32", "int64", "float", "double", "date-time"];

/// What a user may have in `metadata` beside the name, because `kubectl` puts it there or takes it. It belongs to the
/// API server: here it is accepted and left alone.
const OBJECT_META: [(&str, Shape); 14] = [
    ("annotations", Shape::Texts),
    ("creationTimestamp", Shape::Any),
    ("deletionGracePeriodSeconds", Shape::Any),
    ("deletionTimestamp", Shape::Any),
    ("finalizers", Shape::Any),
    ("generateName", Shape::Text),
    ("generation", Shape::Any),
    ("labels", Shape::Texts),
    ("managedFields", Shape::Any),
    ("namespace", Shape::Text),
    ("ownerReferences", Shape::Any),
    ("resourceVersion", Shape::Any),
    ("selfLink", Shape::Any),
    ("uid", Shape::Any),
];

#[derive(Clone, Copy)]
enum Shape {
    Any,
    Text,
    Texts,
}

impl Shape {
    fn schema(self) -> Value {
        match self {
            Self::Any => json!({}),
            Self::Text => json!({"type": "string"}),
            Self::Texts => json!({"type": "object", "additionalProperties": {"type": "string"}}),
        }
    }
}

/// The structural schema of a ShoalJob, as its CustomResourceDefinition has it.
///
/// Of `apiVersion`, `kind` and `metadata` it says only what Kubernetes lets a resource say: the rest of them is the API
/// server's own.
pub fn job_schema() -> Value {
    let mut schema = DOCUMENT.clone();
    schema["properties"]["status"] = of_status::<status::JobStatus>();
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for field in ["apiVersion", "kind"] {
            keep(properties, field, &["type", "description"]);
        }
        // Not even a description is allowed beside the name.
        keep(properties, "metadata", &["type", "properties"]);
    }
    schema["required"] = json!(["spec"]);
    schema["x-kubernetes-validations"] = unchanging();
    schema
}

/// Longest name of a cluster. Names of groups and pods begin with it, and a worker's has at most 63 characters: 30 of the
/// cluster, 24 of the group, 5 of a number, and what is between them.
const CLUSTER_NAME_MAX: usize = 30;

/// Longest name of a group: its cluster's, and the entry's own.
const GROUP_NAME_MAX: usize = CLUSTER_NAME_MAX + 1 + 24;

/// The structural schema of a ShoalCluster.
pub fn cluster_schema() -> Value {
    let (spec, status) = (structural::<ClusterSpec>(), of_status::<status::ClusterStatus>());
    let mut schema = resource("A head and groups of workers.", CLUSTER_NAME_MAX, spec, status);
    // Old and new processes could not speak to each other while one takes the other's place.
    schema["x-kubernetes-validations"] = json!([{
        "rule": "has(self.spec.tls) == has(oldSelf.spec.tls) && (!has(self.spec.tls) || self.spec.tls == oldSelf.spec.tls)",
        "message": "how a cluster's processes know each other stays as it was made: make another cluster",
        "fieldPath": ".spec.tls",
    }]);
    schema
}

/// The structural schema of a ShoalWorkerGroup.
pub fn worker_group_schema() -> Value {
    let (spec, status) = (structural::<WorkerGroupSpec>(), of_status::<status::WorkerGroupStatus>());
    resource("A group of equal workers.", GROUP_NAME_MAX, spec, status)
}

/// What a job that was submitted may not become: the API server alone knows what it was before.
fn unchanging() -> Value {
    const WORK: [&str; 6] =
        ["groupedTraining", "groupedScoring", "failurePolicy", "cluster", "clusterRef", "managedBy"];
    let same = |field: &str| {
        let (new, old) = (format!("self.spec.{field}"), format!("oldSelf.spec.{field}"));
        format!("has({new}) == has({old}) && (!has({new}) || {new} == {old})")
    };
    let rule = |field: &str| {
        json!({
            "rule": format!("!has(oldSelf.status) || !has(oldSelf.status.submissionId) || ({})", same(field)),
            "message": "a job that was submitted stays what it is: only `suspend`, `priority`, `activeDeadlineSeconds` and \
                        `ttlSecondsAfterFinished` may change",
            "fieldPath": format!(".spec.{field}"),
        })
    };
    WORK.map(rule).to_vec().into()
}

fn resource(description: &str, name_max: usize, spec: Value, status: Value) -> Value {
    json!({
        "type": "object",
        "description": description,
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": "Version of the API: `shoal.dev/v1alpha1`."},
            "kind": {"type": "string", "description": "Kind of the resource."},
            // The names of its pods and services begin with it.
            "metadata": {"type": "object", "properties": {"name": {
                "type": "string", "maxLength": name_max, "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$",
                "description": format!("Name: lower-case letters, digits and `-`, at most {name_max} characters."),
            }}},
            "spec": spec,
            "status": status,
        },
    })
}

fn keep(properties: &mut Map<String, Value>, field: &str, keywords: &[&str]) {
    if let Some(schema) = properties.get_mut(field).and_then(Value::as_object_mut) {
        schema.retain(|keyword, _| keywords.contains(&keyword.as_str()));
    }
}

/// The schema of a job file: that of the resource, with all that the API server would check by itself.
pub(super) fn document() -> &'static Value {
    &DOCUMENT
}

static DOCUMENT: LazyLock<Value> = LazyLock::new(structural::<ShoalJob>);

/// The schema of a status: it says what was written, and fills nothing in.
fn of_status<T: JsonSchema>() -> Value {
    fn without_defaults(schema: &mut Value) {
        let Some(object) = schema.as_object_mut() else { return };
        object.remove("default");
        for_each_child(object, without_defaults);
    }
    let mut schema = structural::<T>();
    without_defaults(&mut schema);
    schema
}

/// What the schema of a type is where Kubernetes reads it.
fn structural<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    make_structural(&mut schema);
    schema
}

/// The schema of a job file for a validator of JSON Schema: what Kubernetes says in words of its own, or does without
/// being told, is said in JSON Schema's.
pub(super) fn strict() -> Value {
    let mut schema = DOCUMENT.clone();
    if let Some(metadata) = schema.pointer_mut("/properties/metadata/properties").and_then(Value::as_object_mut) {
        metadata.extend(OBJECT_META.map(|(name, shape)| (name.to_owned(), shape.schema())));
    }
    // What `kubectl get --output yaml` has of it is the API server's own, too.
    schema["properties"]["status"] = Shape::Any.schema();
    make_strict(&mut schema);
    schema
}

fn make_strict(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    let is_open =
        object.contains_key("additionalProperties") || object.contains_key("x-kubernetes-preserve-unknown-fields");
    if object.get("type").is_some_and(|kind| kind == "object") && !is_open {
        object.insert("additionalProperties".to_owned(), false.into());
        // Without it the validator does not name the fields that it refuses.
        object.entry("properties").or_insert_with(|| json!({}));
    }
    if object.get("x-kubernetes-int-or-string").is_some_and(|it| it == true) {
        object.insert("type".to_owned(), json!(["integer", "string"]));
    }
    for_each_child(object, make_strict);
}

fn make_structural(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    for keyword in ["$schema", "title", "components", "definitions", "$defs"] {
        object.remove(keyword);
    }
    // A field that may be absent is left out, and never written as null: Kubernetes drops a null before it fills in
    // defaults, so that allowing it would only add a second way to say the same.
    object.remove("nullable");
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    if object.get("additionalProperties").is_some_and(|it| it == false) {
        object.remove("additionalProperties");
    }
    if object.get("format").and_then(Value::as_str).is_some_and(|format| !FORMATS.contains(&format)) {
        object.remove("format");
    }
    for union in ["allOf", "anyOf", "oneOf"] {
        flatten_union(object, union);
    }
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(Value::String(description)) = object.get_mut("description") {
        *description = unwrap_lines(description);
    }
    for_each_child(object, make_structural);
}

/// Makes of a union what it stands for: one schema that may be absent, or an enum with documented variants. Any other
/// stays, and the test of the schema's form finds it.
fn flatten_union(object: &mut Map<String, Value>, keyword: &str) {
    let Some(Value::Array(mut alternatives)) = object.remove(keyword) else { return };
    alternatives.retain(|alternative| !is_null_only(alternative));
    if let [Value::Object(only)] = alternatives.as_mut_slice() {
        for (key, value) in std::mem::take(only) {
            // What stands beside the union was written for this very field.
            object.entry(key).or_insert(value);
        }
        return;
    }
    let values: Option<Vec<Value>> = alternatives
        .iter()
        .map(|one| one["enum"].as_array().cloned())
        .collect::<Option<Vec<_>>>()
        .map(|lists| lists.concat());
    match values {
        Some(values) if !values.is_empty() => {
            object.insert("type".to_owned(), "string".into());
            object.insert("enum".to_owned(), values.into());
        }
        _ => {
            object.insert(keyword.to_owned(), alternatives.into());
        }
    }
}

fn is_null_only(schema: &Value) -> bool {
    let only_null = |values: &Value| values.as_array().is_some_and(|values| values.iter().all(Value::is_null));
    schema["type"] == "null" || schema.get("const").is_some_and(Value::is_null) || only_null(&schema["enum"])
}

/// Joins the lines of a paragraph, which are wrapped for the source file only.
fn unwrap_lines(text: &str) -> String {
    text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n")
}

fn for_each_child(object: &mut Map<String, Value>, mut visit: impl FnMut(&mut Value)) {
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        properties.values_mut().for_each(&mut visit);
    }
    for keyword in ["items", "additionalProperties"] {
        if let Some(child) = object.get_mut(keyword) {
            visit(child);
        }
    }
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
