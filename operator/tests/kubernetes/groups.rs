//! ShoalWorkerGroups: their pods, and who says how many.

use serde_json::{Value, json};
use shoal_testkit::eventually;

use crate::api::Namespace;
use crate::clusters::{cluster, get_ready};
use crate::operator::Operator;

fn with_cpu(more: &Value) -> String {
    let mut group = json!({"name": "cpu", "replicas": 2});
    group.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    cluster(&json!({"workerGroups": [group]}))
}

#[test]
fn a_group_is_scaled_by_itself_until_its_entry_changes() {
    let namespace = Namespace::new();
    let operator = Operator::start(&namespace);
    namespace.apply(&with_cpu(&json!({})));
    get_ready(&namespace, &["a-cpu-0", "a-cpu-1"]);

    namespace.kubectl(&["scale", "shoalworkergroup", "a-cpu", "--replicas=4"]);
    get_ready(&namespace, &["a-cpu-0", "a-cpu-1", "a-cpu-2", "a-cpu-3"]);
    let group =
        namespace.until("shoalworkergroup/a-cpu", "all are ready", |group| group["status"]["readyReplicas"] == 4);
    assert_eq!(
        group["status"]["selector"],
        "shoal.dev/cluster=a,shoal.dev/component=worker,shoal.dev/worker-group=cpu"
    );
    let scale = namespace.kubectl(&[
        "get",
        "shoalworkergroup",
        "a-cpu",
        "--subresource=scale",
        "--output=jsonpath={.status.replicas}",
    ]);
    assert_eq!(scale, "4");

    // A new look at the cluster does not take that back.
    let looks = operator.reconciles("ShoalCluster");
    namespace.kubectl(&["annotate", "shoalcluster", "a", "touched=yes"]);
    eventually("the cluster was looked at", || (operator.reconciles("ShoalCluster") > looks).then_some(()));
    assert_eq!(namespace.get("shoalworkergroup/a-cpu")["spec"]["replicas"], 4);

    namespace.kubectl(&["scale", "shoalworkergroup", "a-cpu", "--replicas=1"]);
    namespace.until_names("pods", &["a-cpu-0", "a-head-0"]);
    namespace.apply(&with_cpu(&json!({"replicas": 3})));
    get_ready(&namespace, &["a-cpu-0", "a-cpu-1", "a-cpu-2"]);
}

#[test]
fn a_lost_pod_is_made_again_and_an_entry_that_goes_takes_its_pods() {
    let namespace = Namespace::new();
    let _operator = Operator::start(&namespace);
    namespace.apply(&with_cpu(&json!({})));
    get_ready(&namespace, &["a-cpu-0", "a-cpu-1"]);
    let uid = namespace.get("pod/a-cpu-0")["metadata"]["uid"].clone();

    namespace.kubectl(&["delete", "pod", "a-cpu-0"]);
    eventually("there is another", || {
        let pods = namespace.list("pods");
        (pods.len() == 3 && pods.iter().all(|pod| pod["metadata"]["uid"] != uid)).then_some(())
    });

    namespace.apply(&cluster(&json!({"workerGroups": [{"name": "gpu", "replicas": 1}]})));
    namespace.until_names("pods", &["a-gpu-0", "a-head-0"]);
    namespace.until_names("shoalworkergroups", &["a-gpu"]);
}

#[test]
fn a_bad_template_becomes_a_condition() {
    let namespace = Namespace::new();
    let _operator = Operator::start(&namespace);
    for (template, named) in [
        (json!({"spec": {"tolerationz": []}}), "tolerationz"),
        (json!({"spec": {"containers": [{"name": "sidecar"}]}}), "spec.containers[1].image"),
        (json!({"spec": {"hostNetwork": true}}), "hostNetwork"),
    ] {
        namespace.apply(&with_cpu(&json!({"template": template})));
        namespace.until("shoalworkergroup/a-cpu", named, |group| {
            let failure = shoal_testkit::kubernetes::condition(group, "ReplicaFailure");
            failure["status"] == "True" && failure["message"].as_str().unwrap().contains(named)
        });
    }
    namespace.until_condition("shoalworkergroup/a-cpu", "Ready", "False", "PodSecurityRefused");
    namespace.apply(&cluster(&json!({})));
    get_ready(&namespace, &["a-cpu-0", "a-cpu-1"]);
    namespace.until_condition("shoalworkergroup/a-cpu", "ReplicaFailure", "False", "NoFailure");
}

