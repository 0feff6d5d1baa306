#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use shoal_core::JobUid;
use shoal_core::report::{Phase, Progress, Report};

use super::*;
use crate::job::submission;

const TRAINING: &str = r#"{"input": {"table": "s3://b/t"}, "groupBy": ["firm"], "model": {"ols": {"target": "y", "features": ["x"]}},
    "output": {"table": "s3://b/m"}}"#;

/// A job with the finalizer; `spec` beside what it does.
fn job(spec: &Value, status: &Value) -> ShoalJob {
    let mut whole = json!({"groupedTraining": serde_json::from_str::<Value>(TRAINING).unwrap()});
    whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    serde_json::from_value(json!({
        "metadata": {
            "name": "grunfeld", "namespace": "n", "uid": "j", "generation": 2, "resourceVersion": "7",
            "finalizers": [CANCEL_FINALIZER],
        },
        "spec": whole,
        "status": status,
    }))
    .unwrap()
}

fn cluster(name: &str, owner: Option<&str>, status: &Value) -> Arc<ShoalCluster> {
    let owners: Vec<Value> = owner
        .iter()
        .map(|uid| json!({"apiVersion": API_VERSION, "kind": "ShoalJob", "name": "grunfeld", "uid": uid}))
        .collect();
    Arc::new(
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "n", "uid": name, "ownerReferences": owners}, "spec": {}, "status": status,
        }))
        .unwrap(),
    )
}

fn ready() -> Value {
    json!({
        "workers": 2, "readyWorkers": 2,
        "conditions": [{"type": "Ready", "status": "True", "reason": "Ready", "message": "", "lastTransitionTime": "2026-11-01T00:00:00Z"}],
    })
}

fn state(phase: Phase) -> report::JobStatus {
    report::JobStatus {
        name: "grunfeld".into(),
        uid: JobUid(uuid::Uuid::nil()),
        kind: "groupedTraining".into(),
        phase,
        progress: Progress { unit: "groups".into(), total: Some(11), done: 3, ..Progress::default() },
        outputs: Vec::new(),
        failure: (phase == Phase::Failed).then(|| Failure::new(Reason::TableNotFound, "no such table").next("make it")),
        report: Report { finished_ms: phase.is_final().then_some(5_000), ..Report::default() },
        archive: None,
    }
}

/// What a head that has told of all its jobs says of this one.
fn says(phase: Option<Phase>) -> Option<HeadView> {
    Some(HeadView { state: phase.map(state), is_complete: true })
}

fn facts(job: ShoalJob, clusters: Vec<Arc<ShoalCluster>>, head: Option<HeadView>) -> Facts {
    let place = place_of(&job, &clusters);
    Facts { submission: submission::of(&job), place, job: Arc::new(job), groups: groups_of(&clusters), clusters, head }
}

/// A group that has all workers of the clusters.
fn groups_of(clusters: &[Arc<ShoalCluster>]) -> Vec<Arc<ShoalWorkerGroup>> {
    let of_cluster = |cluster: &Arc<ShoalCluster>| {
        let status = cluster.status().cloned().unwrap_or_default();
        group("cpu", status.workers, status.ready_workers, &json!([]))
    };
    clusters.iter().map(of_cluster).collect()
}

/// A group that has so many workers, and of which its operator has said that.
fn group(name: &str, replicas: u32, ready: u32, conditions: &Value) -> Arc<ShoalWorkerGroup> {
    let resources = json!({"cpu": "1", "memory": "1Gi"});
    let spec = json!({"clusterName": "shared", "replicas": replicas, "image": "i", "resources": resources});
    let status = json!({
        "replicas": replicas, "readyReplicas": ready, "updatedReplicas": replicas, "selector": "", "conditions": conditions,
    });
    let metadata = json!({"name": name, "namespace": "n"});
    let group: ShoalWorkerGroup =
        serde_json::from_value(json!({"metadata": metadata, "spec": spec, "status": status})).unwrap();
    assert_eq!(group.spec().unwrap().replicas, replicas);
    Arc::new(group)
}

