//! Attempts and logs of a job.

use arrow::temporal_conversions::timestamp_ms_to_datetime;
use shoal_api::JobAttempts;
use shoal_core::history::{AttemptReport, JobLine};
use shoal_core::task::LogLevel;

use super::table::{Cell, Table};

/// Attempts as a table, a row each.
pub(crate) fn attempts_text(of: &JobAttempts) -> String {
    let attempts = &of.attempts;
    let column = |cell: fn(&AttemptReport) -> Cell| attempts.iter().map(cell).collect::<Vec<_>>();
    let mut table = Table::default();
    table.add_column("stage", column(|it| Cell::text(&it.stage)));
    table.add_column("task", column(|it| Cell::number(it.task)));
    table.add_column("attempt", column(|it| Cell::number(it.attempt)));
    table.add_column("worker", column(|it| Cell::text(&it.worker)));
    table.add_column("started", column(|it| started(it.started_ms)));
    table.add_column(
        "seconds",
        column(|it| it.seconds.map_or(Cell::Missing, |seconds| Cell::number(format!("{seconds:.2}")))),
    );
    table.add_column("outcome", column(|it| Cell::text(format!("{:?}", it.outcome))));
    table.add_column("why", column(|it| Cell::text(why(it))));
    let mut text = table.to_string();
    if of.left_out > 0 {
        text.push_str(&format!("... and {} more, which there was no room to keep\n", of.left_out));
    }
    text
}

fn started(at_ms: u64) -> Cell {
    if at_ms == 0 { Cell::Missing } else { Cell::text(time(at_ms)) }
}

fn why(attempt: &AttemptReport) -> String {
    match (attempt.reason, &attempt.message) {
        (Some(reason), Some(message)) => format!("{reason:?}: {message}"),
        (Some(reason), None) => format!("{reason:?}"),
        (None, _) => String::new(),
    }
}

/// A line of a log, as a person reads it.
pub(crate) fn line_text(line: &JobLine) -> String {
    let level = match line.level {
        LogLevel::Info => "INFO ",
        LogLevel::Warn => "WARN ",
        LogLevel::Error => "ERROR",
    };
    let about = match (&line.stage, line.task, line.attempt) {
        (Some(stage), Some(task), Some(attempt)) => format!(" {stage}/{task} attempt {attempt}"),
        (Some(stage), _, _) => format!(" {stage}"),
        (None, _, _) => String::new(),
    };
    let who = line.worker.as_deref().unwrap_or("head");
    format!("{} {level} {who}{about}: {}\n", time(line.at_ms), line.text)
}

/// A time as people and programs read it.
fn time(at_ms: u64) -> String {
    let time = i64::try_from(at_ms).ok().and_then(timestamp_ms_to_datetime);
    time.map_or_else(|| at_ms.to_string(), |time| time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

#[cfg(test)]
mod tests {
    use shoal_core::history::AttemptOutcome;
    use shoal_core::{JobUid, Reason};

    use super::*;

    #[test]
    fn attempts_are_rows_and_what_is_missing_is_said() {
        let attempt = AttemptReport {
            stage: "map".to_owned(),
            task: 3,
            attempt: 1,
            worker: "w".to_owned(),
            speculative: false,
            started_ms: 1_700_000_000_123,
            seconds: Some(1.5),
            outcome: AttemptOutcome::Succeeded,
            reason: None,
            message: None,
            took: None,
        };
        let lost = AttemptReport {
            started_ms: 0,
            seconds: None,
            outcome: AttemptOutcome::Failed,
            reason: Some(Reason::WorkerLost),
            message: Some("it is gone".to_owned()),
            ..attempt.clone()
        };
        let (name, uid) = ("grunfeld".to_owned(), JobUid(uuid::Uuid::nil()));
        let text = attempts_text(&JobAttempts { name, uid, attempts: vec![attempt, lost], left_out: 7 });
        let expected = "\
stage  task  attempt  worker  started                   seconds  outcome    why
map       3        1  w       2023-11-14T22:13:20.123Z     1.50  Succeeded
map       3        1  w       -                               -  Failed     WorkerLost: it is gone
... and 7 more, which there was no room to keep
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_line_says_when_who_and_about_what() {
        let mut line = JobLine {
            seq: 1,
            at_ms: 1_700_000_000_000,
            level: LogLevel::Warn,
            worker: Some("w".to_owned()),
            stage: Some("map".to_owned()),
            task: Some(3),
            attempt: Some(2),
            text: "slow disk".to_owned(),
        };
        assert_eq!(line_text(&line), "2023-11-14T22:13:20.000Z WARN  w map/3 attempt 2: slow disk\n");
        (line.worker, line.stage, line.level) = (None, None, LogLevel::Error);
        assert_eq!(line_text(&line), "2023-11-14T22:13:20.000Z ERROR head: slow disk\n");
    }
}
