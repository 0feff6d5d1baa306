//! What a policy gets to see.

use super::World;
use crate::policy::{Phase, Seen, SeenWorker};
use crate::time::seconds;

impl<'a> World<'a> {
    pub(super) fn seen(&self) -> Seen<'a> {
        let live = || self.live.iter().map(|id| &self.workers[id.0 as usize]);
        let workers = live()
            .map(|worker| SeenWorker {
                id: worker.id,
                group: worker.group,
                phase: worker.phase,
                slots: self.trace.groups[worker.group].slots,
                busy: worker.running.len() as u32,
                created: worker.created,
                idle_since: (worker.phase == Phase::Ready && worker.running.is_empty()).then_some(worker.idle_since),
                interrupted: worker.interrupted,
                deleted: worker.is_deleted,
            })
            .collect();
        let running = live().flat_map(|worker| &worker.running).map(|running| (running.job, running.since));
        Seen {
            now: self.now,
            groups: &self.trace.groups,
            targets: self.targets.clone(),
            start_seconds: self
                .starts
                .iter()
                .map(|(sum, count)| (*count > 0).then(|| seconds(*sum) / f64::from(*count)))
                .collect(),
            workers,
            jobs: self.jobs.seen(running, self.now),
        }
    }
}
