//! How far a job is, in a line.

use shoal_core::report::{JobStatus, Phase};
use shoal_core::units::time_in_words;

/// What stands beside the bar.
pub(crate) fn message(status: &JobStatus) -> String {
    let mut parts = vec![doing(status)];
    if let Some(stage) = status.report.stages.last().filter(|_| status.phase == Phase::Running) {
        parts.push(format!("{}/{} tasks", stage.done, stage.tasks));
    }
    let progress = &status.progress;
    match progress.total {
        Some(total) => parts.push(format!("{}/{total} {}", progress.done, progress.unit)),
        None if progress.done > 0 => parts.push(format!("{} {}", progress.done, progress.unit)),
        None => {}
    }
    if let Some(per_second) = progress.per_second {
        parts.push(format!("{per_second:.0}/s"));
    }
    if progress.failed > 0 {
        parts.push(format!("{} failed", progress.failed));
    }
    if let Some(left) = progress.seconds_left {
        parts.push(format!("{} left", time_in_words(left)));
    }
    parts.join(", ")
}

/// What is worth a line where no bar is drawn: a new phase, a new stage, an attempt that failed.
pub(crate) fn line(before: Option<&JobStatus>, now: &JobStatus) -> Option<String> {
    let failed = |status: &JobStatus| status.report.failed_attempts.len();
    let text = match before {
        Some(before) if failed(before) < failed(now) => {
            let attempt = now.report.failed_attempts.last()?;
            format!(
                "{} task {} failed on {} (attempt {}): {}",
                attempt.stage, attempt.task, attempt.worker, attempt.attempt, attempt.failure.message
            )
        }
        Some(before) if doing(before) == doing(now) => return None,
        _ => doing(now),
    };
    Some(format!("{}: {text}", now.name))
}

fn doing(status: &JobStatus) -> String {
    match (status.phase, &status.failure) {
        (Phase::Pending, _) => "looking at the input".to_owned(),
        (Phase::Running, Some(_)) => "ending".to_owned(),
        (Phase::Running, None) => match status.report.stages.last() {
            Some(stage) => format!("stage {}", stage.name),
            None => "planning".to_owned(),
        },
        (Phase::Suspended, _) => format!("suspended, until `shoal job resume {}`", status.name),
        (Phase::Committing, None) => "committing".to_owned(),
        (Phase::Committing, Some(_)) => "withdrawing its commit".to_owned(),
        (Phase::Succeeded, _) => "succeeded".to_owned(),
        (Phase::Failed, _) => "failed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use shoal_core::report::{FailedAttempt, StageReport};
    use shoal_core::{Failure, Reason};

    use super::super::report::testing::status;
    use super::*;

    fn in_stage(name: &str, done: u32) -> JobStatus {
        let mut status = status(Phase::Running);
        status.report.stages = vec![StageReport { name: name.to_owned(), tasks: 4, done, ..StageReport::default() }];
        status
    }

    #[test]
    fn only_a_change_is_worth_a_line() {
        let pending = status(Phase::Pending);
        assert_eq!(line(None, &pending).as_deref(), Some("grunfeld: looking at the input"));
        assert_eq!(line(Some(&pending), &pending), None);
        assert_eq!(line(Some(&pending), &in_stage("map", 0)).as_deref(), Some("grunfeld: stage map"));
        assert_eq!(line(Some(&in_stage("map", 0)), &in_stage("map", 3)), None);
        assert_eq!(line(Some(&in_stage("map", 4)), &in_stage("reduce", 0)).as_deref(), Some("grunfeld: stage reduce"));

        let suspended = status(Phase::Suspended);
        let said = "grunfeld: suspended, until `shoal job resume grunfeld`";
        assert_eq!(line(Some(&in_stage("map", 0)), &suspended).as_deref(), Some(said));
        assert_eq!(line(Some(&suspended), &in_stage("map", 0)).as_deref(), Some("grunfeld: stage map"));

        let mut failed = in_stage("map", 1);
        failed.report.failed_attempts = vec![FailedAttempt {
            stage: "map".to_owned(),
            task: 2,
            attempt: 1,
            worker: "worker-1".to_owned(),
            failure: Failure::new(Reason::WorkerLost, "it is gone"),
        }];
        assert_eq!(
            line(Some(&in_stage("map", 0)), &failed).as_deref(),
            Some("grunfeld: map task 2 failed on worker-1 (attempt 1): it is gone")
        );
    }

    #[test]
    fn the_bar_says_what_is_known() {
        assert_eq!(message(&status(Phase::Pending)), "looking at the input");
        let mut running = in_stage("reduce", 3);
        running.progress.unit = "groups".to_owned();
        running.progress.done = 9;
        running.progress.failed = 1;
        assert_eq!(message(&running), "stage reduce, 3/4 tasks, 9 groups, 1 failed");
        running.progress.total = Some(11);
        assert_eq!(message(&running), "stage reduce, 3/4 tasks, 9/11 groups, 1 failed");
        (running.progress.per_second, running.progress.seconds_left) = (Some(3.4), Some(75.2));
        assert_eq!(message(&running), "stage reduce, 3/4 tasks, 9/11 groups, 3/s, 1 failed, 1m16s left");
    }
}
