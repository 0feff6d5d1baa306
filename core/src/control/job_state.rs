//! One job as the head keeps it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::active_time::ActiveTime;
use super::stage::StageState;
use crate::failure::Failure;
use crate::id::{AttemptId, TaskId, WorkerId};
use crate::job::Job;
use crate::journal::JobChange;
use crate::payload::Payload;
use crate::publish::{CommitIntent, PublishedTable};
use crate::report::{FAILED_ATTEMPTS_SHOWN, FailedAttempt, JobStatus};
use crate::spec::v1alpha1::ShoalJob;

/// A job that runs, or what is left of one that does not.
pub(super) enum Entry {
    Active(Box<ActiveJob>),
    Ended(EndedJob),
}

/// What is left of a job that has ended.
pub(super) struct EndedJob {
    pub(super) spec: Arc<ShoalJob>,
    pub(super) status: Box<JobStatus>,
    /// Whether the same job again goes on from what it had done.
    pub(super) resumable: bool,
    /// Seconds for which it is listed, where somebody said.
    pub(super) ttl_s: Option<u64>,
    /// Until when workers keep its partitions, where they do.
    pub(super) keeps_partitions_until_ms: Option<u64>,
}

impl Entry {
    pub(super) fn active_mut(&mut self) -> Option<&mut ActiveJob> {
        match self {
            Self::Active(active) => Some(active),
            Self::Ended(_) => None,
        }
    }

    pub(super) fn active(&self) -> Option<&ActiveJob> {
        match self {
            Self::Active(active) => Some(active),
            Self::Ended(_) => None,
        }
    }

    /// When it was submitted. Of the jobs of one name the latest has the highest.
    pub(super) fn submitted_ms(&self) -> u64 {
        match self {
            Self::Active(active) => active.submitted_ms,
            Self::Ended(ended) => ended.status.report.submitted_ms,
        }
    }
}

/// Where an unfinished job stands.
#[derive(Debug)]
pub(super) enum JobPhase {
    GatheringFacts,
    Running,
    Publishing {
        intent: CommitIntent,
        tries: u32,
        retry_at_ms: Option<u64>,
        /// Whether a try may have written the commit without our knowing.
        driven_before: bool,
    },
    /// It is to end although its intent is stored: an empty commit takes the intent's place, unless it comes too late.
    Withdrawing {
        intent: CommitIntent,
        failure: Failure,
        tries: u32,
        retry_at_ms: Option<u64>,
    },
    /// It has failed; its attempts are being called back, then its files are swept.
    Ending {
        failure: Failure,
        deadline_ms: u64,
        sweeping: bool,
    },
}

impl JobPhase {
    /// A commit that nobody has tried yet.
    pub(super) fn publishing(intent: CommitIntent) -> Self {
        Self::Publishing { intent, tries: 1, retry_at_ms: None, driven_before: false }
    }
}

/// A job that has not ended.
pub(super) struct ActiveJob {
    pub(super) job: Arc<Job>,
    pub(super) submitted_ms: u64,
    /// What it has used of the time that its deadline allows, since it was submitted or the last time that it went on.
    pub(super) time: ActiveTime,
    /// Seconds that it may take.
    pub(super) deadline_s: Option<u64>,
    /// Seconds for which it is listed after its end, where somebody said.
    pub(super) ttl_s: Option<u64>,
    pub(super) priority: i32,
    pub(super) suspended: bool,
    pub(super) phase: JobPhase,
    pub(super) facts: Payload,
    pub(super) stages: Vec<StageState>,
    /// Attempts that run, by worker: what has to be called back when the job ends early.
    pub(super) running: BTreeMap<AttemptId, WorkerId>,
    /// Those of them that were called back and are to run again: their end is nobody's fault.
    pub(super) called_back: BTreeSet<AttemptId>,
    /// Tasks that ended several workers: each runs alone, so that it is known whose fault the next end is.
    pub(super) suspects: BTreeSet<TaskId>,
    pub(super) notes: Vec<String>,
    pub(super) failed_attempts: VecDeque<FailedAttempt>,
    pub(super) outputs: Vec<PublishedTable>,
    pub(super) peak_memory_bytes: u64,
    /// Attempt numbers start above this: files of lower ones may lie about.
    pub(super) attempt_base: u32,
    /// Since when there has been no worker at all for it.
    pub(super) stranded_since_ms: Option<u64>,
}

