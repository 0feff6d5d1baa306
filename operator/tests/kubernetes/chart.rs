//! The chart: what helm makes of it is what the API server takes.

use std::process::{Command, Output};

use serde_json::Value;

use crate::api::{Namespace, output, root};

fn helm(arguments: &[&str]) -> Output {
    let mut helm = Command::new(shoal_testkit::program("helm"));
    output(helm.args(arguments).current_dir(root()), "")
}

fn template(values: &[&str]) -> Result<String, String> {
    let mut arguments = vec!["template", "shoal", "charts/shoal"];
    for value in values {
        arguments.extend(["--set", value]);
    }
    let done = helm(&arguments);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if done.status.success() { Ok(text(done.stdout)) } else { Err(text(done.stderr)) }
}

#[test]
fn the_chart_is_well_formed_and_taken_with_every_value() {
    let done = helm(&["lint", "--strict", "charts/shoal"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    let namespace = Namespace::new();
    for values in [
        &[][..],
        &[
            "watchNamespace=research",
            "replicas=2",
            "image.tag=1.2",
            "image.pullPolicy=Always",
            "log=debug",
            "clusterDomain=a.b",
        ],
        &[
            "imagePullSecrets[0].name=a",
            "podAnnotations.a=b",
            "nodeSelector.a=b",
            "tolerations[0].operator=Exists",
            "crds.enabled=false",
        ],
        &["affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution=null", "resources.limits.cpu=1"],
    ] {
        let manifest = template(values).unwrap_or_else(|error| panic!("{values:?}: {error}"));
        assert_eq!(manifest.contains("kind: CustomResourceDefinition"), !values.contains(&"crds.enabled=false"));
        // Definitions are there already, made by others.
        let rest: Vec<&str> =
            manifest.split("\n---\n").filter(|one| !one.contains("kind: CustomResourceDefinition")).collect();
        let rest = rest.join("\n---\n").replace("namespace: research", &format!("namespace: {}", namespace.name()));
        let arguments = ["apply", "--dry-run=server", "--validate=strict", "--filename", "-"];
        let mut kubectl = Command::new(shoal_testkit::program("kubectl"));
        kubectl.env("KUBECONFIG", crate::api::server().kubeconfig()).env("NO_PROXY", "*");
        let done = output(kubectl.args(["--namespace", namespace.name()]).args(arguments), &rest);
        assert!(done.status.success(), "{values:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

#[test]
fn a_value_that_is_unknown_or_wrong_is_refused() {
    for value in [
        "imgae.tag=1",
        "image.tga=1",
        "image.repository=",
        "image.pullPolicy=Sometimes",
        "replicas=0",
        "replicas=many",
        "crds.enabled=perhaps",
        "crds.keep=true",
        "watchNamespace=Not_A_Name",
        "clusterDomain=",
        "resources.limit.memory=1Gi",
        "resources=none",
        "log=",
        "podAnnotations.a=1",
        "nodeSelector=a",
        "tolerations=a",
        "affinity=a",
        "topologySpreadConstraints=a",
        "imagePullSecrets[0].nam=a",
    ] {
        let refused = template(&[value]).err().unwrap_or_else(|| panic!("{value} is taken"));
        assert!(refused.contains("values don't meet the specifications of the schema"), "{value}: {refused}");
    }
}

#[test]
fn every_value_has_a_schema() {
    let schema: Value =
        serde_json::from_str(&std::fs::read_to_string(root().join("charts/shoal/values.schema.json")).unwrap())
            .unwrap();
    let done = helm(&["show", "values", "charts/shoal"]);
    let values: Value = serde_saphyr::from_str(&String::from_utf8(done.stdout).unwrap()).unwrap();
    for (name, value) in values.as_object().unwrap() {
        let property = &schema["properties"][name];
        assert!(property.is_object(), "{name} has no schema");
        for inner in value.as_object().into_iter().flatten().map(|(inner, _)| inner) {
            assert!(
                property["properties"][inner].is_object()
                    || property["additionalProperties"].is_object()
                    || property.get("properties").is_none(),
                "{name}.{inner}"
            );
        }
    }
    assert_eq!(schema["additionalProperties"], false);
}

/// Most that Helm's record of a release, compressed, may have: a Secret holds 1 MiB, and templates are in it twice.
const RELEASE_BYTES_MAX: usize = 512 * 1024;

#[test]
fn a_release_fits_into_its_secret() {
    let mut size = template(&[]).unwrap().len();
    let mut folders = vec![root().join("charts/shoal")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                size += entry.metadata().unwrap().len() as usize;
            }
        }
    }
    // Uncompressed, and so more than there will be.
    assert!(size < RELEASE_BYTES_MAX, "{size} bytes");
}
