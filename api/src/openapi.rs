//! The description of the interface: paths from the handlers, schemas from core's types.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};
use shoal_core::Failure;
use shoal_core::journal::JobChange;
use shoal_core::report::JobStatus;
use shoal_core::spec::v1alpha1::ShoalJob;
use utoipa::OpenApi;

use crate::routes::Paths;
use crate::{BlobQuery, ClusterStatus, JobAttempts, JobList, JobLog, MissingBlobs, PackedEnvironment};

/// Where schemas lie in the document.
const SCHEMAS: &str = "/components/schemas";

/// The interface as an OpenAPI 3.1 document, its keys in alphabetical order.
pub fn openapi() -> Value {
    let mut document = json!(Paths::openapi());
    document["components"] = json!({
        "schemas": schemas(),
        "securitySchemes": {
            "token": {
                "type": "http",
                "scheme": "bearer",
                "description": "The cluster's token, wherever the head was started with one.",
            },
        },
    });
    // With a token or without: a head on its own machine may have none.
    document["security"] = json!([{"token": []}, {}]);
    tidy(document)
}

/// The files that are made from the code and committed: path from the root of the repository, and content.
pub fn generated_files() -> Vec<(&'static str, String)> {
    vec![("api/openapi.json", format!("{:#}\n", openapi()))]
}

/// Schemas of all that goes in and out, by the name of its type. What goes in is described as it is read, with fields
/// that may be left out; what goes out as it is written.
fn schemas() -> Map<String, Value> {
    let mut incoming = generator(SchemaSettings::draft2020_12().for_deserialize());
    incoming.subschema_for::<ShoalJob>();
    incoming.subschema_for::<JobChange>();
    incoming.subschema_for::<BlobQuery>();
    let mut outgoing = generator(SchemaSettings::draft2020_12().for_serialize());
    add::<JobStatus>(&mut outgoing);
    add::<JobList>(&mut outgoing);
    add::<JobAttempts>(&mut outgoing);
    add::<JobLog>(&mut outgoing);
    add::<MissingBlobs>(&mut outgoing);
    add::<PackedEnvironment>(&mut outgoing);
    add::<ClusterStatus>(&mut outgoing);
    add::<Failure>(&mut outgoing);
    let mut schemas = incoming.take_definitions(true);
    schemas.extend(outgoing.take_definitions(true));
    schemas
}

fn add<T: JsonSchema>(generator: &mut SchemaGenerator) {
    generator.subschema_for::<T>();
}

fn generator(settings: SchemaSettings) -> SchemaGenerator {
    settings.with(|settings| settings.definitions_path = SCHEMAS.into()).into_generator()
}

/// As the text is committed: keys in alphabetical order, whatever map some other crate makes serde_json use, and
/// descriptions without the line breaks of the source file.
fn tidy(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut entries: Vec<(String, Value)> = object.into_iter().collect();
            entries.sort_by(|one, other| one.0.cmp(&other.0));
            entries.into_iter().map(|(key, value)| tidy_entry(key, value)).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.into_iter().map(tidy).collect(),
        other => other,
    }
}

fn tidy_entry(key: String, value: Value) -> (String, Value) {
    let value = match value {
        Value::String(text) if key == "description" => {
            text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n").into()
        }
        value => tidy(value),
    };
    (key, value)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn committed_files_are_the_generated_ones() {
        let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("..");
        for (path, generated) in generated_files() {
            let committed = std::fs::read_to_string(root.join(path)).unwrap_or_default();
            assert!(committed == generated, "{path} is not what the code says: run `make generate`");
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = openapi();
        let mut references = BTreeSet::new();
        collect_references(&document, &mut references);
        assert!(references.contains("#/components/schemas/JobStatus"));
        for reference in references {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    fn collect_references(value: &Value, into: &mut BTreeSet<String>) {
        match value {
            Value::Object(object) => {
                into.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
                object.values().for_each(|value| collect_references(value, into));
            }
            Value::Array(items) => items.iter().for_each(|value| collect_references(value, into)),
            _ => {}
        }
    }

    #[test]
    fn it_is_openapi_3_1_and_every_operation_has_a_name_of_its_own() {
        let document = openapi();
        assert_eq!(document["openapi"], "3.1.0");
        let operations: Vec<&Value> = document["paths"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|path| path.as_object().unwrap().values())
            .collect();
        let names: BTreeSet<&str> =
            operations.iter().map(|operation| operation["operationId"].as_str().unwrap()).collect();
        assert_eq!(names.len(), operations.len());
        assert!(operations.iter().all(|operation| operation["summary"].is_string()));
    }

    #[test]
    fn a_default_makes_a_field_optional_in_what_is_read() {
        let schemas = schemas();
        let required = |schema: &str| schemas[schema]["required"].as_array().cloned().unwrap_or_default();
        assert!(!required("GroupedTraining").contains(&json!("onMissing")));
        assert!(required("GroupedTraining").contains(&json!("groupBy")));
    }
}
