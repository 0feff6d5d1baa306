//! What a seed means: how large everything is and what goes wrong when.

use shoal_core::limits;

use crate::fault::{Fault, Moment};
use crate::kind::Shape;
use crate::random::Random;

/// One world to simulate.
pub(crate) struct Scenario {
    /// More than one share an elected lead; a single one holds a lock.
    pub(crate) heads: usize,
    pub(crate) workers: usize,
    pub(crate) slots: u32,
    pub(crate) jobs: Vec<JobScenario>,
    /// Delay of a message, in milliseconds: at least and at most.
    pub(crate) delay_ms: (u64, u64),
    /// Time of one task, in milliseconds: at least and at most.
    pub(crate) task_ms: (u64, u64),
    /// Records that the journal stores at once; more are stored one portion after the other.
    pub(crate) append_portion: usize,
    pub(crate) faults: Vec<(u64, Fault)>,
    /// Faults that wait for their moment: from when, at what, which.
    pub(crate) ambushes: Vec<(u64, Moment, Fault)>,
    pub(crate) faults_end_ms: u64,
    /// Nothing goes wrong, and small jobs meet huge ones of the same priority: nobody waits longer than a task takes.
    pub(crate) is_fair: bool,
    /// Whether heads hear that a worker ended a stream in good order, as they mostly do, or only that it broke.
    pub(crate) ends_are_told: bool,
}

/// One job and what its user does with it.
pub(crate) struct JobScenario {
    pub(crate) shape: Shape,
    pub(crate) submit_ms: u64,
    /// What the user does with it later, and when, one after the other.
    pub(crate) wishes: Vec<(u64, Wish)>,
    pub(crate) priority: i32,
    pub(crate) deadline_s: Option<u64>,
    /// How often the user submits it again after it has failed.
    pub(crate) resubmits: u32,
    pub(crate) max_task_attempts: u32,
    pub(crate) shares_table: bool,
    /// How long its entry stays once it has ended; as long as by default where that is absent.
    pub(crate) ttl_s: Option<u64>,
}

/// What a user may do with a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Cancel,
    Suspend,
    GoOn,
    Prefer(i32),
    /// It may take so many seconds.
    Allow(Option<u64>),
    /// It is to be listed for so many seconds after its end.
    Keep(Option<u64>),
}

/// Attempts of a task that no scenario uses up.
pub(crate) const ATTEMPTS_ENOUGH: u32 = 100;

/// A flood is a hundred times the work of another world: one in so many seeds is enough.
const FLOOD_ONE_IN: u64 = 250;

impl Scenario {
    /// What was thought of later is drawn from a source of its own, and not for every seed: what the others mean does not
    /// change with it.
    pub(crate) fn draw(random: &mut Random, later: &mut Random) -> Self {
        if later.below(FLOOD_ONE_IN) == 0 {
            return Self::flood(later);
        }
        if random.percent(4) {
            return Self::crowd(random);
        }
        let mut scenario = Self::usual(random);
        if later.percent(50) {
            scenario.draw_more(later);
        }
        scenario
    }

    fn usual(random: &mut Random) -> Self {
        let faults_end_ms = random.between(8_000, 40_000);
        let heads = if random.percent(30) { 1 } else { random.between(2, 3) as usize };
        let jobs = (0..random.between(1, 5)).map(|_| JobScenario::draw(random, faults_end_ms)).collect();
        let slow = random.between(1, 50);
        let task = random.between(50, 4_000);
        // Some kinds of faults only, so that rare ones are not always seen through the dust of all others.
        let kinds: Vec<Fault> = Fault::ALL.into_iter().filter(|_| random.percent(35)).collect();
        let count = if kinds.is_empty() { 0 } else { random.between(0, 14) };
        let faults =
            (0..count).map(|_| (random.below(faults_end_ms), kinds[random.index(kinds.len())])).collect::<Vec<_>>();
        let at_heads = [Fault::HeadCrash, Fault::HeadPause, Fault::HeadCutFromStore, Fault::LakeLosesAnswers];
        let ambushes = (0..random.between(0, 3))
            .map(|_| {
                let moment = Moment::ALL[random.index(Moment::ALL.len())];
                (random.below(faults_end_ms), moment, at_heads[random.index(at_heads.len())])
            })
            .collect();
        Self {
            heads,
            workers: random.between(1, 4) as usize,
            slots: random.between(1, 3) as u32,
            jobs,
            delay_ms: (random.between(0, slow), slow),
            task_ms: (task / 2, task),
            append_portion: if heads == 1 { usize::MAX } else { random.between(1, 8) as usize },
            faults,
            ambushes,
            faults_end_ms,
            is_fair: false,
            ends_are_told: false,
        }
    }

