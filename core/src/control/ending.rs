//! How jobs end: published, failed, cancelled.

use super::job_state::{EndedJob, Entry, JobPhase};
use super::pause::{Waiting, retry_pause};
use super::resume::is_resumable;
use super::{Control, Effect, Mutation, ReplyId};
use crate::failure::{Failure, Reason};
use crate::id::JobUid;
use crate::journal::Record;
use crate::limits;
use crate::publish::{PublishedTable, Settled};
use crate::report::Phase;

impl Control {
    pub(super) fn cancel(&mut self, name: &str, reply: ReplyId, now_ms: u64) -> Vec<Effect> {
        let Some(uid) = self.names.get(name).copied() else {
            return vec![reply_in_order(reply, Err(job_not_found(name)))];
        };
        let mut effects = self.end(uid, Failure::new(Reason::Cancelled, "the job was cancelled"), now_ms);
        effects.push(self.reply_when_stored(reply, uid, now_ms));
        effects
    }

    /// An answer that is given once all records so far are stored.
    pub(super) fn reply_when_stored(&self, reply: ReplyId, uid: JobUid, now_ms: u64) -> Effect {
        let answer =
            self.status_of(uid, now_ms).ok_or_else(|| Failure::internal("a job vanished while it was answered for"));
        reply_in_order(reply, answer)
    }

    /// Starts to end a job that failed: calls its attempts back, then sweeps their files, then closes it. A job that is
    /// ending, or has ended, stays as it is.
    pub(super) fn end(&mut self, uid: JobUid, failure: Failure, now_ms: u64) -> Vec<Effect> {
        let clean_up_early = self.mutation == Some(Mutation::CleanUpEarly);
        let Some(active) = self.active_mut(uid) else { return Vec::new() };
        let record = Record::Ending { job: uid, failure: failure.clone() };
        match &active.phase {
            JobPhase::Ending { .. } | JobPhase::Withdrawing { .. } => Vec::new(),
            // An intent stands in the journal, and some head may be about to commit it: only the table's log can tell
            // how that ends.
            JobPhase::Publishing { intent, .. } if !clean_up_early => {
                let intent = intent.clone();
                active.phase = JobPhase::Withdrawing { intent: intent.clone(), failure, tries: 1, retry_at_ms: None };
                vec![Effect::Persist { records: vec![record], then: vec![Effect::Withdraw { intent }] }]
            }
            JobPhase::GatheringFacts | JobPhase::Running | JobPhase::Publishing { .. } => {
                let deadline_ms = now_ms + limits::CANCEL_GRACE.as_millis() as u64;
                active.phase = JobPhase::Ending { failure, deadline_ms, sweeping: false };
                let call_back = active
                    .running
                    .iter()
                    .map(|(attempt, worker)| Effect::CancelAttempt { worker: worker.clone(), attempt: *attempt })
                    .collect();
                // Behind the journal, so that no call back overtakes the assignment that it is about.
                let mut effects = vec![Effect::Persist { records: vec![record], then: call_back }];
                effects.extend(self.sweep_when_quiet(uid, now_ms));
                effects
            }
        }
    }

    /// A commit was refused before anything of it was written, and nobody tried it before: there is nothing to withdraw,
    /// and no reason to write into somebody else's table.
    fn end_refused(&mut self, uid: JobUid, failure: Failure, now_ms: u64) -> Vec<Effect> {
        let tables = self.tables_of(uid);
        let mut effects = self.close(uid, Ended::Failed(failure), now_ms);
        // The end has to stand in the journal before a file goes: another head would commit files that are no more.
        if let Some(Effect::Persist { then, .. }) = effects.first_mut() {
            then.push(Effect::Discard { job: uid, tables });
        }
        effects
    }

