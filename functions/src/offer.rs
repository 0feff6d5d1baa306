//! What a worker has for the processes of functions, and whether a program fits into it. Pure.

use shoal_core::functions::Program;
use shoal_core::{Failure, Reason};

use crate::limits::WORKER_MEMORY;

/// What a worker has for the processes of functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Tasks that run at the same time, each with a process.
    pub slots: u32,
    /// Memory for the worker and all its processes, in bytes.
    pub memory_bytes: u64,
    /// Threads that libraries may compute with in one process.
    pub threads: usize,
}

impl Offer {
    /// Refuses a program whose processes would not fit if each took what it may.
    pub(crate) fn check(&self, program: &Program) -> Result<(), Failure> {
        let Some(limit) = program.memory_max else { return Ok(()) };
        let slots = u64::from(self.slots.max(1));
        let needed = limit.checked_mul(slots).and_then(|bytes| bytes.checked_add(WORKER_MEMORY));
        if needed.is_some_and(|bytes| bytes <= self.memory_bytes) {
            return Ok(());
        }
        let mebibytes = |bytes: u64| bytes >> 20;
        let message = format!(
            "{slots} processes of {} MiB, one for each slot, and {} MiB for the worker itself are more than the {} MiB that a \
             worker has",
            mebibytes(limit),
            mebibytes(WORKER_MEMORY),
            mebibytes(self.memory_bytes)
        );
        let failure =
            Failure::new(Reason::InvalidValue, message).field(format!("{}.processMemoryLimit", program.field));
        Err(match mebibytes(self.memory_bytes.saturating_sub(WORKER_MEMORY) / slots) {
            0 => failure.next("give workers more memory, or fewer slots"),
            most => failure.next(format!("use `{most}Mi` or less, or give workers more memory, or fewer slots")),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use shoal_core::functions::{Code, Purpose};

    use super::*;

    const MIB: u64 = 1 << 20;

    fn program(memory_max: Option<u64>) -> Program {
        Program {
            field: "spec.groupedTraining.model.python".into(),
            purpose: Purpose::default(),
            code: Code::Module("m".into()),
            files: Vec::new(),
            function: "fit".into(),
            frame: Default::default(),
            params: Default::default(),
            keys: Vec::new(),
            returns: Vec::new(),
            interpreter: None,
            requirements: None,
            env: Vec::new(),
            group_time_max: None,
            memory_max,
            deaths_max: 10,
            packs: false,
        }
    }

    fn check(slots: u32, memory: u64, limit: Option<u64>) -> Result<(), Failure> {
        Offer { slots, memory_bytes: memory, threads: 1 }.check(&program(limit))
    }

    #[test]
    fn limits_that_cannot_all_be_used_are_refused_with_the_largest_that_can() {
        check(256, 1, None).unwrap();
        check(2, 2_176 * MIB, Some(1_024 * MIB)).unwrap();
        let failure = check(2, 2_176 * MIB - 1, Some(1_024 * MIB)).unwrap_err();
        assert_eq!(
            failure.message,
            "2 processes of 1024 MiB, one for each slot, and 128 MiB for the worker itself are more than the 2175 MiB that a \
             worker has"
        );
        assert_eq!(failure.reason, Reason::InvalidValue);
        assert_eq!(failure.next.as_deref(), Some("use `1023Mi` or less, or give workers more memory, or fewer slots"));
        let failure = check(2, 100 * MIB, Some(MIB)).unwrap_err();
        assert_eq!(failure.next.as_deref(), Some("give workers more memory, or fewer slots"));
        assert!(check(u32::MAX, u64::MAX, Some(u64::MAX)).is_err());
    }

    proptest! {
        #[test]
        fn what_is_named_as_the_most_is_taken(slots in 1..257_u32, memory in 0..1_u64 << 40, limit in 1..1_u64 << 40) {
            if let Err(failure) = check(slots, memory, Some(limit)) {
                let most = failure.next.unwrap().strip_prefix("use `").and_then(|it| it.split("Mi").next()?.parse().ok());
                if let Some(most) = most {
                    let most: u64 = most;
                    prop_assert!(most * MIB < limit);
                    prop_assert!(check(slots, memory, Some(most * MIB)).is_ok());
                    prop_assert!(check(slots, memory, Some((most + 1) * MIB)).is_err());
                }
            }
        }
    }
}
