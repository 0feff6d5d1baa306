//! How commands end, and the exit code that says so. The one place that maps failures to codes.

use shoal_core::report::JobStatus;
use shoal_core::{Actor, Failure, Reason};

use crate::job_file::JobFile;

/// The command did what it was asked to.
pub(crate) const SUCCEEDED: u8 = 0;
/// The job failed, or what was checked is broken.
pub(crate) const JOB_FAILED: u8 = 1;
/// The user's input is wrong.
pub(crate) const INPUT_WRONG: u8 = 2;
/// The platform failed, or Shoal did.
pub(crate) const PLATFORM_FAILED: u8 = 3;
/// The user interrupted it.
pub(crate) const INTERRUPTED: u8 = 130;

/// How a command ended that did not succeed.
#[derive(Debug)]
pub(crate) enum End {
    /// It failed.
    Failed(Box<Failed>),
    /// The user interrupted it; with the job as it was left, where there was one.
    Interrupted(Option<Box<JobStatus>>),
    /// What it looked at is broken; it has said how.
    Broken,
}

/// A failure and what helps to tell it.
#[derive(Debug)]
pub(crate) struct Failed {
    /// What failed.
    pub(crate) failure: Failure,
    /// The job that failed; none where there is no job, or none yet.
    pub(crate) status: Option<JobStatus>,
    /// The file whose fields the failure names.
    pub(crate) source: Option<JobFile>,
}

impl End {
    /// The same, told with the job file whose fields a failure may name.
    pub(crate) fn about(self, source: &JobFile) -> Self {
        match self {
            Self::Failed(failed) => Self::Failed(Box::new(Failed { source: Some(source.clone()), ..*failed })),
            other => other,
        }
    }

    /// The end that a finished job means, where it is none to be glad of.
    pub(crate) fn of_job(status: &JobStatus, source: Option<&JobFile>) -> Result<(), Self> {
        match &status.failure {
            None => Ok(()),
            Some(failure) => Err(Self::Failed(Box::new(Failed {
                failure: failure.clone(),
                status: Some(status.clone()),
                source: source.cloned(),
            }))),
        }
    }
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(Failed { failure, status: None, source: None }))
    }
}

/// The exit code of a command.
pub(crate) fn code(end: &Result<(), End>) -> u8 {
    match end {
        Ok(()) => SUCCEEDED,
        Err(End::Interrupted(_)) => INTERRUPTED,
        Err(End::Broken) => JOB_FAILED,
        Err(End::Failed(failed)) => failure_code(&failed.failure, failed.status.as_ref().is_some_and(tasks_ran)),
    }
}

/// What is wrong with the data is the user's input before any task ran, and the job's own failure after that.
fn failure_code(failure: &Failure, tasks_ran: bool) -> u8 {
    match (failure.reason, failure.actor) {
        // Nothing is wrong with a job that somebody else cancelled, but it has no result either.
        (Reason::Cancelled | Reason::TooManyFailed, _) => JOB_FAILED,
        (_, Actor::User) => INPUT_WRONG,
        (_, Actor::Data) if tasks_ran => JOB_FAILED,
        (_, Actor::Data) => INPUT_WRONG,
        (_, Actor::Platform | Actor::Shoal) => PLATFORM_FAILED,
    }
}

fn tasks_ran(status: &JobStatus) -> bool {
    status.report.stages.iter().any(|stage| stage.attempts > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_its_code() {
        use Reason::*;
        let before = [
            (UnknownField, INPUT_WRONG),
            (MalformedDocument, INPUT_WRONG),
            (InvalidExpression, INPUT_WRONG),
            (TableNotFound, INPUT_WRONG),
            (ColumnNotFound, INPUT_WRONG),
            (OutputExists, INPUT_WRONG),
            (JobNotFound, INPUT_WRONG),
            (WorkerNotFound, INPUT_WRONG),
            (ClusterNotFound, INPUT_WRONG),
            (Unauthorized, INPUT_WRONG),
            (TableEmpty, INPUT_WRONG),
            (CorruptFile, INPUT_WRONG),
            (MalformedRow, INPUT_WRONG),
            (TooManyFailed, JOB_FAILED),
            (Cancelled, JOB_FAILED),
            (HeadUnreachable, PLATFORM_FAILED),
            (StateLocked, PLATFORM_FAILED),
            (WorkerStartFailed, PLATFORM_FAILED),
            (NoWorkers, PLATFORM_FAILED),
            (Busy, PLATFORM_FAILED),
            (Internal, PLATFORM_FAILED),
        ];
        for (reason, expected) in before {
            assert_eq!(failure_code(&Failure::new(reason, ""), false), expected, "{reason:?}");
        }
        let after = [
            (ColumnNotNumeric, INPUT_WRONG),
            (MalformedRow, JOB_FAILED),
            (MissingValue, JOB_FAILED),
            (TooManyFailed, JOB_FAILED),
            (Cancelled, JOB_FAILED),
            (ResourcesExhausted, PLATFORM_FAILED),
            (NoWorkers, PLATFORM_FAILED),
            (TaskPanicked, PLATFORM_FAILED),
        ];
        for (reason, expected) in after {
            assert_eq!(failure_code(&Failure::new(reason, ""), true), expected, "{reason:?} after tasks ran");
        }
    }

    #[test]
    fn an_end_has_the_code_of_what_ended_it() {
        assert_eq!(code(&Ok(())), 0);
        assert_eq!(code(&Err(End::Interrupted(None))), 130);
        assert_eq!(code(&Err(End::Broken)), 1);
        assert_eq!(code(&Err(Failure::new(Reason::HeadUnreachable, "").into())), 3);
    }
}
