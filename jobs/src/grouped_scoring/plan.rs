//! Decides what comes next. Pure.

use std::collections::BTreeMap;

use shoal_core::Payload;
use shoal_core::job::GroupedScoring;
use shoal_core::kind::{Capacity, Planned, StageOutcome, Step};
use shoal_core::publish::CommitIntent;
use shoal_core::task::{Counters, StagePlan, TaskOutput, TaskPlan};
use shoal_core::{Failure, Job, Reason};
use shoal_engine::delta::schema_json;
use shoal_engine::table::{Split, splits};

use super::strategy::{Decision, decide};
use super::tasks::{DealStage, DealTask, Facts, JoinStage, Output, Pinned, ScoreStage, stage};
use crate::grouped_training::split_bytes;

pub(super) fn plan(
    job: &Job,
    scoring: &GroupedScoring,
    facts: &Facts,
    done: &[StageOutcome],
    capacity: Capacity,
) -> Result<Planned, Failure> {
    match done.last().map(|outcome| outcome.name.as_str()) {
        None => {
            let (models, rows) = (facts.models.bytes(), facts.rows.bytes());
            let Decision { buckets, note } = decide(scoring.strategy, models, rows, capacity.slots);
            let stage = match buckets {
                None => score(scoring, facts, capacity)?,
                Some(buckets) => deal(facts, buckets, capacity)?,
            };
            Ok(Planned { step: Step::Run(stage), notes: vec![note] })
        }
        Some(stage::DEAL) => Ok(Planned { step: Step::Run(join(scoring, facts, done)?), notes: Vec::new() }),
        Some(stage::SCORE | stage::JOIN) => publish(job, scoring, facts, done),
        Some(other) => Err(Failure::internal(format!("stage `{other}` is none of grouped scoring"))),
    }
}

fn score(scoring: &GroupedScoring, facts: &Facts, capacity: Capacity) -> Result<StagePlan, Failure> {
    let common = ScoreStage {
        models: facts.models.clone(),
        rows: facts.rows.table.clone(),
        scoring: facts.scoring.clone(),
        output: output(scoring, facts),
    };
    let task = |split: Split| Ok(TaskPlan { bucket: None, weight: split.bytes.max(1), payload: Payload::of(&split)? });
    let tasks = splits_of(&facts.rows, capacity).into_iter().map(task).collect::<Result<_, Failure>>()?;
    Ok(StagePlan {
        name: stage::SCORE.to_owned(),
        reads: None,
        percent_after: 97,
        common: Payload::of(&common)?,
        tasks,
    })
}

fn deal(facts: &Facts, buckets: u32, capacity: Capacity) -> Result<StagePlan, Failure> {
    let common = DealStage {
        models: facts.models.table.clone(),
        rows: facts.rows.table.clone(),
        scoring: facts.scoring.clone(),
        buckets,
    };
    let models = splits_of(&facts.models, capacity).into_iter().map(DealTask::Models);
    let rows = splits_of(&facts.rows, capacity).into_iter().map(DealTask::Rows);
    let task = |task: DealTask| {
        let (DealTask::Models(split) | DealTask::Rows(split)) = &task;
        Ok(TaskPlan { bucket: None, weight: split.bytes.max(1), payload: Payload::of(&task)? })
    };
    let tasks = models.chain(rows).map(task).collect::<Result<_, Failure>>()?;
    Ok(StagePlan { name: stage::DEAL.to_owned(), reads: None, percent_after: 50, common: Payload::of(&common)?, tasks })
}

fn join(scoring: &GroupedScoring, facts: &Facts, done: &[StageOutcome]) -> Result<StagePlan, Failure> {
    let index = u32::try_from(done.len() - 1).map_err(|_| Failure::internal("too many stages"))?;
    let dealt = done.last().map(|deal| deal.outputs.as_slice()).unwrap_or_default();
    // What a task dealt stands in what it reports: the number of splits depends on slots, which may be others by now.
    let mut model_tasks = 0;
    for output in dealt {
        model_tasks += usize::from(output.payload.read::<bool>()?);
    }
    // A bucket of models alone has nobody to predict for.
    let mut rows: BTreeMap<u32, u64> = BTreeMap::new();
    for partition in dealt[model_tasks..].iter().flat_map(|output| &output.partitions) {
        *rows.entry(partition.bucket).or_default() += partition.rows;
    }
    if rows.is_empty() {
        return Err(no_rows(scoring));
    }
    let common = JoinStage {
        scoring: facts.scoring.clone(),
        model_tasks: u32::try_from(model_tasks).map_err(|_| Failure::internal("too many tasks"))?,
        output: output(scoring, facts),
    };
    let task = |(bucket, rows): (u32, u64)| TaskPlan {
        bucket: Some(bucket),
        weight: rows.max(1),
        payload: Payload::default(),
    };
    Ok(StagePlan {
        name: stage::JOIN.to_owned(),
        reads: Some(index),
        percent_after: 97,
        common: Payload::of(&common)?,
        tasks: rows.into_iter().map(task).collect(),
    })
}

fn publish(job: &Job, scoring: &GroupedScoring, facts: &Facts, done: &[StageOutcome]) -> Result<Planned, Failure> {
    let mut counters = Counters::default();
    let mut files = Vec::new();
    for TaskOutput { counters: counted, files: written, .. } in
        done.last().map(|last| last.outputs.as_slice()).unwrap_or_default()
    {
        counters.add(counted);
        files.extend(written.iter().cloned());
    }
    if counters.rows_in == 0 {
        return Err(no_rows(scoring));
    }
    check_failed_rows(job, counters.groups_ok, counters.groups_failed)?;
    let intent = CommitIntent {
        job: job.uid,
        job_name: job.name.clone(),
        output: "predictions".to_owned(),
        table: scoring.output.table.clone(),
        mode: scoring.output.mode,
        schema: schema_json(&facts.output_schema)?,
        files,
    };
    Ok(Planned { step: Step::Publish(intent), notes: Vec::new() })
}

/// Fails the job where more rows are without a prediction than it allows.
fn check_failed_rows(job: &Job, ok: u64, failed: u64) -> Result<(), Failure> {
    let Some(max_failed) = job.failure_policy.max_failed else { return Ok(()) };
    let total = ok + failed;
    if failed <= max_failed.of(total) {
        return Ok(());
    }
    Err(Failure::new(Reason::TooManyFailed, format!("{failed} of {total} rows have no prediction; {max_failed} may"))
        .field("spec.failurePolicy.maxFailed")
        .next("raise the limit, and look at `reason` of the rows in the output"))
}

fn no_rows(scoring: &GroupedScoring) -> Failure {
    let failure = Failure::new(Reason::TableEmpty, "the table has no rows to predict for").file(&scoring.input.table);
    match &scoring.input.filter {
        Some(filter) => {
            failure.field("spec.groupedScoring.input.where").next(format!("no row passes `{filter}`: change it"))
        }
        None => failure
            .field("spec.groupedScoring.input.table")
            .next("see whether whatever writes the table has run, or name another one"),
    }
}

fn splits_of(table: &Pinned, capacity: Capacity) -> Vec<Split> {
    splits(&table.table, &table.files, split_bytes(table.bytes(), capacity.slots))
}

fn output(scoring: &GroupedScoring, facts: &Facts) -> Output {
    Output { table: scoring.output.table.clone(), schema: facts.output_schema.clone() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