    /// Sweeps an ending job's files once none of its attempts can write any more, or the grace is over.
    pub(super) fn sweep_when_quiet(&mut self, uid: JobUid, now_ms: u64) -> Vec<Effect> {
        let Some(active) = self.active_mut(uid) else { return Vec::new() };
        let quiet = active.running.is_empty();
        let spec = active.job.spec.clone();
        let JobPhase::Ending { deadline_ms, sweeping, failure } = &mut active.phase else { return Vec::new() };
        if *sweeping || !(quiet || now_ms >= *deadline_ms) {
            return Vec::new();
        }
        *sweeping = true;
        let failure = failure.clone();
        if active.stages.is_empty() {
            // Nothing ever ran, so nothing was written.
            return self.discarded(uid, now_ms);
        }
        if is_resumable(&spec, &failure) {
            // What it wrote is what it can go on from.
            return self.close(uid, Ended::Resumable(failure), now_ms);
        }
        vec![Effect::in_order(vec![Effect::Discard { job: uid, tables: self.tables_of(uid) }])]
    }

    pub(super) fn give_up_cancelled_attempts(&mut self, now_ms: u64) -> Vec<Effect> {
        self.active_uids().into_iter().flat_map(|uid| self.sweep_when_quiet(uid, now_ms)).collect()
    }

    fn tables_of(&self, uid: JobUid) -> Vec<String> {
        let outputs = self.jobs.get(&uid).and_then(Entry::active).map(|active| active.job.work.outputs());
        outputs.into_iter().flatten().map(|output| output.table.clone()).collect()
    }

    pub(super) fn discarded(&mut self, uid: JobUid, now_ms: u64) -> Vec<Effect> {
        let Some(active) = self.active_mut(uid) else { return Vec::new() };
        let JobPhase::Ending { failure, .. } = &active.phase else { return Vec::new() };
        let failure = failure.clone();
        self.close(uid, Ended::Failed(failure), now_ms)
    }

    pub(super) fn published(
        &mut self,
        uid: JobUid,
        result: Result<PublishedTable, Failure>,
        now_ms: u64,
    ) -> Vec<Effect> {
        let Some(active) = self.active_mut(uid) else { return Vec::new() };
        let JobPhase::Publishing { tries, retry_at_ms, driven_before, .. } = &mut active.phase else {
            return Vec::new();
        };
        match result {
            Ok(table) => self.succeed(uid, table, now_ms),
            Err(failure) if failure.is_transient() && *tries < limits::PUBLISH_ATTEMPTS_MAX => {
                *driven_before = true;
                *retry_at_ms = Some(now_ms + retry_pause(Waiting::Commit(uid), *tries).as_millis() as u64);
                Vec::new()
            }
            Err(failure) if failure.is_transient() || *driven_before => self.end(uid, failure, now_ms),
            Err(failure) => self.end_refused(uid, failure, now_ms),
        }
    }

    fn succeed(&mut self, uid: JobUid, table: PublishedTable, now_ms: u64) -> Vec<Effect> {
        if let Some(active) = self.active_mut(uid) {
            active.outputs.push(table.clone());
        }
        let mut effects = vec![Effect::persist(Record::Published { job: uid, table })];
        effects.extend(self.close(uid, Ended::Succeeded, now_ms));
        effects
    }

    pub(super) fn withdrawn(&mut self, uid: JobUid, result: Result<Settled, Failure>, now_ms: u64) -> Vec<Effect> {
        let tables = self.tables_of(uid);
        let Some(active) = self.active_mut(uid) else { return Vec::new() };
        let JobPhase::Withdrawing { failure, tries, retry_at_ms, .. } = &mut active.phase else { return Vec::new() };
        let failure = failure.clone();
        match result {
            Ok(Settled::Withdrawn) => {
                active.phase = JobPhase::Ending { failure, deadline_ms: now_ms, sweeping: true };
                vec![Effect::Discard { job: uid, tables }]
            }
            Ok(Settled::Published(table)) => {
                active.notes.push(format!("its commit was already made when it was to end: {failure}"));
                self.succeed(uid, table, now_ms)
            }
            Err(error) if error.is_transient() && *tries < limits::WITHDRAW_ATTEMPTS_MAX => {
                *retry_at_ms = Some(now_ms + retry_pause(Waiting::Commit(uid), *tries).as_millis() as u64);
                Vec::new()
            }
            Err(error) => {
                let mut failure = failure;
                failure.causes.push(format!("its commit could not be withdrawn either: {error}"));
                self.close(uid, Ended::Failed(failure), now_ms)
            }
        }
    }

