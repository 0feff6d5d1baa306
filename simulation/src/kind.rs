//! The jobs that are simulated: splits whose partitions are merged per bucket, or splits that write files at once.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use shoal_core::Payload;
use shoal_core::job::{Job, Work};
use shoal_core::kind::{Capacity, JobKind, Kinds, Planned, StageOutcome, Step};
use shoal_core::publish::CommitIntent;
use shoal_core::spec::v1alpha1::{OutputMode, ShoalJob};
use shoal_core::task::{FileMeta, StagePlan, TaskOutput, TaskPlan};
use shoal_core::{AttemptId, Failure, Reason};

use crate::scenario::JobScenario;

/// What a simulated job consists of. It travels in the name of its input table, as nothing else in a spec is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) splits: u32,
    /// Tasks that merge what the splits left; with none the splits themselves write files.
    pub(crate) buckets: u32,
    /// The split that ends every process which runs it.
    pub(crate) poison: Option<u32>,
}

impl Shape {
    fn input(self) -> String {
        let poison = self.poison.map_or_else(String::new, |index| index.to_string());
        format!("/in/{}/{}/{poison}", self.splits, self.buckets)
    }

    fn parse(input: &str) -> Option<Self> {
        let mut parts = input.strip_prefix("/in/")?.split('/');
        let splits = parts.next()?.parse().ok()?;
        let buckets = parts.next()?.parse().ok()?;
        let poison = parts.next()?.parse().ok();
        Some(Self { splits, buckets, poison })
    }

    /// Files that its commit has, each with the rows of so many splits.
    pub(crate) fn files(self) -> u32 {
        if self.buckets == 0 { self.splits } else { self.buckets }
    }
}

/// The spec of a simulated job.
pub(crate) fn spec(name: &str, job: &JobScenario, table: &str) -> Arc<ShoalJob> {
    let mut spec = json!({
        "apiVersion": "shoal.dev/v1alpha1",
        "kind": "ShoalJob",
        "metadata": {"name": name},
        "spec": {
            "priority": job.priority,
            "failurePolicy": {"maxTaskAttempts": job.max_task_attempts},
            "groupedTraining": {
                "input": {"table": job.shape.input()},
                "groupBy": ["firm"],
                "model": {"ols": {"target": "y", "features": ["x"]}},
                "output": {"table": table, "mode": "append"},
            },
        },
    });
    if let Some(seconds) = job.deadline_s {
        spec["spec"]["activeDeadlineSeconds"] = json!(seconds);
    }
    if let Some(seconds) = job.ttl_s {
        spec["spec"]["ttlSecondsAfterFinished"] = json!(seconds);
    }
    Arc::new(serde_json::from_value(spec).expect("the simulated spec is a valid one"))
}

/// The kinds of a simulated head.
pub(crate) fn kinds() -> Kinds {
    Kinds::new([Arc::new(Simulated) as Arc<dyn JobKind>])
}

/// Name of the stage whose tasks leave partitions.
pub(crate) const MAP: &str = "map";

/// The file that an attempt writes, with the rows of so many splits.
pub(crate) fn file_of(attempt: AttemptId, splits: usize) -> FileMeta {
    FileMeta { path: format!("part-{attempt}.parquet"), bytes: 1, rows: splits as u64, statistics: None }
}

struct Simulated;

#[async_trait]
impl JobKind for Simulated {
    fn name(&self) -> &'static str {
        "groupedTraining"
    }

    async fn facts(&self, _: &Job) -> Result<Payload, Failure> {
        Ok(Payload::default())
    }

    fn plan(&self, job: &Job, _: &Payload, done: &[StageOutcome], _: Capacity) -> Result<Planned, Failure> {
        let Work::GroupedTraining(training) = &job.work else {
            return Err(Failure::internal("only trainings are simulated"));
        };
        let shape = Shape::parse(&training.input.table)
            .ok_or_else(|| Failure::new(Reason::TableNotFound, "the input is no simulated table"))?;
        let step = match done {
            [] => Step::Run(splits(shape)),
            [_] if shape.buckets > 0 => Step::Run(buckets(shape)),
            [.., last] => Step::Publish(CommitIntent {
                job: job.uid,
                job_name: job.name.clone(),
                output: "models".into(),
                table: training.output.table.clone(),
                mode: OutputMode::Append,
                schema: String::new(),
                files: last.outputs.iter().flat_map(|output: &TaskOutput| output.files.clone()).collect(),
            }),
        };
        Ok(Planned { step, notes: Vec::new() })
    }
}

fn splits(shape: Shape) -> StagePlan {
    let task = |index| TaskPlan { bucket: None, weight: 1, payload: json!(shape.poison == Some(index)).into() };
    StagePlan {
        name: if shape.buckets == 0 { "write".into() } else { MAP.into() },
        reads: None,
        percent_after: 50,
        common: json!(shape.buckets).into(),
        tasks: (0..shape.splits).map(task).collect(),
    }
}

fn buckets(shape: Shape) -> StagePlan {
    let task = |bucket| TaskPlan { bucket: Some(bucket), weight: 1, payload: Value::Bool(false).into() };
    StagePlan {
        name: "reduce".into(),
        reads: Some(0),
        percent_after: 90,
        common: json!(shape.buckets).into(),
        tasks: (0..shape.buckets).map(task).collect(),
    }
}
