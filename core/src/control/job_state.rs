//! One job as the head keeps it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use super::stage::StageState;
use crate::failure::Failure;
use crate::id::{AttemptId, WorkerId};
use crate::job::Job;
use crate::publish::{CommitIntent, PublishedTable};
use crate::report::{FAILED_ATTEMPTS_SHOWN, FailedAttempt, JobStatus};
use crate::spec::v1alpha1::ShoalJob;

/// A job that runs, or what is left of one that does not.
pub(super) enum Entry {
    Active(Box<ActiveJob>),
    Ended { spec: Arc<ShoalJob>, status: Box<JobStatus> },
}

impl Entry {
    pub(super) fn active_mut(&mut self) -> Option<&mut ActiveJob> {
        match self {
            Self::Active(active) => Some(active),
            Self::Ended { .. } => None,
        }
    }

    pub(super) fn active(&self) -> Option<&ActiveJob> {
        match self {
            Self::Active(active) => Some(active),
            Self::Ended { .. } => None,
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
    pub(super) phase: JobPhase,
    pub(super) facts: Value,
    pub(super) stages: Vec<StageState>,
    /// Attempts that run, by worker: what has to be called back when the job ends early.
    pub(super) running: BTreeMap<AttemptId, WorkerId>,
    pub(super) notes: Vec<String>,
    pub(super) failed_attempts: VecDeque<FailedAttempt>,
    pub(super) outputs: Vec<PublishedTable>,
    pub(super) peak_memory_bytes: u64,
    /// Attempt numbers start above this: an earlier head may have left files of lower ones.
    pub(super) attempt_base: u32,
    /// Since when there has been no worker at all for it.
    pub(super) stranded_since_ms: Option<u64>,
}

impl ActiveJob {
    pub(super) fn new(job: Job, submitted_ms: u64) -> Self {
        Self {
            job: Arc::new(job),
            submitted_ms,
            phase: JobPhase::GatheringFacts,
            facts: Value::Null,
            stages: Vec::new(),
            running: BTreeMap::new(),
            notes: Vec::new(),
            failed_attempts: VecDeque::new(),
            outputs: Vec::new(),
            peak_memory_bytes: 0,
            attempt_base: 0,
            stranded_since_ms: None,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.phase, JobPhase::Running)
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