    /// Drives stored intents again, or their withdrawals, whose last try failed for a reason that passes.
    pub(super) fn retry_publishing(&mut self, now_ms: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        for active in self.jobs.values_mut().filter_map(Entry::active_mut) {
            let (JobPhase::Publishing { intent, tries, retry_at_ms, .. }
            | JobPhase::Withdrawing { intent, tries, retry_at_ms, .. }) = &mut active.phase
            else {
                continue;
            };
            if retry_at_ms.is_none_or(|at| at > now_ms) {
                continue;
            }
            *retry_at_ms = None;
            *tries += 1;
            let intent = intent.clone();
            effects.push(match active.phase {
                JobPhase::Publishing { .. } => Effect::Publish { intent },
                _ => Effect::Withdraw { intent },
            });
        }
        effects
    }

    /// Ends jobs that have had no worker at all for too long.
    pub(super) fn end_stranded_jobs(&mut self, now_ms: u64) -> Vec<Effect> {
        let has_workers = !self.roster.is_empty();
        let grace_ms = u64::try_from(self.no_worker_max.as_millis()).unwrap_or(u64::MAX);
        let mut stranded = Vec::new();
        for (uid, entry) in &mut self.jobs {
            let Some(active) = entry.active_mut() else { continue };
            if has_workers || !active.takes_slots() {
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
    fn close(&mut self, uid: JobUid, ended: Ended, now_ms: u64) -> Vec<Effect> {
        let Some(mut status) = self.status_of(uid, now_ms) else { return Vec::new() };
        let Some(active) = self.active_mut(uid) else { return Vec::new() };
        let (spec, ttl_s) = (active.job.spec.clone(), active.ttl_s);
        let resumable = matches!(ended, Ended::Resumable(_));
        (status.phase, status.failure) = match ended {
            Ended::Succeeded => (Phase::Succeeded, None),
            Ended::Failed(failure) | Ended::Resumable(failure) => (Phase::Failed, Some(failure)),
        };
        status.report.finished_ms = Some(now_ms);
        if status.phase == Phase::Succeeded {
            status.progress.percent = 100;
            status.progress.total = Some(status.progress.done);
        }
        status.progress.running = 0;
        let status = Box::new(status);
        let keeps_partitions_until_ms = resumable.then(|| now_ms + limits::RESUME_PARTITIONS_KEEP.as_millis() as u64);
        let ended = EndedJob { spec, status, resumable, ttl_s, keeps_partitions_until_ms };
        let records = ended.records(uid, now_ms);
        self.jobs.insert(uid, Entry::Ended(ended));
        let then = if resumable { Vec::new() } else { self.release(uid) };
        let mut effects = vec![Effect::Persist { records, then }];
        effects.extend(self.forget_oldest(now_ms));
        effects
    }
}

/// How a job ends.
enum Ended {
    Succeeded,
    Failed(Failure),
    /// The same job again goes on from what it had done.
    Resumable(Failure),
}

pub(super) fn reply_with(to: ReplyId, answer: Result<crate::report::JobStatus, Failure>) -> Effect {
    Effect::Reply { to, answer: Box::new(answer) }
}

/// Every answer is given behind the records so far, refusals too: what it rests on may not be stored yet, and a head that
/// is about to find out that it leads no more would tell of what never was.
pub(super) fn reply_in_order(to: ReplyId, answer: Result<crate::report::JobStatus, Failure>) -> Effect {
    Effect::in_order(vec![reply_with(to, answer)])
}

pub(super) fn job_not_found(name: &str) -> Failure {
    Failure::new(Reason::JobNotFound, format!("no job is called `{name}`"))
        .next("`shoal job list` shows those that there are")
}
