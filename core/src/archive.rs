//! What outlives a job's cluster: its report, spec, attempts and log, as files that are read without a head.
//!
//! ```text
//!   STORAGE/jobs/NAMESPACE/NAME/UID/log.jsonl         a line of the log per line, as REST gives them
//!                                  /attempts.jsonl    an attempt per line, as REST gives them
//!                                  /job.json          all else, and the version; written last: where it is, all is
//! ```
//! Heads without Kubernetes have the namespace `none`. Within a version members are only added.

use std::sync::Arc;

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Reason};
use crate::history::JobHistory;
use crate::id::JobUid;
use crate::report::JobStatus;
use crate::spec::v1alpha1::ShoalJob;

/// Version of the files that this build writes; it reads those up to it.
pub const ARCHIVE_VERSION: u32 = 1;

/// All but attempts and log.
pub const JOB_FILE: &str = "job.json";

/// The attempts.
pub const ATTEMPTS_FILE: &str = "attempts.jsonl";

/// The log.
pub const LOG_FILE: &str = "log.jsonl";

/// What stands for the namespace of a head that has none.
const NO_NAMESPACE: &str = "none";

/// A place that outlives clusters: a bucket or a folder.
#[async_trait]
pub trait Archive: Send + Sync {
    /// The URL or path of what lies at a name below it; parts of the name are separated by `/`.
    fn uri(&self, name: &str) -> String;

    /// Writes a file as a whole, and replaces what was there.
    ///
    /// # Errors
    /// What keeps it from being written; what was there before is there still.
    async fn write(&self, name: &str, content: Vec<u8>) -> Result<(), Failure>;

    /// Reads a file; none where there is none.
    ///
    /// # Errors
    /// What keeps it from being read.
    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Failure>;
}

/// A job that has ended, with all that is kept of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ArchivedJob {
    /// How it ended, and what it took.
    pub status: JobStatus,
    /// Its spec, as it was submitted.
    pub spec: Arc<ShoalJob>,
    /// Its attempts and its log.
    pub history: JobHistory,
}

/// The file with all but attempts and log.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct JobFile {
    shoal_job: u32,
    /// Version of the build that wrote it, for people.
    build: String,
    status: JobStatus,
    spec: Arc<ShoalJob>,
    attempts_left_out: u64,
    lines_left_out: u64,
}

/// What a newer build may have written: enough to say so.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Versioned {
    shoal_job: u32,
    build: String,
}

/// The folder of a job below the storage.
pub fn folder(namespace: Option<&str>, name: &str, uid: JobUid) -> String {
    format!("jobs/{}/{name}/{uid}", namespace.unwrap_or(NO_NAMESPACE))
}

impl ArchivedJob {
    /// Its files, in the order in which they are to be written, as `build` writes them.
    ///
    /// # Errors
    /// [`Reason::Internal`] for what cannot be written as JSON.
    pub fn files(&self, build: &str) -> Result<Vec<(&'static str, Vec<u8>)>, Failure> {
        let Self { status, spec, history } = self;
        let JobHistory { attempts, attempts_left_out, lines, lines_left_out } = history;
        let job = JobFile {
            shoal_job: ARCHIVE_VERSION,
            build: build.to_owned(),
            status: status.clone(),
            spec: spec.clone(),
            attempts_left_out: *attempts_left_out,
            lines_left_out: *lines_left_out,
        };
        let job = serde_json::to_vec_pretty(&job).map_err(|error| unwritable(&error))?;
        Ok(vec![(LOG_FILE, json_lines(lines)?), (ATTEMPTS_FILE, json_lines(attempts)?), (JOB_FILE, job)])
    }

    /// The job that those files tell of; attempts and log may be missing, as nobody's life depends on them.
    ///
    /// # Errors
    /// [`Reason::IncompatibleVersion`] for files of a newer build, [`Reason::CorruptFile`] for what is none of ours.
    pub fn parse(job: &[u8], attempts: Option<&[u8]>, log: Option<&[u8]>) -> Result<Self, Failure> {
        let broken = |error: serde_json::Error| corrupt(JOB_FILE).because(&error);
        let Versioned { shoal_job, build } = serde_json::from_slice(job).map_err(broken)?;
        if shoal_job > ARCHIVE_VERSION {
            return Err(Failure::new(
                Reason::IncompatibleVersion,
                format!("it was written by a newer build of Shoal ({build}, format {shoal_job})"),
            )
            .next(format!("read it with shoal {build}")));
        }
        let JobFile { status, spec, attempts_left_out, lines_left_out, .. } =
            serde_json::from_slice(job).map_err(broken)?;
        let history = JobHistory {
            attempts: attempts.map_or(Ok(Vec::new()), |bytes| parse_lines(bytes, ATTEMPTS_FILE))?,
            attempts_left_out,
            lines: log.map_or(Ok(Vec::new()), |bytes| parse_lines(bytes, LOG_FILE))?,
            lines_left_out,
        };
        Ok(Self { status, spec, history })
    }

    /// Reads the job whose folder that is below an archive; none where there is none.
    ///
    /// # Errors
    /// As [`ArchivedJob::parse`] and [`Archive::read`].
    pub async fn read(archive: &dyn Archive, folder: &str) -> Result<Option<Self>, Failure> {
        let name = |file: &str| if folder.is_empty() { file.to_owned() } else { format!("{folder}/{file}") };
        let Some(job) = archive.read(&name(JOB_FILE)).await? else { return Ok(None) };
        let (attempts, log) = (archive.read(&name(ATTEMPTS_FILE)).await?, archive.read(&name(LOG_FILE)).await?);
        Self::parse(&job, attempts.as_deref(), log.as_deref()).map(Some).map_err(|mut failure| {
            let file = failure.location.file.take().unwrap_or_else(|| JOB_FILE.to_owned());
            failure.file(archive.uri(&name(&file)))
        })
    }
}

fn json_lines<T: Serialize>(items: &[T]) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    for item in items {
        serde_json::to_writer(&mut text, item).map_err(|error| unwritable(&error))?;
        text.push(b'\n');
    }
    Ok(text)
}

fn parse_lines<T: DeserializeOwned>(bytes: &[u8], file: &str) -> Result<Vec<T>, Failure> {
    let lines = bytes.split(|byte| *byte == b'\n').zip(1..).filter(|(line, _)| !line.is_empty());
    let parse =
        |(line, number)| serde_json::from_slice(line).map_err(|error| corrupt(file).line(number).because(&error));
    lines.map(parse).collect()
}

fn corrupt(file: &str) -> Failure {
    Failure::new(Reason::CorruptFile, "this is no file of a job that has ended")
        .file(file)
        .next("name the folder of the job, as its status has it in `logsUri`; a file that was changed cannot be mended")
}

fn unwritable(error: &serde_json::Error) -> Failure {
    Failure::internal("what is known of a job cannot be written as JSON").because(error)
}

#[cfg(test)]
#[path = "archive_tests.rs"]
mod tests;
