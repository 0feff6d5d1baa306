//! How jobs end: published, failed, cancelled.

use super::job_state::{Entry, JobPhase};
use super::stage::retry_pause;
use super::{Control, Effect, ReplyId};
use crate::failure::{Failure, Reason};
use crate::id::JobUid;
use crate::journal::Record;
use crate::limits;
use crate::publish::PublishedTable;
use crate::report::Phase;

impl Control {
    pub(super) fn cancel(&mut self, name: &str, reply: ReplyId, now_ms: u64) -> Vec<Effect> {
        let Some(uid) = self.names.get(name).copied() else {
            return vec![reply_with(reply, Err(job_not_found(name)))];
        };
        if let Some(Entry::Active(active)) = self.jobs.get(&uid)
            && matches!(active.phase, JobPhase::Publishing { .. })
        {
            let failure = Failure::new(
                Reason::NotPossible,
                format!("job `{name}` is being committed and can no longer be cancelled"),
            )
            .next("wait for it; it takes seconds");
            return vec![reply_with(reply, Err(failure))];
        }
        let mut effects = self.end(uid, Failure::new(Reason::Cancelled, "the job was cancelled"), now_ms);
        effects.push(self.reply_when_stored(reply, uid, now_ms));
        effects
    }

    /// An answer that is given once all records so far are stored.
    pub(super) fn reply_when_stored(&self, reply: ReplyId, uid: JobUid, now_ms: u64) -> Effect {
        let answer =
            self.status_of(uid, now_ms).ok_or_else(|| Failure::internal("a job vanished while it was answered for"));
        Effect::Persist { records: Vec::new(), then: vec![reply_with(reply, answer)] }
    }

    /// Starts to end a job that failed: calls its attempts back, then sweeps their files, then closes it. A job that is
    /// ending, or has ended, stays as it is.
    pub(super) fn end(&mut self, uid: JobUid, failure: Failure, now_ms: u64) -> Vec<Effect> {
        let Some(active) = self.active_mut(uid) else { return Vec::new() };
        match active.phase {
            JobPhase::Ending { .. } => return Vec::new(),
            // An intent stands in the journal. Its end has to stand there too before a file of it may go: another head
            // would otherwise commit files that are no more.
            JobPhase::Publishing { .. } => {
                let mut effects = self.close(uid, Phase::Failed, Some(failure), now_ms);
                if let (Some(Effect::Persist { then, .. }), Some(tables)) = (effects.first_mut(), self.tables_of(uid)) {
                    then.push(Effect::Discard { job: uid, tables });
                }
                return effects;
            }
            JobPhase::GatheringFacts | JobPhase::Running => {}
        }
        let deadline_ms = now_ms + limits::CANCEL_GRACE.as_millis() as u64;
        active.phase = JobPhase::Ending { failure, deadline_ms, sweeping: false };
        let mut effects: Vec<Effect> = active
            .running
            .iter()
            .map(|(attempt, worker)| Effect::CancelAttempt { worker: worker.clone(), attempt: *attempt })
            .collect();
        effects.extend(self.sweep_when_quiet(uid, now_ms));
        effects
    }

    /// Sweeps an ending job's files once none of its attempts can write any more, or the grace is over.
    pub(super) fn sweep_when_quiet(&mut self, uid: JobUid, now_ms: u64) -> Vec<Effect> {
        let tables = self.tables_of(uid);
        let Some(active) = self.active_mut(uid) else { return Vec::new() };
        let quiet = active.running.is_empty();
        let JobPhase::Ending { deadline_ms, sweeping, .. } = &mut active.phase else { return Vec::new() };
        if *sweeping || !(quiet || now_ms >= *deadline_ms) {
            return Vec::new();
        }
        *sweeping = true;
        if active.stages.is_empty() {
            // Nothing ever ran, so nothing was written.
            return self.discarded(uid, now_ms);
        }
        vec![Effect::Discard { job: uid, tables: tables.unwrap_or_default() }]
    }

    pub(super) fn give_up_cancelled_attempts(&mut self, now_ms: u64) -> Vec<Effect> {
        let ending: Vec<JobUid> = self
            .jobs
            .iter()
            .filter(|(_, entry)| entry.active().is_some_and(|active| matches!(active.phase, JobPhase::Ending { .. })))
            .map(|(uid, _)| *uid)
            .collect();
        ending.into_iter().flat_map(|uid| self.sweep_when_quiet(uid, now_ms)).collect()
    }

    fn tables_of(&self, uid: JobUid) -> Option<Vec<String>> {
        let job = crate::job::Job::parse(uid, std::sync::Arc::new(self.jobs.get(&uid)?.spec().clone())).ok()?;
        Some(job.work.outputs().into_iter().map(|output| output.table.clone()).collect())
    }

