//! Groups on their way through processes that may die: what is sent again, and who is to blame. Pure.

use std::collections::VecDeque;

use shoal_core::functions::Groups;

use crate::progress::Running;

/// Groups that are sent together.
#[derive(Clone, Debug)]
struct Part {
    sequence: u64,
    groups: Groups,
    /// Those that are answered, from the first on.
    answered: usize,
}

/// Groups that are not answered, in order.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    parts: VecDeque<Part>,
    /// Parts from the front on that the process has.
    sent: usize,
    sequences: u64,
}

/// Groups that were answered for more, or other ones, than were asked about.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("groups were answered that were not asked about")]
pub(crate) struct NotAsked;

impl Queue {
    /// Adds groups, at least one.
    pub(crate) fn push(&mut self, groups: Groups) {
        let part = self.part(groups);
        self.parts.extend(part);
    }

    fn part(&mut self, groups: Groups) -> Option<Part> {
        if groups.is_empty() {
            return None;
        }
        self.sequences += 1;
        Some(Part { sequence: self.sequences, groups, answered: 0 })
    }

    /// Groups that are not answered.
    pub(crate) fn waiting(&self) -> usize {
        self.parts.iter().map(|part| part.groups.len() - part.answered).sum()
    }

    /// The next groups that the process does not have, with the number that it answers them under.
    pub(crate) fn unsent(&self) -> Option<(u64, &Groups)> {
        self.parts.get(self.sent).map(|part| (part.sequence, &part.groups))
    }

    /// The process has these now.
    pub(crate) fn note_sent(&mut self) {
        self.sent += 1;
    }

    /// Takes the next `count` groups of a part, which the process has answered: them, and how many of the part came before.
    pub(crate) fn answered(&mut self, sequence: u64, count: usize) -> Result<(Groups, usize), NotAsked> {
        let part = self.parts.front_mut().filter(|part| part.sequence == sequence).ok_or(NotAsked)?;
        let before = part.answered;
        if count == 0 || before + count > part.groups.len() {
            return Err(NotAsked);
        }
        part.answered += count;
        let groups = part.groups.slice(before..part.answered);
        if part.answered == part.groups.len() {
            self.parts.pop_front();
            self.sent = self.sent.saturating_sub(1);
        }
        Ok((groups, before))
    }

    /// The group that the process is at.
    pub(crate) fn group(&self, running: Running) -> Option<Groups> {
        let part = self.parts.iter().find(|part| part.sequence == running.sequence)?;
        let group = usize::try_from(running.group).ok().filter(|group| *group < part.groups.len())?;
        Some(part.groups.slice(group..group + 1))
    }

    /// The process died: gives the group that is to blame, if that is known, and queues all others again.
    ///
    /// `running` is what the process was at. Where it was at no group it died of something that one of several groups left
    /// behind, and half of them go together the next time, until it is known.
    pub(crate) fn died(&mut self, running: Option<Running>) -> Option<Groups> {
        self.sent = 0;
        let Part { sequence, groups, answered } = self.parts.pop_front()?;
        let left = answered..groups.len();
        let culprit = running
            .filter(|running| running.sequence == sequence)
            .and_then(|running| usize::try_from(running.group).ok())
            .filter(|group| left.contains(group))
            .or((left.len() == 1).then_some(left.start));
        let (before, after) = match culprit {
            Some(group) => (left.start..group, group + 1..left.end),
            None => (left.start..left.start + left.len() / 2, left.start + left.len() / 2..left.end),
        };
        for again in [after, before] {
            let part = self.part(groups.slice(again));
            part.into_iter().for_each(|part| self.parts.push_front(part));
        }
        culprit.map(|group| groups.slice(group..group + 1))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
    use arrow::datatypes::Int64Type;
    use proptest::prelude::*;

    use super::*;

    /// Groups of one row each, whose keys count up.
    fn groups(keys: std::ops::Range<i64>) -> Groups {
        let ends = (1..=keys.clone().count() as u64).collect();
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(keys));
        let rows = RecordBatch::try_from_iter([("key", column)]).unwrap();
        Groups { keys: rows.clone(), rows, ends, pieces: None, predicting: None }
    }

    fn keys(groups: &Groups) -> Vec<i64> {
        groups.keys.column(0).as_primitive::<Int64Type>().values().to_vec()
    }

    #[test]
    fn the_group_that_ran_is_to_blame_and_its_neighbours_go_again() {
        let mut queue = Queue::default();
        queue.push(groups(0..5));
        queue.push(groups(5..7));
        queue.note_sent();
        queue.note_sent();
        assert!(queue.unsent().is_none());
        let group = |sequence, group| queue.group(Running { sequence, group }).map(|group| keys(&group));
        assert_eq!((group(1, 4), group(2, 0), group(1, 5), group(3, 0)), (Some(vec![4]), Some(vec![5]), None, None));
        let (answered, before) = queue.answered(1, 1).unwrap();
        assert_eq!((keys(&answered), before), (vec![0], 0));
        let blamed = queue.died(Some(Running { sequence: 1, group: 2 })).unwrap();
        assert_eq!(keys(&blamed), [2]);
        assert_eq!(queue.waiting(), 5);
        let mut sent = Vec::new();
        while let Some((_, groups)) = queue.unsent() {
            sent.push(keys(groups));
            queue.note_sent();
        }
        assert_eq!(sent, [vec![1], vec![3, 4], vec![5, 6]]);
    }

    #[test]
    fn answers_that_were_not_asked_for_are_refused() {
        let mut queue = Queue::default();
        assert_eq!(queue.answered(1, 1).unwrap_err(), NotAsked);
        queue.push(groups(0..2));
        for (sequence, count) in [(2, 1), (1, 3), (1, 0)] {
            assert_eq!(queue.answered(sequence, count).unwrap_err(), NotAsked);
        }
        assert_eq!(queue.waiting(), 2);
        assert!(Queue::default().died(None).is_none());
    }

    proptest! {
        /// Whatever dies when, every group is answered or blamed exactly once, and only a bad one is blamed.
        #[test]
        fn every_group_comes_out_once(
            sizes in prop::collection::vec(1..6_i64, 1..5),
            bad in prop::collection::btree_set(0..25_i64, 0..4),
            tells in any::<bool>(),
            steps in prop::collection::vec(1..4_usize, 1..20),
        ) {
            let mut queue = Queue::default();
            let mut end = 0;
            for size in &sizes {
                queue.push(groups(end..end + size));
                end += size;
            }
            let (mut answered, mut blamed) = (Vec::new(), Vec::new());
            let mut steps = steps.into_iter().cycle();
            while let Some((sequence, part)) = queue.unsent() {
                let part = keys(part);
                queue.note_sent();
                let mut done = 0;
                while done < part.len() {
                    let upto = part.len().min(done + steps.next().unwrap());
                    if let Some(place) = part[done..upto].iter().position(|key| bad.contains(key)) {
                        let group = (done + place) as u64;
                        let culprit = queue.died(tells.then_some(Running { sequence, group }));
                        blamed.extend(culprit.iter().flat_map(keys));
                        break;
                    }
                    let (groups, before) = queue.answered(sequence, upto - done).unwrap();
                    prop_assert_eq!(before, done);
                    answered.extend(keys(&groups));
                    done = upto;
                }
            }
            prop_assert_eq!(queue.waiting(), 0);
            let is_bad = |key: &i64| bad.contains(key);
            prop_assert_eq!(answered, (0..end).filter(|key| !is_bad(key)).collect::<Vec<_>>());
            prop_assert_eq!(blamed, (0..end).filter(is_bad).collect::<Vec<_>>());
        }
    }
}
