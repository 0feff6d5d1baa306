//! A head that starts finds what the one before it stored, and waits for the workers that it tells of: what they run
//! goes on, what they hold stays good.

use std::collections::BTreeMap;

use super::job_state::{EndedJob, Entry, JobPhase};
use super::restore::{Restored, restore};
use super::roster::{Presence, WorkerState};
use super::{Control, Effect, Mutation, WorkerInfo};
use crate::failure::{Failure, Reason};
use crate::id::{AttemptId, JobUid, WorkerId};
use crate::journal::Record;
use crate::kind::Kinds;
use crate::limits;

impl Control {
    /// The state that the records describe at the time `now_ms`, and what has to be done to go on: stored intents are
    /// driven again, never others; running attempts and partitions wait for their workers to come back, for
    /// [`limits::ADOPTION_GRACE`] at the most.
    ///
    /// # Errors
    /// A record of a job that was never accepted, or a spec that this build refuses.
    pub fn recover(kinds: Kinds, records: Vec<Record>, now_ms: u64) -> Result<(Self, Vec<Effect>), Failure> {
        Self::recover_mutated(kinds, records, now_ms, None)
    }

    /// [`Control::recover`] with a mistake built in, for tests of the tests.
    #[doc(hidden)]
    pub fn recover_mutated(
        kinds: Kinds,
        records: Vec<Record>,
        now_ms: u64,
        mutation: Option<Mutation>,
    ) -> Result<(Self, Vec<Effect>), Failure> {
        let mut control = Self { mutation, ..Self::new(kinds) };
        let mut effects = Vec::new();
        let mut instances = BTreeMap::new();
        for (uid, records) in by_job(records) {
            let mut restored = restore(uid, records)?;
            if mutation == Some(Mutation::ForgetToAdopt) {
                restored.forget_running(now_ms);
            }
            let name = restored.spec.metadata.name.clone();
            let entry = match restored.ended {
                Some((status, resumable)) => Entry::Ended(EndedJob {
                    spec: restored.spec,
                    status,
                    resumable,
                    ttl_s: restored.active.ttl_s,
                    keeps_partitions_until_ms: resumable
                        .then(|| now_ms + limits::RESUME_PARTITIONS_KEEP.as_millis() as u64),
                }),
                None => {
                    instances.extend(restored.instances.clone());
                    Entry::Active(Box::new(control.take_up(restored, &mut effects, now_ms)))
                }
            };
            // Uids say nothing about that: heads whose clocks differ drew them.
            let known = control.names.get(&name).and_then(|uid| control.jobs.get(uid));
            if known.is_none_or(|known| known.submitted_ms() < entry.submitted_ms()) {
                control.names.insert(name, uid);
            }
            control.jobs.insert(uid, entry);
        }
        control.expect_workers(&instances, now_ms);
        effects.extend(control.hand_back_unexpected(&instances, now_ms));
        control.recovering = true;
        for uid in control.active_uids() {
            control.recompute_missing(uid, now_ms);
            control.settle(uid, now_ms);
        }
        Ok((control, effects))
    }

    fn take_up(&self, restored: Restored, effects: &mut Vec<Effect>, now_ms: u64) -> super::job_state::ActiveJob {
        let mut active = restored.active;
        active.notes.push("the head was restarted while the job ran".to_owned());
        // The head that wrote the times down may have had a clock that was far ahead.
        let latest_ms = now_ms + limits::RETRY_PAUSE_MAX.as_millis() as u64;
        active.stages.iter_mut().for_each(|stage| {
            stage.limit_pauses(latest_ms);
            stage.live.start_over(now_ms);
        });
        active.time.hand_over(now_ms);
        // Also of a job without a deadline: it may get one.
        effects.push(Effect::persist(active.time_used(now_ms)));
        match &mut active.phase {
            JobPhase::GatheringFacts => effects.push(Effect::GatherFacts { job: active.job.clone() }),
            JobPhase::Publishing { intent, .. } => effects.push(Effect::Publish { intent: intent.clone() }),
            JobPhase::Withdrawing { intent, .. } => effects.push(Effect::Withdraw { intent: intent.clone() }),
            JobPhase::Ending { deadline_ms, .. } => {
                *deadline_ms = now_ms + (limits::ADOPTION_GRACE + limits::CANCEL_GRACE).as_millis() as u64;
            }
            JobPhase::Running => {}
        }
        active
    }

