//! What a job took.

use std::fmt::Write;

use shoal_core::report::{ArchiveStatus, JobStatus, Report, StageReport};
use shoal_core::units::time_in_words;

use super::table::{Cell, Table};
use crate::sizes;

/// Failed attempts that are shown to a person: enough to see the pattern.
const ATTEMPTS_SHOWN: usize = 5;

/// The report of a job that has ended or still runs.
pub(crate) fn report_text(status: &JobStatus) -> String {
    let JobStatus { name, phase, progress, report, .. } = status;
    let mut text = format!("job {name}: {phase:?}, {:.2} s\n", report.seconds);
    // Writing to a string cannot fail.
    if progress.done > 0 {
        let _ = write!(text, "{}: {} done, {} failed", progress.unit, progress.done, progress.failed);
        let _ = progress.per_second.map(|per_second| write!(text, ", {per_second:.0}/s"));
        let _ = progress.seconds_left.map(|left| write!(text, ", {} left", time_in_words(left)));
        text.push('\n');
    }
    if !report.stages.is_empty() {
        let _ = write!(text, "\n{}", stages(report));
        let _ = writeln!(text, "peak memory of a worker: {}", sizes::show(report.peak_memory_bytes));
        let sum = |count: fn(&StageReport) -> u32| report.stages.iter().map(count).sum::<u32>();
        let (second, won) = (sum(|stage| stage.speculative_attempts), sum(|stage| stage.speculative_won));
        if second > 0 {
            let _ = writeln!(text, "speculative attempts {second}, won {won}");
        }
    }
    if !report.counters.function_counters.is_empty() {
        let sums = report.counters.function_counters.iter().map(|(name, sum)| format!("{name} {sum}"));
        let _ = writeln!(text, "counted by the function: {}", sums.collect::<Vec<_>>().join(", "));
    }
    if report.counters.process_deaths > 0 {
        let _ = writeln!(text, "processes of the function that died: {}", report.counters.process_deaths);
    }
    for note in &report.notes {
        let _ = writeln!(text, "- {note}");
    }
    text + &failed_attempts(report)
}

fn stages(report: &Report) -> Table {
    let total = StageReport {
        name: "total".to_owned(),
        tasks: report.stages.iter().map(|stage| stage.tasks).sum(),
        done: report.stages.iter().map(|stage| stage.done).sum(),
        attempts: report.stages.iter().map(|stage| stage.attempts).sum(),
        counters: report.counters.clone(),
        seconds: report.seconds,
        ..StageReport::default()
    };
    let rows: Vec<&StageReport> = report.stages.iter().chain([&total]).collect();
    let column = |cell: fn(&StageReport) -> Cell| rows.iter().map(|row| cell(row)).collect::<Vec<_>>();
    let mut table = Table::default();
    table.add_column("stage", column(|row| Cell::text(&row.name)));
    table.add_column("tasks", column(|row| Cell::number(format!("{}/{}", row.done, row.tasks))));
    table.add_column("attempts", column(|row| Cell::number(row.attempts)));
    table.add_column("rows in", column(|row| Cell::number(row.counters.rows_in)));
    table.add_column("rows out", column(|row| Cell::number(row.counters.rows_out)));
    table.add_column("over Flight", column(|row| Cell::number(sizes::show(row.counters.bytes_fetched))));
    table.add_column("on one worker", column(|row| Cell::number(sizes::show(row.counters.bytes_local))));
    table.add_column("seconds", column(|row| Cell::number(format!("{:.2}", row.seconds))));
    table
}

/// The last attempts that did not count; nothing where there are none.
fn failed_attempts(report: &Report) -> String {
    let attempts = &report.failed_attempts;
    let mut text = String::new();
    if attempts.is_empty() {
        return text;
    }
    let shown = &attempts[attempts.len().saturating_sub(ATTEMPTS_SHOWN)..];
    let _ = writeln!(text, "attempts that did not count (the last {} of {}):", shown.len(), attempts.len());
    for attempt in shown {
        let _ = writeln!(
            text,
            "  {} task {}, attempt {} on {}: {:?}: {}",
            attempt.stage,
            attempt.task,
            attempt.attempt,
            attempt.worker,
            attempt.failure.reason,
            attempt.failure.message
        );
    }
    text
}

