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
    /// How many tasks nothing runs, and their weight.
    pub(super) waiting: (u64, u64),
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
        Some(self.ends_in(self.running.iter().map(left).collect(), ms_of_weight))
    }

    /// When the last task ends, where those that wait run wherever one of the running ones ends, after `left` each.
    fn ends_in(&self, mut left: Vec<f64>, ms_of_weight: f64) -> f64 {
        let (count, weight) = self.waiting;
        let longest = left.iter().copied().fold(0.0, f64::max);
        let each = weight as f64 * ms_of_weight / count.max(1) as f64;
        if count == 0 || each <= 0.0 {
            return longest;
        }
        if left.is_empty() {
            left.push(0.0);
        }
        let fit_until = |end: f64| left.iter().map(|left| ((end - left) / each + 1e-6).max(0.0) as u64).sum::<u64>();
        let rounds = count.div_ceil(left.len() as u64) as f64;
        // As many bisections as leave milliseconds of a year.
        let (mut low, mut high) = (0.0, longest + each * rounds);
        for _ in 0..40 {
            let middle = f64::midpoint(low, high);
            if fit_until(middle) < count { low = middle } else { high = middle }
        }
        longest.max(high.round())
    }

    /// How much longer it takes where it is expected to take so long, and none of its tasks says anything: at least what those
    /// that wait take if the running ones were about to end.
    fn ms_left_of(&self, expected_ms: f64) -> f64 {
        let ran: f64 = self.running.iter().map(|task| task.ran_ms as f64).sum();
        let weight: f64 = self.running.iter().map(|task| task.weight as f64).sum();
        let ms_of_weight = if weight > 0.0 { ran / weight } else { 0.0 };
        let waiting = self.ends_in(vec![0.0; self.running.len()], ms_of_weight);
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
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quiet(running: &[(u64, u64)]) -> Vec<RunningTask> {
        running.iter().map(|(weight, ran_ms)| RunningTask { weight: *weight, ran_ms: *ran_ms, told: None }).collect()
    }

    #[test]
    fn what_is_left_takes_as_long_as_what_is_done() {
        // (done, waiting, running, expected)
        for (done, waiting, running, expected) in [
            ((0, 0), 10, vec![(1, 500)], None),
            ((2, 2_000), 4, vec![(1, 500), (1, 500)], Some(2_500.0)),
            // One that takes longer than expected is about to end.
            ((2, 2_000), 0, vec![(1, 5_000)], Some(0.0)),
            // The last, heavy one is waited for.
            ((2, 2_000), 0, vec![(1, 500), (8, 1_000)], Some(7_000.0)),
            ((2, 2_000), 3, vec![], Some(3_000.0)),
        ] {
            let stage = StageSoFar { done, waiting: (waiting, waiting), running: quiet(&running), ran_ms: 0 };
            assert_eq!(stage.ms_left(), expected, "{stage:?}");
        }
    }

    #[test]
    fn running_tasks_that_tell_stand_for_those_that_do_not() {
        let told = |weight, ran_ms, permille, then_ms| RunningTask { weight, ran_ms, told: Some((permille, then_ms)) };
        // (running, waiting, expected)
        for (running, waiting, expected) in [
            (vec![told(1, 3_000, 250, 2_000)], 0, Some(5_000.0)),
            (vec![told(1, 9_000, 250, 2_000)], 0, Some(0.0)),
            (vec![told(2, 2_000, 500, 2_000), RunningTask { weight: 1, ran_ms: 1_500, told: None }], 0, Some(2_000.0)),
            (vec![told(1, 2_000, 500, 2_000), told(1, 2_000, 500, 2_000)], 2, Some(6_000.0)),
            (vec![told(1, 2_000, 0, 2_000)], 2, None),
        ] {
            let stage = StageSoFar { waiting: (waiting, waiting), running, ..StageSoFar::default() };
            assert_eq!(stage.ms_left(), expected, "{stage:?}");
        }
    }

    #[test]
    fn stages_that_are_to_come_take_their_share() {
        let none: &[StageDone] = &[];
        let stage = StageSoFar { done: (5, 5_000), waiting: (5, 5), running: vec![], ran_ms: 5_000 };
        assert_eq!(ms_left(none, &stage, 50.0, 50.0), Some(15_000.0), "five seconds of it, and ten of the other half");
        let unknown = StageSoFar { waiting: (5, 5), ran_ms: 1_000, ..StageSoFar::default() };
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
        let stage = StageSoFar { waiting: (4, 4), running, ran_ms: 9_000, ..StageSoFar::default() };
        let map = StageDone { ms: 1_000, percent: 50.0 };
        assert_eq!(ms_left(&[map], &stage, 50.0, 0.0), Some(18_000.0));
    }

    /// Tasks on slots in their order, from `begin` on: when each begins and ends, and its weight.
    fn spans(durations_ms: &[u64], weights: &[u64], slots: usize, begin: u64) -> Vec<(u64, u64, u64)> {
        let mut free_at = vec![begin; slots];
        let run = |(duration, weight): (&u64, &u64)| {
            let slot = (0..slots).min_by_key(|slot| free_at[*slot]).unwrap_or(0);
            let start = free_at[slot];
            free_at[slot] += duration;
            (start, free_at[slot], *weight)
        };
        durations_ms.iter().zip(weights).map(run).collect()
    }

    fn end_of(spans: &[(u64, u64, u64)]) -> u64 {
        spans.iter().map(|(_, end, _)| *end).max().unwrap_or(0)
    }

    /// The stage that began at `begin`, at `now`; running tasks tell where they shall.
    fn stage_at(spans: &[(u64, u64, u64)], begin: u64, now: u64, tell: bool) -> StageSoFar {
        let mut stage = StageSoFar { ran_ms: now - begin, ..StageSoFar::default() };
        for (start, finish, weight) in spans {
            if *finish <= now {
                stage.done = (stage.done.0 + weight, stage.done.1 + finish - start);
            } else if *start <= now {
                let permille = (now - start) * 1_000 / (finish - start);
                let told = (tell && permille >= 50).then_some((permille as u16, now - start));
                stage.running.push(RunningTask { weight: *weight, ran_ms: now - start, told });
            } else {
                stage.waiting = (stage.waiting.0 + 1, stage.waiting.1 + weight);
            }
        }
        stage
    }

    /// What was told from the middle of the stage on, with what was right.
    fn told(durations_ms: &[u64], weights: &[u64], slots: usize) -> Vec<(f64, f64)> {
        let spans = spans(durations_ms, weights, slots, 0);
        let end = end_of(&spans);
        let at = |now| Some((ms_left(&[], &stage_at(&spans, 0, now, false), 100.0, 0.0)?, (end - now) as f64));
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

        /// Of a job whose rows are dealt by a stage, which is expected to be `percent` of it and is a seventh more or less, and
        /// trained by another one. Where that is most of the job, its tasks know better, whatever was expected. There may be
        /// one task for each slot.
        #[test]
        fn from_the_middle_of_a_job_on_its_end_is_told_within_a_fifth_of_its_time(
            percent in 10..90_u64,
            of_expected in 0.1..1.14_f64,
            (maps, reduces) in (1..40_usize, 1..40_usize),
            noise in prop::collection::vec(95..105_u64, 80),
            slots in 1..9_usize,
        ) {
            let right_percent = (percent as f64 * of_expected).min(97.0);
            let work = 100_000.0 * slots as f64;
            let durations = |tasks: usize, percent: f64, noise: &[u64]| -> Vec<u64> {
                let rounds = tasks.div_ceil(slots) as f64 * slots as f64;
                noise[..tasks].iter().map(|noise| (work * percent / rounds) as u64 * noise / 10_000).collect()
            };
            let weights = vec![1; 40];
            let map = spans(&durations(maps, right_percent, &noise), &weights, slots, 0);
            let dealt = end_of(&map);
            let reduce = spans(&durations(reduces, 100.0 - right_percent, &noise[40..]), &weights, slots, dealt);
            let end = end_of(&reduce);
            let dealt_percent = dealt as f64 * 100.0 / end as f64;
            prop_assume!(dealt_percent < 50.0 || dealt_percent >= 0.86 * percent as f64);
            let done = StageDone { ms: dealt, percent: percent as f64 };
            let after = 100.0 - percent as f64;
            for now in (50..99).map(|part| end * part / 100) {
                let told = if now < dealt {
                    ms_left(&[], &stage_at(&map, 0, now, true), percent as f64, after)
                } else {
                    ms_left(&[done], &stage_at(&reduce, dealt, now, true), after, 0.0)
                };
                // What has only just begun tells nothing yet, and what was expected may be wrong.
                if now >= dealt && now < dealt + (end - dealt) * 6 / 100 {
                    continue;
                }
                let (told, right) = (told.unwrap(), (end - now) as f64);
                prop_assert!((told - right).abs() <= 0.2 * end as f64, "{told} for {right} of {end}");
            }
        }
    }
}
