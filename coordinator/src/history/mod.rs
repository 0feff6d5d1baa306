//! What people ask for after a job: its attempts and its log. Decides nothing, and lies apart in the journal, so that a
//! head starts without reading it.
//!
//! ```text
//!   records --observe--> |          | --complete--> a record per job that ends, in the same append
//!   workers --lines----> | a JobLog | --view------> whoever asks while the job runs
//!                        | per job  | <--replay---- records, when the head starts or a job goes on
//! ```

mod bounded;
mod job_log;
mod limits;
mod text;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use shoal_core::history::JobHistory;
use shoal_core::journal::{Journal, Record};
use shoal_core::{AttemptId, JobUid, WorkerId};

use self::job_log::JobLog;
pub(crate) use self::job_log::{AttemptLog, LogOf};
use self::limits::{READS_AT_ONCE, STORE_INTERVAL};

/// The histories of all unfinished jobs. Clones are handles on the same ones.
#[derive(Clone, Default)]
pub(crate) struct Histories(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    jobs: BTreeMap<JobUid, JobLog>,
    /// Of failed jobs that may be about to go on.
    recalled: BTreeMap<JobUid, JobLog>,
}

impl Histories {
    /// The histories that a head begins with: those of the journal's unfinished jobs.
    pub(crate) async fn load(records: &[Record], journal: &dyn Journal) -> Self {
        let mut jobs: BTreeMap<JobUid, Vec<&Record>> = BTreeMap::new();
        for record in records {
            jobs.entry(record.job()).or_default().push(record);
        }
        jobs.retain(|_, records| !has_ended(records));
        let reads = jobs.keys().copied().map(|job| async move { (job, journal.load_history(job).await) });
        let mut reads = futures::stream::iter(reads).buffer_unordered(READS_AT_ONCE);
        let mut logs: BTreeMap<JobUid, JobLog> =
            jobs.iter().map(|(job, records)| (*job, JobLog::replay(records.iter().copied()))).collect();
        while let Some((job, history)) = reads.next().await {
            match (logs.get_mut(&job), history) {
                (Some(log), Ok(Some(history))) => log.remember(history),
                (_, Ok(_)) => {}
                // Nothing depends on it but what people read.
                (_, Err(failure)) => tracing::warn!(%job, %failure, "a job's log of before cannot be read"),
            }
        }
        drop(reads);
        Self(Arc::new(Mutex::new(Inner { jobs: logs, recalled: BTreeMap::new() })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Whatever a panic elsewhere left, it is only read by people.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears of records as they are decided, at `now_ms`.
    pub(crate) fn observe(&self, records: &[Record], now_ms: u64) {
        let mut inner = self.inner();
        for record in records {
            let job = record.job();
            match record {
                Record::Accepted { .. } => drop(inner.jobs.insert(job, JobLog::new())),
                Record::Resumed { .. } => {
                    let log = inner.recalled.remove(&job).unwrap_or_else(JobLog::new);
                    inner.jobs.insert(job, log);
                }
                _ => {}
            }
            if let Some(log) = inner.jobs.get_mut(&job) {
                log.observe(record, now_ms);
            }
        }
    }

    /// Takes what a worker wrote during an attempt.
    pub(crate) fn take_lines(&self, attempt: AttemptId, worker: &WorkerId, log: AttemptLog, of: LogOf, now_ms: u64) {
        if let Some(job) = self.inner().jobs.get_mut(&attempt.task.job) {
            job.take_lines(attempt, &worker.0, log, of, now_ms);
        }
    }

    /// Puts the histories that are due before records that are about to be stored: those of jobs that end, and once in a
    /// while those of jobs whose workers wrote something.
    pub(crate) fn complete(&self, records: Vec<Record>, now_ms: u64) -> Vec<Record> {
        let mut due = BTreeMap::new();
        let mut inner = self.inner();
        for record in &records {
            let job = record.job();
            let Some(log) = inner.jobs.get_mut(&job) else { continue };
            if matches!(record, Record::Ended { .. }) {
                due.insert(job, log.history());
            } else if log.is_fresh && now_ms.saturating_sub(log.stored_ms) >= STORE_INTERVAL.as_millis() as u64 {
                (log.is_fresh, log.stored_ms) = (false, now_ms);
                due.entry(job).or_insert_with(|| log.lines_only());
            }
        }
        let histories = due.into_iter().map(|(job, history)| Record::History { job, history: Box::new(history) });
        histories.chain(records).collect()
    }

    /// Lets go of jobs whose end is stored: the journal has their histories.
    pub(crate) fn stored(&self, ended: &[JobUid]) {
        let mut inner = self.inner();
        for job in ended {
            inner.jobs.remove(job);
        }
    }

    /// Gets a failed job's history ready, as its records and what is kept apart tell it, for the case that it goes on.
    pub(crate) fn recall(&self, job: JobUid, records: &[Record], history: Option<JobHistory>) {
        let mut log = JobLog::replay(records);
        log.remember(history.unwrap_or_default());
        self.inner().recalled.insert(job, log);
    }

    /// It is decided whether a failed job goes on.
    pub(crate) fn forget_recalled(&self, job: JobUid) {
        self.inner().recalled.remove(&job);
    }

    /// The history of an unfinished job; none of one that has ended.
    pub(crate) fn view(&self, job: JobUid) -> Option<JobHistory> {
        self.inner().jobs.get(&job).map(JobLog::history)
    }
}

fn has_ended(records: &[&Record]) -> bool {
    let last = records.iter().rev().find(|record| matches!(record, Record::Ended { .. } | Record::Resumed { .. }));
    matches!(last, Some(Record::Ended { .. }))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