fn shared() -> Vec<Arc<ShoalCluster>> {
    vec![cluster("shared", None, &ready())]
}

fn submitted(more: Value) -> Value {
    let mut status =
        json!({"submissionId": "n/grunfeld/j/1", "clusterName": "shared", "observedGeneration": 2, "phase": "Running"});
    status.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    status
}

fn now() -> Timestamp {
    Timestamp::from_second(1_000).unwrap()
}

fn said(decision: &Decision) -> (String, Vec<String>) {
    let status = decision.status.clone().unwrap_or_default();
    let conditions = status.conditions.iter().map(|one| format!("{}={:?} {}", one.type_, one.status, one.reason));
    (status.phase.clone(), conditions.collect())
}

#[test]
fn a_job_is_brought_to_its_head_step_by_step() {
    let mut fresh = job(&json!({}), &Value::Null);
    fresh.metadata.finalizers = None;
    let step = |job, head| decide(&facts(job, shared(), head), now());

    let first = step(fresh, says(None));
    let Step::Change(Change::Merge(reference, patch)) = &first.step else { panic!("{first:?}") };
    assert_eq!((reference.name.as_str(), reference.uid.as_deref()), ("grunfeld", Some("j")));
    assert_eq!(patch["metadata"], json!({"finalizers": [CANCEL_FINALIZER], "resourceVersion": "7"}));

    let recorded = step(job(&json!({}), &Value::Null), says(None));
    assert_eq!(recorded.step, Step::Wait, "it is written first that it is submitted");
    let status = recorded.status.clone().unwrap();
    assert_eq!(
        (status.submission_id.as_deref(), status.cluster_name.as_deref()),
        (Some("n/grunfeld/j/1"), Some("shared"))
    );
    assert_eq!(recorded.again_after, Some(Duration::ZERO));

    assert_eq!(step(job(&json!({}), &submitted(json!({}))), says(None)).step, Step::Submit);

    let running = step(job(&json!({}), &submitted(json!({}))), says(Some(Phase::Running)));
    assert_eq!(running.step, Step::Wait);
    let (phase, conditions) = said(&running);
    assert_eq!(phase, "Running");
    assert_eq!(conditions, ["Accepted=True Accepted", "ClusterReady=True Ready", "Suspended=False Running"]);
    assert_eq!(running.status.unwrap().progress.unwrap().done, 3);

    let done = step(job(&json!({}), &submitted(json!({}))), says(Some(Phase::Succeeded)));
    assert_eq!(said(&done).1[3], "Complete=True Published");
    assert_eq!(done.status.unwrap().completion_time.as_deref(), Some("1970-01-01T00:00:05Z"));

    let failed = step(job(&json!({}), &submitted(json!({}))), says(Some(Phase::Failed)));
    assert_eq!(said(&failed).1[3], "Failed=True TableNotFound");
    assert_eq!(failed.status.unwrap().failure.unwrap().next.as_deref(), Some("make it"));
}

#[test]
fn a_job_that_cannot_go_on_says_why() {
    let starting = json!({"workers": 2, "readyWorkers": 0});
    let pulling = json!({"conditions": [
        {"type": "Ready", "status": "False", "reason": "ImageNotPulled", "message": "m", "lastTransitionTime": "2026-11-01T00:00:00Z"},
    ]});
    let none = json!({"workers": 0, "readyWorkers": 0});
    let both = vec![cluster("a", None, &ready()), cluster("b", None, &ready())];
    let incomplete = Some(HeadView { state: None, is_complete: false });
    for (spec, clusters, head, reason) in [
        (json!({}), vec![], None, "ClusterRequired"),
        (json!({}), both.clone(), says(None), "ClusterRequired"),
        (json!({"clusterRef": {"name": "c"}}), both, None, "ClusterNotFound"),
        (json!({}), shared(), None, "HeadUnreachable"),
        (json!({}), shared(), incomplete, "HeadUnreachable"),
        (json!({}), vec![cluster("shared", None, &pulling)], None, "ImageNotPulled"),
        (json!({}), vec![cluster("shared", None, &starting)], says(None), "WorkersStarting"),
        (json!({}), vec![cluster("shared", None, &none)], says(None), "NoWorkers"),
        // Another job's own cluster is for no other job.
        (json!({}), vec![cluster("own", Some("other"), &ready())], None, "ClusterRequired"),
    ] {
        let decision = decide(&facts(job(&spec, &Value::Null), clusters, head), now());
        assert_eq!(decision.step, Step::Wait);
        let (phase, conditions) = said(&decision);
        assert_eq!(
            (phase.as_str(), conditions[1].as_str()),
            ("Pending", format!("ClusterReady=False {reason}").as_str())
        );
    }
}