/// Jobs as a table, a row each.
pub(crate) fn jobs_text(jobs: &[JobStatus]) -> String {
    let column = |cell: fn(&JobStatus) -> Cell| jobs.iter().map(cell).collect::<Vec<_>>();
    let mut table = Table::default();
    table.add_column("name", column(|job| Cell::text(&job.name)));
    table.add_column("kind", column(|job| Cell::text(&job.kind)));
    table.add_column("phase", column(|job| Cell::text(format!("{:?}", job.phase))));
    table.add_column("percent", column(|job| Cell::number(job.progress.percent)));
    table.add_column("done", column(|job| Cell::number(job.progress.done)));
    table.add_column("failed", column(|job| Cell::number(job.progress.failed)));
    table.add_column("seconds", column(|job| Cell::number(format!("{:.1}", job.report.seconds))));
    table.add_column(
        "reason",
        column(|job| {
            job.failure.as_ref().map_or(Cell::text(""), |failure| Cell::text(format!("{:?}", failure.reason)))
        }),
    );
    table.to_string()
}

/// The tables that a job published, a line each.
pub(crate) fn outputs_text(status: &JobStatus) -> String {
    let mut text = String::new();
    for output in &status.outputs {
        let _ = writeln!(text, "{}: {} (version {}, {} rows)", output.name, output.table, output.version, output.rows);
    }
    text
}

/// Where the copy of a job is that outlives its cluster, or why it is not there; nothing for a head without storage.
pub(crate) fn archive_text(status: &JobStatus) -> String {
    let Some(ArchiveStatus { uri, is_stored, failure }) = &status.archive else { return String::new() };
    match failure {
        _ if *is_stored => format!("report and log: {uri}\n"),
        None => format!("report and log: on the way to {uri}\n"),
        Some(failure) => format!("report and log: not in {uri} yet ({:?}: {failure})\n", failure.reason),
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use shoal_core::JobUid;
    use shoal_core::report::{JobStatus, Phase, Progress, Report};

    /// A job called `grunfeld` of which nothing else is known.
    pub(crate) fn status(phase: Phase) -> JobStatus {
        JobStatus {
            name: "grunfeld".to_owned(),
            uid: JobUid(uuid::Uuid::nil()),
            kind: "groupedTraining".to_owned(),
            phase,
            progress: Progress::default(),
            outputs: Vec::new(),
            failure: None,
            report: Report::default(),
            archive: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use shoal_core::report::{FailedAttempt, Phase};
    use shoal_core::task::Counters;
    use shoal_core::{Failure, Reason};

    use super::testing::status;
    use super::*;

    #[test]
    fn a_report_says_what_it_took() {
        let mut status = status(Phase::Succeeded);
        status.progress.unit = "groups".to_owned();
        status.progress.done = 11;
        let function_counters = [("skipped", 3), ("bad", 12)].into_iter().collect();
        let counters = Counters {
            rows_in: 220,
            rows_out: 11,
            bytes_fetched: 2048,
            function_counters,
            process_deaths: 4,
            ..Counters::default()
        };
        status.report = Report {
            seconds: 1.234,
            stages: vec![StageReport {
                name: "map".to_owned(),
                tasks: 2,
                done: 2,
                attempts: 3,
                counters: counters.clone(),
                seconds: 0.5,
                speculative_attempts: 2,
                speculative_won: 1,
            }],
            notes: vec!["strategy aggregate: 20 rows per group".to_owned()],
            counters,
            peak_memory_bytes: 64 << 20,
            failed_attempts: vec![FailedAttempt {
                stage: "map".to_owned(),
                task: 1,
                attempt: 1,
                worker: "worker-2".to_owned(),
                failure: Failure::new(Reason::WorkerLost, "it is gone"),
            }],
            ..Report::default()
        };
        let expected = "\
job grunfeld: Succeeded, 1.23 s
groups: 11 done, 0 failed

stage  tasks  attempts  rows in  rows out  over Flight  on one worker  seconds
map      2/2         3      220        11      2.0 KiB            0 B     0.50
total    2/2         3      220        11      2.0 KiB            0 B     1.23
peak memory of a worker: 64.0 MiB
speculative attempts 2, won 1
counted by the function: bad 12, skipped 3
processes of the function that died: 4
- strategy aggregate: 20 rows per group
attempts that did not count (the last 1 of 1):
  map task 1, attempt 1 on worker-2: WorkerLost: it is gone
";
        assert_eq!(report_text(&status), expected);
    }

    #[test]
    fn jobs_are_rows() {
        let mut failed = status(Phase::Failed);
        failed.failure = Some(Failure::new(Reason::TableNotFound, "none"));
        let text = jobs_text(&[status(Phase::Running), failed]);
        let expected = "\
name      kind             phase    percent  done  failed  seconds  reason
grunfeld  groupedTraining  Running        0     0       0      0.0
grunfeld  groupedTraining  Failed         0     0       0      0.0  TableNotFound
";
        assert_eq!(text, expected);
    }
}
