//! One verdict: what `shoal run` says of a job file, the API server says of it too.

use std::process::Command;

use serde_json::{Value, json};
use shoal_core::spec::parse_job;
use shoal_core::spec::v1alpha1::JobSpec;
use shoal_core::{Failure, Reason};

use crate::api::{Namespace, output, root, server};

/// What the API server says of a manifest: nothing, or its message.
fn verdict(namespace: &Namespace, manifest: &str) -> Option<String> {
    create(namespace, manifest, &["--dry-run=server", "--validate=strict"]).err()
}

fn create(namespace: &Namespace, manifest: &str, options: &[&str]) -> Result<String, String> {
    let mut kubectl = Command::new(shoal_testkit::program("kubectl"));
    kubectl.env("KUBECONFIG", server().kubeconfig()).env("NO_PROXY", "*").args(["--namespace", namespace.name()]);
    kubectl.args(["create", "--filename", "-"]).args(options);
    let done = output(&mut kubectl, manifest);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if done.status.success() { Ok(text(&done.stdout)) } else { Err(text(&done.stderr)) }
}

/// Whether what kubectl makes of a manifest, and sends, has no fault any more: `shoal run` would take it.
fn is_lost_in_kubectl(namespace: &Namespace, manifest: &str) -> bool {
    let sent = create(namespace, manifest, &["--dry-run=client", "--validate=false", "--output=json"]).unwrap();
    parse_job(&sent, "sent.json").is_ok()
}

fn corpus(folder: &str) -> Vec<(String, String)> {
    let mut files: Vec<_> =
        std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.is_file());
    files.sort();
    files.into_iter().map(|file| (file.display().to_string(), std::fs::read_to_string(file).unwrap())).collect()
}

#[test]
fn every_good_job_is_taken() {
    let namespace = Namespace::new();
    let mut seen = 0;
    for (file, text) in corpus("core/tests/specs/good") {
        // A resource that names another namespace is not for this one.
        let text = text.replace("  namespace: research\n", "");
        assert_eq!(verdict(&namespace, &text), None, "{file}");
        seen += 1;
    }
    assert!(seen >= 10, "{seen}");
}

#[test]
fn every_example_is_taken() {
    let namespace = Namespace::new();
    let mut jobs = 0;
    for (file, text) in corpus("examples").into_iter().chain(corpus("examples/kubernetes")) {
        if !text.contains("apiVersion: shoal.dev") {
            continue;
        }
        assert_eq!(verdict(&namespace, &text), None, "{file}");
        if text.contains("kind: ShoalJob") {
            parse_job(&text, &file).unwrap();
            jobs += 1;
        }
    }
    assert!(jobs >= 2, "{jobs}");
}

/// Files whose fault is gone before the API server sees them: kubectl's reader of YAML takes the last of two members of one
/// name, follows merge keys, and reads `yes` as true.
const LOST_IN_KUBECTL: [&str; 4] =
    ["duplicate-field-in-flow.yaml", "duplicate-field.yaml", "merge-key.yaml", "yes-is-no-boolean.yaml"];

#[test]
fn every_bad_job_is_refused_at_the_same_field() {
    let namespace = Namespace::new();
    let (mut seen, mut wrong, mut lost) = (0, Vec::new(), Vec::new());
    for (file, text) in corpus("core/tests/specs/bad") {
        let failure = parse_job(&text, &file).unwrap_err();
        let has_no_field = failure.location.field_path.is_none();
        if has_no_field || failure.reason == Reason::MalformedDocument {
            continue;
        }
        seen += 1;
        let paths = paths(&failure);
        match verdict(&namespace, &text) {
            None if is_lost_in_kubectl(&namespace, &text) => lost.push(file.rsplit('/').next().unwrap().to_owned()),
            None => wrong.push(format!("{file}: taken, where {paths:?} is to be refused")),
            Some(said) if !paths.iter().any(|path| names(&said, path)) => {
                wrong.push(format!("{file}: {paths:?} is not named: {said}"));
            }
            Some(_) => {}
        }
    }
    assert!(seen >= 60, "{seen}");
    assert_eq!(lost, LOST_IN_KUBECTL);
    assert!(wrong.is_empty(), "{} of {seen}:\n{}", wrong.len(), wrong.join("\n"));
}

/// The fields that are wrong: the API server tells unknown ones alone, and the others only when there are none.
fn paths(failure: &Failure) -> Vec<String> {
    let others = failure.causes.iter().filter_map(|cause| Some(cause.split(": ").nth(1)?.to_owned()));
    failure.location.field_path.iter().cloned().chain(others).collect()
}

/// Whether a refusal names the field, in one of the ways in which kubectl and the API server do.
fn names(said: &str, path: &str) -> bool {
    let forms = [format!("{path}:"), format!("\"{path}\""), format!("{path} in body")];
    let is_named = forms.iter().any(|form| said.contains(form));
    // What kubectl has to know itself it tells in words of its own.
    match path {
        "kind" | "apiVersion" => is_named || said.contains(path) || said.contains("no matches for kind"),
        "metadata" => is_named || said.contains("metadata") || said.contains("resource name may not be empty"),
        path if path.starts_with("metadata.labels") => said.contains("metadata.labels"),
        path if path.starts_with("metadata.") => is_named || said.contains("name"),
        _ => is_named,
    }
}

