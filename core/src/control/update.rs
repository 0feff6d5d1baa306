//! What users change of a job that is under way, and the time that it may take.

use super::ending::{job_not_found, reply_with};
use super::job_state::{Entry, JobPhase};
use super::{Control, Effect, ReplyId};
use crate::failure::{Failure, Reason};
use crate::id::JobUid;
use crate::journal::{JobChange, Record};

impl Control {
    pub(super) fn change(&mut self, name: &str, change: JobChange, reply: ReplyId, now_ms: u64) -> Vec<Effect> {
        let Some(uid) = self.names.get(name).copied() else {
            return vec![reply_with(reply, Err(job_not_found(name)))];
        };
        if self.jobs.get(&uid).is_none_or(|entry| entry.active().is_none()) {
            let failure = Failure::new(Reason::NotPossible, format!("job `{name}` has ended"))
                .next(format!("`shoal job show {name}` shows how, `shoal job rerun {name}` runs it again"));
            // Told once the end is stored: another head may find the job unfinished.
            return vec![Effect::in_order(vec![reply_with(reply, Err(failure))])];
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

    /// Ends jobs that have taken longer than they may. A commit that has begun is not stopped: all the work is done.
    pub(super) fn end_overdue_jobs(&mut self, now_ms: u64) -> Vec<Effect> {
        let mut overdue = Vec::new();
        for active in self.jobs.values().filter_map(Entry::active) {
            let Some(seconds) = active.job.spec.spec.active_deadline_seconds else { continue };
            let may_end = matches!(active.phase, JobPhase::GatheringFacts | JobPhase::Running) && !active.suspended;
            if may_end && now_ms.saturating_sub(active.active_since_ms) > seconds.saturating_mul(1_000) {
                overdue.push((active.job.uid, seconds));
            }
        }
        let failure = |seconds| {
            Failure::new(Reason::DeadlineExceeded, format!("the job took longer than {seconds} s"))
                .field("spec.activeDeadlineSeconds")
                .next("add workers, and submit it again: what it has done is kept, and it has as much time again")
        };
        overdue.into_iter().flat_map(|(uid, seconds)| self.end(uid, failure(seconds), now_ms)).collect()
    }
}
