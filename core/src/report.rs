//! What a job shows of itself: while it runs, and when it has ended.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::id::JobUid;
use crate::publish::PublishedTable;
use crate::task::Counters;

/// Where a job stands, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// Accepted; its input is being looked at.
    Pending,
    /// Its tasks run.
    Running,
    /// It holds no slot until somebody lets it go on.
    Suspended,
    /// Its results are being committed.
    Committing,
    /// Its results are in the output table.
    Succeeded,
    /// It ended without a result; cancelled jobs too.
    Failed,
}

impl Phase {
    /// Whether nothing will change any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// A job as REST and the command line show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobStatus {
    /// Name of the job.
    pub name: String,
    /// This submission of it.
    pub uid: JobUid,
    /// Name of its kind.
    pub kind: String,
    /// Where it stands.
    pub phase: Phase,
    /// How far it is.
    pub progress: Progress,
    /// Tables that it published.
    pub outputs: Vec<PublishedTable>,
    /// Why it failed, where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// What it took.
    pub report: Report,
    /// The copy of all that is known of it, which outlives its cluster; none before its end, and for heads without storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<ArchiveStatus>,
}

/// What has become of the copy of a job that has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ArchiveStatus {
    /// Where it is, or will be: a URL, or a path of the head's machine.
    pub uri: String,
    /// Whether all of it is there.
    pub is_stored: bool,
    /// Why the last try to write it failed; it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// How far a job is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Progress {
    /// What is counted: `groups`, or `rows`.
    pub unit: String,
    /// How many there are, once that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// How many are finished.
    pub done: u64,
    /// How many of those went well.
    pub succeeded: u64,
    /// How many of those did not.
    pub failed: u64,
    /// Tasks that run at the moment.
    pub running: u32,
    /// Share of the work that is done, from 0 to 100; estimated from tasks while the total is unknown.
    pub percent: u8,
    /// How many are finished each second; absent while none is, and once the job has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_second: Option<f64>,
    /// Seconds until the end, told from how long tasks took so far; absent while none is done, and once the job has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<f64>,
}

/// What a job took, and why it was run as it was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Report {
    /// When it was submitted, in milliseconds since 1970-01-01 UTC.
    pub submitted_ms: u64,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_ms: Option<u64>,
    /// Seconds from submission to the end, or until now.
    pub seconds: f64,
    /// Its stages in order.
    pub stages: Vec<StageReport>,
    /// Why it was planned as it was.
    pub notes: Vec<String>,
    /// Sums over all stages.
    pub counters: Counters,
    /// Highest memory of any one worker process, in bytes.
    pub peak_memory_bytes: u64,
    /// Attempts that did not count, the latest [`FAILED_ATTEMPTS_SHOWN`].
    pub failed_attempts: Vec<FailedAttempt>,
}

/// How many failed attempts a report keeps: enough to see a pattern, bounded however long a job struggles.
pub const FAILED_ATTEMPTS_SHOWN: usize = 50;

/// What a stage took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct StageReport {
    /// Name of the stage.
    pub name: String,
    /// Tasks in it.
    pub tasks: u32,
    /// Tasks that are done.
    pub done: u32,
    /// Runs of its tasks, those that failed or were lost included.
    pub attempts: u32,
    /// Sums over the attempts that were kept.
    pub counters: Counters,
    /// Seconds from its first assignment to its last result.
    pub seconds: f64,
    /// Attempts that were started beside another one of their task, because that took longer than others.
    #[serde(skip_serializing_if = "is_zero")]
    pub speculative_attempts: u32,
    /// How many of those were the first to finish.
    #[serde(skip_serializing_if = "is_zero")]
    pub speculative_won: u32,
}

/// Whether there is nothing to tell: reports that were stored before this was counted stay as they were.
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// An attempt that did not count, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailedAttempt {
    /// Name of the stage.
    pub stage: String,
    /// Which of its tasks.
    pub task: u32,
    /// Which run of it, from 1.
    pub attempt: u32,
    /// Worker that ran it.
    pub worker: String,
    /// Why it did not count.
    pub failure: Failure,
}
