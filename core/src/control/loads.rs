//! What each worker has to do and to hold: the choice of the one whose end costs least rests on it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::drain::keeps_partitions;
use super::job_state::Entry;
use super::stage::TaskStatus;
use super::workers::unread_stages;
use super::{Control, WorkerPhase};
use crate::id::WorkerId;

/// What a worker has to do and to hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerLoad {
    /// Its name.
    pub name: String,
    /// Whether it takes tasks.
    pub state: WorkerPhase,
    /// Slots in use.
    pub used: u32,
    /// Bytes of partitions that lie there and that somebody still has to read: what would have to move, or be computed
    /// again. Other partitions that its process has not dropped yet do not count.
    pub held_bytes: u64,
}

impl Control {
    /// What each worker has to do and to hold, by name. Looks at every finished task: for who asks seldom.
    pub fn worker_loads(&self) -> Vec<WorkerLoad> {
        let held = self.held_bytes();
        let load = |status: super::WorkerStatus| {
            let held_bytes = held.get(&WorkerId(status.name.clone())).copied().unwrap_or(0);
            WorkerLoad { name: status.name, state: status.state, used: status.used, held_bytes }
        };
        self.workers().into_iter().map(load).collect()
    }

    fn held_bytes(&self) -> BTreeMap<WorkerId, u64> {
        let mut held: BTreeMap<WorkerId, u64> = BTreeMap::new();
        for active in self.jobs.values().filter_map(Entry::active).filter(|active| keeps_partitions(active)) {
            for task in unread_stages(active).flat_map(|stage| &active.stages[stage].tasks) {
                let TaskStatus::Done { holder, output, .. } = &task.status else { continue };
                if self.roster.instance(&holder.worker, &holder.instance).is_some() {
                    let bytes: u64 = output.partitions.iter().map(|partition| partition.bytes).sum();
                    *held.entry(holder.worker.clone()).or_default() += bytes;
                }
            }
        }
        held
    }
}
