//! `shoal job show --from` and `shoal job logs --from`: jobs that have ended, read where their cluster's storage has them.

use shoal_api::{JobAttempts, JobLog};
use shoal_core::archive::{Archive, ArchivedJob};
use shoal_core::report::{ArchiveStatus, JobStatus};
use shoal_core::{Failure, Reason};
use shoal_engine::archive::FileArchive;

use super::job::{self, Shown};
use super::{job_history, timeline};
use crate::args::Output;
use crate::exit::End;

/// Shows a job, or its attempts, as its head would.
pub(super) async fn show(from: &str, shown: Shown<'_>, output: Output) -> Result<(), End> {
    let ArchivedJob { status, spec, history } = read(from).await?;
    let attempts = JobAttempts::of(&status, history);
    Ok(match shown {
        Shown::Attempts => job_history::show_attempts(&attempts, output),
        Shown::Timeline(file) => timeline::write(&status, &attempts, file, output),
        Shown::Whole => job::show_whole(&status, &spec, &attempts, output),
    }?)
}

/// Shows the log of a job, as its head would.
pub(super) async fn logs(from: &str, task: Option<&str>, output: Output) -> Result<(), End> {
    let ArchivedJob { status, history, .. } = read(from).await?;
    Ok(job_history::show_log(&JobLog::of(&status, history, task, 0)?, output)?)
}

async fn read(from: &str) -> Result<ArchivedJob, Failure> {
    let archive = FileArchive::at(from)?;
    let uri = archive.uri("");
    let found = ArchivedJob::read(&archive, "").await?.ok_or_else(|| {
        Failure::new(Reason::JobNotFound, "no job that has ended is there").file(&uri).next(
            "name the folder of one job: on Kubernetes its `status.logsUri`, elsewhere STORAGE/jobs/none/NAME/UID",
        )
    })?;
    let archive = Some(ArchiveStatus { uri, is_stored: true, failure: None });
    let ArchivedJob { status, spec, history } = found;
    Ok(ArchivedJob { status: JobStatus { archive, ..status }, spec, history })
}
