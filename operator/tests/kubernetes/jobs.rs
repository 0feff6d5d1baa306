//! ShoalJobs: one submission each, whatever happens, and what the head says of it in the status.

use serde_json::{Value, json};
use shoal_core::report::Phase;
use shoal_core::{Failure, Reason};
use shoal_testkit::eventually;
use shoal_testkit::kubernetes::condition;

use crate::api::Namespace;
use crate::clusters::{cluster, get_ready};
use crate::fake_head::FakeHead;
use crate::operator::{NO_HEAD, Operator, Settings};

/// A job called `grunfeld`.
pub(crate) fn job(spec: &Value) -> String {
    let mut whole = json!({"groupedTraining": {
        "input": {"table": "s3://b/t"}, "groupBy": ["firm"],
        "model": {"ols": {"target": "y", "features": ["x"]}}, "output": {"table": "s3://b/m"},
    }});
    whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    json!({"apiVersion": "shoal.dev/v1alpha1", "kind": "ShoalJob", "metadata": {"name": "grunfeld"}, "spec": whole})
        .to_string()
}

pub(crate) fn operator(namespace: &Namespace, head: &FakeHead) -> Operator {
    Operator::start_with(namespace, Settings { head_url: head.url(), ..Settings::default() })
}

/// A namespace with a cluster that works, whose head is this one.
pub(crate) fn with_cluster() -> (Namespace, FakeHead, Operator) {
    let (namespace, head) = (Namespace::new(), FakeHead::start());
    let operator = operator(&namespace, &head);
    namespace.apply(&cluster(&json!({})));
    get_ready(&namespace, &["a-cpu-0", "a-cpu-1"]);
    (namespace, head, operator)
}

/// Waits until the head has the job, and lets it run.
pub(crate) fn runs(namespace: &Namespace, head: &FakeHead) {
    eventually("the head has the job", || head.with(|known| known.jobs.len() == 1).then_some(()));
    head.job_is(Phase::Running, 5);
    namespace.until("shoaljob/grunfeld", "it runs", |job| job["status"]["progress"]["done"] == 5);
}

#[test]
fn a_job_is_submitted_and_what_the_head_says_is_its_status() {
    let (namespace, head, _operator) = with_cluster();
    namespace.apply(&job(&json!({"priority": 3})));
    runs(&namespace, &head);

    let running = namespace.get("shoaljob/grunfeld");
    let uid = running["metadata"]["uid"].as_str().unwrap();
    assert_eq!(running["status"]["submissionId"], format!("{}/grunfeld/{uid}/1", namespace.name()));
    assert_eq!(running["status"]["clusterName"], "a");
    let row = namespace.kubectl(&["get", "shoaljobs", "--no-headers"]);
    assert_eq!(
        row.split_whitespace().take(6).collect::<Vec<_>>(),
        ["grunfeld", "Running", "5", "11", "0", "10s"],
        "{row}"
    );

    head.job_is(Phase::Succeeded, 11);
    namespace.until_condition("shoaljob/grunfeld", "Complete", "True", "Published");
    let done = namespace.get("shoaljob/grunfeld");
    assert_eq!((&done["status"]["phase"], &done["status"]["progress"]["done"]), (&json!("Succeeded"), &json!(11)));
    assert_eq!(done["status"]["completionTime"], "2023-11-14T22:13:29Z");

    let token = namespace.kubectl(&["get", "secret", "a-token", "--output=go-template={{.data.token | base64decode}}"]);
    head.with(|known| {
        assert_eq!(known.submissions.len(), 1);
        let (_, document) = &known.submissions[0];
        assert_eq!(document["spec"]["priority"], 3);
        assert!(document["spec"].get("clusterRef").is_none() && document["metadata"] == json!({"name": "grunfeld"}));
        assert_eq!(known.token.as_deref(), Some(format!("Bearer {token}").as_str()));
    });
}

#[test]
fn a_lost_answer_and_a_new_operator_submit_no_second_job() {
    let (namespace, head, first) = with_cluster();
    head.with(|known| known.answers_to_lose = 2);
    namespace.apply(&job(&json!({})));
    eventually("the head has the job", || head.with(|known| known.jobs.len() == 1).then_some(()));
    first.stop();

    let _second = operator(&namespace, &head);
    runs(&namespace, &head);
    head.with(|known| {
        let uids: std::collections::BTreeSet<_> = known.submissions.iter().map(|(uid, _)| *uid).collect();
        assert_eq!(uids.len(), 1, "{:?}", known.submissions);
        assert_eq!(known.transitions, 1, "the second operator says that it is newer");
    });
}

