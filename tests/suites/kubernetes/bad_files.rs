//! Files that users get wrong, applied as users do: the API server refuses them at the field, or a condition says what is
//! wrong and what to do. Nothing ends again and again because of them, and nothing of them stays.

use std::path::PathBuf;

use serde_json::{Value, json};
use shoal_testkit::kubernetes::condition;
use shoal_tests::workspace;

use crate::place::{Place, is_over};
use crate::world::{operator_pods, try_ask, url};

/// Jobs of the corpus that `shoal run` and the API server agree on; each says in its first line where it is wrong.
const REFUSED_JOBS: [&str; 20] = [
    "empty-group-by",
    "etcd-in-the-clear-with-certificates",
    "feature-is-the-target",
    "format-unknown",
    "gibibytes",
    "group-called-head",
    "max-failed-over-100-percent",
    "missing-model",
    "missing-target",
    "mode-typo",
    "no-attempts",
    "several-heads-without-etcd",
    "storage-is-no-bucket",
    "table-empty",
    "text-for-boolean",
    "too-many-replicas",
    "two-clusters",
    "unknown-field-near-miss",
    "unknown-field-nested",
    "version-of-csv",
];

fn of_corpus(name: &str) -> PathBuf {
    workspace::root().join(format!("core/tests/specs/bad/{name}.yaml"))
}

/// What is made in a namespace for clusters and jobs.
fn everything(place: &Place) -> Vec<String> {
    let kinds = "shoaljobs,shoalclusters,shoalworkergroups,statefulsets,services,pods,persistentvolumeclaims,secrets";
    let found = place.kubectl(&["get", kinds, "--output=name"]);
    found.lines().filter(|name| *name != "secret/s3").map(str::to_owned).collect()
}

#[test]
fn bad_files_are_refused_at_the_field_and_nothing_of_them_is_there() {
    let place = Place::new();
    for name in REFUSED_JOBS {
        let file = of_corpus(name);
        let text = workspace::read(&file);
        // # expect: REASON PATH LINE WORDS
        let path = text.lines().next().unwrap().split_whitespace().nth(3).unwrap();
        assert!(path.starts_with("spec."), "{name}: {path}");
        let said = place.try_kubectl(&["apply", "--filename", file.to_str().unwrap()]).unwrap_err();
        assert!(said.contains(path), "{name} is refused without a word of {path}: {said}");
    }
    for (spec, path) in [
        (json!({"workerGroups": [{"name": "CPU"}]}), "spec.workerGroups[0].name"),
        (json!({"workerGroups": [{"name": "a"}, {"name": "a"}]}), "spec.workerGroups[1]"),
        (json!({"workerGroups": [{"name": "a", "replicas": -1}]}), "spec.workerGroups[0].replicas"),
        (json!({"workerGroup": []}), "spec.workerGroup"),
        (json!({"head": {"state": {"volume": {}, "ephemeral": {}}}}), "spec.head.state"),
        (json!({"head": {"state": {"volume": {"size": "much"}}}}), "spec.head.state.volume.size"),
        (json!({"image": ""}), "spec.image"),
    ] {
        let said = place.try_apply(&resource("ShoalCluster", "bad", &spec)).unwrap_err();
        assert!(said.contains(path), "{spec} is refused without a word of {path}: {said}");
    }
    assert_eq!(everything(&place), [""; 0]);
}

