//! The head's brain: a state machine that turns events into effects, without IO, clock or randomness.
//!
//! ```text
//!   Submit -> GatheringFacts -> Running (stage after stage) -> Publishing -> Ended
//!                   |                 |                            |
//!                   +------ Ending (attempts cancelled, files swept) -> Ended
//! ```
//!
//! Order is data: what must be stored before it is acted on is an [`Effect::Persist`] with the rest in `then`, so that
//! "acknowledged before stored" cannot be written by accident.

mod active_time;
mod attempts;
mod calls;
mod drain;
mod effect_loop;
mod ending;
mod event;
mod history;
mod job_state;
mod live;
mod loads;
mod mutation;
mod pause;
mod queue;
mod recovery;
mod restore;
mod resume;
mod roster;
mod schedule;
mod speculation;
mod stage;
mod status;
mod submission;
#[cfg(test)]
mod tests;
mod time_left;
mod transitions;
mod update;
mod work;
mod workers;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use effect_loop::{EffectLoop, Outside};
pub use event::{Effect, Event, ReplyId, SubmitOptions, WorkerInfo};
pub use loads::WorkerLoad;
pub use mutation::Mutation;
pub use status::TaskCounts;
pub use work::{Demand, WorkClass};
pub use workers::{WorkerPhase, WorkerStatus};

use crate::id::{JobUid, WorkerId};
use crate::kind::{Capacity, Kinds, StageOutcome, Step};
use crate::limits;
use drain::Drain;
use ending::reply_in_order;
use job_state::{ActiveJob, Entry, JobPhase};
use queue::Queue;
use resume::Recalling;
use roster::Roster;
use stage::StageState;

/// The state of a head: jobs, their tasks, and the workers that run them.
pub struct Control {
    kinds: Kinds,
    jobs: BTreeMap<JobUid, Entry>,
    /// The latest submission under each name.
    names: BTreeMap<String, JobUid>,
    roster: Roster,
    /// Workers that are to leave.
    drains: BTreeMap<WorkerId, Drain>,
    /// Jobs with a task for a free slot.
    queue: Queue,
    /// Jobs with a task that has to run alone.
    suspicious: BTreeSet<JobUid>,
    /// Jobs that an event changed: their place in the queue may be another now.
    touched: BTreeSet<JobUid>,
    /// Who waits for a failed job to go on, while the journal is asked what it had done.
    recalling: BTreeMap<JobUid, Recalling>,
    /// Whether workers that the journal tells of may still come back.
    recovering: bool,
    last_tick_ms: Option<u64>,
    /// When it was last looked for tasks that take too long.
    speculated_ms: u64,
    /// How long a job does without any worker.
    no_worker_max: Duration,
    mutation: Option<Mutation>,
}

impl Control {
    /// A head that knows these kinds and nothing else yet.
    pub fn new(kinds: Kinds) -> Self {
        Self {
            kinds,
            jobs: BTreeMap::new(),
            names: BTreeMap::new(),
            roster: Roster::default(),
            drains: BTreeMap::new(),
            queue: Queue::default(),
            suspicious: BTreeSet::new(),
            touched: BTreeSet::new(),
            recalling: BTreeMap::new(),
            recovering: false,
            last_tick_ms: None,
            speculated_ms: 0,
            no_worker_max: limits::NO_WORKER_DEFAULT,
            mutation: None,
        }
    }

    /// The same head, whose jobs do without any worker for that long before they fail.
    pub fn with_no_worker_max(self, no_worker_max: Duration) -> Self {
        Self { no_worker_max, ..self }
    }

    /// Takes one event at the time `now_ms` (milliseconds since 1970-01-01 UTC) and says what has to be done.
    pub fn handle(&mut self, event: Event, now_ms: u64) -> Vec<Effect> {
        let is_tick = matches!(event, Event::Tick);
        let mut effects = match event {
            Event::Submit { uid, spec, options, reply } => self.submit(uid, spec, options, reply, now_ms),
            Event::Show { name, reply } => vec![reply_in_order(reply, self.show(&name, now_ms))],
            Event::Flush { reply } => vec![Effect::in_order(vec![Effect::Flushed { to: reply }])],
            Event::Cancel { name, reply } => self.cancel(&name, reply, now_ms),
            Event::Change { name, change, reply } => self.change(&name, change, reply, now_ms),
            Event::Recalled { job, result } => self.recalled(job, result, now_ms),
            Event::FactsGathered { job, result } => self.facts_gathered(job, result, now_ms),
            Event::WorkerJoined { worker } => self.worker_joined(worker, now_ms),
            Event::WorkerLeft { worker, instance, failure } => self.worker_left(&worker, &instance, &failure, now_ms),
            Event::Heartbeat { worker, instance, running, permille, calls, peak_memory_bytes } => {
                self.note_permille(&worker, &instance, &permille, now_ms);
                let mut effects = self.heartbeat(&worker, &instance, &running, peak_memory_bytes, now_ms);
                effects.extend(self.note_calls(&worker, &instance, &calls, now_ms));
                effects
            }
            Event::DiskFull { worker, instance, full } => self.disk_full(&worker, &instance, full),
            Event::DrainRequested { worker, instance, leaves_by_ms } => {
                self.drain_requested(&worker, &instance, leaves_by_ms, now_ms);
                Vec::new()
            }
            Event::PartitionsMoved { worker, instance, attempt, result } => {
                self.partitions_moved(&worker, &instance, attempt, result)
            }
            Event::AttemptFinished { worker, instance, attempt, result } => {
                self.attempt_finished(&worker, &instance, attempt, result, now_ms)
            }
            Event::Published { job, result } => self.published(job, result, now_ms),
            Event::Withdrawn { job, result } => self.withdrawn(job, result, now_ms),
            Event::Discarded { job } => self.discarded(job, now_ms),
            Event::Tick => self.tick(now_ms),
        };
        effects.extend(self.finish_recovery(now_ms));
        effects.extend(self.drain_workers(now_ms));
        for uid in std::mem::take(&mut self.touched) {
            self.settle(uid, now_ms);
        }
        effects.extend(self.schedule(now_ms));
        if is_tick {
            effects.extend(self.speculate(now_ms));
        }
        effects
    }

