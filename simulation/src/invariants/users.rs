//! What users may be told.

use std::collections::BTreeSet;

use shoal_core::report::{JobStatus, Phase};
use shoal_core::{Failure, JobUid, Reason};

use super::{Checked, Ledger, hold};

impl Ledger {
    /// A head answers with a job's status.
    pub(crate) fn answered(&self, status: &JobStatus) -> Checked {
        hold("acknowledged_means_stored", self.accepted.contains_key(&status.uid), || {
            format!("{} was shown, the journal does not have it", status.name)
        })?;
        let ended = status.phase.is_final();
        hold("an_end_that_is_shown_is_stored", !ended || self.ended_once.contains(&status.uid), || {
            format!("{} is said to be {:?}, the journal does not have it", status.name, status.phase)
        })
    }

    /// A head refuses what a user asked for; a submission would have been called by that uid.
    pub(crate) fn refused(&mut self, uid: JobUid, failure: &Failure) -> Checked {
        self.refused.insert(uid);
        hold("a_refused_submission_leaves_no_trace", !self.accepted.contains_key(&uid), || {
            format!("{uid} was accepted, and refused: {failure}")
        })?;
        hold("no_refusal_is_a_mistake_of_ours", failure.reason != Reason::Internal, || failure.to_string())
    }

    /// A user submits a job again: one that failed may go on, or start over as another.
    pub(crate) fn submitted(&mut self, client: usize) {
        if self.told.get(&client).is_some_and(|(_, phase)| *phase == Some(Phase::Failed)) {
            self.told.remove(&client);
        }
    }

    /// A user saw a job's status.
    pub(crate) fn told(&mut self, client: usize, status: &JobStatus) -> Checked {
        let phase = status.phase.is_final().then_some(status.phase);
        let known = self.told.insert(client, (status.uid, phase));
        let Some((uid, before)) = known else { return Ok(()) };
        hold("no_accepted_job_is_lost", uid == status.uid, || {
            format!("{} was {uid} and is {} now", status.name, status.uid)
        })?;
        hold("the_end_is_the_end", before.is_none() || before == phase, || {
            format!("{} was told to have ended as {before:?}, and is {:?} now", status.name, status.phase)
        })
    }

    /// A head that leads knows these jobs.
    pub(crate) fn no_accepted_job_is_lost(&self, known: &BTreeSet<JobUid>) -> Checked {
        let kept = self.told.values().filter(|(uid, _)| !self.forgotten.contains(uid));
        kept.into_iter().try_for_each(|(uid, _)| {
            hold("no_accepted_job_is_lost", known.contains(uid), || format!("the head does not know {uid}"))
        })
    }

    /// A head that leads says that it does not know a job.
    pub(crate) fn not_found(&self, client: usize, message: &str) -> Checked {
        let kept = self.told.get(&client).is_some_and(|(uid, _)| !self.forgotten.contains(uid));
        hold("no_accepted_job_is_lost", !kept, || message.to_owned())
    }
}