#[test]
fn what_the_user_changes_reaches_the_head_also_after_a_failure() {
    let (namespace, head, _operator) = with_cluster();
    namespace.apply(&job(&json!({})));
    runs(&namespace, &head);

    head.with(|known| known.answers_to_lose = 1);
    namespace.kubectl(&[
        "patch",
        "shoaljob",
        "grunfeld",
        "--type=merge",
        r#"--patch={"spec": {"suspend": true, "priority": 9}}"#,
    ]);
    namespace.until_condition("shoaljob/grunfeld", "Suspended", "True", "Suspended");
    let job = namespace.until("shoaljob/grunfeld", "it was told", |job| {
        job["status"]["observedGeneration"] == job["metadata"]["generation"]
    });
    assert_eq!(job["status"]["phase"], "Suspended");
    head.with(|known| assert_eq!(known.changes.last().unwrap().priority, Some(9)));

    namespace.kubectl(&["patch", "shoaljob", "grunfeld", "--type=merge", r#"--patch={"spec": {"suspend": false}}"#]);
    namespace.until_condition("shoaljob/grunfeld", "Suspended", "False", "Running");
}

#[test]
fn code_in_a_config_map_is_waited_for_and_goes_with_the_submission() {
    let (namespace, head, _operator) = with_cluster();
    namespace.apply(&job(&json!({"groupedTraining": {
        "input": {"table": "s3://b/t"}, "groupBy": ["firm"],
        "model": {"python": {
            "configMapKeyRef": {"name": "models", "key": "train.py"},
            "returns": [{"name": "n", "type": "int64"}],
        }},
        "output": {"table": "s3://b/m"},
    }})));
    let manifest = |data: Value| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "models"}, "data": data}).to_string()
    };
    let map = |data: Value| namespace.apply(&manifest(data));
    namespace.until_condition("shoaljob/grunfeld", "Accepted", "False", "ConfigMapNotFound");
    map(json!({"other.py": "x"}));
    namespace.until_condition("shoaljob/grunfeld", "Accepted", "False", "ConfigMapKeyNotFound");
    // `apply` would keep a copy of it in an annotation, which may not be as large.
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), manifest(json!({"train.py": "#".repeat(262_145)}))).unwrap();
    namespace.kubectl(&["replace", "--filename", file.path().to_str().unwrap()]);
    namespace.until_condition("shoaljob/grunfeld", "Accepted", "False", "ConfigMapTooLarge");
    head.with(|known| assert!(known.submissions.is_empty()));
    map(json!({"train.py": "def fit(group):\n    return {'n': 1}\n"}));
    runs(&namespace, &head);
    namespace.until_condition("shoaljob/grunfeld", "Accepted", "True", "Accepted");
    head.with(|known| {
        let function = &known.submissions[0].1["spec"]["groupedTraining"]["model"]["python"];
        assert_eq!(function["code"], "def fit(group):\n    return {'n': 1}\n");
        assert!(function.get("configMapKeyRef").is_none(), "{function:#}");
    });
}

#[test]
fn a_deleted_job_is_cancelled_before_it_goes() {
    let (namespace, head, _operator) = with_cluster();
    namespace.apply(&job(&json!({})));
    runs(&namespace, &head);
    namespace.kubectl(&["delete", "shoaljob", "grunfeld", "--timeout=60s"]);
    head.with(|known| assert_eq!(known.cancelled, known.jobs.keys().copied().collect::<Vec<_>>()));
}

#[test]
fn a_deleted_job_whose_head_is_gone_can_be_forced() {
    let (namespace, head, operator) = with_cluster();
    namespace.apply(&job(&json!({})));
    runs(&namespace, &head);
    operator.stop();
    drop(head);
    let _operator = Operator::start_with(&namespace, Settings { head_url: NO_HEAD.into(), ..Settings::default() });

    namespace.kubectl(&["delete", "shoaljob", "grunfeld", "--wait=false"]);
    namespace.until("shoaljob/grunfeld", "it says how to have it go at once", |job| {
        let waiting = condition(job, "ClusterReady");
        let message = waiting["message"].as_str().unwrap_or_default();
        waiting["reason"] == "HeadUnreachable" && message.contains("shoal.dev/force-delete")
    });
    namespace.kubectl(&["annotate", "shoaljob", "grunfeld", "shoal.dev/force-delete=true"]);
    namespace.until_names("shoaljobs", &[]);
}

