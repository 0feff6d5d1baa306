//! The CustomResourceDefinitions, and the files that they are committed as.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, CustomResourceDefinitionNames,
    CustomResourceDefinitionSpec, CustomResourceDefinitionVersion, CustomResourceSubresourceScale,
    CustomResourceSubresourceStatus, CustomResourceSubresources, CustomResourceValidation, JSONSchemaProps,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};
use shoal_core::spec::v1alpha1::{CLUSTER_KIND, JOB_KIND, WORKER_GROUP_KIND};
use shoal_core::spec::{cluster_schema, job_schema, worker_group_schema};

use crate::resources::{GROUP, VERSION};
use crate::yaml;

/// What a definition says of a kind beside its schema.
struct Definition {
    kind: &'static str,
    singular: &'static str,
    plural: &'static str,
    short: &'static str,
    schema: Value,
    /// Whether `kubectl scale` and autoscalers may change how many there are.
    scales: bool,
    columns: &'static [Column],
}

/// A column of `kubectl get`: name, type, where it is in the resource.
type Column = (&'static str, &'static str, &'static str);

const JOB_COLUMNS: &[Column] = &[
    ("Phase", "string", ".status.phase"),
    ("Done", "integer", ".status.progress.done"),
    ("Total", "integer", ".status.progress.total"),
    ("Failed", "integer", ".status.progress.failed"),
    ("ETA", "string", ".status.progress.eta"),
    ("Age", "date", ".metadata.creationTimestamp"),
];

const CLUSTER_COLUMNS: &[Column] = &[
    ("Phase", "string", ".status.phase"),
    ("Ready", "integer", ".status.readyWorkers"),
    ("Workers", "integer", ".status.workers"),
    ("Reason", "string", ".status.conditions[?(@.type==\"Ready\")].reason"),
    ("Age", "date", ".metadata.creationTimestamp"),
];

const GROUP_COLUMNS: &[Column] = &[
    ("Cluster", "string", ".spec.clusterName"),
    ("Replicas", "integer", ".spec.replicas"),
    ("Ready", "integer", ".status.readyReplicas"),
    ("Reason", "string", ".status.conditions[?(@.type==\"Ready\")].reason"),
    ("Age", "date", ".metadata.creationTimestamp"),
];

fn definitions() -> [Definition; 3] {
    [
        Definition {
            kind: CLUSTER_KIND,
            singular: "shoalcluster",
            plural: "shoalclusters",
            short: "sc",
            schema: cluster_schema(),
            scales: false,
            columns: CLUSTER_COLUMNS,
        },
        Definition {
            kind: JOB_KIND,
            singular: "shoaljob",
            plural: "shoaljobs",
            short: "sj",
            schema: job_schema(),
            scales: false,
            columns: JOB_COLUMNS,
        },
        Definition {
            kind: WORKER_GROUP_KIND,
            singular: "shoalworkergroup",
            plural: "shoalworkergroups",
            short: "swg",
            schema: worker_group_schema(),
            scales: true,
            columns: GROUP_COLUMNS,
        },
    ]
}

impl Definition {
    /// The definition as an API server takes it.
    fn resource(&self) -> CustomResourceDefinition {
        let schema: JSONSchemaProps = serde_json::from_value(self.schema.clone())
            .expect("a test makes the definition: the schema holds only what Kubernetes' own type has");
        let scale = self.scales.then(|| CustomResourceSubresourceScale {
            spec_replicas_path: ".spec.replicas".to_owned(),
            status_replicas_path: ".status.replicas".to_owned(),
            label_selector_path: Some(".status.selector".to_owned()),
        });
        let columns = self.columns.iter().map(|(name, type_, path)| CustomResourceColumnDefinition {
            name: (*name).to_owned(),
            type_: (*type_).to_owned(),
            json_path: (*path).to_owned(),
            ..CustomResourceColumnDefinition::default()
        });
        CustomResourceDefinition {
            metadata: ObjectMeta { name: Some(format!("{}.{GROUP}", self.plural)), ..ObjectMeta::default() },
            spec: CustomResourceDefinitionSpec {
                group: GROUP.to_owned(),
                names: CustomResourceDefinitionNames {
                    categories: Some(vec!["shoal".to_owned()]),
                    kind: self.kind.to_owned(),
                    list_kind: Some(format!("{}List", self.kind)),
                    plural: self.plural.to_owned(),
                    short_names: Some(vec![self.short.to_owned()]),
                    singular: Some(self.singular.to_owned()),
                },
                scope: "Namespaced".to_owned(),
                versions: vec![CustomResourceDefinitionVersion {
                    name: VERSION.to_owned(),
                    schema: Some(CustomResourceValidation { open_api_v3_schema: Some(schema) }),
                    served: true,
                    storage: true,
                    subresources: Some(CustomResourceSubresources {
                        status: Some(CustomResourceSubresourceStatus(json!({}))),
                        scale,
                    }),
                    additional_printer_columns: Some(columns.collect()),
                    ..CustomResourceDefinitionVersion::default()
                }],
                ..CustomResourceDefinitionSpec::default()
            },
            status: None,
        }
    }
}

/// All definitions as one YAML text, for `kubectl apply -f -`.
pub fn crds_yaml() -> String {
    definitions().map(|definition| yaml::document(&definition.resource())).join("---\n")
}

/// The files that are made from the types and committed: path from the root of the repository, and content.
pub fn generated_files() -> Vec<(String, String)> {
    let header = "# generated by `make generate`; do not edit\n";
    let mut files = Vec::new();
    for definition in definitions() {
        let mut resource = definition.resource();
        files.push((
            format!("crds/{}.{GROUP}.yaml", definition.plural),
            format!("{header}{}", yaml::document(&resource)),
        ));
        // Helm deletes what a release no longer has, and with a definition all resources of its kind.
        resource.metadata.annotations = Some([("helm.sh/resource-policy".to_owned(), "keep".to_owned())].into());
        files.push((
            format!("charts/shoal/templates/crds/{}.yaml", definition.plural),
            format!("{header}{{{{- if .Values.crds.enabled }}}}\n{}{{{{- end }}}}\n", yaml::document(&resource)),
        ));
    }
    files
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::PathBuf;

    use shoal_core::spec::v1alpha1::API_VERSION;

    use super::*;

    #[test]
    fn committed_files_are_the_generated_ones() {
        let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("..");
        for (path, generated) in generated_files() {
            let committed = std::fs::read_to_string(root.join(&path)).unwrap_or_default();
            assert!(committed == generated, "{path} is not what the types say: run `make generate`");
        }
    }

    #[test]
    fn definitions_have_every_word_of_their_schema() {
        for definition in definitions() {
            let resource = yaml::plain(&definition.resource());
            let schema = &resource["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
            assert_eq!(*schema, yaml::plain(&definition.schema), "{}", definition.kind);
            assert_eq!(resource["kind"], "CustomResourceDefinition");
            assert_eq!(
                resource["spec"].as_object().unwrap().keys().collect::<Vec<_>>(),
                ["group", "names", "scope", "versions"]
            );
        }
    }

    #[test]
    fn the_group_and_version_are_those_of_the_job_file() {
        assert_eq!(format!("{GROUP}/{VERSION}"), API_VERSION);
    }

    #[test]
    fn the_yaml_reads_back_as_the_definitions() {
        for (definition, document) in definitions().iter().zip(crds_yaml().split("---\n")) {
            let read: Value = serde_saphyr::from_str(document).unwrap();
            assert_eq!(read, yaml::plain(&definition.resource()));
        }
    }
}
