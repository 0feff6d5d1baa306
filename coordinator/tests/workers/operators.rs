//! The door for operators: jobs under uids of their choice.

use serde_json::{Value, json};
use shoal_core::control::{WorkerLoad, WorkerPhase};
use shoal_core::report::{JobStatus, Phase};
use shoal_core::{Failure, JobUid, Reason};
use shoal_wire::failure::from_status;
use shoal_wire::proto::jobs_client::JobsClient;
use shoal_wire::proto::{
    Caller, CancelJob, ChangeJob, DrainWorkers, JobState, ListWorkers, SubmitJob, WatchJobs, WorkerList,
};
use tonic::transport::Channel;

use crate::fake::FakeHead;
use crate::v1::OldWorker;
use crate::within;

struct Operator {
    client: JobsClient<Channel>,
    transitions: u64,
}

impl Operator {
    async fn new(head: &FakeHead, transitions: u64) -> Self {
        Self { client: JobsClient::connect(head.url()).await.unwrap(), transitions }
    }

    fn caller(&self) -> Option<Caller> {
        Some(Caller { transitions: self.transitions })
    }

    async fn submit(&mut self, uid: JobUid, document: &Value) -> Result<JobStatus, Failure> {
        let request =
            SubmitJob { caller: self.caller(), job_uid: uid.to_string(), job_json: document.to_string().into_bytes() };
        answer(self.client.submit(request).await)
    }

    async fn change(&mut self, uid: JobUid, change: &Value) -> Result<JobStatus, Failure> {
        let change_json = change.to_string().into_bytes();
        answer(self.client.change(ChangeJob { caller: self.caller(), job_uid: uid.to_string(), change_json }).await)
    }

    async fn cancel(&mut self, uid: JobUid) -> Result<JobStatus, Failure> {
        answer(self.client.cancel(CancelJob { caller: self.caller(), job_uid: uid.to_string() }).await)
    }

    async fn workers(&mut self) -> Result<Vec<WorkerLoad>, Failure> {
        listed(self.client.workers(ListWorkers { caller: self.caller() }).await)
    }

    async fn drain(&mut self, names: &[&str]) -> Result<Vec<WorkerLoad>, Failure> {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        listed(self.client.drain(DrainWorkers { caller: self.caller(), names, leaves_within_ms: 30_000 }).await)
    }
}

fn listed(answer: Result<tonic::Response<WorkerList>, tonic::Status>) -> Result<Vec<WorkerLoad>, Failure> {
    let list = answer.map_err(|status| from_status(&status))?.into_inner();
    Ok(serde_json::from_slice(&list.workers_json).unwrap())
}

fn answer(answer: Result<tonic::Response<JobState>, tonic::Status>) -> Result<JobStatus, Failure> {
    let state = answer.map_err(|status| from_status(&status))?.into_inner();
    Ok(serde_json::from_slice(&state.status_json).unwrap())
}

fn job(name: &str) -> Value {
    json!({
        "apiVersion": "shoal.dev/v1alpha1", "kind": "ShoalJob", "metadata": {"name": name},
        "spec": {"groupedTraining": {
            "input": {"table": "/in.csv"}, "groupBy": ["firm"],
            "model": {"ols": {"target": "y", "features": ["x"]}}, "output": {"table": "/out"},
        }},
    })
}

fn uid(number: u128) -> JobUid {
    JobUid(uuid::Uuid::from_u128(number))
}

#[tokio::test]
async fn a_submission_that_is_repeated_is_one_job() {
    let head = FakeHead::start().await;
    let mut operator = Operator::new(&head, 0).await;
    assert_eq!(operator.submit(uid(7), &job("a")).await.unwrap().uid, uid(7));
    assert_eq!(operator.submit(uid(7), &job("a")).await.unwrap().uid, uid(7));
    assert_eq!(head.head.list().await.unwrap().len(), 1);

    // Under another uid it is another job, for which the name is not free.
    assert_eq!(operator.submit(uid(8), &job("a")).await.unwrap_err().reason, Reason::JobConflict);

    // The echo of one that has ended is its end, and starts nothing.
    assert_eq!(operator.cancel(uid(7)).await.unwrap().uid, uid(7));
    assert_eq!(head.ended("a").await.phase, Phase::Failed);
    let again = operator.submit(uid(7), &job("a")).await.unwrap();
    assert_eq!((again.phase, again.failure.unwrap().reason), (Phase::Failed, Reason::Cancelled));
    assert_eq!(operator.submit(uid(8), &job("a")).await.unwrap().uid, uid(8));
}