    /// Notes down the workers that the journal tells of. Of two starts of one worker the later counts: an instance is a
    /// uuid that begins with its time.
    fn expect_workers(&mut self, instances: &BTreeMap<AttemptId, String>, now_ms: u64) {
        let mut latest: BTreeMap<WorkerId, String> = BTreeMap::new();
        let mut see = |worker: &WorkerId, instance: &String| {
            let known = latest.entry(worker.clone()).or_default();
            if *instance > *known {
                instance.clone_into(known);
            }
        };
        for active in self.jobs.values().filter_map(Entry::active) {
            active.holders().for_each(|(worker, instance)| see(worker, instance));
            for (attempt, worker) in &active.running {
                if let Some(instance) = instances.get(attempt) {
                    see(worker, instance);
                }
            }
        }
        for (id, instance) in latest {
            let info = WorkerInfo::new(id, instance, "", 0);
            self.roster.insert(WorkerState::new(info, Presence::Expected, now_ms));
        }
        for active in self.jobs.values().filter_map(Entry::active) {
            for (attempt, worker) in &active.running {
                self.roster.change(worker, |state| {
                    if instances.get(attempt) == Some(&state.info.instance) {
                        state.running.insert(*attempt);
                    }
                });
            }
        }
    }

    /// Attempts on a start of a worker that is not its latest have ended with it.
    fn hand_back_unexpected(&mut self, instances: &BTreeMap<AttemptId, String>, now_ms: u64) -> Vec<Effect> {
        let running: Vec<(AttemptId, WorkerId)> = self
            .jobs
            .values()
            .filter_map(Entry::active)
            .flat_map(|active| active.running.iter().map(|(attempt, worker)| (*attempt, worker.clone())))
            .filter(|(attempt, worker)| {
                let instance = instances.get(attempt).map_or("", String::as_str);
                instance.is_empty() || self.roster.instance(worker, instance).is_none()
            })
            .collect();
        let tell = |worker: &WorkerId| Failure::new(Reason::HandedBack, format!("worker `{worker}` was started again"));
        running
            .into_iter()
            .flat_map(|(attempt, worker)| self.attempt_lost(&worker, attempt, &tell(&worker), now_ms))
            .collect()
    }

    /// Plans what comes next for jobs whose stages were all done when the head ended: once it is clear which workers are
    /// there, since plans depend on that.
    pub(super) fn finish_recovery(&mut self, now_ms: u64) -> Vec<Effect> {
        // Asked after every event: only a head that recovers looks at its workers for it.
        if !self.recovering || self.roster.iter().any(WorkerState::is_expected) {
            return Vec::new();
        }
        self.recovering = false;
        let done: Vec<JobUid> = self
            .jobs
            .values()
            .filter_map(Entry::active)
            .filter(|active| active.is_running() && active.all_stages_done())
            .map(|active| active.job.uid)
            .collect();
        done.into_iter().flat_map(|uid| self.advance(uid, now_ms)).collect()
    }
}

/// Records by job, each job's in their order.
fn by_job(records: Vec<Record>) -> BTreeMap<JobUid, Vec<Record>> {
    let mut jobs: BTreeMap<JobUid, Vec<Record>> = BTreeMap::new();
    for record in records {
        match record {
            Record::Forgotten { job } => drop(jobs.remove(&job)),
            record => jobs.entry(record.job()).or_default().push(record),
        }
    }
    jobs
}