#[test]
fn a_head_knows_a_job_before_its_first_worker_where_workers_follow_the_work() {
    let mut scaled = cluster("shared", None, &json!({"workers": 0, "readyWorkers": 0}));
    for (mode, reason) in [("Internal", "Submitting"), ("External", "NoWorkers")] {
        Arc::make_mut(&mut scaled).spec = json!({"autoscaling": {"mode": mode}});
        let decision = decide(&facts(job(&json!({}), &Value::Null), vec![scaled.clone()], says(None)), now());
        assert_eq!(said(&decision).1[1], format!("ClusterReady=False {reason}"), "{mode}");
    }
}

#[test]
fn a_running_job_stays_what_it_is_while_its_head_is_away() {
    let decision = decide(&facts(job(&json!({}), &submitted(json!({}))), shared(), None), now());
    let (phase, conditions) = said(&decision);
    assert_eq!((phase.as_str(), conditions[1].as_str()), ("Running", "ClusterReady=False HeadUnreachable"));
}

#[test]
fn what_the_user_changes_is_told_until_the_head_has_heard_it() {
    let spec = json!({"suspend": true, "priority": 5});
    let old = submitted(json!({"observedGeneration": 1}));
    let decision = decide(&facts(job(&spec, &old), shared(), says(Some(Phase::Running))), now());
    let Step::Adjust(change) = &decision.step else { panic!("{decision:?}") };
    assert_eq!((change.suspend, change.priority, change.ttl_seconds_after_finished), (Some(true), Some(5), None));
    assert_eq!(decision.status.unwrap().observed_generation, Some(1), "not yet");
    // Nor does a head that is away make it look as if it were told.
    let away = decide(&facts(job(&spec, &old), shared(), None), now());
    assert_eq!(away.status.unwrap().observed_generation, Some(1));
    let ended = decide(&facts(job(&spec, &old), shared(), says(Some(Phase::Succeeded))), now());
    assert_eq!((ended.step, ended.status.unwrap().observed_generation), (Step::Wait, Some(2)));
}

#[test]
fn what_somebody_else_manages_is_left_alone() {
    for deleted in [false, true] {
        let mut job = job(&json!({"managedBy": "kueue.x-k8s.io/multikueue"}), &Value::Null);
        if deleted {
            job.metadata.deletion_timestamp = Some(serde_json::from_value(json!("1970-01-01T00:10:00Z")).unwrap());
        }
        let decision = decide(&facts(job, shared(), says(None)), now());
        assert_eq!((decision.step, decision.status, decision.again_after), (Step::Wait, None, None));
    }
}

#[test]
fn a_suspended_job_is_not_submitted() {
    let decision = decide(&facts(job(&json!({"suspend": true}), &Value::Null), shared(), says(None)), now());
    assert_eq!(decision.step, Step::Wait);
    assert_eq!(
        said(&decision),
        ("Suspended".into(), vec!["Accepted=True Accepted".into(), "Suspended=True Suspended".into()])
    );
}