#[test]
fn defaults_are_filled_in_by_both() {
    let namespace = Namespace::new();
    let text = std::fs::read_to_string(root().join("core/tests/specs/good/own-cluster.yaml")).unwrap();
    namespace.apply(&text);
    let stored = namespace.get("shoaljob/grunfeld");
    let job = parse_job(&text, "job.yaml").unwrap();
    // Written again, a job leaves out what it would mean without; the API server has it all.
    assert_eq!(serde_json::from_value::<JobSpec>(stored["spec"].clone()).unwrap(), job.spec);
    assert_eq!(stored["spec"]["groupedTraining"]["statistics"], "full");
    assert_eq!(stored["spec"]["cluster"]["workerGroups"][1]["resources"], json!({"cpu": "1", "memory": "2Gi"}));
}

#[test]
fn every_field_is_explained() {
    for (field, text) in [
        ("shoaljob.spec.groupedTraining.groupBy", "Columns whose values make a group"),
        ("shoalcluster.spec.workerGroups.replicas", "Workers that the group begins with"),
        ("shoalworkergroup.status.selector", "Labels of its pods"),
    ] {
        let said = server().kubectl(&["explain", field]).unwrap();
        assert!(said.replace("\n    ", " ").contains(text), "{said}");
    }
}

#[test]
fn a_submitted_job_stays_what_it_is() {
    let namespace = Namespace::new();
    let text = std::fs::read_to_string(root().join("core/tests/specs/good/cluster-ref.yaml")).unwrap();
    namespace.apply(&text);
    let patch = |spec: Value| {
        let patch = format!("--patch={}", json!({"spec": spec}));
        namespace.try_kubectl(&["patch", "shoaljob", "grunfeld", "--type=merge", &patch])
    };
    patch(json!({"groupedTraining": {"groupBy": ["year"]}})).unwrap();
    let status = r#"--patch={"status": {"submissionId": "a/b/c/1"}}"#;
    namespace.kubectl(&["patch", "shoaljob", "grunfeld", "--type=merge", "--subresource=status", status]);
    patch(json!({"suspend": true, "priority": 7, "activeDeadlineSeconds": 60, "ttlSecondsAfterFinished": 5})).unwrap();
    for (spec, path) in [
        (json!({"groupedTraining": {"groupBy": ["firm"]}}), "spec.groupedTraining"),
        (json!({"failurePolicy": {"maxFailed": 3}}), "spec.failurePolicy"),
        (json!({"clusterRef": {"name": "other"}}), "spec.clusterRef"),
        (json!({"clusterRef": null}), "spec.clusterRef"),
        (json!({"managedBy": "somebody.else/x"}), "spec.managedBy"),
    ] {
        let refused = patch(spec).unwrap_err();
        assert!(
            refused.contains(&format!("{path}: Invalid value")) && refused.contains("stays what it is"),
            "{refused}"
        );
    }
}

#[test]
fn bad_clusters_are_refused_with_the_fields_path() {
    let namespace = Namespace::new();
    for (spec, path) in [
        (json!({"workerGroups": [{"name": "head"}]}), "spec.workerGroups[0].name"),
        (json!({"workerGroups": [{"name": "gpu-head"}]}), "spec.workerGroups[0].name"),
        (json!({"workerGroups": [{"name": "CPU"}]}), "spec.workerGroups[0].name"),
        (json!({"workerGroups": [{"name": "a"}, {"name": "a"}]}), "spec.workerGroups[1]"),
        (json!({"workerGroups": [{"name": "a", "replicas": -1}]}), "spec.workerGroups[0].replicas"),
        (json!({"workerGroups": [{"name": "a", "replicas": "two"}]}), "spec.workerGroups[0].replicas"),
        (
            json!({"workerGroups": [{"name": "a", "resources": {"cpu": "1", "memory": "1GiB"}}]}),
            "spec.workerGroups[0].resources.memory",
        ),
        (json!({"workerGroups": [{"replicas": 1}]}), "spec.workerGroups[0].name"),
        (json!({"workerGroup": []}), "spec.workerGroup"),
        (json!({"head": {"state": {"volume": {}, "ephemeral": {}}}}), "spec.head.state"),
        (json!({"head": {"state": {"volume": {"size": "much"}}}}), "spec.head.state.volume.size"),
        (
            json!({"storage": {"sharedVolumes": [{"claimName": "a", "mountPath": "data"}]}}),
            "spec.storage.sharedVolumes[0].mountPath",
        ),
        (json!({"image": ""}), "spec.image"),
        (json!({"suspend": "yes"}), "spec.suspend"),
    ] {
        let resource = json!({"apiVersion": "shoal.dev/v1alpha1", "kind": "ShoalCluster", "metadata": {"name": "a"}, "spec": spec});
        let said = verdict(&namespace, &resource.to_string()).unwrap_or_else(|| panic!("{resource} is taken"));
        assert!(names(&said, path), "{path}: {said}");
    }
    let long = json!({"apiVersion": "shoal.dev/v1alpha1", "kind": "ShoalCluster", "metadata": {"name": "a".repeat(31)}, "spec": {}});
    let said = verdict(&namespace, &long.to_string()).unwrap();
    assert!(said.contains("metadata.name"), "{said}");
}
