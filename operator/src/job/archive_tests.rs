#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use shoal_core::report::{Phase, Progress, Report};
use shoal_core::{Failure, JobUid, Reason};

use super::super::decide::{Step, decide, place_of};
use super::super::submission;
use super::*;
use crate::changes::Change;

const URI: &str = "s3://b/shoal/jobs/n/grunfeld/0";

/// A job that ended at second 1000, with a cluster of its own or the shared one.
fn finished(is_own: bool, status: &Value) -> ShoalJob {
    let mut spec = json!({"groupedTraining": {
        "input": {"table": "s3://b/t"}, "groupBy": ["firm"], "model": {"ols": {"target": "y", "features": ["x"]}},
        "output": {"table": "s3://b/m"},
    }});
    match is_own {
        true => spec["cluster"] = json!({}),
        false => spec["clusterRef"] = json!({"name": "shared"}),
    }
    let mut whole = json!({
        "submissionId": "n/grunfeld/j/1", "observedGeneration": 2, "phase": "Succeeded",
        // The head's clock is an hour off.
        "completionTime": "1970-01-01T01:16:40Z",
        "conditions": [{
            "type": "Complete", "status": "True", "reason": "Published", "message": "",
            "lastTransitionTime": "1970-01-01T00:16:40Z",
        }],
    });
    whole.as_object_mut().unwrap().extend(status.as_object().unwrap().clone());
    serde_json::from_value(json!({
        "metadata": {"name": "grunfeld", "namespace": "n", "uid": "j", "generation": 2},
        "spec": spec, "status": whole,
    }))
    .unwrap()
}

fn state(archive: Option<ArchiveStatus>) -> report::JobStatus {
    report::JobStatus {
        name: "grunfeld".into(),
        uid: JobUid(uuid::Uuid::nil()),
        kind: "groupedTraining".into(),
        phase: Phase::Succeeded,
        progress: Progress::default(),
        outputs: Vec::new(),
        failure: None,
        report: Report { finished_ms: Some(1_000_000), ..Report::default() },
        archive,
    }
}

fn copy(is_stored: bool, failure: Option<Failure>) -> Option<ArchiveStatus> {
    Some(ArchiveStatus { uri: URI.into(), is_stored, failure })
}

/// What a head that has told of all its jobs says of this one.
fn says(archive: Option<ArchiveStatus>) -> Option<HeadView> {
    Some(HeadView { state: Some(state(archive)), is_complete: true })
}

