//! Decides what comes next. Pure.

use std::collections::BTreeMap;

use shoal_core::Payload;
use shoal_core::job::{GroupedTraining, Strategy};
use shoal_core::kind::{Capacity, Planned, StageOutcome, Step};
use shoal_core::publish::CommitIntent;
use shoal_core::task::{Counters, StagePlan, TaskPlan};
use shoal_core::{Failure, Job, Reason};
use shoal_engine::delta::schema_json;
use shoal_engine::models::Training;
use shoal_engine::table::{InputFile, Split, splits};
use shoal_ml::Needs;

use super::learn::{encoders, has_to_learn};
use super::strategy::{Decision, decide};
use super::tasks::{Exchange, Facts, LearnStage, Learned, MapStage, MeasureTask, ReduceStage, Sample, stage};

/// Bytes of input that one map task reads at the most: seconds of work, so that a lost one costs seconds.
const SPLIT_BYTES_MAX: u64 = 256 << 20;

/// Smallest split worth a task of its own, where there are slots to spare.
const SPLIT_BYTES_MIN: u64 = 4 << 20;

/// Bytes that one reduce task pulls: what a slot can hold in memory.
const BUCKET_BYTES: u64 = 64 << 20;

/// Buckets at the most: each costs a file, and every pair of split and bucket a partition.
const BUCKETS_MAX: u32 = 4_096;

pub(super) fn plan(
    job: &Job,
    training: &GroupedTraining,
    facts: &Facts,
    done: &[StageOutcome],
    capacity: Capacity,
) -> Result<Planned, Failure> {
    match done.last().map(|outcome| outcome.name.as_str()) {
        None if has_to_learn(&facts.columns) => learn(facts, capacity),
        None | Some(stage::LEARN) if is_measured(training, facts) => measure(facts),
        None | Some(stage::LEARN | stage::MEASURE) => map(training, facts, done, capacity),
        Some(stage::MAP) => reduce(training, facts, done),
        Some(stage::REDUCE) => publish(job, training, facts, done),
        Some(other) => Err(Failure::internal(format!("stage `{other}` is none of grouped training"))),
    }
}

/// What the models are of, once the categories are known.
fn trained(training: &GroupedTraining, facts: &Facts, done: &[StageOutcome]) -> Result<Training, Failure> {
    let learned = done.iter().filter(|stage| stage.name == stage::LEARN).flat_map(|stage| &stage.outputs);
    let learned = learned.map(|output| output.payload.read()).collect::<Result<Vec<Learned>, _>>()?;
    let encoders = encoders(&facts.columns, &learned, training.model.name())?;
    Ok(Training::new(training, &facts.columns, &encoders))
}

/// Whether it depends on the data what travels between workers.
fn is_measured(training: &GroupedTraining, facts: &Facts) -> bool {
    training.strategy == Strategy::Auto && Training::new(training, &facts.columns, &[]).needs() == Needs::Moments
}

fn learn(facts: &Facts, capacity: Capacity) -> Result<Planned, Failure> {
    let common = LearnStage { table: facts.table.clone(), columns: facts.columns.clone() };
    let tasks = split_tasks(&splits_of(facts, capacity))?;
    let note = "categories are learned from all rows before models are trained".to_owned();
    Ok(run(stage::LEARN, None, 2, Payload::of(&common)?, tasks, vec![note]))
}

fn splits_of(facts: &Facts, capacity: Capacity) -> Vec<Split> {
    splits(&facts.table, &facts.files, split_bytes(input_bytes(facts), capacity.slots))
}

fn input_bytes(facts: &Facts) -> u64 {
    facts.files.iter().map(|file| file.bytes).sum()
}

fn split_tasks(splits: &[Split]) -> Result<Vec<TaskPlan>, Failure> {
    let task = |split: &Split| Ok(TaskPlan { bucket: None, weight: split.bytes.max(1), payload: Payload::of(split)? });
    splits.iter().map(task).collect()
}

fn measure(facts: &Facts) -> Result<Planned, Failure> {
    let Some(largest) = facts.files.iter().rev().max_by_key(|file| file.bytes) else {
        return Err(Failure::internal("a table without files was pinned"));
    };
    let payload = MeasureTask { table: facts.table.clone(), columns: facts.columns.clone(), file: largest.clone() };
    let task = TaskPlan { bucket: None, weight: 1, payload: Payload::of(&payload)? };
    Ok(run(stage::MEASURE, None, 3, Payload::default(), vec![task], Vec::new()))
}

fn map(
    training: &GroupedTraining,
    facts: &Facts,
    done: &[StageOutcome],
    capacity: Capacity,
) -> Result<Planned, Failure> {
    let measured = done.last().filter(|outcome| outcome.name == stage::MEASURE);
    let sample: Option<Sample> =
        measured.and_then(|outcome| outcome.outputs.first()).map(|output| output.payload.read()).transpose()?;
    let (total_bytes, splits) = (input_bytes(facts), splits_of(facts, capacity));
    let rows_per_split = known_rows(&facts.files).map(|rows| rows.div_ceil(splits.len().max(1) as u64));
    let trained = trained(training, facts, done)?;
    let variables = trained.variables() as u64;
    let Decision { exchange, buckets, note } =
        decide(training.strategy, trained.needs(), sample, rows_per_split, variables);
    let buckets = buckets.unwrap_or_else(|| bucket_count(exchange, total_bytes, capacity.slots));
    let common = MapStage {
        table: facts.table.clone(),
        columns: facts.columns.clone(),
        on_missing: training.on_missing,
        folds: trained.folds,
        variables: trained.variable_names(),
        encoders: trained.encoded.into_iter().map(|(_, encoder)| encoder).collect(),
        exchange,
        buckets,
    };
    let tasks = split_tasks(&splits)?;
    Ok(run(stage::MAP, None, 65, Payload::of(&common)?, tasks, vec![note]))
}

