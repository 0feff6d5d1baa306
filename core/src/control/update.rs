//! What users change of a job after its submission.

use super::ending::{job_not_found, reply_in_order};
use super::job_state::{EndedJob, Entry};
use super::{Control, Effect, ReplyId};
use crate::failure::{Failure, Reason};
use crate::id::JobUid;
use crate::journal::{JobChange, Record};

impl Control {
    pub(super) fn change(&mut self, name: &str, change: JobChange, reply: ReplyId, now_ms: u64) -> Vec<Effect> {
        let Some(uid) = self.names.get(name).copied() else {
            return vec![reply_in_order(reply, Err(job_not_found(name)))];
        };
        if matches!(self.jobs.get(&uid), Some(Entry::Ended(_))) {
            let JobChange { priority, suspend, active_deadline_seconds, ttl_seconds_after_finished: _ } = change;
            if priority.is_some() || suspend.is_some() || active_deadline_seconds.is_some() || change.is_empty() {
                let failure = Failure::new(Reason::NotPossible, format!("job `{name}` has ended"))
                    .next(format!("`shoal job show {name}` shows how, `shoal job rerun {name}` runs it again"));
                return vec![reply_in_order(reply, Err(failure))];
            }
            let mut effects = self.change_ended(uid, change, now_ms);
            effects.push(self.reply_when_stored(reply, uid, now_ms));
            return effects;
        }
        let mut effects = self.change_active(uid, change, now_ms);
        effects.push(self.reply_when_stored(reply, uid, now_ms));
        effects
    }

    /// Changes an unfinished job. Suspended, it hands its running tasks back: what is finished stays finished.
    pub(super) fn change_active(&mut self, uid: JobUid, change: JobChange, now_ms: u64) -> Vec<Effect> {
        let Some(active) = self.active_mut(uid) else { return Vec::new() };
        let change = JobChange {
            priority: change.priority.filter(|priority| *priority != active.priority),
            suspend: change.suspend.filter(|suspend| *suspend != active.suspended),
            active_deadline_seconds: change.active_deadline_seconds.filter(|seconds| *seconds != active.deadline_s),
            ttl_seconds_after_finished: change.ttl_seconds_after_finished.filter(|seconds| *seconds != active.ttl_s),
        };
        if change.is_empty() {
            return Vec::new();
        }
        active.change(change, now_ms);
        let call_back = active
            .called_back
            .iter()
            .filter_map(|attempt| {
                let worker = active.running.get(attempt)?.clone();
                Some(Effect::CancelAttempt { worker, attempt: *attempt })
            })
            .collect();
        vec![Effect::Persist { records: vec![Record::Updated { job: uid, change, at_ms: now_ms }], then: call_back }]
    }

    /// Changes what may still be changed of a job that has ended: how long it is kept.
    pub(super) fn change_ended(&mut self, uid: JobUid, change: JobChange, now_ms: u64) -> Vec<Effect> {
        let Some(Entry::Ended(ended)) = self.jobs.get_mut(&uid) else { return Vec::new() };
        let Some(ttl_s) = change.ttl_seconds_after_finished.filter(|seconds| *seconds != ended.ttl_s) else {
            return Vec::new();
        };
        ended.ttl_s = ttl_s;
        vec![Effect::persist(ended.kept_for(uid, now_ms))]
    }
}

impl EndedJob {
    /// What the journal has to know of how long it is kept, where its spec says otherwise.
    pub(super) fn kept_for(&self, uid: JobUid, now_ms: u64) -> Record {
        let change = JobChange { ttl_seconds_after_finished: Some(self.ttl_s), ..JobChange::default() };
        Record::Updated { job: uid, change, at_ms: now_ms }
    }

    /// The records of its end. They let go of what was stored before, changes included.
    pub(super) fn records(&self, uid: JobUid, now_ms: u64) -> Vec<Record> {
        let Self { spec, status, resumable, .. } = self;
        let mut records = vec![Record::Ended { job: uid, status: status.clone(), resumable: *resumable }];
        if self.ttl_s != spec.spec.ttl_seconds_after_finished {
            records.push(self.kept_for(uid, now_ms));
        }
        records
    }
}