fn facts(job: ShoalJob, storage: &Value, head: Option<HeadView>) -> Facts {
    let name = place_of(&job, &[]).unwrap();
    let owners = match job.raw_spec().get("cluster") {
        Some(_) => json!([{"apiVersion": "shoal.dev/v1alpha1", "kind": "ShoalJob", "name": "grunfeld", "uid": "j"}]),
        None => json!([]),
    };
    let cluster = json!({
        "metadata": {"name": name, "namespace": "n", "uid": "c", "ownerReferences": owners}, "spec": {"storage": storage},
    });
    let clusters = vec![Arc::new(serde_json::from_value(cluster).unwrap())];
    let place = place_of(&job, &clusters);
    Facts { submission: submission::of(&job), place, job: Arc::new(job), clusters, groups: Vec::new(), head }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn archived(status: &JobStatus) -> Option<(String, String)> {
    let condition = status.conditions.iter().find(|one| one.type_ == CONDITION)?;
    Some((format!("{:?} {}", condition.status, condition.reason), condition.message.clone()))
}

#[test]
fn a_jobs_own_cluster_stays_until_the_copy_is_there() {
    let storage = json!({"uri": "s3://b/shoal"});
    let step = |status: &Value, head, second| decide(&facts(finished(true, status), &storage, head), at(second));
    let none = json!({});

    let on_its_way = step(&none, says(copy(false, None)), 1_001);
    assert_eq!((&on_its_way.step, on_its_way.again_after), (&Step::Wait, Some(Duration::from_secs(299))));
    assert_eq!(archived(&on_its_way.status.unwrap()), None);

    let full = Failure::new(Reason::ResourcesExhausted, "the bucket is full").next("make room");
    let fails = step(&none, says(copy(false, Some(full.clone()))), 1_010);
    assert_eq!((&fails.step, fails.again_after), (&Step::Wait, Some(Duration::from_secs(290))));
    let (condition, message) = archived(&fails.status.unwrap()).unwrap();
    assert_eq!(condition, "False ResourcesExhausted");
    assert!(message.contains("the bucket is full; make room; it is tried again"), "{message}");

    let stored = step(&none, says(copy(true, None)), 1_020);
    assert_eq!((&stored.step, stored.again_after), (&Step::Wait, Some(Duration::ZERO)), "it is said first");
    let status = stored.status.unwrap();
    assert_eq!(status.logs_uri.as_deref(), Some(URI));
    assert_eq!(archived(&status).unwrap().0, "True Stored");
    let gone = step(&json!({"logsUri": URI}), says(copy(true, None)), 1_021);
    assert!(matches!(gone.step, Step::Change(Change::Delete(_))), "{gone:?}");

    // A head that is away for a while is waited for, and then no more.
    let away = step(&none, None, 1_299);
    assert_eq!((&away.step, away.again_after, away.status), (&Step::Wait, Some(Duration::from_secs(1)), None));
    for (head, why) in [(None, "could not be asked"), (says(copy(false, Some(full))), "the bucket is full")] {
        let over = step(&none, head, 1_300);
        assert_eq!((&over.step, over.again_after), (&Step::Wait, Some(Duration::ZERO)), "it is said first");
        let status = over.status.unwrap();
        let (condition, message) = archived(&status).unwrap();
        assert_eq!(condition, "False NotStored");
        assert!(message.contains(why) && message.contains("s3://b/shoal"), "{message}");
        let gone = step(&serde_json::to_value(&status).unwrap(), None, 1_301);
        assert!(matches!(gone.step, Step::Change(Change::Delete(_))), "{gone:?}");
    }
}

#[test]
fn nothing_is_waited_for_that_will_not_come() {
    let storage = json!({"uri": "s3://b/shoal"});
    let is_deleted = |facts: &Facts| matches!(decide(facts, at(1_001)).step, Step::Change(Change::Delete(_)));
    let none = json!({});
    assert!(is_deleted(&facts(finished(true, &none), &json!({}), says(None))), "there is no storage");
    let unknown = Some(HeadView { state: None, is_complete: true });
    assert!(is_deleted(&facts(finished(true, &none), &storage, unknown)), "the head knows no such job");
    let refused = json!({"submissionId": null, "phase": "Failed"});
    assert!(is_deleted(&facts(finished(true, &refused), &storage, None)), "it never got to a head");
    let incomplete = Some(HeadView { state: None, is_complete: false });
    assert!(!is_deleted(&facts(finished(true, &none), &storage, incomplete)), "the head has not told of all its jobs");
}

#[test]
fn a_job_of_a_shared_cluster_says_where_its_copy_is_and_holds_nothing_up() {
    let storage = json!({"uri": "s3://b/shoal"});
    let facts = |status: &Value, head| facts(finished(false, status), &storage, head);
    let stored = decide(&facts(&json!({}), says(copy(true, None))), at(9_000));
    assert_eq!((stored.step, stored.again_after), (Step::Wait, None));
    assert_eq!(stored.status.unwrap().logs_uri.as_deref(), Some(URI));
    let known = facts(&json!({"logsUri": URI}), None);
    assert!(!is_awaited(&known.job, &known.clusters, "shared"));
    assert_eq!(decide(&known, at(9_000)).status, None);
    let away = facts(&json!({}), None);
    assert!(is_awaited(&away.job, &away.clusters, "shared"));
    assert_eq!(decide(&away, at(9_000)).status, None);
}
