//! A failed job that is submitted again goes on from what it had done.

use super::ending::reply_in_order;
use super::job_state::{Entry, JobPhase};
use super::restore::restore;
use super::stage::StageState;
use super::{Control, Effect, ReplyId};
use crate::failure::{Actor, Failure, Reason};
use crate::id::JobUid;
use crate::journal::{JobChange, Record};
use crate::payload::Payload;
use crate::spec::v1alpha1::{MANAGED_BY_OPERATOR, ShoalJob};

/// Whether what a job had done before it failed like that is worth keeping: where the spec or the data is at fault, they
/// have to change, and it would be another job. So is one that an operator's user makes again, under an id of its own: what
/// the failed one had written would lie in the object store, where its cluster may be gone by then, and nobody sweeps it.
pub(super) fn is_resumable(job: &ShoalJob, failure: &Failure) -> bool {
    if job.spec.managed_by.as_deref() == Some(MANAGED_BY_OPERATOR) {
        return false;
    }
    matches!(failure.actor, Actor::Platform)
        || matches!(failure.reason, Reason::DeadlineExceeded | Reason::TaskKillsWorkers | Reason::TaskPanicked)
}

/// Who waits for a failed job to go on, and with what.
#[derive(Default)]
pub(super) struct Recalling {
    waiting: Vec<ReplyId>,
    /// What may be changed of it, as the last submission has it.
    wanted: JobChange,
}

impl Control {
    /// Asks for what the journal knows of a failed job.
    pub(super) fn recall(&mut self, uid: JobUid, wanted: JobChange, reply: ReplyId) -> Vec<Effect> {
        let recalling = self.recalling.entry(uid).or_default();
        recalling.waiting.push(reply);
        recalling.wanted = wanted;
        if recalling.waiting.len() > 1 { Vec::new() } else { vec![Effect::in_order(vec![Effect::Recall { job: uid }])] }
    }

    pub(super) fn recalled(&mut self, uid: JobUid, records: Result<Vec<Record>, Failure>, now_ms: u64) -> Vec<Effect> {
        let Recalling { waiting, wanted } = self.recalling.remove(&uid).unwrap_or_default();
        if !matches!(self.jobs.get(&uid), Some(Entry::Ended(ended)) if ended.resumable) {
            return waiting.into_iter().map(|reply| self.reply_when_stored(reply, uid, now_ms)).collect();
        }
        let records = records.map(|mut records| {
            records.push(Record::Resumed { job: uid, at_ms: now_ms });
            records
        });
        let active = match records.and_then(|records| restore(uid, records)) {
            Ok(restored) => restored.active,
            Err(failure) => {
                return waiting.into_iter().map(|reply| reply_in_order(reply, Err(failure.clone()))).collect();
            }
        };
        let job = active.job.clone();
        self.jobs.insert(uid, Entry::Active(Box::new(active)));
        self.touched.insert(uid);
        let gather = vec![Effect::GatherFacts { job }];
        let mut effects =
            vec![Effect::Persist { records: vec![Record::Resumed { job: uid, at_ms: now_ms }], then: gather }];
        effects.extend(self.change_active(uid, wanted, now_ms));
        effects.extend(waiting.into_iter().map(|reply| self.reply_when_stored(reply, uid, now_ms)));
        effects
    }

    /// The facts of a job that goes on are known again: what it had done counts where they are the same.
    pub(super) fn go_on(&mut self, uid: JobUid, facts: Payload, now_ms: u64) -> Vec<Effect> {
        let Some(active) = self.active_mut(uid) else { return Vec::new() };
        active.phase = JobPhase::Running;
        if active.facts != facts {
            active.notes.push("its input has changed since it failed: it starts over".to_owned());
            active.facts = facts.clone();
            active.plan_anew();
            let mut effects = vec![Effect::persist(Record::Facts { job: uid, facts })];
            effects.extend(self.advance(uid, now_ms));
            return effects;
        }
        self.recompute_missing(uid, now_ms);
        let Some(active) = self.active_mut(uid) else { return Vec::new() };
        let done: usize = active.stages.iter().map(StageState::done_count).sum();
        let tasks: usize = active.stages.iter().map(|stage| stage.tasks.len()).sum();
        active.notes.push(format!("it goes on: {done} of {tasks} tasks were done when it failed"));
        if active.all_stages_done() { self.advance(uid, now_ms) } else { Vec::new() }
    }
}
