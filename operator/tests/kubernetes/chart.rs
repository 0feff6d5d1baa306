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
    // A pod is taken only where its account is: that of `helm test`.
    namespace.kubectl(&["create", "serviceaccount", "shoal-operator"]);
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
        &["networkPolicies.enabled=true", "podDisruptionBudget.enabled=true", "dashboard.enabled=true"],
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
        "networkPolicies.enabled=perhaps",
        "podDisruptionBudget.maxUnavailable=1",
        "dashboard.enable=true",
        "prometheusRule.labels=a",
        "podMonitor.interval=often",
        "podMonitor.clusters[0].name=a",
        "podMonitor.clusters[0].tls=maybe",
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

#[test]
fn monitors_and_rules_are_what_their_operator_takes() {
    // Its definitions are not here: what can be seen without them is that they are well-formed and lead somewhere.
    let clusters = ["podMonitor.clusters[0].namespace=n", "podMonitor.clusters[0].name=shared"];
    let values = [&["podMonitor.enabled=true", "prometheusRule.enabled=true"][..], &clusters].concat();
    let manifest = template(&values).unwrap();
    let of_kind = |kind: &str| -> Vec<Value> {
        let documents = manifest.split("\n---\n").map(|one| serde_saphyr::from_str::<Value>(one).unwrap());
        documents.filter(|document| document["kind"] == kind).collect()
    };
    let monitors = of_kind("PodMonitor");
    assert_eq!(monitors.len(), 2);
    let endpoint = &monitors[1]["spec"]["podMetricsEndpoints"][0];
    assert_eq!(endpoint["authorization"]["credentials"]["name"], "shared-token");
    assert_eq!(
        (&endpoint["scheme"], &endpoint["tlsConfig"]["serverName"]),
        (&"https".into(), &"shared.n.shoal".into())
    );
    let rules = &of_kind("PrometheusRule")[0]["spec"]["groups"][0]["rules"];
    for rule in rules.as_array().unwrap() {
        let has = |part: &str| rule[part].as_str().is_some_and(|text| !text.is_empty());
        assert!(has("alert") && has("expr") && rule["annotations"]["summary"].is_string(), "{rule}");
    }
    let plain = template(&[&values[..], &["podMonitor.clusters[0].tls=false"]].concat()).unwrap();
    assert!(!plain.contains("serverName"));
}

/// Helm with this test's API server, in that namespace.
fn on_server(namespace: &Namespace, arguments: &[&str]) -> Result<String, String> {
    let mut helm = Command::new(shoal_testkit::program("helm"));
    helm.env("KUBECONFIG", crate::api::server().kubeconfig()).env("NO_PROXY", "*").current_dir(root());
    let watch = format!("--set=watchNamespace={}", namespace.name());
    let of_chart = if arguments[0] == "install" { vec!["charts/shoal", &watch] } else { Vec::new() };
    let done = output(helm.args(arguments).args(of_chart).args(["--namespace", namespace.name()]), "");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if done.status.success() { Ok(text(done.stdout)) } else { Err(text(done.stderr)) }
}

/// Most that Helm's record of a release may have: a Secret holds 1 MiB.
const RELEASE_BYTES_MAX: usize = 512 * 1024;

/// One test, because there is one set of definitions.
#[test]
fn a_release_under_another_name_takes_the_definitions_over_or_leaves_them_out() {
    let namespace = Namespace::new();
    let owner = || {
        let definition = namespace.get("customresourcedefinition/shoaljobs.shoal.dev");
        definition["metadata"]["annotations"]["meta.helm.sh/release-name"].clone()
    };
    on_server(&namespace, &["install", "first", "--take-ownership"]).unwrap();
    namespace.apply(&crate::clusters::cluster(&serde_json::json!({})));
    on_server(&namespace, &["uninstall", "first"]).unwrap();
    // The definitions stay, and with them what users made.
    assert_eq!(owner(), "first");
    assert!(namespace.find("shoalcluster/a").is_some());

    let refused = on_server(&namespace, &["install", "second"]).unwrap_err();
    assert!(refused.contains("invalid ownership metadata"), "{refused}");
    on_server(&namespace, &["install", "second", "--set=crds.enabled=false"]).unwrap();
    assert_eq!(owner(), "first", "they stay as they are");
    on_server(&namespace, &["uninstall", "second"]).unwrap();
    let all = ["podDisruptionBudget", "networkPolicies", "dashboard"].map(|name| format!("--set={name}.enabled=true"));
    let third = ["install", "third", "--take-ownership"];
    on_server(&namespace, &third.into_iter().chain(all.iter().map(String::as_str)).collect::<Vec<_>>()).unwrap();
    assert_eq!(owner(), "third", "they are the new release's, which upgrades them");
    let template = "--output=go-template={{.data.release | base64decode | len}}";
    let size: usize = namespace.kubectl(&["get", "secret", "sh.helm.release.v1.third.v1", template]).parse().unwrap();
    assert!((10_000..RELEASE_BYTES_MAX).contains(&size), "{size} bytes");
    on_server(&namespace, &["uninstall", "third"]).unwrap();
    assert!(namespace.find("shoalcluster/a").is_some());
}