fn resource(kind: &str, name: &str, spec: &Value) -> String {
    json!({"apiVersion": "shoal.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}).to_string()
}

/// A small cluster without a volume, with more in its spec.
fn small(more: &Value) -> Value {
    let resources = json!({"cpu": "50m", "memory": "256Mi"});
    let mut spec = json!({
        "storage": {"credentialsSecretRef": {"name": "s3"}},
        "head": {"resources": resources, "state": {"ephemeral": {}}},
        "workerGroups": [{"name": "cpu", "resources": resources}],
    });
    merge(&mut spec, more);
    spec
}

/// The example's job on the cluster `good`, with other values in its spec.
fn job(more: &Value) -> Value {
    let mut spec = json!({"clusterRef": {"name": "good"}, "groupedTraining": {
        "input": {"table": url("data/grunfeld.csv")}, "groupBy": ["firm"],
        "model": {"ols": {"target": "invest", "features": ["value", "capital"]}}, "output": {"table": url("never-written")},
    }});
    merge(&mut spec, more);
    spec
}

/// Objects member by member; a null takes a member away.
fn merge(into: &mut Value, more: &Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (name, value) in more {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
            into.retain(|_, value| !value.is_null());
        }
        (into, more) => *into = more.clone(),
    }
}

/// A resource that is taken and cannot work.
struct Taken {
    kind: &'static str,
    name: &'static str,
    spec: Value,
    /// Type, status and reason of the condition that says so.
    condition: (&'static str, &'static str, &'static str),
    /// What its message has, the next step among it.
    words: &'static [&'static str],
}

fn bad_job(name: &'static str, more: &Value, reason: &'static str, words: &'static [&'static str]) -> Taken {
    Taken { kind: "ShoalJob", name, spec: job(more), condition: ("Failed", "True", reason), words }
}

/// A job that waits for a cluster.
fn waiting(name: &'static str, more: &Value, reason: &'static str, words: &'static [&'static str]) -> Taken {
    Taken { kind: "ShoalJob", name, spec: job(more), condition: ("ClusterReady", "False", reason), words }
}

fn bad_cluster(name: &'static str, more: &Value, reason: &'static str, words: &'static [&'static str]) -> Taken {
    Taken { kind: "ShoalCluster", name, spec: small(more), condition: ("Ready", "False", reason), words }
}

fn taken(models: &str) -> Vec<Taken> {
    let training = |more: Value| json!({"groupedTraining": more});
    let own = |more: &Value| json!({"clusterRef": null, "cluster": small(more)});
    let group = |more: Value| {
        let mut group = json!({"name": "cpu"});
        merge(&mut group, &more);
        json!({"workerGroups": [group]})
    };
    vec![
        bad_job(
            "missing-table",
            &training(json!({"input": {"table": url("nowhere/data.csv")}})),
            "TableNotFound",
            &["spec.groupedTraining.input.table", "nowhere/data.csv"],
        ),
        bad_job(
            "missing-key",
            &training(json!({"groupBy": ["frim"]})),
            "ColumnNotFound",
            &["spec.groupedTraining.groupBy", "frim", "did you mean `firm`?"],
        ),
        bad_job(
            "missing-feature",
            &training(json!({"model": {"ols": {"features": ["value", "kapital"]}}})),
            "ColumnNotFound",
            &["spec.groupedTraining.model.ols.features", "did you mean `capital`?"],
        ),
        bad_job(
            "text-as-target",
            &training(json!({"groupBy": ["year"], "model": {"ols": {"target": "firm"}}})),
            "ColumnNotNumeric",
            &["spec.groupedTraining.model.ols.target", "firm"],
        ),
        bad_job(
            "local-table",
            &training(json!({"input": {"table": "data/grunfeld.csv"}})),
            "LocalPathRefused",
            &["spec.groupedTraining.input.table"],
        ),
        bad_job(
            "output-is-there",
            &training(json!({"output": {"table": models}})),
            "OutputExists",
            &["spec.groupedTraining.output", "mode"],
        ),
        waiting(
            "unknown-cluster",
            &json!({"clusterRef": {"name": "nobody"}}),
            "ClusterNotFound",
            &["`nobody`", "make it"],
        ),
        waiting("no-cluster", &json!({"clusterRef": null}), "ClusterRequired", &["spec.clusterRef", "more than one"]),
        Taken {
            kind: "ShoalWorkerGroup",
            name: "too-large-cpu",
            spec: small(&group(json!({"resources": {"cpu": "1000", "memory": "1Gi"}}))),
            condition: ("Ready", "False", "Unschedulable"),
            words: &["Insufficient cpu"],
        },
        waiting("no-image", &own(&json!({"image": "registry.invalid/x"})), "ImageNotPulled", &["kubectl describe pod"]),
        bad_cluster(
            "no-secret",
            &json!({"storage": {"credentialsSecretRef": {"name": "nobody"}}}),
            "ContainerNotCreated",
            &["kubectl describe pod no-secret-head-0"],
        ),
        bad_cluster(
            "bad-template",
            &json!({"head": {"template": {"spec": {"nodeSelectr": {"a": "b"}}}}}),
            "SpecRefused",
            &["nodeSelectr"],
        ),
        bad_cluster(
            "host-network",
            &json!({"head": {"template": {"spec": {"hostNetwork": true}}}}),
            "PodSecurityRefused",
            &["restricted", "hostNetwork"],
        ),
        Taken {
            kind: "ShoalWorkerGroup",
            name: "bad-group-cpu",
            spec: small(&group(json!({"template": {"spec": {"containers": [{"name": "sidecar"}]}}}))),
            condition: ("ReplicaFailure", "True", "SpecRefused"),
            words: &["spec.containers[1].image"],
        },
    ]
}

