//! How jobs share slots.

use std::collections::BTreeMap;

use shoal_core::JobUid;
use shoal_core::journal::Record;

use super::{Checked, Ledger, hold, job_index};
use crate::scenario::Scenario;

/// What messages and the journal add to a wait, at the most.
const OVERHEAD_MS: u64 = 1_000;

/// Who waits for a first task, and how many tasks everybody has started.
#[derive(Default)]
pub(crate) struct Shares {
    waiting_since_ms: BTreeMap<JobUid, u64>,
    started: BTreeMap<JobUid, u64>,
}

impl Ledger {
    /// A record is stored in a world in which nothing goes wrong. Whoever comes last waits for a slot that others who came
    /// at the same time do not take: for one task to end, or two.
    pub(super) fn fair(&mut self, record: &Record, scenario: &Scenario, now_ms: u64) -> Checked {
        let shares = &mut self.shares;
        match record {
            Record::StagePlanned { job, stage: 0, .. } => {
                shares.waiting_since_ms.insert(*job, now_ms);
                Ok(())
            }
            Record::AttemptStarted { attempt, .. } => {
                let job = attempt.task.job;
                *shares.started.entry(job).or_default() += 1;
                let waited_ms = shares.waiting_since_ms.remove(&job).map_or(0, |since| now_ms - since);
                hold("nobody_waits_longer_than_a_task", waited_ms <= scenario.task_ms.1 * 2 + OVERHEAD_MS, || {
                    format!("{job} waited for {waited_ms} ms; tasks take {} ms at most", scenario.task_ms.1)
                })?;
                self.equals_share_equally(scenario)
            }
            _ => Ok(()),
        }
    }

    /// The first two jobs are alike: neither gets ahead by more than what runs at a time, and what random lengths of
    /// tasks add to it.
    fn equals_share_equally(&self, scenario: &Scenario) -> Checked {
        let slots = scenario.workers as u64 * u64::from(scenario.slots);
        let started = |index: usize| {
            let job = self.accepted.iter().find(|(_, name)| job_index(name) == Some(index)).map(|(job, _)| job);
            job.and_then(|job| self.shares.started.get(job)).copied().unwrap_or(0)
        };
        let (one, other) = (started(0), started(1));
        let in_the_middle = one.min(other) > 0 && one.max(other) < u64::from(scenario.jobs[0].shape.splits);
        let apart = one.abs_diff(other);
        hold("equals_share_equally", !in_the_middle || apart <= slots * 2 + one.max(other) / 4, || {
            format!("one of two equal jobs has started {one} tasks, the other {other}")
        })
    }
}
