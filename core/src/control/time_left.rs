//! How much longer a job takes, told from its tasks. Pure.
//!
//! What a stage still has to do takes as long, for its weight, as what it has done; running attempts have done a part. The
//! stages after it are not planned yet: they take the share of the whole that the kind expects of them.

/// A stage at some moment. Times are in milliseconds.
#[derive(Clone, Debug, Default)]
pub(super) struct StageSoFar {
    /// Weight of the tasks that are done, and how long their attempts took one after the other.
    pub(super) done: (u64, u64),
    /// Weight of the tasks that nothing runs.
    pub(super) waiting_weight: u64,
    /// Weight of each running task, and for how long it has run.
    pub(super) running: Vec<(u64, u64)>,
    /// For how long the stage has run.
    pub(super) ran_ms: u64,
}

impl StageSoFar {
    /// How much longer the stage takes; none before one of its tasks is done.
    fn ms_left(&self) -> Option<f64> {
        let (done_weight, took_ms) = self.done;
        if done_weight == 0 || took_ms == 0 {
            return None;
        }
        let ms_of = |weight: u64| weight as f64 * (took_ms as f64 / done_weight as f64);
        let left = self.running.iter().map(|(weight, ran_ms)| (ms_of(*weight) - *ran_ms as f64).max(0.0));
        let (sum, longest) = left.fold((0.0, 0.0), |(sum, longest): (f64, f64), left| (sum + left, longest.max(left)));
        // What waits is run where others run now.
        let side_by_side = self.running.len().max(1) as f64;
        Some(((ms_of(self.waiting_weight) + sum) / side_by_side).max(longest))
    }
}

/// How much longer a job takes, in milliseconds, whose last stage is `stage`; none while nobody can know.
///
/// `before_ms` is how long the stages before it took, and `percent_before` and `percent_after` are what of the whole is done
/// before and after it, from 0 to 100.
pub(super) fn ms_left(stage: &StageSoFar, before_ms: u64, percent_before: f64, percent_after: f64) -> Option<f64> {
    // Before one of its tasks is done, it is expected to take its share, as those before it took theirs.
    let expected = || {
        let share = (percent_before > 0.0).then(|| (percent_after - percent_before) / percent_before)?;
        Some((before_ms as f64 * share - stage.ran_ms as f64).max(0.0))
    };
    let left = stage.ms_left().or_else(expected)?;
    if percent_after <= 0.0 {
        return None;
    }
    let until_its_end = before_ms as f64 + stage.ran_ms as f64 + left;
    Some(left + until_its_end * (100.0 - percent_after).max(0.0) / percent_after)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_left_takes_as_long_as_what_is_done() {
        // (done, waiting, running, expected)
        for (done, waiting_weight, running, expected) in [
            ((0, 0), 10, vec![(1, 500)], None),
            ((2, 2_000), 4, vec![(1, 500), (1, 500)], Some(2_500.0)),
            // One that takes longer than expected is about to end.
            ((2, 2_000), 0, vec![(1, 5_000)], Some(0.0)),
            // The last, heavy one is waited for.
            ((2, 2_000), 0, vec![(1, 500), (8, 1_000)], Some(7_000.0)),
            ((2, 2_000), 3, vec![], Some(3_000.0)),
        ] {
            let stage = StageSoFar { done, waiting_weight, running, ran_ms: 0 };
            assert_eq!(stage.ms_left(), expected, "{stage:?}");
        }
    }

    #[test]
    fn stages_that_are_to_come_take_their_share() {
        let stage = StageSoFar { done: (5, 5_000), waiting_weight: 5, running: vec![], ran_ms: 5_000 };
        assert_eq!(ms_left(&stage, 0, 0.0, 50.0), Some(15_000.0), "five seconds of it, and ten of the other half");
        let unknown = StageSoFar { waiting_weight: 5, ran_ms: 1_000, ..StageSoFar::default() };
        assert_eq!(ms_left(&unknown, 0, 0.0, 50.0), None);
        assert_eq!(ms_left(&unknown, 4_000, 50.0, 100.0), Some(3_000.0));
    }

    /// Runs tasks on slots in their order, and says what was told from the middle of the job on, with what was right.
    fn told(durations_ms: &[u64], weights: &[u64], slots: usize) -> Vec<(f64, f64)> {
        let mut free_at = vec![0_u64; slots];
        let mut spans = Vec::new();
        for (duration, weight) in durations_ms.iter().zip(weights) {
            let slot = (0..slots).min_by_key(|slot| free_at[*slot]).unwrap_or(0);
            spans.push((free_at[slot], free_at[slot] + duration, *weight));
            free_at[slot] += duration;
        }
        let end = free_at.iter().copied().max().unwrap_or(0);
        let at = |now: u64| {
            let mut stage = StageSoFar { ran_ms: now, ..StageSoFar::default() };
            for (start, finish, weight) in &spans {
                if *finish <= now {
                    stage.done = (stage.done.0 + weight, stage.done.1 + finish - start);
                } else if *start <= now {
                    stage.running.push((*weight, now - start));
                } else {
                    stage.waiting_weight += weight;
                }
            }
            Some((ms_left(&stage, 0, 0.0, 100.0)?, (end - now) as f64))
        };
        (50..95).filter_map(|percent| at(end * percent / 100)).collect()
    }

    proptest! {
        /// With durations that follow weights within a tenth, as those of buckets do, and a good many tasks for each slot. The
        /// last tasks, which may leave slots idle, can cost the time of one more.
        #[test]
        fn from_the_middle_on_the_end_is_told_within_a_fifth(
            tasks in prop::collection::vec((1..4_u64, 90..110_u64), 250..500),
            slots in 1..5_usize,
            ms in 10..1000_u64,
        ) {
            let weights: Vec<u64> = tasks.iter().map(|(weight, _)| *weight).collect();
            let durations: Vec<u64> = tasks.iter().map(|(weight, noise)| weight * noise * ms).collect();
            let longest = durations.iter().copied().max().unwrap_or(0) as f64;
            let all = told(&durations, &weights, slots);
            prop_assert!(all.len() > 40);
            for (told, right) in all {
                prop_assert!((told - right).abs() <= 0.2 * right + longest, "{told} for {right}");
            }
        }
    }
}
