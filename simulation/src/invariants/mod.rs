//! What must hold after every event, each under a name of its own.

mod deadlines;
mod fairness;
mod journal;
mod processes;
mod table;
mod users;

pub(crate) use processes::{
    heads_know_their_slots, jobs_are_bounded, no_task_for_a_draining_worker, queues_are_bounded,
    slots_are_never_exceeded,
};
pub(crate) use table::no_committed_file_is_deleted;

use std::collections::{BTreeMap, BTreeSet};

use shoal_core::publish::CommitIntent;
use shoal_core::report::Phase;
use shoal_core::{AttemptId, JobUid, TaskId};

use crate::scenario::Scenario;

/// Something that must never happen has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant does not hold.
    pub invariant: &'static str,
    /// What was seen.
    pub details: String,
}

/// What a check says.
pub(crate) type Checked = Result<(), Violation>;

pub(crate) fn hold(invariant: &'static str, holds: bool, details: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Violation { invariant, details: details() }) }
}

/// What the world did so far, as far as the invariants have to remember it. It is written by the models, never by the
/// code under test.
#[derive(Default)]
pub(crate) struct Ledger {
    /// Accepted jobs and their names, as the journal has them.
    accepted: BTreeMap<JobUid, String>,
    started: BTreeMap<AttemptId, (String, String)>,
    /// Who may run each task now: two at the most, where it is slow.
    leases: BTreeMap<TaskId, Vec<AttemptId>>,
    suspended: BTreeSet<JobUid>,
    finished: BTreeSet<AttemptId>,
    given_up: BTreeSet<AttemptId>,
    /// Those of them that were beaten, and may still write.
    beaten: BTreeSet<AttemptId>,
    /// Attempts that were started beside another one, and what became of them.
    duplicates: BTreeSet<AttemptId>,
    seconds_met: Vec<&'static str>,
    /// Whose files count, by task.
    wrote: BTreeMap<TaskId, AttemptId>,
    intents: BTreeMap<JobUid, CommitIntent>,
    ended: BTreeMap<JobUid, Phase>,
    /// Those that have ended at some time, also where they went on later.
    ended_once: BTreeSet<JobUid>,
    /// Those whose entries are not kept any more.
    forgotten: BTreeSet<JobUid>,
    /// What submissions would have been called by that were refused.
    refused: BTreeSet<JobUid>,
    shares: fairness::Shares,
    timed: deadlines::Timed,
    /// What users were told: the job under a name, and how it ended.
    told: BTreeMap<usize, (JobUid, Option<Phase>)>,
    /// The highest epoch of an assignment or welcome that each start of a worker has taken.
    obeyed: BTreeMap<(usize, u32), u64>,
}

/// The place of a job among the scenario's, by the number at the end of its name.
pub(crate) fn job_index(name: &str) -> Option<usize> {
    name.rsplit_once('-')?.1.parse().ok()
}

impl Ledger {
    fn shape_of(&self, scenario: &Scenario, job: JobUid) -> Option<crate::kind::Shape> {
        let index = job_index(self.accepted.get(&job)?)?;
        scenario.jobs.get(index).map(|job| job.shape)
    }
}