impl ActiveJob {
    pub(super) fn new(job: Job, submitted_ms: u64) -> Self {
        let spec = &job.spec.spec;
        Self {
            submitted_ms,
            time: ActiveTime::starting(submitted_ms),
            deadline_s: spec.active_deadline_seconds,
            ttl_s: spec.ttl_seconds_after_finished,
            priority: spec.priority,
            suspended: spec.suspend,
            phase: JobPhase::GatheringFacts,
            facts: Payload::default(),
            stages: Vec::new(),
            running: BTreeMap::new(),
            called_back: BTreeSet::new(),
            suspects: BTreeSet::new(),
            notes: Vec::new(),
            failed_attempts: VecDeque::new(),
            outputs: Vec::new(),
            peak_memory_bytes: 0,
            attempt_base: 0,
            stranded_since_ms: None,
            job: Arc::new(job),
        }
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.phase, JobPhase::Running)
    }

    /// Whether its tasks may take slots.
    pub(super) fn takes_slots(&self) -> bool {
        self.is_running() && !self.suspended
    }

    pub(super) fn all_stages_done(&self) -> bool {
        self.stages.iter().all(StageState::is_done)
    }

    /// Tasks that only wait for a slot, in the order of the plan; those that must run alone left out.
    pub(super) fn ready_tasks(&self) -> impl Iterator<Item = TaskId> + '_ {
        let stages = self.stages.iter().zip(0..).filter(move |(stage, _)| self.takes_slots() && self.has_inputs(stage));
        let tasks = stages.flat_map(|(stage, number)| stage.ready().map(move |index| (number, index)));
        tasks
            .map(|(stage, index)| TaskId { job: self.job.uid, stage, index })
            .filter(|task| !self.suspects.contains(task))
    }

    /// Tasks that only wait for a worker of their own.
    pub(super) fn ready_suspects(&self) -> impl Iterator<Item = TaskId> + '_ {
        self.suspects.iter().copied().filter(|task| {
            let stage = self.stages.get(task.stage as usize);
            self.takes_slots() && stage.is_some_and(|stage| self.has_inputs(stage) && stage.is_ready(task.index))
        })
    }

    /// Live attempts of the same task.
    pub(super) fn live_others(&self, attempt: AttemptId) -> impl Iterator<Item = AttemptId> + '_ {
        let stage = self.stages.get(attempt.task.stage as usize);
        let live = stage.into_iter().flat_map(move |stage| stage.live_attempts(attempt.task.index));
        live.filter(move |other| *other != attempt)
    }

    /// Whether what a stage reads is there.
    pub(super) fn has_inputs(&self, stage: &StageState) -> bool {
        stage.plan.reads.is_none_or(|index| self.stages.get(index as usize).is_some_and(StageState::is_done))
    }

    /// Lets tasks run whose pause has passed.
    pub(super) fn wake(&mut self, now_ms: u64) {
        self.stages.iter_mut().for_each(|stage| stage.wake(now_ms));
    }

    /// Makes a change that a user asked for.
    pub(super) fn change(&mut self, change: JobChange, now_ms: u64) {
        let JobChange { priority, suspend, active_deadline_seconds, ttl_seconds_after_finished } = change;
        self.priority = priority.unwrap_or(self.priority);
        if self.suspended && suspend == Some(false) {
            self.time = ActiveTime::starting(now_ms);
        }
        if suspend == Some(true) {
            self.called_back.extend(self.running.keys());
        }
        self.suspended = suspend.unwrap_or(self.suspended);
        self.deadline_s = active_deadline_seconds.unwrap_or(self.deadline_s);
        self.ttl_s = ttl_seconds_after_finished.unwrap_or(self.ttl_s);
    }

    /// Starts over with other facts than its stages were planned from. What they wrote is swept with the commit.
    pub(super) fn plan_anew(&mut self) {
        let numbers = self.stages.iter().flat_map(|stage| stage.tasks.iter().map(|task| task.attempts));
        self.attempt_base = numbers.max().unwrap_or(0).max(self.attempt_base);
        self.stages.clear();
        self.suspects.clear();
    }

    /// Keeps a failed attempt for the report, the oldest giving way.
    pub(super) fn note_failed_attempt(&mut self, attempt: AttemptId, worker: &WorkerId, failure: Failure) {
        if self.failed_attempts.len() == FAILED_ATTEMPTS_SHOWN {
            self.failed_attempts.pop_front();
        }
        let stage =
            self.stages.get(attempt.task.stage as usize).map_or_else(String::new, |stage| stage.plan.name.clone());
        self.failed_attempts.push_back(FailedAttempt {
            stage,
            task: attempt.task.index,
            attempt: attempt.number,
            worker: worker.to_string(),
            failure,
        });
    }
}