#[test]
fn a_cluster_of_its_own_is_made_suspended_and_deleted_with_the_job() {
    let spec = json!({"cluster": {"workerGroups": [{"name": "cpu"}]}});
    let decision = decide(&facts(job(&spec, &Value::Null), vec![], None), now());
    let Step::Change(Change::Apply(made)) = &decision.step else { panic!("{decision:?}") };
    let name = made["metadata"]["name"].as_str().unwrap().to_owned();
    assert!(name.starts_with("grunfeld-") && name.len() <= 30, "{name}");
    assert_eq!((&made["kind"], &made["spec"]["workerGroups"][0]["name"]), (&json!("ShoalCluster"), &json!("cpu")));
    assert_eq!(said(&decision).1[1], "ClusterReady=False ClusterStarting");

    let mut own = (*cluster(&name, Some("j"), &ready())).clone();
    own.spec = made["spec"].clone();
    let own = vec![Arc::new(own)];
    let running = submitted(json!({"clusterName": name}));
    assert_eq!(decide(&facts(job(&spec, &running), own.clone(), says(Some(Phase::Running))), now()).step, Step::Wait);

    let mut suspended = spec.clone();
    suspended["suspend"] = true.into();
    let decision = decide(&facts(job(&suspended, &running), own.clone(), says(Some(Phase::Running))), now());
    let Step::Change(Change::Apply(changed)) = &decision.step else { panic!("{decision:?}") };
    assert_eq!(changed["spec"]["suspend"], true);
    assert_eq!(said(&decision).0, "Suspended");

    let ended = submitted(json!({"phase": "Succeeded", "clusterName": name}));
    let decision = decide(&facts(job(&spec, &ended), own, None), now());
    let Step::Change(Change::Delete(gone)) = &decision.step else { panic!("{decision:?}") };
    assert_eq!((gone.name.as_str(), gone.uid.as_deref()), (name.as_str(), Some(name.as_str())));
}

#[test]
fn a_job_that_has_ended_goes_when_its_time_is_over() {
    let ended = |at: &str| submitted(json!({"phase": "Succeeded", "completionTime": at}));
    let spec = json!({"ttlSecondsAfterFinished": 100});
    let later = decide(&facts(job(&spec, &ended("1970-01-01T00:16:00Z")), shared(), None), now());
    assert_eq!((later.step, later.again_after), (Step::Wait, Some(Duration::from_secs(60))));
    let over = decide(&facts(job(&spec, &ended("1970-01-01T00:15:00Z")), shared(), None), now());
    assert!(matches!(over.step, Step::Change(Change::Delete(_))), "{over:?}");
    let kept = decide(&facts(job(&json!({}), &ended("1970-01-01T00:15:00Z")), shared(), None), now());
    assert_eq!((kept.step, kept.again_after), (Step::Wait, None));
}

