//! How long a job has been active: what its deadline is about.
//!
//! Heads have clocks of their own, which may be hours apart. Only what passes within one head's term counts: it notes down
//! in the journal what the job has used, once in a while and as it takes the job up, and the next head goes on from there. So a deadline never comes
//! early because of a clock. With every change of heads it may come later: by the time since the last note or other
//! record of the job, and by the time without a head.

use super::job_state::{ActiveJob, JobPhase};
use super::{Control, Effect};
use crate::failure::{Failure, Reason};
use crate::journal::Record;
use crate::limits;

/// Time that a job has used of what its deadline allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ActiveTime {
    /// Used until `seen_ms`, in milliseconds.
    used_ms: u64,
    /// A moment by the clock of the head that counts, in milliseconds since 1970-01-01 UTC.
    seen_ms: u64,
}

impl ActiveTime {
    /// Counting begins at that time.
    pub(super) fn starting(now_ms: u64) -> Self {
        Self { used_ms: 0, seen_ms: now_ms }
    }

    /// Some head had counted so much at a time by its clock.
    pub(super) fn noted(used_ms: u64, at_ms: u64) -> Self {
        Self { used_ms, seen_ms: at_ms }
    }

    /// What is used at a time by the clock of the head that counts.
    pub(super) fn used_ms(self, now_ms: u64) -> u64 {
        self.used_ms.saturating_add(now_ms.saturating_sub(self.seen_ms))
    }

    /// Counts until that time.
    pub(super) fn pass(&mut self, now_ms: u64) {
        *self = Self::noted(self.used_ms(now_ms), now_ms);
    }

    /// From now on another head counts, by its own clock.
    pub(super) fn hand_over(&mut self, now_ms: u64) {
        self.seen_ms = now_ms;
    }
}

impl ActiveJob {
    /// What the journal has to know of the time that the job has used.
    pub(super) fn time_used(&mut self, now_ms: u64) -> Record {
        self.time.pass(now_ms);
        Record::TimeUsed { job: self.job.uid, used_ms: self.time.used_ms(now_ms), at_ms: now_ms }
    }

    /// Whether its time runs. A commit that has begun is not stopped: all the work is done.
    fn is_timed(&self) -> bool {
        matches!(self.phase, JobPhase::GatheringFacts | JobPhase::Running) && !self.suspended
    }
}

impl Control {
    /// Ends jobs that have taken longer than they may.
    pub(super) fn end_overdue_jobs(&mut self, now_ms: u64) -> Vec<Effect> {
        let mut overdue = Vec::new();
        let mut notes = Vec::new();
        let note_every_ms = limits::TIME_USED_NOTED_EVERY.as_millis() as u64;
        for active in self.jobs.values_mut().filter_map(super::job_state::Entry::active_mut) {
            let Some(seconds) = active.deadline_s.filter(|_| active.is_timed()) else { continue };
            if active.time.used_ms(now_ms) > seconds.saturating_mul(1_000) {
                overdue.push((active.job.uid, seconds));
            } else if now_ms.saturating_sub(active.time.seen_ms) >= note_every_ms {
                notes.push(Effect::persist(active.time_used(now_ms)));
            }
        }
        let failure = |seconds| {
            Failure::new(Reason::DeadlineExceeded, format!("the job took longer than {seconds} s"))
                .field("spec.activeDeadlineSeconds")
                .next("add workers, or allow more, and submit it again: what it has done is kept, and its time begins anew")
        };
        notes.extend(overdue.into_iter().flat_map(|(uid, seconds)| self.end(uid, failure(seconds), now_ms)));
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_passes_by_one_clock_counts() {
        let mut time = ActiveTime::starting(1_000);
        time.pass(4_000);
        assert_eq!(time.used_ms(5_000), 4_000);
        // The next head's clock is an hour ahead, the one after it an hour behind.
        time.hand_over(3_604_000);
        time.pass(3_605_000);
        assert_eq!(time.used_ms(3_605_000), 4_000);
        time.hand_over(6_000);
        assert_eq!(time.used_ms(8_000), 6_000);
        // A clock that goes back takes nothing away.
        assert_eq!(time.used_ms(0), 4_000);
    }
}