#[test]
fn a_job_that_somebody_else_manages_is_left_alone() {
    let (namespace, head, operator) = with_cluster();
    namespace.apply(&job(&json!({"managedBy": "kueue.x-k8s.io/multikueue"})));
    let before = namespace.get("shoaljob/grunfeld");
    eventually("it was looked at", || (operator.reconciles("ShoalJob") > 0).then_some(()));
    // Later ones get their turn while that one gets none.
    namespace.apply(&job(&json!({})).replace("grunfeld", "other"));
    eventually("the head has the other job", || head.with(|known| known.jobs.len() == 1).then_some(()));

    assert_eq!(namespace.get("shoaljob/grunfeld"), before);
    head.with(|known| assert!(known.jobs.values().all(|job| job.name == "other")));
    namespace.kubectl(&["delete", "shoaljob", "grunfeld", "--timeout=60s"]);
}

#[test]
fn a_refusal_of_the_head_is_the_jobs_failure() {
    let (namespace, head, _operator) = with_cluster();
    let refusal = Failure::new(Reason::LocalPathRefused, "the head reads no local files")
        .field("spec.groupedTraining.input.table")
        .next("name a URL");
    head.with(|known| known.refusal = Some(refusal));
    namespace.apply(&job(&json!({})));

    let failed = namespace.until_condition("shoaljob/grunfeld", "Failed", "True", "LocalPathRefused");
    assert_eq!(failed["message"], "spec.groupedTraining.input.table: the head reads no local files; name a URL");
    let failure = namespace.get("shoaljob/grunfeld")["status"]["failure"].clone();
    assert_eq!(
        (&failure["actor"], &failure["fieldPath"]),
        (&json!("User"), &json!("spec.groupedTraining.input.table"))
    );
}