#[test]
fn a_deleted_job_is_cancelled_first_and_does_not_wait_for_ever() {
    let leaving = |status: &Value, seconds: i64, forced: bool| {
        let mut job = job(&json!({}), status);
        let deleted = now().as_second() - seconds;
        job.metadata.deletion_timestamp =
            Some(serde_json::from_value(json!(Timestamp::from_second(deleted).unwrap().to_string())).unwrap());
        if forced {
            job.metadata.annotations = Some([(FORCE_ANNOTATION.to_owned(), "true".to_owned())].into());
        }
        job
    };
    let goes = |decision: &Decision| match &decision.step {
        Step::Change(Change::Merge(_, patch)) => patch["metadata"]["finalizers"] == json!([]),
        _ => false,
    };
    let running = submitted(json!({}));
    let uid = submission::of(&job(&json!({}), &running)).uid;
    let keeps = || {
        let mut cluster = (*shared()[0]).clone();
        cluster.metadata.annotations = Some([(format!("cancel.shoal.dev/{uid}"), String::new())].into());
        vec![Arc::new(cluster)]
    };
    let suspended = |clusters: &[Arc<ShoalCluster>]| {
        let mut cluster = (*clusters[0]).clone();
        cluster.spec = json!({"suspend": true});
        vec![Arc::new(cluster)]
    };
    // What would bring the job back is told first.
    for (case, job, clusters) in [
        ("the head is away for too long", leaving(&running, 300, false), shared()),
        ("forced", leaving(&running, 1, true), shared()),
        ("suspended", leaving(&running, 1, false), suspended(&shared())),
    ] {
        let decision = decide(&facts(job, clusters, None), now());
        let Step::Change(Change::Merge(reference, patch)) = &decision.step else { panic!("{case}: {decision:?}") };
        assert_eq!((reference.kind.as_str(), reference.name.as_str()), ("ShoalCluster", "shared"), "{case}");
        assert_eq!(patch["metadata"]["annotations"][format!("cancel.shoal.dev/{uid}")], "n/grunfeld/j/1", "{case}");
        assert_eq!(said(&decision).1[1], "ClusterReady=False CancelKept", "{case}");
    }
    for (case, job, clusters, head, expected) in [
        ("never submitted", leaving(&Value::Null, 1, false), shared(), says(None), None),
        ("ended", leaving(&submitted(json!({"phase": "Failed"})), 1, false), shared(), None, None),
        ("running", leaving(&running, 1, false), shared(), says(Some(Phase::Running)), Some(Step::Cancel)),
        ("cancelled by now", leaving(&running, 1, false), shared(), says(Some(Phase::Failed)), None),
        ("the head knows it no more", leaving(&running, 1, false), shared(), says(None), None),
        ("the head is away", leaving(&running, 1, false), shared(), None, Some(Step::Wait)),
        (
            "the head is away for too long, and the cluster keeps the cancel",
            leaving(&running, 300, false),
            keeps(),
            None,
            None,
        ),
        ("forced, and the cluster keeps the cancel", leaving(&running, 1, true), keeps(), None, None),
        ("suspended, and the cluster keeps the cancel", leaving(&running, 1, false), suspended(&keeps()), None, None),
        ("the cluster is gone", leaving(&running, 1, false), vec![], None, None),
    ] {
        let decision = decide(&facts(job, clusters, head), now());
        match expected {
            None => assert!(goes(&decision), "{case}: {decision:?}"),
            Some(step) => {
                assert_eq!(decision.step, step, "{case}");
                assert!(decision.again_after.is_some(), "{case}");
            }
        }
    }
}

#[test]
fn an_own_cluster_keeps_no_cancel() {
    let mut leaving = job(&json!({"cluster": {}}), &submitted(json!({})));
    leaving.metadata.deletion_timestamp = Some(serde_json::from_value(json!("1970-01-01T00:16:39Z")).unwrap());
    let name = place_of(&leaving, &[]).unwrap();
    let mut own = (*cluster(&name, Some("j"), &ready())).clone();
    own.spec = json!({"suspend": true});
    let decision = decide(&facts(leaving, vec![Arc::new(own)], None), now());
    let Step::Change(Change::Merge(reference, patch)) = &decision.step else { panic!("{decision:?}") };
    assert_eq!((reference.kind.as_str(), &patch["metadata"]["finalizers"]), ("ShoalJob", &json!([])));
}

#[test]
fn a_running_job_says_that_it_has_no_workers() {
    for (workers, reason) in [((0, 0), "NoWorkers"), ((0, 2), "WorkersStarting"), ((1, 2), "Ready")] {
        let status = json!({"readyWorkers": workers.0, "workers": workers.1});
        let clusters = vec![cluster("shared", None, &status)];
        let decision =
            decide(&facts(job(&json!({}), &submitted(json!({}))), clusters.clone(), says(Some(Phase::Running))), now());
        let (phase, conditions) = said(&decision);
        assert_eq!(phase, "Running");
        assert!(conditions[1].ends_with(reason), "{conditions:?}");
        let ended =
            decide(&facts(job(&json!({}), &submitted(json!({}))), clusters, says(Some(Phase::Succeeded))), now());
        assert_eq!(said(&ended).1[1], "ClusterReady=True Ready");
    }
}

