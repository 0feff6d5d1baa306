//! A head whose one kind of job has one task.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use shoal_coordinator::{ArchiveConfig, Head, HeadConfig, LocalPaths, StateConfig};
use shoal_core::Payload;
use shoal_core::blobs::NoBlobs;
use shoal_core::control::SubmitOptions;
use shoal_core::kind::{Capacity, JobKind, Kinds, Planned, StageOutcome, Step};
use shoal_core::limits::NO_WORKER_DEFAULT;
use shoal_core::publish::{CommitIntent, PublishedTable, Publisher, Settled};
use shoal_core::report::JobStatus;
use shoal_core::spec::v1alpha1::OutputMode;
use shoal_core::task::{StagePlan, TaskPlan};
use shoal_core::{Failure, Job, JobUid};
use tempfile::TempDir;

use crate::within;

struct OneTask;

#[async_trait]
impl JobKind for OneTask {
    fn name(&self) -> &'static str {
        "groupedTraining"
    }

    async fn facts(&self, _: &Job) -> Result<Payload, Failure> {
        Ok(Payload::default())
    }

    fn plan(&self, job: &Job, _: &Payload, done: &[StageOutcome], _: Capacity) -> Result<Planned, Failure> {
        let task = TaskPlan { bucket: None, weight: 1, payload: Payload::default() };
        let step = if done.is_empty() {
            let (name, common) = ("map".to_owned(), Payload::default());
            Step::Run(StagePlan { name, reads: None, percent_after: 50, common, tasks: vec![task] })
        } else {
            Step::Publish(CommitIntent {
                job: job.uid,
                job_name: job.name.clone(),
                output: "models".into(),
                table: "/out".into(),
                mode: OutputMode::Overwrite,
                schema: String::new(),
                files: Vec::new(),
            })
        };
        Ok(Planned { step, notes: Vec::new() })
    }
}

struct Publishes;

#[async_trait]
impl Publisher for Publishes {
    async fn publish(&self, intent: &CommitIntent) -> Result<PublishedTable, Failure> {
        Ok(PublishedTable { name: intent.output.clone(), table: intent.table.clone(), version: 0, rows: 0 })
    }

    async fn withdraw(&self, _: &CommitIntent) -> Result<Settled, Failure> {
        Ok(Settled::Withdrawn)
    }

    async fn discard(&self, _: JobUid, _: &str) -> Result<(), Failure> {
        Ok(())
    }
}

pub(crate) struct FakeHead {
    pub(crate) head: Head,
    _state: Option<TempDir>,
}

impl FakeHead {
    pub(crate) async fn start() -> Self {
        let state = tempfile::tempdir().unwrap();
        let head = Self::start_in(state.path(), None).await.head;
        Self { head, _state: Some(state) }
    }

    /// A head with the state in that folder.
    pub(crate) async fn start_in(state: &Path, archive: Option<ArchiveConfig>) -> Self {
        let config = HeadConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            kinds: Kinds::new([Arc::new(OneTask) as Arc<dyn JobKind>]),
            publisher: Arc::new(Publishes),
            token: None,
            tls: None,
            local_paths: LocalPaths::Any,
            no_worker_max: NO_WORKER_DEFAULT,
            archive,
            blobs: Arc::new(NoBlobs),
            traces: None,
        };
        let head = Head::start(config, StateConfig::Folder(state.to_owned())).await.unwrap();
        Self { head, _state: None }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.head.workers_address())
    }

    /// Ends it in order: its state can be opened again.
    pub(crate) async fn stop(self) {
        self.head.shutdown().await;
    }

    pub(crate) async fn submit(&self, name: &str) {
        self.submit_with(name, SubmitOptions::default()).await;
    }

    /// A new submission, whatever became of the last.
    pub(crate) async fn submit_again(&self, name: &str) {
        self.submit_with(name, SubmitOptions { rerun: true, fresh: true }).await;
    }

    async fn submit_with(&self, name: &str, options: SubmitOptions) {
        let spec = json!({
            "apiVersion": "shoal.dev/v1alpha1",
            "kind": "ShoalJob",
            "metadata": {"name": name},
            "spec": {"groupedTraining": {
                "input": {"table": "/in.csv"},
                "groupBy": ["firm"],
                "model": {"ols": {"target": "y", "features": ["x"]}},
                "output": {"table": "/out"},
            }},
        });
        self.head.submit(serde_json::from_value(spec).unwrap(), options).await.unwrap();
    }

    /// The status of a job that has ended.
    pub(crate) async fn ended(&self, name: &str) -> JobStatus {
        let ended = async {
            loop {
                let status = self.head.show(name).await.unwrap();
                if status.phase.is_final() {
                    return status;
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        within("the end of the job", ended).await
    }
}
