//! Whether memory runs out where the worker runs, and whose process ends before it does. Pure.

use crate::limits::{ROOM_KEPT_MAX, ROOM_KEPT_MIN, ROOM_KEPT_SHARE};

/// Memory of what the worker runs in, a container or a machine, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// What all that runs there may use together.
    pub limit: u64,
    /// What is used, without what the kernel would give up before it ends anybody.
    pub used: u64,
}

/// What a worker runs in, a container or a machine, as far as its memory goes.
pub trait Surroundings: Send + Sync {
    /// How much there is now; nothing where the system does not say.
    fn room(&self) -> Option<Room>;

    /// Processes that the kernel has ended there for their memory, since nobody knows when; nothing where it does not say.
    fn kills(&self) -> Option<u64>;
}

/// What a process holds with all that it has started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) bytes: u64,
    /// It was told to end and has not given back what it holds.
    pub(crate) is_ending: bool,
}

/// What a process is ended for that held the most of all where memory ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shortage {
    pub(crate) held: u64,
    pub(crate) room: Room,
}

impl Room {
    /// What is not used any more than that: a process grows while it is looked at and until it is gone.
    fn kept(self) -> u64 {
        (self.limit / ROOM_KEPT_SHARE).clamp(ROOM_KEPT_MIN, ROOM_KEPT_MAX)
    }

    pub(crate) fn is_short(self) -> bool {
        self.used.saturating_add(self.kept()) > self.limit
    }

    /// The place of the process that is to end: the one that holds the most, and none before another has ended that was told
    /// to.
    pub(crate) fn ends(self, processes: &[Held]) -> Option<(usize, Shortage)> {
        if !self.is_short() || processes.iter().any(|held| held.is_ending) {
            return None;
        }
        // The first of equals.
        let (place, held) = processes.iter().enumerate().rev().max_by_key(|(_, held)| held.bytes)?;
        (held.bytes > 0).then_some((place, Shortage { held: held.bytes, room: self }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn held(megabytes: &[u64]) -> Vec<Held> {
        megabytes.iter().map(|it| Held { bytes: it * MIB, is_ending: false }).collect()
    }

    #[test]
    fn the_largest_ends_where_little_is_left() {
        // limit, used, what each holds; who ends
        let cases: [(u64, u64, &[u64], Option<usize>); 9] = [
            (1_024, 500, &[100, 300], None),
            // An eighth is kept.
            (1_024, 896, &[100, 300], None),
            (1_024, 897, &[100, 300], Some(1)),
            (1_024, 2_000, &[300, 300, 100], Some(0)),
            // Of a small container 64 MiB, of a large machine 512.
            (128, 65, &[1], Some(0)),
            (128, 64, &[1], None),
            (100_000, 99_000, &[50_000, 60_000], None),
            (100_000, 99_500, &[50_000, 60_000], Some(1)),
            (1_024, 1_024, &[], None),
        ];
        for (limit, used, processes, expected) in cases {
            let room = Room { limit: limit * MIB, used: used * MIB };
            let ends = room.ends(&held(processes)).map(|(place, _)| place);
            assert_eq!(ends, expected, "{limit} {used} {processes:?}");
        }
    }

    #[test]
    fn nobody_ends_for_what_is_being_given_back() {
        let room = Room { limit: 1_024 * MIB, used: 1_000 * MIB };
        let mut processes = held(&[100, 700]);
        processes[1].is_ending = true;
        assert_eq!(room.ends(&processes), None);
        processes.pop();
        assert_eq!(room.ends(&processes).map(|(place, shortage)| (place, shortage.held)), Some((0, 100 * MIB)));
    }

    proptest! {
        #[test]
        fn whoever_ends_holds_the_most_and_only_where_it_is_short(
            limit in 0..1_u64 << 40,
            used in 0..1_u64 << 40,
            processes in prop::collection::vec((0..1_u64 << 40, prop::bool::weighted(0.1)), 0..8),
        ) {
            let room = Room { limit, used };
            let processes: Vec<Held> =
                processes.into_iter().map(|(bytes, is_ending)| Held { bytes, is_ending }).collect();
            match room.ends(&processes) {
                Some((place, shortage)) => {
                    prop_assert!(room.is_short());
                    prop_assert!(processes.iter().all(|held| held.bytes <= shortage.held && !held.is_ending));
                    prop_assert_eq!((processes[place].bytes, shortage.room), (shortage.held, room));
                }
                None => prop_assert!(
                    !room.is_short() || processes.iter().any(|held| held.is_ending)
                        || processes.iter().all(|held| held.bytes == 0)
                ),
            }
        }

        #[test]
        fn with_more_in_use_it_is_no_less_short(limit in 0..1_u64 << 40, used in 0..1_u64 << 40, more in 0..1_u64 << 40) {
            let room = Room { limit, used };
            let fuller = Room { used: used + more, ..room };
            prop_assert!(!room.is_short() || fuller.is_short());
        }
    }
}
