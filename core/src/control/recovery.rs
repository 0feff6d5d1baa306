//! A head that starts finds what the one before it stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::job_state::{ActiveJob, Entry, JobPhase};
use super::{Control, Effect};
use crate::failure::Failure;
use crate::id::JobUid;
use crate::job::Job;
use crate::journal::Record;
use crate::kind::Kinds;
use crate::publish::CommitIntent;
use crate::report::JobStatus;
use crate::spec::v1alpha1::ShoalJob;

/// A job as its records tell it.
struct Recorded {
    at_ms: u64,
    spec: Arc<ShoalJob>,
    intent: Option<CommitIntent>,
    highest_attempt: u32,
    ended: Option<Box<JobStatus>>,
}

impl Control {
    /// The state that the records describe, and what has to be done to go on: stored intents are driven again, never
    /// others; unfinished jobs without one start again from their facts, with attempt numbers that were never used.
    ///
    /// # Errors
    /// A record of a job that was never accepted, or a spec that this build refuses.
    pub fn recover(kinds: Kinds, records: Vec<Record>) -> Result<(Self, Vec<Effect>), Failure> {
        let mut control = Self::new(kinds);
        let mut effects = Vec::new();
        for (uid, recorded) in replay(records)? {
            control.names.insert(recorded.spec.metadata.name.clone(), uid);
            if let Some(status) = recorded.ended {
                control.jobs.insert(uid, Entry::Ended { spec: recorded.spec, status });
                continue;
            }
            let mut active = ActiveJob::new(Job::parse(uid, recorded.spec)?, recorded.at_ms);
            active.attempt_base = recorded.highest_attempt;
            active.notes.push("the head was restarted while the job ran".to_owned());
            match recorded.intent {
                Some(intent) => {
                    effects.push(Effect::Publish { intent: intent.clone() });
                    active.phase = JobPhase::Publishing { intent, tries: 1, retry_at_ms: None, driven_before: true };
                }
                None => effects.push(Effect::GatherFacts { job: active.job.clone() }),
            }
            control.jobs.insert(uid, Entry::Active(Box::new(active)));
        }
        Ok((control, effects))
    }
}

fn replay(records: Vec<Record>) -> Result<BTreeMap<JobUid, Recorded>, Failure> {
    let mut jobs: BTreeMap<JobUid, Recorded> = BTreeMap::new();
    for record in records {
        let uid = record.job();
        if let Record::Accepted { at_ms, spec, .. } = record {
            jobs.insert(uid, Recorded { at_ms, spec: spec.into(), intent: None, highest_attempt: 0, ended: None });
            continue;
        }
        if let Record::Forgotten { .. } = record {
            jobs.remove(&uid);
            continue;
        }
        let job = jobs
            .get_mut(&uid)
            .ok_or_else(|| Failure::internal(format!("the journal tells of job {uid}, which it never accepted")))?;
        match record {
            Record::AttemptStarted { attempt, .. }
            | Record::AttemptFinished { attempt, .. }
            | Record::AttemptFailed { attempt, .. } => job.highest_attempt = job.highest_attempt.max(attempt.number),
            Record::Intent { intent } => job.intent = Some(intent),
            Record::Ended { status, .. } => job.ended = Some(status),
            Record::Updated { .. }
            | Record::Ending { .. }
            | Record::Resumed { .. }
            | Record::PartitionsMoved { .. } => {}
            // What a restarted job finds out again.
            Record::Facts { .. } | Record::StagePlanned { .. } | Record::Published { .. } => {}
            Record::Accepted { .. } | Record::Forgotten { .. } => {}
        }
    }
    Ok(jobs)
}