#[test]
fn a_job_repeats_what_its_clusters_groups_say() {
    let group = |(replicas, ready): (u32, u32), holds: &str, reason: &str, message: &str| {
        let condition = json!({
            "type": "Ready", "status": holds, "reason": reason, "message": message,
            "lastTransitionTime": "2026-11-01T00:00:00Z",
        });
        group("shared-cpu", replicas, ready, &json!([condition]))
    };
    let full = |ready| group((2, ready), "False", "QuotaExceeded", "2 workers are wanted; pods=2");
    let large = || group((2, 0), "False", "Unschedulable", "Insufficient cpu");
    let starting = || group((2, 0), "False", "PodsStarting", "0 of 2 workers are ready");
    let empty = || group((0, 0), "True", "Ready", "0 of 0 workers are ready");
    for (groups, reason, words) in [
        (vec![], "NoWorkers", "kubectl scale"),
        (vec![empty()], "NoWorkers", "kubectl scale"),
        (vec![starting(), empty()], "WorkersStarting", "none of the 2 workers of `shared` is ready yet"),
        (vec![starting(), full(0)], "QuotaExceeded", "no worker of `shared` is ready: 2 workers are wanted; pods=2"),
        (vec![large()], "Unschedulable", "Insufficient cpu"),
        (vec![full(0), large()], "QuotaExceeded", "pods=2"),
        // It gets on, if slowly.
        (vec![full(1), large()], "Ready", "takes jobs"),
    ] {
        let said = |decision: Decision| {
            let condition = decision.status.unwrap().conditions.swap_remove(1);
            assert_eq!(condition.type_, "ClusterReady");
            (condition.reason, condition.message)
        };
        let running = facts(job(&json!({}), &submitted(json!({}))), shared(), says(Some(Phase::Running)));
        let (found, message) = said(decide(&Facts { groups: groups.clone(), ..running }, now()));
        assert!(found == reason && message.contains(words), "{found}: {message}");
        if reason != "Ready" {
            let fresh = facts(job(&json!({}), &Value::Null), shared(), says(None));
            let told = said(decide(&Facts { groups, ..fresh }, now()));
            assert_eq!(told, (found, message), "whether or not it was submitted");
        }
    }
}

#[test]
fn a_change_of_a_cluster_concerns_the_jobs_that_may_run_on_it() {
    let own = json!({"cluster": {"workerGroups": []}});
    let name = own_cluster(&job(&own, &Value::Null));
    let other = json!({"clusterName": "other"});
    for (spec, status, cluster, expected) in [
        (json!({}), Value::Null, "shared", true),
        (json!({}), submitted(json!({})), "shared", true),
        (json!({}), other.clone(), "shared", false),
        (json!({"clusterRef": {"name": "shared"}}), other, "shared", true),
        (json!({"clusterRef": {"name": "other"}}), Value::Null, "shared", false),
        (own.clone(), Value::Null, "shared", false),
        (own, Value::Null, name.as_str(), true),
        (json!({}), submitted(json!({"phase": "Succeeded"})), "shared", false),
    ] {
        assert_eq!(may_run_on(&job(&spec, &status), cluster), expected, "{spec} {status} {cluster}");
    }
}

#[test]
fn names_of_own_clusters_are_names_of_clusters() {
    for (name, expected) in [
        ("grunfeld", "grunfeld"),
        ("a.b.c", "a-b-c"),
        ("2026-report", "report"),
        ("123", "job"),
        ("exactly-nineteen-ch-more", "exactly-nineteen-ch"),
        ("cut-before-this-one-dash", "cut-before-this-one"),
    ] {
        let mut job = job(&json!({"cluster": {}}), &Value::Null);
        job.metadata.name = Some(name.to_owned());
        let place = place_of(&job, &[]).unwrap();
        let (short, hash) = place.rsplit_once('-').unwrap();
        assert_eq!((short, hash.len()), (expected, 10), "{name}");
        assert!(place.len() <= 30);
    }
}

#[test]
fn only_what_the_user_must_change_is_a_final_refusal() {
    for (reason, expected) in [
        (Reason::InvalidValue, true),
        (Reason::LocalPathRefused, true),
        (Reason::JobConflict, false),
        (Reason::Busy, false),
        (Reason::HeadUnreachable, false),
        (Reason::NotLeading, false),
    ] {
        assert_eq!(is_final(&Failure::new(reason, "")), expected, "{reason:?}");
    }
}
