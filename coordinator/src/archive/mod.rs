//! Copies of all that is known of jobs that have ended, in a place that outlives the cluster.
//!
//! What is stored there is seen there: a head that starts looks, and makes what is missing. So nothing of it is in the
//! journal, and a head without storage that gets some copies what it remembers.

mod decide;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use shoal_core::archive::{Archive, ArchivedJob, JOB_FILE, folder};
use shoal_core::control::Control;
use shoal_core::report::{ArchiveStatus, JobStatus};
use shoal_core::{Failure, JobUid, Reason};
use tokio::sync::Notify;

use self::decide::{Copy, CopyState, due, pause_after};
use crate::coordinator::read;
use crate::standing::Leading;

/// Copies that are made at the same time: what hides the way to a store elsewhere.
const COPIES_AT_ONCE: usize = 8;

/// How long one copy may take: three small files, each of which the store may have been asked for several times.
const COPY_MAX: Duration = Duration::from_secs(120);

/// How often is looked for jobs that have ended though nobody said so.
const LOOK: Duration = Duration::from_secs(60);

/// Where copies go.
#[derive(Clone)]
pub struct ArchiveConfig {
    /// The place.
    pub archive: Arc<dyn Archive>,
    /// Namespace of the head's cluster, on Kubernetes.
    pub namespace: Option<String>,
}

/// When a job ended, as [`Control::ended`] says it.
fn finished_ms(status: &JobStatus) -> u64 {
    status.report.finished_ms.unwrap_or(0)
}

/// What is known of copies. Clones are handles on the same.
#[derive(Clone)]
pub(crate) struct Archives(Arc<Shared>);

struct Shared {
    config: ArchiveConfig,
    known: Mutex<BTreeMap<JobUid, Copy>>,
    a_job_has_ended: Notify,
}

impl Archives {
    pub(crate) fn new(config: ArchiveConfig) -> Self {
        Self(Arc::new(Shared { config, known: Mutex::default(), a_job_has_ended: Notify::new() }))
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<JobUid, Copy>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The end of a job is stored.
    pub(crate) fn a_job_has_ended(&self) {
        self.0.a_job_has_ended.notify_one();
    }

    /// Says of a job that has ended where its copy is, and whether it is there.
    pub(crate) fn tell(&self, status: &mut JobStatus) {
        if !status.phase.is_final() {
            return;
        }
        let uri = self.0.config.archive.uri(&self.folder(status));
        let known = self.known().get(&status.uid).cloned();
        let copy = known.filter(|copy| copy.finished_ms == finished_ms(status)).map(|copy| copy.state);
        let (is_stored, failure) = match copy {
            Some(CopyState::Stored) => (true, None),
            Some(CopyState::Failed { failure, .. }) => (false, Some(failure)),
            None => (false, None),
        };
        status.archive = Some(ArchiveStatus { uri, is_stored, failure });
    }

    fn folder(&self, status: &JobStatus) -> String {
        folder(self.0.config.namespace.as_deref(), &status.name, status.uid)
    }

    /// Makes copies for as long as this head leads.
    pub(crate) async fn keep(self, leading: Leading) {
        while let Ok(ended) = read(&leading.coordinator, |control: &Control, _| control.ended()).await {
            self.known().retain(|uid, _| ended.iter().any(|(one, _)| one == uid));
            let (copies, wait) = due(&self.known(), &ended, Instant::now());
            if copies.is_empty() {
                tokio::select! {
                    () = self.0.a_job_has_ended.notified() => {}
                    () = tokio::time::sleep(wait.unwrap_or(LOOK)) => {}
                }
                continue;
            }
            let copies = copies.into_iter().map(|(uid, finished_ms)| self.make(&leading, uid, finished_ms));
            futures::stream::iter(copies).buffer_unordered(COPIES_AT_ONCE).collect::<()>().await;
        }
    }

    /// Makes one copy, and notes down what came of it.
    async fn make(&self, leading: &Leading, uid: JobUid, finished_ms: u64) {
        let made = match tokio::time::timeout(COPY_MAX, self.copy(leading, uid, finished_ms)).await {
            Ok(made) => made,
            Err(_) => Err(Failure::new(
                Reason::Io,
                format!("the storage has not taken the copy of a job within {} s", COPY_MAX.as_secs()),
            )),
        };
        let state = match made {
            // It is about to go on, or was forgotten: the next look finds it no more.
            Ok(None) => return,
            Ok(Some(uri)) => {
                tracing::info!(job = %uid, uri, "report, attempts and log of a job are in the storage");
                CopyState::Stored
            }
            Err(failure) => {
                let before = self.known().get(&uid).map(|copy| copy.state.clone());
                let tries = match before {
                    Some(CopyState::Failed { tries, .. }) => tries.saturating_add(1),
                    Some(CopyState::Stored) | None => 1,
                };
                let pause = pause_after(tries, rand::random());
                let again_in_s = pause.as_secs_f64();
                tracing::warn!(
                    job = %uid, %failure, causes = ?failure.causes, tries, again_in_s,
                    "report, attempts and log of a job cannot be stored; the job has ended all the same"
                );
                CopyState::Failed { failure, tries, again_at: Instant::now() + pause }
            }
        };
        self.known().insert(uid, Copy { finished_ms, state });
    }

    /// Writes the copy of a job unless it is there, and gives its URI; none where the job has not ended any more.
    async fn copy(&self, leading: &Leading, uid: JobUid, finished_ms: u64) -> Result<Option<String>, Failure> {
        let archive = &*self.0.config.archive;
        let found = read(&leading.coordinator, move |control: &Control, _| control.ended_job(uid)).await?;
        let Some((status, spec)) = found.filter(|(status, _)| self::finished_ms(status) == finished_ms) else {
            return Ok(None);
        };
        let folder = self.folder(&status);
        let is_there = match archive.read(&format!("{folder}/{JOB_FILE}")).await? {
            // Whatever else is there is replaced.
            Some(job) => {
                ArchivedJob::parse(&job, None, None).is_ok_and(|there| self::finished_ms(&there.status) == finished_ms)
            }
            None => false,
        };
        if !is_there {
            let history = leading.journal.load_history(uid).await?.unwrap_or_default();
            let job = ArchivedJob { status, spec, history };
            for (file, content) in job.files(env!("CARGO_PKG_VERSION"))? {
                archive.write(&format!("{folder}/{file}"), content).await?;
            }
        }
        Ok(Some(archive.uri(&folder)))
    }
}
