//! How long the tasks of a stage take, in seconds of a slot, told from those that have run. Pure.
//!
//! Before one of them tells anything each takes what is expected of any task: the prior. What has run outweighs that soon: the
//! prior counts as much as half a task, and the two are averaged by their logarithms, so that tasks that are ten times
//! faster are believed as soon as those that are ten times slower.

/// What a task takes of which nothing is known, in seconds: planners cut stages so that most tasks take seconds.
pub const PRIOR_TASK_SECONDS: f64 = 5.0;

/// How many finished tasks the prior is worth. With this many it is a twentieth off after twenty tasks that take ten times as
/// long, or a tenth of it.
const PRIOR_TASKS: f64 = 0.5;

/// A stage at some moment, as far as its work is concerned. Times are in milliseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StageWork {
    /// Its tasks, and the weight of all of them.
    pub planned: (u64, u64),
    /// Tasks whose run was seen from its begin to its end: how many, their weight, and how long they took one after the
    /// other.
    pub timed: (u64, u64, u64),
    /// Tasks that wait: how many, and their weight.
    pub waiting: (u64, u64),
    /// Tasks that run.
    pub running: Vec<RunningTask>,
}

/// A task that runs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RunningTask {
    /// What the planner expects of it beside others of its stage.
    pub weight: u64,
    /// For how long.
    pub ran_ms: u64,
    /// What of its time had passed, in thousandths, and for how long it had run then.
    pub told: Option<(u16, u64)>,
}

/// Work that has to be done, in tasks and in seconds of a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Work {
    /// Tasks that wait.
    pub queued_tasks: u64,
    /// How long they take one after the other.
    pub queued_seconds: f64,
    /// Tasks that run.
    pub running_tasks: u64,
    /// How long those still run, one after the other.
    pub running_seconds: f64,
}

impl Work {
    /// Adds another one's.
    pub fn add(&mut self, other: &Self) {
        let Self { queued_tasks, queued_seconds, running_tasks, running_seconds } = other;
        self.queued_tasks += queued_tasks;
        self.queued_seconds += queued_seconds;
        self.running_tasks += running_tasks;
        self.running_seconds += running_seconds;
    }
}

/// What was seen of a stage's speed: tasks, their weight, and how long they took. Parts of tasks count as parts.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    tasks: f64,
    weight: f64,
    ms: f64,
}

impl Seen {
    fn add(&mut self, tasks: f64, weight: f64, ms: f64) {
        self.tasks += tasks;
        self.weight += weight;
        self.ms += ms;
    }

    /// Milliseconds for each unit of weight, where that many were expected.
    fn ms_of_weight(&self, expected: f64) -> f64 {
        if self.weight <= 0.0 || self.ms <= 0.0 {
            return expected;
        }
        let logarithms = PRIOR_TASKS * expected.ln() + self.tasks * (self.ms / self.weight).ln();
        (logarithms / (PRIOR_TASKS + self.tasks)).exp()
    }
}

impl RunningTask {
    /// What is done of it, from 0 to 1, and how long that took, where it says so.
    fn done(&self) -> Option<(f64, f64)> {
        let (permille, ran_ms) = self.told.filter(|(permille, ran_ms)| *permille > 0 && *ran_ms > 0)?;
        Some((f64::from(permille.min(1_000)) / 1_000.0, ran_ms as f64))
    }
}

impl StageWork {
    /// The stage's work, where a task of which nothing is known takes `prior_seconds`.
    pub fn work(&self, prior_seconds: f64) -> Work {
        let ms_of_weight = self.ms_of_weight(prior_seconds);
        let left = |task: &RunningTask| {
            let whole = task.done().map_or(self.weight(task.weight, 1) * ms_of_weight, |(part, ran)| ran / part);
            (whole - task.ran_ms as f64).max(0.0)
        };
        let (queued_tasks, weight) = self.waiting;
        Work {
            queued_tasks,
            queued_seconds: self.weight(weight, queued_tasks) * ms_of_weight / 1_000.0,
            running_tasks: self.running.len() as u64,
            running_seconds: self.running.iter().map(left).sum::<f64>() / 1_000.0,
        }
    }

    /// What a task takes on the average, in seconds.
    pub fn task_seconds(&self, prior_seconds: f64) -> f64 {
        let (tasks, weight) = self.planned;
        self.ms_of_weight(prior_seconds) * self.weight(weight, tasks) / tasks.max(1) as f64 / 1_000.0
    }

