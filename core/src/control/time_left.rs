//! How much longer a job takes, told from its tasks. Pure.
//!
//! What a stage still has to do takes as long, for its weight, as what it has done; running attempts have done a part, which
//! they tell or which is told by how long they have run. The stages after it are not planned yet: they take the share of
//! the whole that the kind expects of them, as long as stages that do the job's work took or take theirs.

/// Percent points of the whole from which on a stage tells how long others take. What a smaller one does, as loading a
/// function or looking at a sample, takes as long for a small job as for a large one.
const TELLING_PERCENT: f64 = 10.0;

/// A stage at some moment. Times are in milliseconds.
#[derive(Clone, Debug, Default)]
pub(super) struct StageSoFar {
    /// Weight of the tasks that are done, and how long their attempts took one after the other.
    pub(super) done: (u64, u64),
    /// Weight of the tasks that nothing runs.
    pub(super) waiting_weight: u64,
    pub(super) running: Vec<RunningTask>,
    /// For how long the stage has run.
    pub(super) ran_ms: u64,
}

/// A task that runs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RunningTask {
    pub(super) weight: u64,
    /// For how long.
    pub(super) ran_ms: u64,
    /// What of its time had passed, in thousandths, and for how long it had run then.
    pub(super) told: Option<(u16, u64)>,
}

impl RunningTask {
    /// How long it takes by what it tells.
    fn whole_ms(&self) -> Option<f64> {
        let (permille, ran_ms) = self.told.filter(|(permille, ran_ms)| *permille > 0 && *ran_ms > 0)?;
        Some(ran_ms as f64 * 1_000.0 / f64::from(permille))
    }
}

impl StageSoFar {
    /// Milliseconds of a task for each unit of its weight; none where no task is done and none tells.
    fn ms_of_weight(&self) -> Option<f64> {
        let whole = self.running.iter().filter_map(|task| Some((task.weight as f64, task.whole_ms()?)));
        let done = (self.done.0 as f64, self.done.1 as f64);
        let (weight, ms) = whole.fold(done, |sum, task| (sum.0 + task.0, sum.1 + task.1));
        (weight > 0.0 && ms > 0.0).then(|| ms / weight)
    }

    /// How much longer the stage takes, by its own tasks.
    fn ms_left(&self) -> Option<f64> {
        let ms_of_weight = self.ms_of_weight()?;
        let left = |task: &RunningTask| {
            let whole_ms = task.whole_ms().unwrap_or(task.weight as f64 * ms_of_weight);
            (whole_ms - task.ran_ms as f64).max(0.0)
        };
        let left = self.running.iter().map(left);
        let (sum, longest) = left.fold((0.0, 0.0), |(sum, longest): (f64, f64), left| (sum + left, longest.max(left)));
        // What waits is run where others run now.
        let side_by_side = self.running.len().max(1) as f64;
        Some(((self.waiting_weight as f64 * ms_of_weight + sum) / side_by_side).max(longest))
    }

    /// How much longer it takes where it is expected to take so long, and none of its tasks says anything: at least what those
    /// that wait take if the running ones were about to end.
    fn ms_left_of(&self, expected_ms: f64) -> f64 {
        let ran: f64 = self.running.iter().map(|task| task.ran_ms as f64).sum();
        let weight: f64 = self.running.iter().map(|task| task.weight as f64).sum();
        let side_by_side = self.running.len().max(1) as f64;
        let waiting = if weight > 0.0 { self.waiting_weight as f64 * (ran / weight) / side_by_side } else { 0.0 };
        (expected_ms - self.ran_ms as f64).max(waiting)
    }
}

/// A stage that is done: how long it took, in milliseconds, and how many percent points of the whole it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct StageDone {
    pub(super) ms: u64,
    pub(super) percent: f64,
}

