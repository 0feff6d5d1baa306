//! ShoalClusters: what the operator makes of them, and that it makes it once.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shoal_testkit::eventually;

use crate::api::{Namespace, root};
use crate::operator::{Operator, Settings};

/// A cluster called `a` with a group `cpu`.
pub(crate) fn cluster(spec: &Value) -> String {
    let mut whole = json!({"workerGroups": [{"name": "cpu", "replicas": 2}]});
    whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    json!({"apiVersion": "shoal.dev/v1alpha1", "kind": "ShoalCluster", "metadata": {"name": "a"}, "spec": whole})
        .to_string()
}

/// Waits until the cluster's pods are there, and says that they work.
pub(crate) fn get_ready(namespace: &Namespace, workers: &[&str]) {
    let mut pods = workers.to_vec();
    pods.push("a-head-0");
    pods.sort_unstable();
    namespace.until_names("pods", &pods);
    namespace.all_pods_are_ready();
    namespace.until("shoalcluster/a", "all workers are ready", |cluster| {
        cluster["status"]["phase"] == "Ready" && cluster["status"]["readyWorkers"] == workers.len()
    });
}

/// What an object is at the moment: its uid and the version of its last write.
fn versions(namespace: &Namespace) -> BTreeMap<String, (String, String)> {
    let kinds = ["shoalclusters", "shoalworkergroups", "pods", "services", "secrets", "statefulsets"];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = kinds.iter().flat_map(|kind| namespace.list(kind)).map(|object| {
        let metadata = &object["metadata"];
        let name = format!("{} {}", text(&object["kind"]), text(&metadata["name"]));
        (name, (text(&metadata["uid"]), text(&metadata["resourceVersion"])))
    });
    all.collect()
}

#[test]
fn a_cluster_gets_all_that_it_consists_of_and_says_so() {
    let namespace = Namespace::new();
    let _operator = Operator::start(&namespace);
    namespace.apply(&std::fs::read_to_string(root().join("examples/kubernetes/cluster.yaml")).unwrap());

    namespace.until_names("pods", &["shared-cpu-0", "shared-cpu-1", "shared-head-0"]);
    namespace.until_names("shoalworkergroups", &["shared-cpu"]);
    let uid = namespace.get("shoalcluster/shared")["metadata"]["uid"].clone();
    for object in
        ["statefulset/shared-head", "service/shared-head", "secret/shared-token", "shoalworkergroup/shared-cpu"]
    {
        let owners = namespace.get(object)["metadata"]["ownerReferences"].clone();
        assert_eq!(owners.as_array().unwrap().len(), 1, "{object}");
        assert_eq!(
            (&owners[0]["kind"], &owners[0]["uid"], &owners[0]["controller"]),
            (&json!("ShoalCluster"), &uid, &json!(true))
        );
    }
    let group = namespace.get("shoalworkergroup/shared-cpu");
    for pod in ["pod/shared-cpu-0", "pod/shared-cpu-1"] {
        assert_eq!(namespace.get(pod)["metadata"]["ownerReferences"][0]["uid"], group["metadata"]["uid"]);
    }
    let container = &namespace.get("pod/shared-cpu-0")["spec"]["containers"][0];
    assert_eq!(
        (&container["image"], &container["envFrom"]),
        (&json!("shoal:test"), &json!([{"secretRef": {"name": "s3"}}]))
    );

    // There is no node, and the cluster says so before it works.
    namespace.until_condition("shoalcluster/shared", "Ready", "False", "Unschedulable");
    namespace.until_condition("shoalworkergroup/shared-cpu", "Ready", "False", "Unschedulable");
    namespace.all_pods_are_ready();
    let ready = namespace.until_condition("shoalcluster/shared", "Ready", "True", "Ready");
    assert!(ready["lastTransitionTime"].as_str().unwrap().ends_with('Z'));
    namespace.until_condition("shoalcluster/shared", "Progressing", "False", "Settled");
    let row = namespace.kubectl(&["get", "shoalclusters", "--no-headers"]);
    assert_eq!(row.split_whitespace().take(5).collect::<Vec<_>>(), ["shared", "Ready", "2", "2", "Ready"], "{row}");
    let events = eventually("events are told", || {
        let events = namespace.kubectl(&["get", "events", "--field-selector=involvedObject.kind=ShoalCluster"]);
        events.contains("the head takes jobs").then_some(events)
    });
    assert!(events.contains("Warning   Unschedulable"), "{events}");
}

