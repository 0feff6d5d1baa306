//! Which worker runs a task.

use std::collections::BTreeSet;

use crate::id::WorkerId;

/// A worker as placement sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate<'a> {
    pub(super) id: &'a WorkerId,
    pub(super) free_slots: u32,
}

/// The worker with the most free slots, the first by name among equals; none where the task should rather wait.
///
/// A task that failed somewhere runs elsewhere: it waits for a busy worker that it has not failed on, and goes back to
/// one that it has failed on only where there is no other.
pub(super) fn place<'a>(candidates: &[Candidate<'a>], failed_on: &BTreeSet<WorkerId>) -> Option<&'a WorkerId> {
    let untried = |candidate: &&Candidate<'a>| !failed_on.contains(candidate.id);
    let has_untried = candidates.iter().any(|candidate| untried(&candidate));
    candidates
        .iter()
        .filter(|candidate| !has_untried || untried(candidate))
        .filter(|candidate| candidate.free_slots > 0)
        // `max_by` takes the last of equals, so the order of names is turned round.
        .max_by(|a, b| a.free_slots.cmp(&b.free_slots).then_with(|| b.id.cmp(a.id)))
        .map(|candidate| candidate.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_goes_where_there_is_room_and_it_has_not_failed() {
        let names: Vec<WorkerId> = ["a", "b", "c"].map(|name| WorkerId(name.into())).to_vec();
        // (free slots of a, b, c), failed on, expected
        let cases: [([u32; 3], &[usize], Option<usize>); 7] = [
            ([1, 1, 1], &[], Some(0)),
            ([1, 2, 2], &[], Some(1)),
            ([0, 0, 0], &[], None),
            ([3, 1, 0], &[0], Some(1)),
            ([3, 0, 0], &[0], None),
            ([3, 0, 0], &[0, 1, 2], Some(0)),
            ([0, 0, 1], &[0, 1], Some(2)),
        ];
        for (free, failed, expected) in cases {
            let candidates: Vec<_> =
                names.iter().zip(free).map(|(id, free_slots)| Candidate { id, free_slots }).collect();
            let failed_on = failed.iter().map(|index| names[*index].clone()).collect();
            assert_eq!(place(&candidates, &failed_on), expected.map(|index| &names[index]), "{free:?} {failed:?}");
        }
    }
}
