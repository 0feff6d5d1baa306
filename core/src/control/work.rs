//! How much work waits and runs, by class, and what there is to do it: what an autoscaler goes by.

use std::collections::BTreeMap;

use super::drain::keeps_partitions;
use super::job_state::{ActiveJob, Entry};
use super::stage::StageState;
use super::workers::unread_stages;
use super::{Control, WorkerPhase};
use crate::autoscaling::estimate::{PRIOR_TASK_SECONDS, Work};

/// Work of which any may be done in the place of any other. A task takes one slot of any worker, so classes differ by
/// priority alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkClass {
    /// Priority of the jobs.
    pub priority: i32,
}

/// Work, and what there is to do it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Demand {
    /// What is to be done, by class. The class of priority 0 is there always.
    pub work: BTreeMap<WorkClass, Work>,
    /// Slots of workers that take tasks.
    pub ready_slots: u64,
    /// Those of them that tasks run in.
    pub busy_slots: u64,
    /// Slots of workers that are about to leave.
    pub draining_slots: u64,
    /// Workers that were there before the head was restarted, and have not come back yet: what they run may be counted as
    /// work once more.
    pub expected_workers: u64,
    /// Slots of workers that get no tasks as their scratch disk is full.
    pub full_slots: u64,
    /// Bytes of partitions on workers that somebody still has to read.
    pub held_bytes: u64,
    /// Jobs that have not ended, also those that have no task yet.
    pub unfinished_jobs: u64,
}

impl Control {
    /// Work, and what there is to do it. Looks at tasks that run and at no others.
    pub fn demand(&self, now_ms: u64) -> Demand {
        let mut demand =
            Demand { work: BTreeMap::from([(WorkClass { priority: 0 }, Work::default())]), ..Demand::default() };
        for active in self.jobs.values().filter_map(Entry::active) {
            let work = demand.work.entry(WorkClass { priority: active.priority }).or_default();
            work_of(active, now_ms).for_each(|stage| work.add(&stage));
            if keeps_partitions(active) {
                demand.held_bytes +=
                    unread_stages(active).map(|stage| active.stages[stage].partition_bytes()).sum::<u64>();
            }
        }
        demand.unfinished_jobs = self.unfinished_jobs() as u64;
        for worker in self.workers() {
            let (slots, used) = (u64::from(worker.slots), u64::from(worker.used));
            match worker.state {
                WorkerPhase::Expected => demand.expected_workers += 1,
                WorkerPhase::Draining => demand.draining_slots += slots,
                WorkerPhase::Ready if worker.disk_full => demand.full_slots += slots,
                WorkerPhase::Ready => {
                    demand.ready_slots += slots;
                    demand.busy_slots += used;
                }
            }
        }
        demand
    }
}

/// The work of a job's stages that have what they read. What waits of a job that takes no slots waits for something else.
fn work_of(active: &ActiveJob, now_ms: u64) -> impl Iterator<Item = Work> + '_ {
    let stages = active.stages.iter().filter(|stage| !stage.is_done() && active.has_inputs(stage));
    stages.map(move |stage: &StageState| {
        let work = stage.work(now_ms).work(PRIOR_TASK_SECONDS);
        if active.takes_slots() { work } else { Work { queued_tasks: 0, queued_seconds: 0.0, ..work } }
    })
}