#[test]
fn nothing_is_written_twice_and_a_newer_operator_restarts_nothing() {
    let namespace = Namespace::new();
    let operator = Operator::start(&namespace);
    namespace.apply(&cluster(&json!({})));
    get_ready(&namespace, &["a-cpu-0", "a-cpu-1"]);
    namespace.until_condition("shoalcluster/a", "Progressing", "False", "Settled");
    namespace.until_condition("shoalworkergroup/a-cpu", "Progressing", "False", "Settled");
    let before = versions(&namespace);
    operator.stop();

    let newer = Operator::start_with(&namespace, Settings { image: "shoal:newer", ..Settings::default() });
    eventually("everything was looked at anew", || {
        let looks = ["ShoalCluster", "ShoalWorkerGroup"].map(|kind| newer.reconciles(kind));
        looks.iter().all(|looks| *looks > 0).then_some(())
    });
    // What a look leads to would lead to another one: the end of a second cluster's making is after all of that.
    namespace.apply(&cluster(&json!({})).replace(r#""name":"a""#, r#""name":"b""#));
    namespace.until_names("shoalworkergroups", &["a-cpu", "b-cpu"]);
    eventually("its pods are there", || namespace.find("pod/b-cpu-1"));

    let after = versions(&namespace);
    for (object, version) in before {
        assert_eq!(after.get(&object), Some(&version), "{object} was written");
    }
    assert_eq!(namespace.get("pod/b-cpu-0")["spec"]["containers"][0]["image"], "shoal:newer");
}

#[test]
fn a_suspended_cluster_has_no_pods_and_comes_back() {
    let namespace = Namespace::new();
    let _operator = Operator::start(&namespace);
    namespace.apply(&cluster(&json!({})));
    get_ready(&namespace, &["a-cpu-0", "a-cpu-1"]);

    namespace.apply(&cluster(&json!({"suspend": true})));
    namespace.until_names("pods", &[]);
    namespace.until_condition("shoalcluster/a", "Ready", "False", "Suspended");
    namespace.apply(&cluster(&json!({"suspend": false})));
    get_ready(&namespace, &["a-cpu-0", "a-cpu-1"]);
}

#[test]
fn a_deleted_cluster_takes_all_with_it_and_the_next_of_its_name_starts_anew() {
    let namespace = Namespace::new();
    let _operator = Operator::start(&namespace);
    namespace.apply(&cluster(&json!({})));
    get_ready(&namespace, &["a-cpu-0", "a-cpu-1"]);
    let token = |namespace: &Namespace| namespace.find("secret/a-token").map(|secret| secret["data"]["token"].clone());
    let first = token(&namespace).unwrap();

    // At once: what the first one had is still there when the second one comes.
    namespace.kubectl(&["delete", "shoalcluster", "a", "--wait=false"]);
    namespace.apply(&cluster(&json!({})));
    let uid = namespace.get("shoalcluster/a")["metadata"]["uid"].clone();
    namespace.until("statefulset/a-head", "it is the second cluster's", |head| {
        head["metadata"]["ownerReferences"][0]["uid"] == uid
    });
    namespace.until("secret/a-token", "it is the second cluster's", |secret| {
        secret["metadata"]["ownerReferences"][0]["uid"] == uid
    });
    assert_ne!(token(&namespace).unwrap(), first);
    // Under whichever names: pods of the first one may hold theirs for a moment.
    namespace.until("shoalcluster/a", "all workers are ready", |cluster| {
        namespace.all_pods_are_ready();
        let status = &cluster["status"];
        cluster["metadata"]["uid"] == uid && status["phase"] == "Ready" && status["readyWorkers"] == 2
    });

    namespace.kubectl(&["delete", "shoalcluster", "a"]);
    for kind in ["pods", "shoalworkergroups", "statefulsets", "services", "secrets"] {
        namespace.until_names(kind, &[]);
    }
}

#[test]
fn a_bad_template_of_the_head_is_told_and_can_be_mended() {
    let namespace = Namespace::new();
    let _operator = Operator::start(&namespace);
    namespace.apply(&cluster(&json!({"head": {"template": {"spec": {"nodeSelectr": {"a": "b"}}}}})));

    let ready = namespace.until_condition("shoalcluster/a", "Ready", "False", "SpecRefused");
    assert!(ready["message"].as_str().unwrap().contains("nodeSelectr"), "{ready}");
    // What is in order is made all the same.
    eventually("the workers are there", || namespace.find("pod/a-cpu-1"));

    namespace.kubectl(&[
        "patch",
        "shoalcluster",
        "a",
        "--type=merge",
        r#"--patch={"spec": {"head": {"template": null}}}"#,
    ]);
    get_ready(&namespace, &["a-cpu-0", "a-cpu-1"]);
}

#[test]
fn another_users_service_is_left_alone() {
    let namespace = Namespace::new();
    namespace.kubectl(&["create", "service", "clusterip", "a-head", "--tcp=80"]);
    let before = namespace.get("service/a-head");
    let _operator = Operator::start(&namespace);
    namespace.apply(&cluster(&json!({})));

    let ready = namespace.until_condition("shoalcluster/a", "Ready", "False", "NameTaken");
    assert!(ready["message"].as_str().unwrap().contains("the Service a-head"), "{ready}");
    assert_eq!(namespace.get("service/a-head"), before);

    namespace.kubectl(&["delete", "service", "a-head"]);
    get_ready(&namespace, &["a-cpu-0", "a-cpu-1"]);
}

#[test]
fn a_head_whose_pod_is_refused_says_why_and_another_template_mends_it() {
    let namespace = Namespace::new();
    let _operator = Operator::start(&namespace);
    let with_host = |is_on: bool| cluster(&json!({"head": {"template": {"spec": {"hostNetwork": is_on}}}}));
    namespace.apply(&with_host(true));
    let ready = namespace.until_condition("shoalcluster/a", "Ready", "False", "PodSecurityRefused");
    let message = ready["message"].as_str().unwrap();
    assert!(message.contains("restricted") && message.contains("hostNetwork"), "{message}");
    assert_eq!(namespace.get("shoalcluster/a")["status"]["phase"], "Failed");
    namespace.apply(&with_host(false));
    get_ready(&namespace, &["a-cpu-0", "a-cpu-1"]);
}
