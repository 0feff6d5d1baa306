//! Tasks as planned, assigned and finished. The payloads are the job kind's own: nobody between its planner and its
//! runner looks inside.

use serde::{Deserialize, Serialize};

use crate::calling::ProcessDeaths;
use crate::id::{AttemptId, WorkerId};
use crate::payload::Payload;
use crate::tally::Tally;

/// A stage as a kind plans it: tasks that may run at the same time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StagePlan {
    /// What the stage does, in the kind's words: `measure`, `map`, `reduce`.
    pub name: String,
    /// The stage whose partitions this one's tasks read; it must have finished.
    pub reads: Option<u32>,
    /// Share of the whole job that is done when this stage is, from 0 to 100, as far as the planner can tell.
    pub percent_after: u8,
    /// What every task's runner needs to know; the kind's own format.
    #[serde(default)]
    pub common: Payload,
    /// The tasks.
    pub tasks: Vec<TaskPlan>,
}

/// A task as a kind plans it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskPlan {
    /// The bucket that it reads from the stage before, where its stage reads one.
    pub bucket: Option<u32>,
    /// What it is expected to read, for progress; in the unit of the whole stage (bytes or rows).
    pub weight: u64,
    /// What its runner needs to know beyond that; the kind's own format.
    pub payload: Payload,
}

/// A task handed to a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// The attempt; its id names what it writes.
    pub attempt: AttemptId,
    /// Name of the job, for logs and messages.
    pub job_name: String,
    /// Name of the job's kind, which picks the runner.
    pub kind: String,
    /// Name of the stage.
    pub stage: String,
    /// What the kind planned for the whole stage.
    pub common: Payload,
    /// What the kind planned for this task.
    pub payload: Payload,
    /// The partitions to read, where the stage reads any.
    pub sources: Vec<PartitionSource>,
    /// Runs of its task that ended with their worker: what this one does is told more often.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost_workers: u32,
}

/// Whether there is nothing to tell: what was stored before this was counted stays as it was.
fn is_zero<N: PartialEq + Default>(number: &N) -> bool {
    *number == N::default()
}

/// Where a partition lies and what must arrive: a split's rows of one bucket, as one attempt wrote them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionSource {
    /// The attempt that wrote it.
    pub attempt: AttemptId,
    /// The worker that holds it.
    pub worker: WorkerId,
    /// Where that worker's Flight server listens, as a URL.
    pub flight_url: String,
    /// What was written.
    pub partition: PartitionMeta,
}

/// A partition's size and checksum, as reported by the attempt that wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionMeta {
    /// The bucket.
    pub bucket: u32,
    /// Rows in it.
    pub rows: u64,
    /// Bytes of its Arrow IPC messages.
    pub bytes: u64,
    /// xxh3 over those bytes.
    pub checksum: u64,
}

/// A file that an attempt wrote into the output table's folder. It is part of the table only once it is committed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileMeta {
    /// Path, relative to the table's folder.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Rows in it.
    pub rows: u64,
    /// Delta's statistics of the file as JSON text (numRecords, minValues, maxValues, nullCount).
    pub statistics: Option<String>,
}

/// What an attempt counted. Summed over the attempts that a job kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Counters {
    /// Rows read from the input table or from the stage before.
    pub rows_in: u64,
    /// Rows written to partitions or files.
    pub rows_out: u64,
    /// Bytes pulled from other workers over Flight.
    pub bytes_fetched: u64,
    /// Bytes read from partitions on the same worker.
    pub bytes_local: u64,
    /// Groups whose model is `ok`; where models are used, rows that were predicted for.
    pub groups_ok: u64,
    /// Groups with any other status, or rows without a prediction.
    pub groups_failed: u64,
    /// What users' functions counted in groups that ended, by their own names.
    #[serde(skip_serializing_if = "Tally::is_empty")]
    pub function_counters: Tally,
    /// Processes of users' functions that died.
    #[serde(skip_serializing_if = "is_zero")]
    pub process_deaths: u64,
}

impl Counters {
    /// Adds another attempt's counts.
    pub fn add(&mut self, other: &Counters) {
        // Taken apart without `..`, so that a new counter cannot be forgotten here.
        let Counters {
            rows_in,
            rows_out,
            bytes_fetched,
            bytes_local,
            groups_ok,
            groups_failed,
            function_counters,
            process_deaths,
        } = other;
        self.rows_in += rows_in;
        self.rows_out += rows_out;
        self.bytes_fetched += bytes_fetched;
        self.bytes_local += bytes_local;
        self.groups_ok += groups_ok;
        self.groups_failed += groups_failed;
        self.function_counters.add(function_counters);
        self.process_deaths += process_deaths;
    }

    /// Takes counts back that were added before.
    pub fn subtract(&mut self, other: &Counters) {
        let Counters {
            rows_in,
            rows_out,
            bytes_fetched,
            bytes_local,
            groups_ok,
            groups_failed,
            function_counters,
            process_deaths,
        } = other;
        self.rows_in -= rows_in;
        self.rows_out -= rows_out;
        self.bytes_fetched -= bytes_fetched;
        self.bytes_local -= bytes_local;
        self.groups_ok -= groups_ok;
        self.groups_failed -= groups_failed;
        self.function_counters.subtract(function_counters);
        self.process_deaths -= process_deaths;
    }
}

/// What a finished attempt reports.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskOutput {
    /// Partitions that its worker now holds, for the next stage.
    #[serde(default)]
    pub partitions: Vec<PartitionMeta>,
    /// Files written to the output table's folder.
    #[serde(default)]
    pub files: Vec<FileMeta>,
    /// What it counted.
    #[serde(default)]
    pub counters: Counters,
    /// Highest memory of its worker's process so far, in bytes.
    #[serde(default)]
    pub peak_memory_bytes: u64,
    /// Processes of a user's function that died under it.
    #[serde(default, skip_serializing_if = "ProcessDeaths::is_none")]
    pub deaths: ProcessDeaths,
    /// When it read the partitions of the stage before, where it read any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<ExchangeTimes>,
    /// What the kind's planner wants to know; the kind's own format.
    #[serde(default)]
    pub payload: Payload,
}

/// When an attempt read partitions of the stage before, in milliseconds since the attempt began on its worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ExchangeTimes {
    /// When it first asked for rows.
    pub from_ms: u64,
    /// When the last rows were there.
    pub to_ms: u64,
    /// How much of the time between it had nothing to do but wait for rows.
    pub waited_ms: u64,
}

impl ExchangeTimes {
    /// From when to when it read, on a clock of so many units per millisecond by which its attempt ran from one point to
    /// another. Cut to these: the attempt began on its worker after it was handed to it, and ended before the head heard of it.
    pub fn within(&self, (from, to): (u64, u64), units_per_ms: u64) -> (u64, u64) {
        let at = |ms: u64| (from + ms * units_per_ms).min(to);
        (at(self.from_ms), at(self.to_ms))
    }
}

/// How much a line of a log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
pub enum LogLevel {
    /// It says what happens.
    Info,
    /// Somebody may want to look at it.
    Warn,
    /// Something failed.
    Error,
}