/// How much longer a job takes, in milliseconds, whose last stage is `stage`; none while nobody can know.
///
/// `percent` is how many percent points of the whole the stage is, and `percent_after` how many come after it.
pub(super) fn ms_left(done: &[StageDone], stage: &StageSoFar, percent: f64, percent_after: f64) -> Option<f64> {
    let telling = done.iter().filter(|stage| stage.percent >= TELLING_PERCENT);
    let (ms, points) = telling.fold((0.0, 0.0), |sum, stage| (sum.0 + stage.ms as f64, sum.1 + stage.percent));
    let ms_of_point = |ms: f64, points: f64| (points > 0.0).then(|| ms / points);
    // Before one of its tasks tells, it is expected to take its share, as those before it took theirs.
    let expected = || Some(stage.ms_left_of(percent * ms_of_point(ms, points)?));
    let left = stage.ms_left().or_else(expected)?;
    let (ms, points) =
        if percent >= TELLING_PERCENT { (ms + stage.ran_ms as f64 + left, points + percent) } else { (ms, points) };
    Some(left + percent_after * ms_of_point(ms, points)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quiet(running: &[(u64, u64)]) -> Vec<RunningTask> {
        running.iter().map(|(weight, ran_ms)| RunningTask { weight: *weight, ran_ms: *ran_ms, told: None }).collect()
    }

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
            let stage = StageSoFar { done, waiting_weight, running: quiet(&running), ran_ms: 0 };
            assert_eq!(stage.ms_left(), expected, "{stage:?}");
        }
    }

    #[test]
    fn running_tasks_that_tell_stand_for_those_that_do_not() {
        let told = |weight, ran_ms, permille, then_ms| RunningTask { weight, ran_ms, told: Some((permille, then_ms)) };
        // (running, waiting, expected)
        for (running, waiting_weight, expected) in [
            (vec![told(1, 3_000, 250, 2_000)], 0, Some(5_000.0)),
            (vec![told(1, 9_000, 250, 2_000)], 0, Some(0.0)),
            (vec![told(2, 2_000, 500, 2_000), RunningTask { weight: 1, ran_ms: 1_500, told: None }], 0, Some(2_000.0)),
            (vec![told(1, 2_000, 500, 2_000), told(1, 2_000, 500, 2_000)], 2, Some(6_000.0)),
            (vec![told(1, 2_000, 0, 2_000)], 2, None),
        ] {
            let stage = StageSoFar { waiting_weight, running, ..StageSoFar::default() };
            assert_eq!(stage.ms_left(), expected, "{stage:?}");
        }
    }

    #[test]
    fn stages_that_are_to_come_take_their_share() {
        let none: &[StageDone] = &[];
        let stage = StageSoFar { done: (5, 5_000), waiting_weight: 5, running: vec![], ran_ms: 5_000 };
        assert_eq!(ms_left(none, &stage, 50.0, 50.0), Some(15_000.0), "five seconds of it, and ten of the other half");
        let unknown = StageSoFar { waiting_weight: 5, ran_ms: 1_000, ..StageSoFar::default() };
        assert_eq!(ms_left(none, &unknown, 50.0, 50.0), None);
        let map = StageDone { ms: 4_000, percent: 50.0 };
        assert_eq!(ms_left(&[map], &unknown, 50.0, 0.0), Some(3_000.0));
        // What takes as long for any job says nothing of the others.
        let load = StageDone { ms: 60_000, percent: 2.0 };
        assert_eq!(ms_left(&[load], &unknown, 50.0, 48.0), None);
        assert_eq!(ms_left(&[load, map], &unknown, 48.0, 0.0), Some(48.0 * 80.0 - 1_000.0));
        assert_eq!(ms_left(none, &stage, 2.0, 98.0), None);
    }

    #[test]
    fn a_stage_that_takes_longer_than_expected_has_left_what_waits() {
        let running = quiet(&[(1, 9_000), (1, 9_000)]);
        let stage = StageSoFar { waiting_weight: 4, running, ran_ms: 9_000, ..StageSoFar::default() };
        let map = StageDone { ms: 1_000, percent: 50.0 };
        assert_eq!(ms_left(&[map], &stage, 50.0, 0.0), Some(18_000.0));
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
                    stage.running.push(RunningTask { weight: *weight, ran_ms: now - start, told: None });
                } else {
                    stage.waiting_weight += weight;
                }
            }
            Some((ms_left(&[], &stage, 100.0, 0.0)?, (end - now) as f64))
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