    pub(super) fn discarded(&mut self, uid: JobUid, now_ms: u64) -> Vec<Effect> {
        let Some(active) = self.active_mut(uid) else { return Vec::new() };
        let JobPhase::Ending { failure, .. } = &active.phase else { return Vec::new() };
        let failure = failure.clone();
        self.close(uid, Phase::Failed, Some(failure), now_ms)
    }

    pub(super) fn published(
        &mut self,
        uid: JobUid,
        result: Result<PublishedTable, Failure>,
        now_ms: u64,
    ) -> Vec<Effect> {
        let Some(active) = self.active_mut(uid) else { return Vec::new() };
        let JobPhase::Publishing { tries, retry_at_ms, .. } = &mut active.phase else { return Vec::new() };
        match result {
            Ok(table) => {
                active.outputs.push(table.clone());
                let mut effects = vec![Effect::persist(Record::Published { job: uid, table })];
                effects.extend(self.close(uid, Phase::Succeeded, None, now_ms));
                effects
            }
            Err(failure) if failure.is_transient() && *tries < limits::PUBLISH_ATTEMPTS_MAX => {
                *retry_at_ms = Some(now_ms + retry_pause(*tries).as_millis() as u64);
                Vec::new()
            }
            Err(failure) => self.end(uid, failure, now_ms),
        }
    }

    /// Drives stored intents again whose last try failed for a reason that passes.
    pub(super) fn retry_publishing(&mut self, now_ms: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        for active in self.jobs.values_mut().filter_map(Entry::active_mut) {
            if let JobPhase::Publishing { intent, tries, retry_at_ms } = &mut active.phase
                && retry_at_ms.is_some_and(|at| at <= now_ms)
            {
                *retry_at_ms = None;
                *tries += 1;
                effects.push(Effect::Publish { intent: intent.clone() });
            }
        }
        effects
    }

    /// Ends jobs that have had no worker at all for too long.
    pub(super) fn end_stranded_jobs(&mut self, now_ms: u64) -> Vec<Effect> {
        let has_workers = !self.workers.is_empty();
        let grace_ms = limits::NO_WORKER_MAX.as_millis() as u64;
        let mut stranded = Vec::new();
        for (uid, entry) in &mut self.jobs {
            let Some(active) = entry.active_mut() else { continue };
            if has_workers || !active.is_running() {
                active.stranded_since_ms = None;
            } else if now_ms.saturating_sub(*active.stranded_since_ms.get_or_insert(now_ms)) > grace_ms {
                stranded.push(*uid);
            }
        }
        let failure = Failure::new(Reason::NoWorkers, format!("no worker has been there for {} s", grace_ms / 1_000))
            .next("start one with `shoal worker --head URL`");
        stranded.into_iter().flat_map(|uid| self.end(uid, failure.clone(), now_ms)).collect()
    }

    /// Writes a job's last status down and lets go of all that it held; the oldest finished jobs give way.
    fn close(&mut self, uid: JobUid, phase: Phase, failure: Option<Failure>, now_ms: u64) -> Vec<Effect> {
        let Some(mut status) = self.status_of(uid, now_ms) else { return Vec::new() };
        let Some(active) = self.active_mut(uid) else { return Vec::new() };
        let spec = active.job.spec.clone();
        status.phase = phase;
        status.failure = failure;
        status.report.finished_ms = Some(now_ms);
        if phase == Phase::Succeeded {
            status.progress.percent = 100;
            status.progress.total = Some(status.progress.done);
        }
        status.progress.running = 0;
        let mut records = vec![Record::Ended { job: uid, status: Box::new(status.clone()) }];
        self.jobs.insert(uid, Entry::Ended { spec, status: Box::new(status) });
        records.extend(self.forget_oldest());
        let release = self.workers.keys().map(|worker| Effect::Release { worker: worker.clone(), job: uid }).collect();
        vec![Effect::Persist { records, then: release }]
    }

    fn forget_oldest(&mut self) -> Vec<Record> {
        let finished: Vec<JobUid> =
            self.jobs.iter().filter(|(_, entry)| entry.active().is_none()).map(|(uid, _)| *uid).collect();
        let surplus = finished.len().saturating_sub(limits::JOBS_FINISHED_MAX);
        let mut records = Vec::new();
        // Uids are made of the time of submission first, so the first are the oldest.
        for uid in finished.into_iter().take(surplus) {
            self.jobs.remove(&uid);
            self.names.retain(|_, latest| *latest != uid);
            records.push(Record::Forgotten { job: uid });
        }
        records
    }
}

pub(super) fn reply_with(to: ReplyId, answer: Result<crate::report::JobStatus, Failure>) -> Effect {
    Effect::Reply { to, answer: Box::new(answer) }
}

pub(super) fn job_not_found(name: &str) -> Failure {
    Failure::new(Reason::JobNotFound, format!("no job is called `{name}`"))
        .next("`shoal job list` shows those that there are")
}