#[test]
fn what_is_taken_and_cannot_work_says_why_and_what_to_do_and_goes() {
    let place = Place::new();
    place.apply(&resource("ShoalCluster", "good", &small(&json!({}))));
    let models = place.models();
    place.apply(&resource("ShoalJob", "good", &job(&json!({"groupedTraining": {"output": {"table": models}}}))));
    let all = taken(&models);
    // A group belongs to a cluster. Clusters first: a job that names none is to find more than one.
    let (clusters, jobs): (Vec<&Taken>, Vec<&Taken>) = all.iter().partition(|one| one.kind != "ShoalJob");
    for Taken { name, spec, .. } in clusters {
        place.apply(&resource("ShoalCluster", name.strip_suffix("-cpu").unwrap_or(name), spec));
    }
    // The one that is to find a table there comes when it is there.
    for Taken { name, spec, .. } in jobs.into_iter().filter(|one| one.name != "output-is-there") {
        place.apply(&resource("ShoalJob", name, spec));
    }
    let good = place.until("shoaljob/good", "it ends", is_over);
    assert_eq!(good["status"]["phase"], "Succeeded", "bad neighbours do it no harm: {good:#}");
    let last = all.iter().find(|one| one.name == "output-is-there").unwrap();
    place.apply(&resource(last.kind, last.name, &last.spec));

    for Taken { kind, name, condition: (type_, status, reason), words, .. } in &all {
        let object = format!("{}/{name}", kind.to_lowercase());
        let told = place.until_condition(&object, type_, status, reason);
        let message = told["message"].as_str().unwrap();
        for word in *words {
            assert!(message.contains(word), "{object} says nothing of {word}: {message}");
        }
        if *type_ == "Failed" {
            let failure = place.get(&object)["status"]["failure"].clone();
            assert_eq!((&failure["reason"], &failure["actor"]), (&json!(reason), &json!("User")), "{failure}");
            assert!(message.contains(failure["next"].as_str().unwrap()), "it says what to do: {failure}");
            assert!(message.starts_with(failure["fieldPath"].as_str().unwrap()), "and where: {failure}");
        }
    }
    // Who is in order is not brought down by the others.
    for pod in place.list("pods").iter().chain(&operator_pods()) {
        assert_calm(pod);
    }
    assert_eq!(condition(&place.get("shoalcluster/good"), "Ready")["status"], "True");

    place.kubectl(&["delete", "shoaljobs,shoalclusters", "--all", "--timeout=120s"]);
    place.eventually("nothing is left", || everything(&place).is_empty().then_some(()));
    assert!(try_ask(&["sql", &format!("SELECT * FROM '{}'", url("never-written"))]).code != 0);
}

/// No process of the pod has ended to be started again.
fn assert_calm(pod: &Value) {
    for container in pod["status"]["containerStatuses"].as_array().into_iter().flatten() {
        let waits_for = &container["state"]["waiting"]["reason"];
        assert_ne!(waits_for, "CrashLoopBackOff", "{}: {container:#}", pod["metadata"]["name"]);
        // The operator's may have been, by another test.
        let is_of_test = pod["metadata"]["labels"]["shoal.dev/cluster"].is_string();
        assert!(!is_of_test || container["restartCount"] == 0, "{}: {container:#}", pod["metadata"]["name"]);
    }
}
