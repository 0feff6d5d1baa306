//! How long jobs may take.

use std::collections::BTreeMap;

use shoal_core::journal::Record;
use shoal_core::{JobUid, Reason};

use super::{Checked, Ledger, hold};

/// Since when each job's time runs, and how long it may.
#[derive(Default)]
pub(super) struct Timed {
    /// Decisions by the job and by what the head's clock showed, and when they were by the world's.
    decided_ms: BTreeMap<(JobUid, u64), u64>,
    since_ms: BTreeMap<JobUid, u64>,
    deadline_s: BTreeMap<JobUid, u64>,
}

impl Timed {
    fn begins(&mut self, job: JobUid, at_ms: u64, now_ms: u64) {
        let since_ms = self.decided_ms.get(&(job, at_ms)).copied().unwrap_or(now_ms);
        self.since_ms.insert(job, since_ms);
    }

    fn set(&mut self, job: JobUid, seconds: Option<u64>) {
        match seconds {
            Some(seconds) => drop(self.deadline_s.insert(job, seconds)),
            None => drop(self.deadline_s.remove(&job)),
        }
    }
}

impl Ledger {
    /// A head has decided that the time of these jobs may begin, at that time of its clock.
    pub(crate) fn decided(&mut self, begun: &[(JobUid, u64)], now_ms: u64) {
        for (job, at_ms) in begun {
            self.timed.decided_ms.insert((*job, *at_ms), now_ms);
        }
    }

    /// A record is stored. Whatever the heads' clocks show, a deadline comes when it is due by the world's, or later.
    pub(super) fn in_time(&mut self, record: &Record, now_ms: u64) -> Checked {
        let timed = &mut self.timed;
        match record {
            Record::Accepted { job, at_ms, spec } => {
                timed.begins(*job, *at_ms, now_ms);
                timed.set(*job, spec.spec.active_deadline_seconds);
                Ok(())
            }
            Record::Resumed { job, at_ms } => {
                timed.begins(*job, *at_ms, now_ms);
                Ok(())
            }
            Record::Updated { job, change, at_ms } => {
                if change.suspend == Some(false) {
                    timed.begins(*job, *at_ms, now_ms);
                }
                if let Some(seconds) = change.active_deadline_seconds {
                    timed.set(*job, seconds);
                }
                Ok(())
            }
            Record::Ending { job, failure } if failure.reason == Reason::DeadlineExceeded => {
                let took_ms = timed.since_ms.get(job).map_or(u64::MAX, |since_ms| now_ms - since_ms);
                let most_ms = timed.deadline_s.get(job).map(|seconds| seconds * 1_000);
                hold("no_deadline_comes_early", most_ms.is_some_and(|most_ms| took_ms > most_ms), || {
                    format!("{job} had {most_ms:?} ms and was ended after {took_ms} ms")
                })
            }
            _ => Ok(()),
        }
    }
}