    /// What the cluster offers now.
    pub fn capacity(&self) -> Capacity {
        Capacity { slots: self.roster.ready_slots().max(1) }
    }

    /// An unfinished job, to be changed: its place in the queue is looked at anew after the event.
    fn active_mut(&mut self, uid: JobUid) -> Option<&mut ActiveJob> {
        let active = self.jobs.get_mut(&uid).and_then(Entry::active_mut)?;
        self.touched.insert(uid);
        Some(active)
    }

    fn active_uids(&self) -> Vec<JobUid> {
        self.jobs.iter().filter(|(_, entry)| entry.active().is_some()).map(|(uid, _)| *uid).collect()
    }

    fn facts_gathered(
        &mut self,
        uid: JobUid,
        result: Result<crate::Payload, crate::Failure>,
        now_ms: u64,
    ) -> Vec<Effect> {
        let Some(active) = self.active_mut(uid) else { return Vec::new() };
        if !matches!(active.phase, JobPhase::GatheringFacts) {
            return Vec::new();
        }
        match result {
            Ok(facts) if !active.stages.is_empty() => self.go_on(uid, facts, now_ms),
            Ok(facts) => {
                active.facts = facts.clone();
                active.phase = JobPhase::Running;
                let mut effects = vec![Effect::persist(crate::journal::Record::Facts { job: uid, facts })];
                effects.extend(self.advance(uid, now_ms));
                effects
            }
            Err(failure) => self.end(uid, failure, now_ms),
        }
    }

    /// Asks the job's kind what comes after its finished stages.
    fn advance(&mut self, uid: JobUid, now_ms: u64) -> Vec<Effect> {
        let capacity = self.capacity();
        let Some(active) = self.jobs.get_mut(&uid).and_then(Entry::active_mut) else { return Vec::new() };
        self.touched.insert(uid);
        // Where a head was restarted just before it gave the job up.
        if let Some(failure) = active.processes_keep_dying() {
            return self.end(uid, failure, now_ms);
        }
        let done: Vec<StageOutcome> = active.stages.iter().map(StageState::outcome).collect();
        let planned = self
            .kinds
            .get(active.job.work.kind())
            .and_then(|kind| crate::kind::plan(kind.as_ref(), &active.job, &active.facts, &done, capacity))
            .and_then(|planned| match &planned.step {
                Step::Run(stage) if stage.tasks.len() > limits::STAGE_TASKS_MAX => Err(crate::Failure::new(
                    crate::Reason::InvalidValue,
                    format!("stage `{}` would have {} tasks", stage.name, stage.tasks.len()),
                )
                .next(format!(
                    "at most {} are possible; make the input's files or the buckets fewer",
                    limits::STAGE_TASKS_MAX
                ))),
                _ => Ok(planned),
            });
        match planned {
            Ok(planned) => {
                match planned.step {
                    Step::Run(plan) => {
                        active.notes.extend(planned.notes);
                        let index = u32::try_from(active.stages.len()).unwrap_or(u32::MAX);
                        active.stages.push(StageState::new(plan.clone(), active.attempt_base, now_ms));
                        let record = crate::journal::Record::StagePlanned { job: uid, stage: index, plan };
                        let nothing_to_do = active.stages.last().is_some_and(StageState::is_done);
                        let mut effects = vec![Effect::persist(record)];
                        if nothing_to_do {
                            effects.extend(self.advance(uid, now_ms));
                        }
                        effects
                    }
                    // An attempt that was beaten may still write: its file would come after the sweep.
                    Step::Publish(_)
                        if !active.running.is_empty() && self.mutation != Some(Mutation::CommitBesideBeaten) =>
                    {
                        Vec::new()
                    }
                    Step::Publish(intent) => {
                        active.notes.extend(planned.notes);
                        active.phase = JobPhase::publishing(intent.clone());
                        let mut records = vec![crate::journal::Record::Intent { intent: intent.clone() }];
                        if self.mutation == Some(Mutation::DropIntent) {
                            records.clear();
                        }
                        vec![Effect::Persist { records, then: vec![Effect::Publish { intent }] }]
                    }
                }
            }
            Err(failure) => self.end(uid, failure, now_ms),
        }
    }
}