    /// The weight of so many tasks. Where the planner has given none they are all alike.
    fn weight(&self, weight: u64, tasks: u64) -> f64 {
        if self.planned.1 == 0 { tasks as f64 } else { weight as f64 }
    }

    fn ms_of_weight(&self, prior_seconds: f64) -> f64 {
        let (tasks, weight) = self.planned;
        let expected = prior_seconds * 1_000.0 * tasks.max(1) as f64 / self.weight(weight, tasks).max(1.0);
        let mut seen = Seen::default();
        let (timed, timed_weight, timed_ms) = self.timed;
        seen.add(timed as f64, self.weight(timed_weight, timed), timed_ms as f64);
        for task in &self.running {
            if let Some((part, ran)) = task.done() {
                seen.add(part, self.weight(task.weight, 1) * part, ran);
            }
        }
        // One that says nothing says something once it has run for longer than others are expected to.
        let usual = seen.ms_of_weight(expected);
        for task in self.running.iter().filter(|task| task.done().is_none()) {
            let (weight, ran) = (self.weight(task.weight, 1), task.ran_ms as f64);
            if ran > weight * usual {
                seen.add(1.0, weight, ran);
            }
        }
        seen.ms_of_weight(expected)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_seen_is_the_prior_and_weights_share_it() {
        let stage = StageWork { planned: (4, 40), waiting: (4, 40), ..StageWork::default() };
        let work = stage.work(5.0);
        assert_eq!((work.queued_tasks, work.running_tasks, work.running_seconds), (4, 0, 0.0));
        assert!((work.queued_seconds - 20.0).abs() < 1e-9, "{work:?}");
        // The one that waits is nine tenths of the weight.
        let stage = StageWork { planned: (2, 10), waiting: (1, 9), ..StageWork::default() };
        assert!((stage.work(5.0).queued_seconds - 9.0).abs() < 1e-9);
        // A planner that gives no weights.
        let stage = StageWork { planned: (3, 0), waiting: (3, 0), ..StageWork::default() };
        assert!((stage.work(5.0).queued_seconds - 15.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_left_of_running_tasks_is_what_they_tell_or_what_others_took() {
        let told = RunningTask { weight: 1, ran_ms: 6_000, told: Some((500, 5_000)) };
        let mute = RunningTask { weight: 1, ran_ms: 2_000, told: None };
        let late = RunningTask { weight: 1, ran_ms: 60_000, told: None };
        let stage =
            |running| StageWork { planned: (1_000, 1_000), timed: (900, 900, 9_000_000), waiting: (0, 0), running };
        for (task, seconds) in [(told, 4.0), (mute, 8.0), (late, 0.0)] {
            let left = stage(vec![task]).work(5.0).running_seconds;
            assert!((left - seconds).abs() < 0.2, "{task:?}: {left}");
        }
    }

    #[test]
    fn tasks_that_run_for_longer_than_expected_are_believed_before_one_ends() {
        let at = |ran_ms| StageWork {
            planned: (100, 100),
            waiting: (92, 92),
            running: vec![RunningTask { weight: 1, ran_ms, told: None }; 8],
            ..StageWork::default()
        };
        let seconds = [0, 4_000, 6_000, 20_000, 50_000].map(|ran_ms| at(ran_ms).task_seconds(5.0));
        assert!(seconds.windows(2).all(|pair| pair[0] <= pair[1] + 1e-9), "{seconds:?}");
        assert!((seconds[1] - 5.0).abs() < 1e-9 && seconds[4] > 40.0, "{seconds:?}");
    }

    /// How often a series turns round by more than that share of it.
    fn turns(series: &[f64], share: f64) -> usize {
        let (mut low, mut high, mut direction, mut turns) = (series[0], series[0], 0_i8, 0);
        for &value in series {
            (low, high) = (low.min(value), high.max(value));
            let next = if value > low * (1.0 + share) && direction != 1 {
                1
            } else if value < high * (1.0 - share) && direction != -1 {
                -1
            } else {
                direction
            };
            if next != direction {
                turns += usize::from(direction != 0);
                (low, high, direction) = (value, value, next);
            } else if direction == 1 {
                low = high;
            } else if direction == -1 {
                high = low;
            }
        }
        turns
    }

    #[test]
    fn turns_are_counted() {
        for (series, expected) in [
            (vec![1.0, 2.0, 3.0], 0),
            (vec![3.0, 2.0, 1.0], 0),
            (vec![1.0, 3.0, 1.0], 1),
            (vec![1.0, 3.0, 1.0, 3.0], 2),
            (vec![10.0, 10.5, 10.0, 10.5, 20.0], 0),
        ] {
            assert_eq!(turns(&series, 0.1), expected, "{series:?}");
        }
    }

    /// The estimates of a task's seconds while a stage of tasks that take so many milliseconds runs on slots, at each end
    /// of a task and a few times in between, up to the twentieth end; and the last.
    fn run(durations: &[u64], slots: usize, prior_seconds: f64) -> Vec<f64> {
        let mut free = vec![0_u64; slots];
        let mut spans: Vec<(u64, u64)> = Vec::new();
        for duration in durations {
            let slot = free.iter_mut().min().expect("there are slots");
            spans.push((*slot, *slot + duration));
            *slot += duration;
        }
        let mut ends: Vec<u64> = spans.iter().map(|(_, end)| *end).collect();
        ends.sort_unstable();
        ends.truncate(20);
        let mut moments: Vec<u64> = vec![0];
        for end in ends {
            let last = *moments.last().expect("there is one");
            moments.extend((1..=4).map(|part| last + (end - last) * part / 4));
        }
        let at = |now: u64| {
            let ended: Vec<_> = spans.iter().filter(|(_, end)| *end <= now).collect();
            let running = spans.iter().filter(|(start, end)| *start <= now && now < *end);
            let running: Vec<_> =
                running.map(|(start, _)| RunningTask { weight: 7, ran_ms: now - start, told: None }).collect();
            let waiting = (durations.len() - ended.len() - running.len()) as u64;
            let stage = StageWork {
                planned: (durations.len() as u64, durations.len() as u64 * 7),
                timed: (ended.len() as u64, ended.len() as u64 * 7, ended.iter().map(|(start, end)| end - start).sum()),
                waiting: (waiting, waiting * 7),
                running,
            };
            let (seconds, work) = (stage.task_seconds(prior_seconds), stage.work(prior_seconds));
            assert!((work.queued_seconds - waiting as f64 * seconds).abs() <= 1e-6 * work.queued_seconds.max(1.0));
            seconds
        };
        moments.into_iter().map(at).collect()
    }

    proptest! {
        /// Tasks take ten times as long as expected, or a tenth, or anything in between, and differ by a fifth: turns of less
        /// than that are theirs, and not those of the estimate.
        #[test]
        fn after_twenty_tasks_the_estimate_is_within_a_fifth_and_has_turned_once_at_most(
            factor in -1.0..=1.0_f64,
            at_the_ends in prop::option::of(any::<bool>()),
            slots in 1..17_usize,
            noise in prop::collection::vec(80..=120_u64, 60..200),
            prior_seconds in 0.5..20.0_f64,
        ) {
            let factor = 10_f64.powf(at_the_ends.map_or(factor, |slower| if slower { 1.0 } else { -1.0 }));
            let right = prior_seconds * factor;
            let durations: Vec<u64> = noise.iter().map(|noise| (right * 10.0) as u64 * noise).collect();
            let mean = durations.iter().sum::<u64>() as f64 / durations.len() as f64 / 1_000.0;
            prop_assume!(right * 10.0 >= 1.0);
            let estimates = run(&durations, slots, prior_seconds);
            let last = *estimates.last().unwrap();
            prop_assert!((last - mean).abs() <= 0.2 * mean, "{} for {}", last, mean);
            prop_assert!(turns(&estimates, 0.2) <= 1, "{:?}", estimates);
        }

        /// Where they do not differ, it goes one way, by no more than rounding the other.
        #[test]
        fn equal_tasks_are_found_from_one_side(
            slower in any::<bool>(),
            slots in 1..17_usize,
            prior_seconds in 1.0..20.0_f64,
        ) {
            let right = prior_seconds * if slower { 10.0 } else { 0.1 };
            let estimates = run(&vec![(right * 1_000.0) as u64; 100], slots, prior_seconds);
            prop_assert_eq!(turns(&estimates, 1e-6), 0, "{:?}", estimates);
        }
    }
}
