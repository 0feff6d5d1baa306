//! What is kept of a job's life for whoever asks later: its attempts and its log. Bounded, however long the job ran.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::failure::Reason;
use crate::task::{ExchangeTimes, LogLevel, TaskOutput};

/// A job's attempts and log, as they are stored when it ends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobHistory {
    /// Its attempts in the order of their ends; those that run last. Those that failed are kept longest.
    pub attempts: Vec<AttemptReport>,
    /// Attempts that there was no room for.
    pub attempts_left_out: u64,
    /// Its log in the order in which the head heard of it. Lines of failed attempts are kept longest.
    pub lines: Vec<JobLine>,
    /// Lines that there was no room for.
    pub lines_left_out: u64,
}

/// One run of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttemptReport {
    /// Name of the stage.
    pub stage: String,
    /// Which of its tasks, from 0.
    pub task: u32,
    /// Which run of it, from 1.
    pub attempt: u32,
    /// Worker that ran it; empty where that is not known any more.
    pub worker: String,
    /// Whether it was started beside another attempt of its task, because that took longer than those of other tasks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub speculative: bool,
    /// When it was handed to the worker, in milliseconds since 1970-01-01 UTC; 0 where that is not known any more.
    pub started_ms: u64,
    /// Seconds from then to its end; none while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// What went wrong, where something did, as a name that programs can rely on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What went wrong, for people; cut where it is long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What it read, wrote and took, where it succeeded; none where the head that kept it did not note that yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took: Option<AttemptTook>,
}

/// What an attempt that succeeded read, wrote and took. What is zero is not written: hundreds of these are kept per job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AttemptTook {
    /// Rows read from the input table or from the stage before.
    #[serde(skip_serializing_if = "is_zero")]
    pub rows_in: u64,
    /// Rows written to partitions or files.
    #[serde(skip_serializing_if = "is_zero")]
    pub rows_out: u64,
    /// Bytes pulled from other workers over Flight.
    #[serde(skip_serializing_if = "is_zero")]
    pub bytes_fetched: u64,
    /// Bytes read from partitions on the same worker.
    #[serde(skip_serializing_if = "is_zero")]
    pub bytes_local: u64,
    /// Highest memory of its worker's process until then, in bytes.
    #[serde(skip_serializing_if = "is_zero")]
    pub peak_memory_bytes: u64,
    /// When it read the partitions of the stage before, where it read any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchange: Option<ExchangeTimes>,
}

impl AttemptTook {
    /// As an attempt reported it.
    pub fn of(output: &TaskOutput) -> Self {
        let counters = &output.counters;
        Self {
            rows_in: counters.rows_in,
            rows_out: counters.rows_out,
            bytes_fetched: counters.bytes_fetched,
            bytes_local: counters.bytes_local,
            peak_memory_bytes: output.peak_memory_bytes,
            exchange: output.exchange,
        }
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AttemptOutcome {
    /// It has not.
    Running,
    /// Its result was taken.
    Succeeded,
    /// It failed, or its worker was lost.
    Failed,
    /// It was given back before its end, through no fault of its own.
    HandedBack,
    /// Its job ended first.
    CalledBack,
}

/// A line of a job's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobLine {
    /// Its place in the log: every line has a higher one than those before it, also after the head was restarted.
    pub seq: u64,
    /// When it was written, in milliseconds since 1970-01-01 UTC.
    pub at_ms: u64,
    /// How much it matters.
    pub level: LogLevel,
    /// Who wrote it: a worker's name; none for the head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// Name of the stage, where the line is about an attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Which task of the stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<u32>,
    /// Which run of the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// What it says.
    pub text: String,
}

/// Which tasks somebody asks for: all of a stage, or one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskFilter {
    /// Name of the stage.
    pub stage: String,
    /// Which task of it; all where none is named.
    pub task: Option<u32>,
}

impl TaskFilter {
    /// Reads `STAGE` or `STAGE/INDEX`; none for what is neither.
    pub fn parse(text: &str) -> Option<Self> {
        let (stage, task) = match text.split_once('/') {
            Some((stage, index)) => (stage, Some(index.parse().ok()?)),
            None => (text, None),
        };
        (!stage.is_empty()).then(|| Self { stage: stage.to_owned(), task })
    }

    /// Whether a line is about one of these tasks.
    pub fn takes(&self, line: &JobLine) -> bool {
        line.stage.as_ref() == Some(&self.stage) && (self.task.is_none() || line.task == self.task)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_stage_or_a_task_of_it() {
        let filter = |stage: &str, task| Some(TaskFilter { stage: stage.to_owned(), task });
        assert_eq!(TaskFilter::parse("map"), filter("map", None));
        assert_eq!(TaskFilter::parse("map/3"), filter("map", Some(3)));
        for wrong in ["", "/3", "map/", "map/x", "map/-1", "map/1/2"] {
            assert_eq!(TaskFilter::parse(wrong), None, "{wrong}");
        }
        let line = |stage: Option<&str>, task| JobLine {
            seq: 1,
            at_ms: 1,
            level: LogLevel::Info,
            worker: None,
            stage: stage.map(str::to_owned),
            task,
            attempt: None,
            text: String::new(),
        };
        let of_task = TaskFilter::parse("map/3").unwrap();
        assert!(of_task.takes(&line(Some("map"), Some(3))));
        assert!(!of_task.takes(&line(Some("map"), Some(4))) && !of_task.takes(&line(Some("reduce"), Some(3))));
        assert!(!of_task.takes(&line(None, None)));
        let of_stage = TaskFilter::parse("map").unwrap();
        assert!(of_stage.takes(&line(Some("map"), Some(4))) && of_stage.takes(&line(Some("map"), None)));
    }
}