fn reduce(training: &GroupedTraining, facts: &Facts, done: &[StageOutcome]) -> Result<Planned, Failure> {
    let index = u32::try_from(done.len() - 1).map_err(|_| Failure::internal("too many stages"))?;
    let rows_of = rows_by_bucket(done);
    let rows_in: u64 = done.last().map_or(0, |map| map.outputs.iter().map(|output| output.counters.rows_in).sum());
    if rows_in == 0 {
        return Err(no_rows(training));
    }
    let common = ReduceStage {
        columns: facts.columns.clone(),
        exchange: exchange_of(done)?,
        training: trained(training, facts, done)?,
        output_table: training.output.table.clone(),
    };
    let tasks = rows_of
        .into_iter()
        .map(|(bucket, rows)| TaskPlan { bucket: Some(bucket), weight: rows.max(1), payload: Payload::default() })
        .collect();
    Ok(run(stage::REDUCE, Some(index), 97, Payload::of(&common)?, tasks, Vec::new()))
}

fn publish(job: &Job, training: &GroupedTraining, facts: &Facts, done: &[StageOutcome]) -> Result<Planned, Failure> {
    let mut counters = Counters::default();
    let mut files = Vec::new();
    for output in done.last().map(|reduce| reduce.outputs.as_slice()).unwrap_or_default() {
        counters.add(&output.counters);
        files.extend(output.files.iter().cloned());
    }
    check_failed_groups(job, counters.groups_ok, counters.groups_failed)?;
    let intent = CommitIntent {
        job: job.uid,
        job_name: job.name.clone(),
        output: "models".to_owned(),
        table: training.output.table.clone(),
        mode: training.output.mode,
        schema: schema_json(&facts.output_schema)?,
        files,
    };
    Ok(Planned { step: Step::Publish(intent), notes: Vec::new() })
}

/// Fails the job where more groups failed than it allows.
fn check_failed_groups(job: &Job, ok: u64, failed: u64) -> Result<(), Failure> {
    let Some(max_failed) = job.failure_policy.max_failed else { return Ok(()) };
    let total = ok + failed;
    if failed <= max_failed.of(total) {
        return Ok(());
    }
    Err(Failure::new(Reason::TooManyFailed, format!("{failed} of {total} groups have no `ok` model; {max_failed} may"))
        .field("spec.failurePolicy.maxFailed")
        .next("raise the limit, and look at `status` and `message` of the groups in the output"))
}

fn no_rows(training: &GroupedTraining) -> Failure {
    let failure = Failure::new(Reason::TableEmpty, "the table has no rows to train on").file(&training.input.table);
    match &training.input.filter {
        Some(filter) => {
            failure.field("spec.groupedTraining.input.where").next(format!("no row passes `{filter}`: change it"))
        }
        None => failure
            .field("spec.groupedTraining.input.table")
            .next("see whether whatever writes the table has run, or name another one"),
    }
}

fn run(
    name: &str,
    reads: Option<u32>,
    percent_after: u8,
    common: Payload,
    tasks: Vec<TaskPlan>,
    notes: Vec<String>,
) -> Planned {
    Planned { step: Step::Run(StagePlan { name: name.to_owned(), reads, percent_after, common, tasks }), notes }
}

/// Splits that fill every slot equally often, as long as each is worth its task.
pub(crate) fn split_bytes(total_bytes: u64, slots: u32) -> u64 {
    let slots = u64::from(slots.max(1));
    let rounds = total_bytes.div_ceil(SPLIT_BYTES_MAX).div_ceil(slots).max(1);
    total_bytes.div_ceil(rounds * slots).max(SPLIT_BYTES_MIN)
}

/// A bucket for every slot, more where rows travel and would not fit.
fn bucket_count(exchange: Exchange, total_bytes: u64, slots: u32) -> u32 {
    let by_bytes = match exchange {
        Exchange::States => 0,
        Exchange::Rows => u32::try_from(total_bytes / BUCKET_BYTES).unwrap_or(u32::MAX),
    };
    by_bytes.max(slots).clamp(1, BUCKETS_MAX)
}

fn known_rows(files: &[InputFile]) -> Option<u64> {
    files.iter().map(|file| file.rows).sum()
}

/// Rows or states that lie in each bucket; buckets that got none have no task.
fn rows_by_bucket(done: &[StageOutcome]) -> BTreeMap<u32, u64> {
    let mut rows = BTreeMap::new();
    for output in done.last().map(|map| map.outputs.as_slice()).unwrap_or_default() {
        for partition in &output.partitions {
            *rows.entry(partition.bucket).or_default() += partition.rows;
        }
    }
    rows
}

/// What the map tasks exchanged, as they report it.
fn exchange_of(done: &[StageOutcome]) -> Result<Exchange, Failure> {
    done.last()
        .and_then(|map| map.outputs.first())
        .map(|output| output.payload.read())
        .unwrap_or_else(|| Err(Failure::internal("no map task ran")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