#[tokio::test]
async fn a_head_that_has_heard_a_newer_operator_obeys_no_older_one() {
    let head = FakeHead::start().await;
    let mut older = Operator::new(&head, 3).await;
    older.submit(uid(1), &job("a")).await.unwrap();
    let mut newer = Operator::new(&head, 4).await;
    newer.change(uid(1), &json!({"priority": 5})).await.unwrap();

    assert_eq!(older.submit(uid(2), &job("b")).await.unwrap_err().reason, Reason::NotLeading);
    assert_eq!(older.cancel(uid(1)).await.unwrap_err().reason, Reason::NotLeading);
    assert_eq!(older.change(uid(1), &json!({})).await.unwrap_err().reason, Reason::NotLeading);
    assert!(older.client.watch(WatchJobs { caller: older.caller() }).await.is_err());
    assert!(!head.head.show("a").await.unwrap().phase.is_final());
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_field() {
    let head = FakeHead::start().await;
    let mut operator = Operator::new(&head, 0).await;
    let mut bad = job("a");
    bad["spec"]["groupedTraining"]["groupBy"] = json!([]);
    let failure = operator.submit(uid(1), &bad).await.unwrap_err();
    assert_eq!(failure.reason, Reason::InvalidValue);
    assert_eq!(failure.location.field_path.as_deref(), Some("spec.groupedTraining.groupBy"));
    assert_eq!(operator.cancel(uid(9)).await.unwrap_err().reason, Reason::JobNotFound);
}

#[tokio::test]
async fn a_watcher_hears_of_all_jobs_and_then_of_each_that_changes() {
    let head = FakeHead::start().await;
    let mut operator = Operator::new(&head, 0).await;
    operator.submit(uid(1), &job("a")).await.unwrap();
    let caller = operator.caller();
    let mut words = operator.client.watch(WatchJobs { caller }).await.unwrap().into_inner();
    let first = within("the first job", words.message()).await.unwrap().unwrap();
    let first: JobStatus = serde_json::from_slice(&first.status_json).unwrap();
    assert_eq!(first.uid, uid(1));
    let mut is_complete = false;
    operator.cancel(uid(1)).await.unwrap();
    loop {
        let word = within("word of the end", words.message()).await.unwrap().unwrap();
        if word.status_json.is_empty() {
            is_complete = true;
        } else if serde_json::from_slice::<JobStatus>(&word.status_json).unwrap().phase == Phase::Failed {
            break;
        }
    }
    assert!(is_complete, "it was said that all were told of");
}

#[tokio::test]
async fn workers_are_told_of_and_leave_by_their_names() {
    let head = FakeHead::start().await;
    let mut operator = Operator::new(&head, 2).await;
    assert_eq!(operator.workers().await.unwrap(), []);
    let mut busy = OldWorker::register(&head.url(), 1, "busy", "1").await;
    assert!(busy.welcomed().await);
    operator.submit(uid(1), &job("a")).await.unwrap();
    within("a task", busy.hear()).await;
    let mut idle = OldWorker::register(&head.url(), 1, "idle", "1").await;
    assert!(idle.welcomed().await);
    let told = operator.workers().await.unwrap();
    let in_short: Vec<_> = told.iter().map(|one| (one.name.as_str(), one.state, one.used)).collect();
    assert_eq!(in_short, [("busy", WorkerPhase::Ready, 1), ("idle", WorkerPhase::Ready, 0)]);

    // One without anything to hand over has left at once; who is not there keeps nobody.
    let left = operator.drain(&["busy", "gone", "idle"]).await.unwrap();
    let in_short: Vec<_> = left.iter().map(|one| (one.name.as_str(), one.state)).collect();
    assert_eq!(in_short, [("busy", WorkerPhase::Draining)]);

    let mut older = Operator::new(&head, 1).await;
    assert_eq!(older.drain(&["busy"]).await.unwrap_err().reason, Reason::NotLeading);
    assert_eq!(older.workers().await.unwrap_err().reason, Reason::NotLeading);
}
