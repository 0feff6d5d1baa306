//! What the head says in a job's log, and how any line is brought into form.

use shoal_core::AttemptId;
use shoal_core::journal::{JobChange, Record};
use shoal_core::task::LogLevel;

/// A line of the head.
pub(super) struct HeadLine {
    pub(super) level: LogLevel,
    /// The attempt that it is about.
    pub(super) attempt: Option<AttemptId>,
    pub(super) text: String,
}

/// When a record says that it happened, in milliseconds since 1970-01-01 UTC.
pub(super) fn time_of(record: &Record) -> Option<u64> {
    let at_ms = match record {
        Record::Accepted { at_ms, .. }
        | Record::AttemptStarted { at_ms, .. }
        | Record::AttemptFinished { at_ms, .. }
        | Record::AttemptFailed { at_ms, .. }
        | Record::Updated { at_ms, .. }
        | Record::Resumed { at_ms, .. } => *at_ms,
        Record::Ended { status, .. } => status.report.finished_ms.unwrap_or(0),
        Record::Facts { .. }
        | Record::StagePlanned { .. }
        | Record::PartitionsMoved { .. }
        | Record::TimeUsed { .. }
        | Record::Ending { .. }
        | Record::Intent { .. }
        | Record::Published { .. }
        | Record::History { .. }
        | Record::Forgotten { .. } => 0,
    };
    // Records of older builds say nothing.
    (at_ms > 0).then_some(at_ms)
}

/// What a record is worth in the job's log, if anything. Attempts that go well have a list of their own.
pub(super) fn line_of(record: &Record) -> Option<HeadLine> {
    let (level, text) = match record {
        Record::Accepted { .. } => (LogLevel::Info, "accepted".to_owned()),
        Record::Facts { .. } => (LogLevel::Info, "its input was looked at".to_owned()),
        Record::StagePlanned { plan, .. } => {
            (LogLevel::Info, format!("stage {} is planned: {} tasks", plan.name, plan.tasks.len()))
        }
        Record::AttemptStarted { attempt, duplicate: true, worker, .. } => {
            let text = format!("it runs a second time, on {worker}: it takes longer than the other tasks did");
            return Some(HeadLine { level: LogLevel::Info, attempt: Some(*attempt), text });
        }
        Record::AttemptFailed { attempt, failure, .. } => {
            let text = format!("the attempt did not count: {:?}: {failure}", failure.reason);
            return Some(HeadLine { level: LogLevel::Warn, attempt: Some(*attempt), text });
        }
        Record::Updated { change, .. } => (LogLevel::Info, changed(*change)?),
        Record::Ending { failure, .. } => (LogLevel::Warn, format!("it is ended: {:?}: {failure}", failure.reason)),
        Record::Resumed { .. } => (LogLevel::Info, "it goes on from what it had done".to_owned()),
        Record::Intent { intent } => {
            (LogLevel::Info, format!("to be committed: {} files to {}", intent.files.len(), intent.table))
        }
        Record::Published { table, .. } => {
            (LogLevel::Info, format!("committed: version {} of {}, {} rows", table.version, table.table, table.rows))
        }
        Record::Ended { status, .. } => match &status.failure {
            None => (LogLevel::Info, "succeeded".to_owned()),
            Some(failure) => (LogLevel::Error, format!("failed: {:?}: {failure}", failure.reason)),
        },
        Record::AttemptStarted { .. }
        | Record::AttemptFinished { .. }
        | Record::PartitionsMoved { .. }
        | Record::TimeUsed { .. }
        | Record::History { .. }
        | Record::Forgotten { .. } => return None,
    };
    Some(HeadLine { level, attempt: None, text })
}

fn changed(change: JobChange) -> Option<String> {
    let JobChange { priority, suspend, active_deadline_seconds, ttl_seconds_after_finished } = change;
    let priority = priority.map(|priority| format!("priority {priority}"));
    let suspend = suspend.map(|suspend| if suspend { "suspended" } else { "resumed" }.to_owned());
    let deadline = active_deadline_seconds.map(|seconds| match seconds {
        Some(seconds) => format!("a deadline of {seconds} s"),
        None => "no deadline".to_owned(),
    });
    let kept = ttl_seconds_after_finished.map(|seconds| match seconds {
        Some(seconds) => format!("listed for {seconds} s after its end"),
        None => "listed for as long as others after its end".to_owned(),
    });
    let texts: Vec<String> = [priority, suspend, deadline, kept].into_iter().flatten().collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

/// A text on one line, without what would move a terminal's cursor, cut to so many bytes.
pub(super) fn one_line(text: &str, bytes_max: usize) -> String {
    let text: String = text.trim_end().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.len() <= bytes_max {
        return text;
    }
    let end = (0..=bytes_max).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}...", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_of_bounded_length() {
        assert_eq!(one_line("all\tis \x1b[31mwell\n", 100), "all is  [31mwell");
        assert_eq!(one_line("ééé", 3), "é...");
        assert_eq!(one_line("", 3), "");
    }

    #[test]
    fn a_change_is_told_by_its_parts() {
        let change = |priority, suspend| changed(JobChange { priority, suspend, ..JobChange::default() });
        assert_eq!(change(Some(5), Some(false)).as_deref(), Some("priority 5, resumed"));
        assert_eq!(change(None, Some(true)).as_deref(), Some("suspended"));
        assert_eq!(change(None, None), None);
    }
}
