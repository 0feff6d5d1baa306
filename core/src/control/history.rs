//! Jobs that have ended: how long they are kept, and what is kept of them.

use std::collections::BTreeSet;

use super::job_state::{EndedJob, Entry};
use super::{Control, Effect};
use crate::id::JobUid;
use crate::job::Job;
use crate::journal::Record;
use crate::limits;

impl EndedJob {
    /// When it may be forgotten, in milliseconds since 1970-01-01 UTC.
    fn expires_ms(&self) -> u64 {
        let ttl = self.ttl_s.unwrap_or(limits::HISTORY_AGE_MAX.as_secs());
        self.status.report.finished_ms.unwrap_or(0).saturating_add(ttl.saturating_mul(1_000))
    }
}

impl Control {
    /// Lets go of what has been kept long enough.
    pub(super) fn expire_history(&mut self, now_ms: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut expired = Vec::new();
        let mut released = Vec::new();
        for (uid, entry) in &mut self.jobs {
            let Entry::Ended(ended) = entry else { continue };
            if ended.keeps_partitions_until_ms.is_some_and(|until| until <= now_ms) {
                ended.keeps_partitions_until_ms = None;
                released.push(*uid);
            }
            // One that is about to go on has not ended.
            if ended.expires_ms() <= now_ms && !self.recalling.contains_key(uid) {
                expired.push(*uid);
            }
        }
        effects.extend(released.into_iter().flat_map(|uid| self.release(uid)));
        effects.extend(self.forget(expired, now_ms));
        effects
    }

    /// Tells all workers to drop what they hold of a job.
    pub(super) fn release(&self, uid: JobUid) -> Vec<Effect> {
        self.roster.iter().map(|state| Effect::Release { worker: state.info.id.clone(), job: uid }).collect()
    }

    /// The oldest finished jobs give way to newer ones.
    pub(super) fn forget_oldest(&mut self, now_ms: u64) -> Vec<Effect> {
        let is_finished = |uid: &JobUid, entry: &Entry| entry.active().is_none() && !self.recalling.contains_key(uid);
        let finished = self.jobs.iter().filter(|(uid, entry)| is_finished(uid, entry));
        let mut finished: Vec<(u64, JobUid)> = finished.map(|(uid, entry)| (entry.submitted_ms(), *uid)).collect();
        let surplus = finished.len().saturating_sub(limits::JOBS_FINISHED_MAX);
        if surplus == 0 {
            return Vec::new();
        }
        finished.sort_unstable();
        self.forget(finished.into_iter().take(surplus).map(|(_, uid)| uid).collect(), now_ms)
    }

    fn forget(&mut self, uids: Vec<JobUid>, now_ms: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        for uid in self.with_earlier(uids) {
            effects.extend(self.give_up_resuming(uid, now_ms));
            self.jobs.remove(&uid);
            self.names.retain(|_, latest| *latest != uid);
            effects.push(Effect::persist(Record::Forgotten { job: uid }));
        }
        effects
    }

    /// Those jobs, and with the latest submission of a name all earlier ones: the next head, which does not hear of the
    /// latest any more, would take one of them for it.
    fn with_earlier(&self, uids: Vec<JobUid>) -> BTreeSet<JobUid> {
        let mut all: BTreeSet<JobUid> = uids.into_iter().collect();
        let names: BTreeSet<&str> =
            self.names.iter().filter(|(_, latest)| all.contains(latest)).map(|(name, _)| name.as_str()).collect();
        if names.is_empty() {
            return all;
        }
        let earlier = self.jobs.iter().filter(|(_, entry)| match entry {
            Entry::Ended(ended) => names.contains(ended.status.name.as_str()),
            Entry::Active(_) => false,
        });
        let earlier: Vec<JobUid> =
            earlier.map(|(uid, _)| *uid).filter(|uid| !self.recalling.contains_key(uid)).collect();
        all.extend(earlier);
        all
    }

    /// A failed job will not go on: what it kept for that is of no use any more.
    pub(super) fn give_up_resuming(&mut self, uid: JobUid, now_ms: u64) -> Vec<Effect> {
        let Some(Entry::Ended(ended)) = self.jobs.get_mut(&uid) else { return Vec::new() };
        let kept_partitions = ended.keeps_partitions_until_ms.take().is_some();
        if !std::mem::take(&mut ended.resumable) {
            return Vec::new();
        }
        let records = ended.records(uid, now_ms);
        let tables = Job::parse(uid, ended.spec.clone())
            .map(|job| job.work.outputs().into_iter().map(|output| output.table.clone()).collect())
            .unwrap_or_default();
        let mut then = vec![Effect::Discard { job: uid, tables }];
        if kept_partitions {
            then.extend(self.release(uid));
        }
        vec![Effect::Persist { records, then }]
    }
}