#[test]
fn a_quota_is_told_of_and_what_fits_is_made() {
    let namespace = Namespace::new();
    namespace.kubectl(&["create", "quota", "few", "--hard=count/pods=3"]);
    namespace.until("resourcequota/few", "it counts", |quota| quota["status"]["hard"].is_object());
    let _operator = Operator::start(&namespace);
    namespace.apply(&with_cpu(&json!({})));
    get_ready(&namespace, &["a-cpu-0", "a-cpu-1"]);

    namespace.kubectl(&["scale", "shoalworkergroup", "a-cpu", "--replicas=3"]);
    let failure = namespace.until_condition("shoalworkergroup/a-cpu", "ReplicaFailure", "True", "QuotaExceeded");
    assert!(failure["message"].as_str().unwrap().contains("exceeded quota: few"), "{failure}");
    let ready = namespace.until_condition("shoalworkergroup/a-cpu", "Ready", "False", "QuotaExceeded");
    assert!(ready["message"].as_str().unwrap().starts_with("2 of 3 workers are ready"), "{ready}");

    namespace.kubectl(&["delete", "quota", "few"]);
    get_ready(&namespace, &["a-cpu-0", "a-cpu-1", "a-cpu-2"]);
    namespace.until_condition("shoalworkergroup/a-cpu", "ReplicaFailure", "False", "NoFailure");
}

#[test]
fn a_new_image_rolls_one_worker_at_a_time_and_the_head_last() {
    let namespace = Namespace::new();
    let _operator = Operator::start(&namespace);
    namespace.apply(&with_cpu(&json!({})));
    get_ready(&namespace, &["a-cpu-0", "a-cpu-1"]);
    let count = |component: &str| {
        let selector = format!("--selector=shoal.dev/component={component}");
        let output = "--output=jsonpath={.items[*].spec.containers[0].image}";
        let images = namespace.kubectl(&["get", "pods", &selector, output]);
        images.split(' ').filter(|image| *image == "shoal:2").count()
    };

    namespace.apply(&cluster(&json!({"image": "shoal:2"})));
    eventually("the first is exchanged", || (count("worker") == 1).then_some(()));
    namespace.until_condition("shoalcluster/a", "Progressing", "True", "HeadWaits");
    // As long as that one does not work, the others stay.
    namespace.until("shoalworkergroup/a-cpu", "one is exchanged and does not work", |group| {
        let status = &group["status"];
        (&status["replicas"], &status["updatedReplicas"], &status["readyReplicas"]) == (&json!(2), &json!(1), &json!(1))
    });
    assert_eq!((count("worker"), count("head")), (1, 0));
    namespace.all_pods_are_ready();
    eventually("the second is exchanged", || (count("worker") == 2).then_some(()));
    namespace.until("shoalcluster/a", "all is exchanged and ready again", |cluster| {
        namespace.all_pods_are_ready();
        count("head") == 1 && cluster["status"]["phase"] == "Ready" && cluster["status"]["readyWorkers"] == 2
    });
}

#[test]
fn a_pod_that_fails_is_replaced_ever_later() {
    let namespace = Namespace::new();
    let _operator = Operator::start(&namespace);
    namespace.apply(&with_cpu(&json!({"replicas": 1})));
    let mut failed: Vec<Value> = Vec::new();
    // Four times, with pauses of 0.5 s, 1 s, 2 s and 4 s: the last of them is long enough to be seen.
    for _ in 0..4 {
        let pod = eventually("there is a new one", || {
            let workers = namespace.list("pods --selector=shoal.dev/component=worker");
            workers.into_iter().find(|pod| !failed.contains(&pod["metadata"]["uid"]))
        });
        failed.push(pod["metadata"]["uid"].clone());
        let status = r#"{"phase": "Failed", "reason": "Evicted", "message": "the node was low on disk"}"#;
        namespace.pod_is(pod["metadata"]["name"].as_str().unwrap(), status);
    }
    let failure = namespace.until_condition("shoalworkergroup/a-cpu", "ReplicaFailure", "True", "PodFailed");
    assert!(failure["message"].as_str().unwrap().contains("the node was low on disk"), "{failure}");
    namespace.until("shoalworkergroup/a-cpu", "the next one works", |group| {
        namespace.all_pods_are_ready();
        group["status"]["readyReplicas"] == 1
            && shoal_testkit::kubernetes::condition(group, "ReplicaFailure")["status"] == "False"
    });
}
