//! Jobs of tasks that do nothing: what is left is the control plane.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use serde_json::json;
use shoal_core::Payload;
use shoal_core::kind::{Capacity, JobKind, Kinds, Planned, StageOutcome, Step};
use shoal_core::publish::{CommitIntent, PublishedTable, Publisher, Settled};
use shoal_core::runner::{TaskContext, TaskRunner};
use shoal_core::spec::v1alpha1::{OutputMode, ShoalJob};
use shoal_core::task::{Assignment, StagePlan, TaskOutput, TaskPlan};
use shoal_core::{Failure, Job, JobUid};
use tokio::sync::watch;

/// Plans one stage of so many tasks, whose payloads are as large as those of real ones.
struct NoWork {
    tasks: u32,
}

#[async_trait]
impl JobKind for NoWork {
    fn name(&self) -> &'static str {
        "groupedTraining"
    }

    async fn facts(&self, _: &Job) -> Result<Payload, Failure> {
        Ok(Payload::default())
    }

    fn plan(&self, job: &Job, _: &Payload, done: &[StageOutcome], _: Capacity) -> Result<Planned, Failure> {
        let task = |index: u32| TaskPlan {
            bucket: None,
            weight: 1,
            payload: json!({"path": format!("/data/events/day=2026-11-{:02}/part-{index:05}.parquet", index % 30),
                            "rowGroups": [index % 8, index % 8 + 1], "bytes": 134_217_728_u64 + u64::from(index)})
            .into(),
        };
        let step = if done.is_empty() {
            Step::Run(StagePlan {
                name: "map".into(),
                reads: None,
                percent_after: 90,
                common: json!({"columns": ["store", "day", "sales"]}).into(),
                tasks: (0..self.tasks).map(task).collect(),
            })
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

/// The registry with jobs of so many tasks.
pub(crate) fn kinds(tasks: u32) -> Kinds {
    Kinds::new([Arc::new(NoWork { tasks }) as Arc<dyn JobKind>])
}

/// Publishes nothing, at once.
pub(crate) struct NoTable;

#[async_trait]
impl Publisher for NoTable {
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

/// Ends tasks at once, up to so many; the others wait for ever. Says when it got the latest.
pub(crate) struct NoTask {
    left: AtomicU64,
    /// When the latest task came in.
    pub(crate) started: watch::Sender<Option<Instant>>,
}

impl NoTask {
    /// Ends so many tasks.
    pub(crate) fn ending(tasks: u64) -> Arc<Self> {
        Arc::new(Self { left: AtomicU64::new(tasks), started: watch::Sender::default() })
    }
}

#[async_trait]
impl TaskRunner for NoTask {
    async fn run(&self, _: Assignment, _: TaskContext) -> Result<TaskOutput, Failure> {
        self.started.send_replace(Some(Instant::now()));
        let may_end = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
        if !may_end {
            std::future::pending::<()>().await;
        }
        Ok(TaskOutput::default())
    }
}

/// A job of that name over a table that nobody reads.
pub(crate) fn job(name: &str) -> Result<ShoalJob, serde_json::Error> {
    job_over(name, Path::new("/data/events"), Path::new("/out"))
}

/// A job of that name over a table with the columns `store`, `day` and `sales`.
pub(crate) fn job_over(name: &str, table: &Path, output: &Path) -> Result<ShoalJob, serde_json::Error> {
    serde_json::from_value(json!({
        "apiVersion": "shoal.dev/v1alpha1",
        "kind": "ShoalJob",
        "metadata": {"name": name},
        "spec": {"groupedTraining": {
            "input": {"table": table},
            "groupBy": ["store"],
            "model": {"ols": {"target": "sales", "features": ["day"]}},
            "output": {"table": output, "mode": "overwrite"},
        }},
    }))
}
