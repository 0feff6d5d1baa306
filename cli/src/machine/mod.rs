//! What this machine, or the container that it seems to be, has to offer.

mod memory;
pub(crate) mod program;
mod room;

use std::thread::available_parallelism;

use memory::Memory;
pub(crate) use room::Around;

/// The least that a worker is given where nobody says how much.
const WORKER_MEMORY_MIN: u64 = 64 << 20;

/// What one of `workers` workers on this machine is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// Tasks at the same time.
    pub(crate) slots: u32,
    /// Memory for all that the worker is and does, in bytes.
    pub(crate) memory_bytes: u64,
}

impl Share {
    /// This machine's, divided evenly; of its memory `memory_bytes` where somebody says how much.
    pub(crate) fn of_this_machine(workers: u32, memory_bytes: Option<u64>) -> Self {
        let cores = available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX));
        Self::of(cores, workers, memory_bytes, Memory::of_this_system())
    }

    fn of(cores: u32, workers: u32, wanted: Option<u64>, memory: Memory) -> Self {
        let workers = workers.max(1);
        let memory_bytes = match wanted {
            // What somebody says is kept, however little it is.
            Some(bytes) => bytes / u64::from(workers),
            None => (memory.to_use() / u64::from(workers)).max(WORKER_MEMORY_MIN),
        };
        Self { slots: (cores / workers).clamp(1, 256), memory_bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_evenly_and_each_can_run_something() {
        const GIB: u64 = 1 << 30;
        let (machine, container) = (Memory::Machine(100 * GIB), Memory::Container(16 * GIB));
        // cores, workers, what somebody says, what there is; slots and memory of each
        let cases = [
            (8, 2, None, container, (4, 8 * GIB)),
            (8, 2, None, machine, (4, 35 * GIB)),
            (2, 4, None, container, (1, 4 * GIB)),
            (8, 4, Some(GIB), container, (2, GIB / 4)),
            (8, 1, Some(GIB), container, (8, GIB)),
            (1, 4, Some(16 << 20), container, (1, 4 << 20)),
            (1, 1, None, Memory::Container(1 << 20), (1, WORKER_MEMORY_MIN)),
            (1_000, 1, None, Memory::Container(GIB), (256, GIB)),
        ];
        for (cores, workers, wanted, memory, (slots, memory_bytes)) in cases {
            let share = Share::of(cores, workers, wanted, memory);
            assert_eq!(share, Share { slots, memory_bytes }, "{cores} {workers} {wanted:?} {memory:?}");
        }
    }
}
