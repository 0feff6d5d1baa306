//! What the planners of all kinds over tables decide alike. Pure.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use shoal_core::kind::{Capacity, Planned, StageOutcome, Step};
use shoal_core::publish::CommitIntent;
use shoal_core::spec::v1alpha1::{InputTable, OutputTable};
use shoal_core::task::{Counters, TaskOutput, TaskPlan};
use shoal_core::{Failure, Job, Payload, Reason};
use shoal_engine::table::{InputFile, PinnedTable, Split, splits};

/// Bytes of input that one map task reads at the most: seconds of work, so that a lost one costs seconds.
const SPLIT_BYTES_MAX: u64 = 256 << 20;

/// Smallest split worth a task of its own, where there are slots to spare.
const SPLIT_BYTES_MIN: u64 = 4 << 20;

/// Processes that load a user's function before rows are read, one in each slot: of a large cluster's slots some, as the job may
/// not need them all.
const LOADS_MAX: u32 = 32;

/// Bytes of a table's files.
pub(crate) fn bytes_of(files: &[InputFile]) -> u64 {
    files.iter().map(|file| file.bytes).sum()
}

/// Rows of a table, where each of its files says how many it has.
pub(crate) fn known_rows(files: &[InputFile]) -> Option<u64> {
    files.iter().map(|file| file.rows).sum()
}

/// The file that tells the most of a table, of which a few rows are to be looked at.
///
/// # Errors
/// An internal failure where there is none: a table without files is refused before.
pub(crate) fn largest(files: &[InputFile]) -> Result<&InputFile, Failure> {
    let largest = files.iter().rev().max_by_key(|file| file.bytes);
    largest.ok_or_else(|| Failure::internal("a table without files was pinned"))
}

/// A table cut so that its splits fill every slot equally often, as long as each is worth its task.
pub(crate) fn splits_for(table: &PinnedTable, files: &[InputFile], slots: u32) -> Vec<Split> {
    splits(table, files, split_bytes(bytes_of(files), slots))
}

/// Bytes of one of these splits.
fn split_bytes(total_bytes: u64, slots: u32) -> u64 {
    let slots = u64::from(slots.max(1));
    let rounds = total_bytes.div_ceil(SPLIT_BYTES_MAX).div_ceil(slots).max(1);
    total_bytes.div_ceil(rounds * slots).max(SPLIT_BYTES_MIN)
}

/// A task for each split, which is all that the task is told.
pub(crate) fn split_tasks(splits: &[Split]) -> Result<Vec<TaskPlan>, Failure> {
    let task = |split: &Split| Ok(TaskPlan { bucket: None, weight: split.bytes.max(1), payload: Payload::of(split)? });
    splits.iter().map(task).collect()
}

/// Tasks that are told nothing of their own, one for each slot: nobody says which worker gets which.
pub(crate) fn one_per_slot(capacity: Capacity) -> Vec<TaskPlan> {
    let task = TaskPlan { bucket: None, weight: 1, payload: Payload::default() };
    vec![task; capacity.slots.clamp(1, LOADS_MAX) as usize]
}

/// A task for each bucket that some of these outputs put anything into, by what lies there. The largest begins first, or others
/// would wait for it in the end.
pub(crate) fn bucket_tasks<'a>(outputs: impl IntoIterator<Item = &'a TaskOutput>) -> Vec<TaskPlan> {
    let mut rows: BTreeMap<u32, u64> = BTreeMap::new();
    for partition in outputs.into_iter().flat_map(|output| &output.partitions) {
        *rows.entry(partition.bucket).or_default() += partition.rows;
    }
    let task = |(bucket, rows): (u32, u64)| TaskPlan {
        bucket: Some(bucket),
        weight: rows.max(1),
        payload: Payload::default(),
    };
    let mut rows: Vec<(u32, u64)> = rows.into_iter().collect();
    rows.sort_by_key(|(_, rows)| Reverse(*rows));
    rows.into_iter().map(task).collect()
}

/// The number of the stage that ended last, which the next one reads.
pub(crate) fn last_stage(done: &[StageOutcome]) -> Result<u32, Failure> {
    u32::try_from(done.len() - 1).map_err(|_| Failure::internal("too many stages"))
}

/// What the tasks of the stage that ended last reported.
pub(crate) fn last_outputs(done: &[StageOutcome]) -> &[TaskOutput] {
    done.last().map(|stage| stage.outputs.as_slice()).unwrap_or_default()
}

/// What these tasks counted together.
pub(crate) fn counted(outputs: &[TaskOutput]) -> Counters {
    let mut counters = Counters::default();
    outputs.iter().for_each(|output| counters.add(&output.counters));
    counters
}

/// The commit of all files that the tasks of the last stage wrote, as the job's output of that name.
pub(crate) fn publish(job: &Job, name: &str, output: &OutputTable, schema: String, done: &[StageOutcome]) -> Planned {
    let intent = CommitIntent {
        job: job.uid,
        job_name: job.name.clone(),
        output: name.to_owned(),
        table: output.table.clone(),
        mode: output.mode,
        schema,
        files: last_outputs(done).iter().flat_map(|output| output.files.iter().cloned()).collect(),
    };
    Planned { step: Step::Publish(intent), notes: Vec::new() }
}

/// Fails the job where more failed than it allows: `what` failed, as `rows have no prediction`, and `next` says where to
/// look.
pub(crate) fn check_failed(job: &Job, counters: &Counters, what: &str, next: &str) -> Result<(), Failure> {
    let Some(max_failed) = job.failure_policy.max_failed else { return Ok(()) };
    let failed = counters.groups_failed;
    let total = counters.groups_ok + failed;
    if failed <= max_failed.of(total) {
        return Ok(());
    }
    Err(Failure::new(Reason::TooManyFailed, format!("{failed} of {total} {what}; {max_failed} may"))
        .field("spec.failurePolicy.maxFailed")
        .next(format!("raise the limit, and look at {next}")))
}

/// The input of a job of that kind has no rows for what it is to do, as `to train on`.
pub(crate) fn no_rows(input: &InputTable, kind: &str, purpose: &str) -> Failure {
    let failure = Failure::new(Reason::TableEmpty, format!("the table has no rows {purpose}")).file(&input.table);
    match &input.filter {
        Some(filter) => {
            failure.field(format!("spec.{kind}.input.where")).next(format!("no row passes `{filter}`: change it"))
        }
        None => failure
            .field(format!("spec.{kind}.input.table"))
            .next("see whether whatever writes the table has run, or name another one"),
    }
}
