//! What a check of the state found.

use std::fmt::Write;

use shoal_coordinator::state::StateReport;

use super::failure_text;
use crate::sizes;

/// The report for a person.
pub(crate) fn report_text(report: &StateReport) -> String {
    let StateReport { bytes, records, histories, attempts, log_lines, versions, jobs, finished, problems } = report;
    let counts = |items: Vec<String>| if items.is_empty() { "none".to_owned() } else { items.join(", ") };
    let versions = counts(versions.iter().map(|(version, number)| format!("{number} of version {version}")).collect());
    let jobs = counts(jobs.iter().map(|(phase, number)| format!("{number} {phase}")).collect());
    // Writing to a string cannot fail.
    let mut text = format!("size: {}\n", sizes::show(*bytes));
    let _ = writeln!(text, "records: {records}, and {histories} histories ({versions})");
    let _ = writeln!(text, "histories: {attempts} attempts, {log_lines} lines of logs");
    let _ = writeln!(text, "jobs: {jobs}; {finished} have ended");
    for problem in problems {
        let _ = match (&problem.job, &problem.name) {
            (Some(job), Some(name)) => writeln!(text, "\njob {name} ({job}):"),
            (Some(job), None) => writeln!(text, "\njob {job}:"),
            (None, _) => writeln!(text),
        };
        if let Some(key) = &problem.key {
            let _ = writeln!(text, "at {key}:");
        }
        text.push_str(&failure_text(&problem.failure, None));
    }
    if problems.is_empty() {
        text.push_str("nothing is broken\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use shoal_coordinator::state::StateProblem;
    use shoal_core::{Failure, JobUid, Reason};

    use super::*;

    #[test]
    fn what_was_found_is_told() {
        let mut report = StateReport {
            bytes: 2048,
            records: 3,
            histories: 1,
            attempts: 4,
            log_lines: 9,
            versions: BTreeMap::from([(1, 1), (2, 3)]),
            jobs: BTreeMap::from([("Running".to_owned(), 1), ("Succeeded".to_owned(), 1)]),
            finished: 1,
            problems: Vec::new(),
        };
        let expected = "\
size: 2.0 KiB
records: 3, and 1 histories (1 of version 1, 3 of version 2)
histories: 4 attempts, 9 lines of logs
jobs: 1 Running, 1 Succeeded; 1 have ended
nothing is broken
";
        assert_eq!(report_text(&report), expected);
        let failure = Failure::new(Reason::CorruptFile, "it cannot be read").next("leave it out");
        let job = Some(JobUid(uuid::Uuid::nil()));
        let key = Some("records/0/7".to_owned());
        report.problems.push(StateProblem { job, name: Some("a".to_owned()), key, failure });
        let text = report_text(&report);
        let told = "job a (00000000-0000-0000-0000-000000000000):\nat records/0/7:\nerror[CorruptFile]: it cannot be read\n  \
                    help: leave";
        assert!(text.contains(told) && !text.contains("nothing is broken"), "{text}");
    }
}