    /// Heads that give their lead up, at any time or just as it hurts, and entries that are not kept for long.
    fn draw_more(&mut self, random: &mut Random) {
        for _ in 0..random.below(4) {
            self.faults.push((random.below(self.faults_end_ms), Fault::HeadResigns));
        }
        if random.percent(50) {
            let moment = Moment::ALL[random.index(Moment::ALL.len())];
            self.ambushes.push((random.below(self.faults_end_ms), moment, Fault::HeadResigns));
        }
        for job in &mut self.jobs {
            job.ttl_s = random.percent(40).then(|| random.below(10));
            if random.percent(20) {
                let wish = match random.below(4) {
                    0 => Wish::Allow(None),
                    1 | 2 => Wish::Allow(Some(random.between(1, 60))),
                    _ => Wish::Keep(Some(random.below(20))),
                };
                job.wishes.push((job.submit_ms + random.below(10_000), wish));
            }
        }
        self.ends_are_told = random.percent(50);
    }

    /// More jobs than a head takes, nearly at once.
    fn flood(random: &mut Random) -> Self {
        let begin_ms = 2_000;
        let within_ms = random.between(100, 1_500);
        let count = limits::JOBS_ACTIVE_MAX as u64 + random.between(50, 300);
        let jobs = (0..count)
            .map(|_| JobScenario {
                submit_ms: begin_ms + random.below(within_ms),
                ..JobScenario::plain(Shape { splits: 1, buckets: 0, poison: None })
            })
            .collect();
        let faults_end_ms = begin_ms + within_ms * 2;
        let kinds = [Fault::HeadCrash, Fault::HeadResigns, Fault::JournalSlow, Fault::JournalFull, Fault::HeadPause];
        let faults = (0..random.below(3))
            .map(|_| (random.between(begin_ms, faults_end_ms), kinds[random.index(kinds.len())]))
            .collect();
        let heads = random.between(1, 2) as usize;
        Self {
            heads,
            workers: 4,
            slots: 3,
            jobs,
            delay_ms: (1, 5),
            task_ms: (20, 40),
            append_portion: usize::MAX,
            faults,
            ambushes: Vec::new(),
            faults_end_ms,
            is_fair: false,
            ends_are_told: false,
        }
    }

    /// Two huge jobs, and small ones that come later: fewer than there are slots.
    fn crowd(random: &mut Random) -> Self {
        let (workers, slots) = (random.between(2, 4) as usize, random.between(1, 3) as u32);
        let task_ms = random.between(300, 2_000);
        let small = random.between(1, (workers as u64 * u64::from(slots)).min(4));
        let job = |splits, submit_ms| JobScenario {
            submit_ms,
            ..JobScenario::plain(Shape { splits, buckets: 0, poison: None })
        };
        let huge = random.between(40, 120) as u32;
        let mut jobs = vec![job(huge, 2_000), job(huge, 2_100)];
        for _ in 0..small {
            jobs.push(job(random.between(1, 3) as u32, random.between(5_000, 8_000)));
        }
        Self {
            heads: 1,
            workers,
            slots,
            jobs,
            delay_ms: (1, 5),
            task_ms: (task_ms / 2, task_ms),
            append_portion: usize::MAX,
            faults: Vec::new(),
            ambushes: Vec::new(),
            faults_end_ms: 0,
            is_fair: true,
            ends_are_told: false,
        }
    }
}

impl JobScenario {
    /// A job that nobody does anything with.
    pub(crate) fn plain(shape: Shape) -> Self {
        Self {
            shape,
            submit_ms: 0,
            wishes: Vec::new(),
            priority: 0,
            deadline_s: None,
            resubmits: 0,
            max_task_attempts: ATTEMPTS_ENOUGH,
            shares_table: false,
            ttl_s: None,
        }
    }

    fn draw(random: &mut Random, faults_end_ms: u64) -> Self {
        let splits = random.between(1, 6) as u32;
        let buckets = if random.percent(25) { 0 } else { random.between(1, 3) as u32 };
        let poison = random.percent(4).then(|| random.below(u64::from(splits)) as u32);
        let submit_ms = random.below(faults_end_ms * 3 / 4);
        let mut wishes = Vec::new();
        if random.percent(15) {
            let at_ms = submit_ms + random.below(8_000);
            wishes.extend([(at_ms, Wish::Suspend), (at_ms + random.below(10_000), Wish::GoOn)]);
        }
        if random.percent(10) {
            wishes.push((submit_ms + random.below(8_000), Wish::Prefer(random.below(10) as i32)));
        }
        if random.percent(20) {
            wishes.push((submit_ms + random.below(20_000), Wish::Cancel));
        }
        let max_task_attempts = if random.percent(10) { random.between(1, 4) as u32 } else { ATTEMPTS_ENOUGH };
        // A poison task has to be found out before its attempts are used up.
        let max_task_attempts = if poison.is_some() { 4 } else { max_task_attempts };
        let shape = Shape { splits, buckets, poison };
        Self {
            shape,
            submit_ms,
            wishes,
            priority: if random.percent(20) { random.below(10) as i32 - 5 } else { 0 },
            deadline_s: random.percent(7).then(|| random.between(1, 30)),
            resubmits: if random.percent(50) { random.between(1, 2) as u32 } else { 0 },
            max_task_attempts,
            shares_table: random.percent(30),
            ttl_s: None,
        }
    }
}