#[test]
fn a_job_says_what_it_waits_for() {
    let (namespace, head) = (Namespace::new(), FakeHead::start());
    let _operator = operator(&namespace, &head);
    namespace.apply(&job(&json!({})));
    namespace.until_condition("shoaljob/grunfeld", "ClusterReady", "False", "ClusterRequired");
    namespace.apply(&cluster(&json!({})));
    namespace.until_condition("shoaljob/grunfeld", "ClusterReady", "False", "Unschedulable");
    eventually("the head's pod is there", || namespace.find("pod/a-head-0"));
    namespace.pod_is("a-head-0", r#"{"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}"#);
    namespace.until("shoaljob/grunfeld", "it repeats why no worker runs", |job| {
        let waits = condition(job, "ClusterReady");
        let says = |words: &str| waits["message"].as_str().is_some_and(|message| message.contains(words));
        waits["reason"] == "Unschedulable" && says("no worker of `a` is ready: 0 of 2 workers are ready; ")
    });
    head.with(|known| assert!(known.submissions.is_empty()));
    get_ready(&namespace, &["a-cpu-0", "a-cpu-1"]);
    runs(&namespace, &head);
}

#[test]
fn a_job_repeats_what_keeps_its_workers_from_being_made() {
    let (namespace, head) = (Namespace::new(), FakeHead::start());
    namespace.kubectl(&["create", "quota", "few", "--hard=count/pods=1"]);
    namespace.until("resourcequota/few", "it counts", |quota| quota["status"]["hard"].is_object());
    let _operator = operator(&namespace, &head);
    namespace.apply(&cluster(&json!({"workerGroups": [{"name": "cpu", "replicas": 0}]})));
    get_ready(&namespace, &[]);
    namespace.apply(&job(&json!({})));
    namespace.until_condition("shoaljob/grunfeld", "ClusterReady", "False", "NoWorkers");
    namespace.kubectl(&["scale", "shoalworkergroup", "a-cpu", "--replicas=2"]);
    let waits = namespace.until_condition("shoaljob/grunfeld", "ClusterReady", "False", "QuotaExceeded");
    assert!(waits["message"].as_str().unwrap().contains("exceeded quota: few"), "{waits}");
    head.with(|known| assert!(known.submissions.is_empty()));
    namespace.kubectl(&["delete", "quota", "few"]);
    get_ready(&namespace, &["a-cpu-0", "a-cpu-1"]);
    runs(&namespace, &head);
}

#[test]
fn a_job_with_a_cluster_of_its_own_leaves_nothing_behind() {
    let (namespace, head) = (Namespace::new(), FakeHead::start());
    let _operator = operator(&namespace, &head);
    let own =
        json!({"cluster": {"workerGroups": [{"name": "cpu", "replicas": 1}], "head": {"state": {"ephemeral": {}}}}});
    let mut suspended = own.clone();
    suspended["suspend"] = true.into();
    suspended["ttlSecondsAfterFinished"] = 1.into();

    // Suspended it has a cluster without pods; Kueue counts on that.
    namespace.apply(&job(&suspended));
    namespace.until_condition("shoaljob/grunfeld", "Suspended", "True", "Suspended");
    let name = eventually("it has a cluster", || namespace.names("shoalclusters").first().cloned());
    namespace.until_condition(&format!("shoalcluster/{name}"), "Ready", "False", "Suspended");
    namespace.until_names("pods", &[]);
    let owner = namespace.get(&format!("shoalcluster/{name}"))["metadata"]["ownerReferences"][0].clone();
    assert_eq!((&owner["kind"], &owner["name"]), (&json!("ShoalJob"), &json!("grunfeld")));

    let resume = r#"--patch={"spec": {"suspend": false}}"#;
    namespace.kubectl(&["patch", "shoaljob", "grunfeld", "--type=merge", resume]);
    namespace.until_names("pods", &[&format!("{name}-cpu-0"), &format!("{name}-head-0")]);
    namespace.all_pods_are_ready();
    runs(&namespace, &head);

    head.job_is(Phase::Succeeded, 11);
    // It goes by itself a second after its end, and with it everything.
    for kind in ["shoalclusters", "pods", "statefulsets", "secrets", "shoalworkergroups", "shoaljobs"] {
        namespace.until_names(kind, &[]);
    }
    head.with(|known| assert_eq!((known.submissions.len(), known.cancelled.len()), (1, 0)));
}

#[test]
fn a_cluster_of_its_own_goes_once_the_copy_of_its_job_is_stored() {
    let (namespace, head) = (Namespace::new(), FakeHead::start());
    let _operator = operator(&namespace, &head);
    let storage = json!({"uri": "s3://b/shoal", "credentialsSecretRef": {"name": "s3"}});
    let own = json!({"storage": storage, "workerGroups": [{"name": "cpu"}], "head": {"state": {"ephemeral": {}}}});
    namespace.apply(&job(&json!({"cluster": own})));
    let name = eventually("it has a cluster", || namespace.names("shoalclusters").first().cloned());
    namespace.until_names("pods", &[&format!("{name}-cpu-0"), &format!("{name}-head-0")]);
    let arguments = namespace.get(&format!("pod/{name}-head-0"))["spec"]["containers"][0]["args"].to_string();
    let storage = format!(r#""--storage=s3://b/shoal","--storage-namespace={}""#, namespace.name());
    assert!(arguments.contains(&storage), "{arguments}");
    namespace.all_pods_are_ready();
    runs(&namespace, &head);

    head.copy_is(
        false,
        Some(Failure::new(Reason::Unauthorized, "the object store denies access").next("look at the Secret")),
    );
    head.job_is(Phase::Succeeded, 11);
    let condition = namespace.until_condition("shoaljob/grunfeld", "Archived", "False", "Unauthorized");
    assert!(condition["message"].as_str().unwrap().contains("denies access; look at the Secret"), "{condition}");
    let job = namespace.get("shoaljob/grunfeld");
    assert_eq!((&job["status"]["phase"], &job["status"]["logsUri"]), (&json!("Succeeded"), &Value::Null));
    assert_eq!(namespace.names("shoalclusters"), [name], "it waits for the copy");

    head.copy_is(true, None);
    for kind in ["shoalclusters", "pods", "statefulsets", "secrets", "shoalworkergroups"] {
        namespace.until_names(kind, &[]);
    }
    let job = namespace.get("shoaljob/grunfeld");
    assert_eq!(job["status"]["logsUri"], "s3://b/shoal/jobs/n/grunfeld/0");
    assert_eq!(shoal_testkit::kubernetes::condition(&job, "Archived")["status"], "True");
    let reasons: Vec<String> =
        namespace.list("events").iter().map(|event| event["reason"].as_str().unwrap().to_owned()).collect();
    assert!(["Unauthorized", "Stored"].iter().all(|reason| reasons.iter().any(|one| one == reason)), "{reasons:?}");
}

#[test]
fn pods_with_a_new_image_wait_for_the_end_of_jobs() {
    let (namespace, head, _operator) = with_cluster();
    namespace.apply(&job(&json!({})));
    runs(&namespace, &head);
    namespace.apply(&cluster(&json!({"image": "shoal:2"})));
    namespace.until_condition("shoalworkergroup/a-cpu", "Progressing", "True", "WaitingForJobs");
    namespace.until_condition("shoalcluster/a", "Progressing", "True", "HeadWaits");
    for pod in ["pod/a-cpu-0", "pod/a-cpu-1", "pod/a-head-0"] {
        assert_eq!(namespace.get(pod)["spec"]["containers"][0]["image"], "shoal:test", "{pod}");
    }
    head.job_is(Phase::Succeeded, 11);
    eventually("one is exchanged", || {
        let is_new = |pod: &Value| pod["spec"]["containers"][0]["image"] == "shoal:2";
        namespace.list("pods").iter().any(is_new).then_some(())
    });
}
