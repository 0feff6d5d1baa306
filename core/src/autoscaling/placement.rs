//! How many workers of which group the work asks for.
//!
//! A worker that is asked for now is ready after its start-up time `s`. What is there until then works meanwhile, and what
//! is left shall be gone `targetDrainTime` later, so that within `s + targetDrainTime`
//!
//! - a slot that is free gives all of that time, one that is starting what is left of it, one that is busy what is left when its
//!   task has ended (anywhere between now and twice the mean remainder);
//! - a slot that is asked for now gives `targetDrainTime`.
//!
//! Slots are asked for until that is as much as the queue takes, but never for more tasks than are left to begin when they
//! are ready. Classes take what there is by their priority, so that the higher one is served first where bounds do not leave
//! enough for all. Everything is in parts of workers and rounded up at the end, which takes a time that grows with the
//! number of classes and groups, and not with that of tasks.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::capacity::Group;
use super::facts::{TaskShape, WorkClass, WorkFacts};
use super::history::{GroupHistory, Interruptions};
use super::policy::Policy;
use super::report::Misfit;

/// Parts of a worker that are noise of floating point.
const NOISE: f64 = 1e-6;

/// Shortest task that is reckoned with, in seconds: the estimate of one may be nothing.
const TASK_SECONDS_MIN: f64 = 1e-3;

/// What a group is asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Ask {
    /// Parts of ready workers that are used beside those that run tasks, and of those that start or could take tasks again.
    idle: f64,
    starting: f64,
    returning: f64,
    /// Workers that are late and that nobody else can take the place of.
    pub(super) stuck: f64,
    /// Parts of new workers that are used, and how many workers they were taken from.
    new: f64,
    bought: u32,
    /// Workers that would be asked for as well, and may not.
    denied: f64,
    /// What falls to the group.
    pub(super) slot_seconds: f64,
    pub(super) tasks: f64,
    /// What keeps it from being asked for more.
    pub(super) limit: Option<Limit>,
}

/// What keeps a group from being asked for more.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(super) enum Limit {
    TooLate,
    Tasks,
    Blocked,
    Refused,
    MaxReplicas,
    Budget,
}

impl Ask {
    /// Workers beside those that run tasks.
    fn beside_busy(&self) -> u32 {
        whole(self.idle + self.starting + self.returning + self.stuck + self.new)
    }

    /// Workers that the group is to have, of which so many run tasks.
    pub(super) fn workers(&self, busy: u32) -> u32 {
        busy.saturating_add(self.beside_busy())
    }

    /// The same without bounds.
    pub(super) fn unbounded(&self, busy: u32) -> u32 {
        self.workers(busy).saturating_add(whole(self.denied))
    }

    fn take(&mut self, from: From, workers: f64) {
        match from {
            From::Busy => {}
            From::Idle => self.idle += workers,
            From::Starting => self.starting += workers,
            From::Returning => self.returning += workers,
        }
    }
}

fn whole(parts: f64) -> u32 {
    (parts - NOISE).ceil().clamp(0.0, f64::from(u32::MAX)) as u32
}

/// Where capacity comes from that is there.
#[derive(Clone, Copy)]
enum From {
    Busy,
    Idle,
    Returning,
    Starting,
}

/// Capacity of one kind, in parts of workers.
struct Source {
    from: From,
    free: f64,
    ready: Ready,
}

/// When capacity can be used.
#[derive(Clone, Copy)]
enum Ready {
    /// After so many seconds.
    After(f64),
    /// At any moment until then.
    Until(f64),
}

impl Ready {
    /// The mean time that it gives until `end`.
    fn seconds(self, end: f64) -> f64 {
        match self {
            Self::After(start) => (end - start).max(0.0),
            Self::Until(last) if last <= end => end - last / 2.0,
            Self::Until(last) => end * end / (2.0 * last),
        }
    }

    /// How many tasks of that length it begins before `end`; what is there begins one at some time.
    fn begun(self, end: f64, task_seconds: f64) -> f64 {
        match self {
            Self::After(_) => 1.0 + self.seconds(end) / task_seconds,
            Self::Until(last) if last <= end => 1.0 + self.seconds(end) / task_seconds,
            Self::Until(last) => (end / last) * (1.0 + end / (2.0 * task_seconds)),
        }
    }
}

/// What all groups are asked for, and who fits none.
pub(super) struct Placement {
    pub(super) asks: Vec<Ask>,
    pub(super) misfits: Vec<Misfit>,
}

struct Placing<'a> {
    groups: &'a [Group<'a>],
    /// Whether each of them may get more workers, and how often one of its workers is taken away in an hour.
    grow: Vec<bool>,
    risks: Vec<f64>,
    target_seconds: f64,
    budget_left: Option<f64>,
    sources: Vec<Vec<Source>>,
    asks: Vec<Ask>,
    misfits: Vec<Misfit>,
}

/// Places the work.
pub(super) fn place(
    work: &WorkFacts,
    groups: &[Group<'_>],
    policy: &Policy,
    histories: &BTreeMap<String, GroupHistory>,
    now_ms: u64,
) -> Placement {
    let none = GroupHistory::default();
    let history = |group: &Group<'_>| histories.get(&group.policy.name).unwrap_or(&none);
    let spent: f64 = groups.iter().map(|group| price(group) * f64::from(group.current())).sum();
    let mut placing = Placing {
        groups,
        grow: groups.iter().map(|group| group.can_grow(history(group), now_ms)).collect(),
        risks: groups.iter().map(|group| risk_per_hour(history(group).interruptions)).collect(),
        target_seconds: policy.target_drain_time.as_secs_f64().max(1.0),
        budget_left: policy.budget_per_hour.map(|budget| budget - spent),
        sources: groups.iter().map(|group| sources(group, work)).collect(),
        asks: vec![Ask::default(); groups.len()],
        misfits: Vec::new(),
    };
    let mut classes: Vec<&WorkClass> = work.classes.iter().filter(|class| class.queued_tasks > 0).collect();
    // The higher priority first, then what has less choice.
    classes.sort_by(|one, other| turn(one).cmp(&turn(other)));
    for class in classes {
        placing.place(class);
    }
    Placement { asks: placing.asks, misfits: placing.misfits }
}

/// When it is a class' turn.
fn turn(class: &WorkClass) -> (Reverse<(i32, bool, TaskShape)>, Option<&str>) {
    (Reverse((class.priority, class.group.is_some(), class.shape)), class.group.as_deref())
}

/// What a worker costs in an hour, as far as that is known.
pub(super) fn price(group: &Group<'_>) -> f64 {
    group.policy.cost_per_hour.unwrap_or(0.0)
}

/// Capacity of a group that is there.
fn sources(group: &Group<'_>, work: &WorkFacts) -> Vec<Source> {
    let slots = f64::from(group.facts.shape.slots.max(1));
    let busy = group.busy_slots as f64 / slots;
    let source = |from, free, ready| Source { from, free, ready };
    let mut sources = vec![
        // Slots of workers that run tasks in others of theirs.
        source(From::Busy, (f64::from(group.busy) - busy).max(0.0), Ready::After(0.0)),
        source(From::Idle, f64::from(group.idle), Ready::After(0.0)),
        source(From::Returning, f64::from(returning(group)), Ready::After(0.0)),
    ];
    // Whose tasks run in the busy slots is not known: those that may, by their numbers.
    let may_run = |class: &&WorkClass| {
        class.running_tasks > 0 && class.group.as_ref().is_none_or(|name| *name == group.policy.name)
    };
    let slots_of = |class: &WorkClass| class.running_tasks as f64 * f64::from(class.shape.slots.max(1));
    let running: Vec<&WorkClass> = work.classes.iter().filter(may_run).collect();
    let all: f64 = running.iter().map(|class| slots_of(class)).sum();
    for class in &running {
        let share = slots_of(class) / all;
        let mean_seconds = class.running_slot_seconds / slots_of(class);
        sources.push(source(From::Busy, busy * share, Ready::Until(2.0 * mean_seconds)));
    }
    for (seconds, workers) in &group.starting {
        sources.push(source(From::Starting, f64::from(*workers), Ready::After(*seconds as f64)));
    }
    sources
}

/// Workers that may be taken back within `maxReplicas`.
fn returning(group: &Group<'_>) -> u32 {
    group.returning.min(group.policy.max_replicas.saturating_sub(group.current()))
}

/// What is left of a class.
struct Left {
    slot_seconds: f64,
    tasks: f64,
    /// Slots of a task, and how long it takes.
    slots: f64,
    task_seconds: f64,
}

impl Left {
    fn is_nothing(&self) -> bool {
        self.slot_seconds <= NOISE || self.tasks <= NOISE
    }

    /// How many workers of those that run `per_worker` such tasks it takes, where each of their slots gives so many seconds
    /// and begins so many tasks.
    fn workers(&self, per_worker: f64, seconds: f64, begun: f64) -> f64 {
        let by_time = self.slot_seconds / (seconds * self.slots * per_worker);
        let by_tasks = self.tasks / (begun * per_worker);
        by_time.min(by_tasks)
    }

    fn subtract(&mut self, ask: &mut Ask, workers: f64, per_worker: f64, seconds: f64, begun: f64) {
        let slot_seconds = (workers * per_worker * self.slots * seconds).min(self.slot_seconds);
        let tasks = (workers * per_worker * begun).min(self.tasks);
        self.slot_seconds -= slot_seconds;
        self.tasks -= tasks;
        ask.slot_seconds += slot_seconds;
        ask.tasks += tasks;
    }
}

impl Placing<'_> {
    fn place(&mut self, class: &WorkClass) {
        let eligible = self.eligible(class);
        let Some(first) = eligible.first().copied() else {
            self.misfits.push(Misfit {
                group: class.group.clone(),
                slots: class.shape.slots,
                memory_bytes: class.shape.memory_bytes,
                tasks: class.queued_tasks,
            });
            return;
        };
        let (tasks, slots) = (class.queued_tasks as f64, f64::from(class.shape.slots.max(1)));
        let task_seconds = (class.queued_slot_seconds / tasks / slots).max(TASK_SECONDS_MIN);
        let mut left = Left { slot_seconds: task_seconds * tasks * slots, tasks, slots, task_seconds };
        let growing = eligible.iter().copied().find(|&index| self.grow[index]);
        let startup = self.groups[growing.unwrap_or(first)].startup.as_secs_f64();
        self.use_sources(&eligible, class.shape, &mut left, startup);
        self.buy(&eligible, class.shape, &mut left);
        self.wait_for_stuck(&eligible, class.shape, &mut left);
        let ask = &mut self.asks[first];
        ask.slot_seconds += left.slot_seconds;
        ask.tasks += left.tasks;
    }

    /// Groups whose workers can take such tasks, those first that are to be asked first.
    fn eligible(&self, class: &WorkClass) -> Vec<usize> {
        let is_eligible = |index: &usize| {
            let group = &self.groups[*index];
            class.group.as_ref().is_none_or(|name| *name == group.policy.name)
                && group.facts.shape.tasks(class.shape) > 0
        };
        let mut eligible: Vec<usize> = (0..self.groups.len()).filter(is_eligible).collect();
        let cost = |index: usize| self.cost_of_task(index, class);
        eligible.sort_by(|&one, &other| {
            self.grow[other].cmp(&self.grow[one]).then(cost(one).total_cmp(&cost(other))).then(one.cmp(&other))
        });
        eligible
    }

    /// What a task costs there in an hour: the price, and what is done twice where workers are taken away.
    fn cost_of_task(&self, index: usize, class: &WorkClass) -> f64 {
        let group = &self.groups[index];
        let is_any_priced = self.groups.iter().any(|group| group.policy.cost_per_hour.is_some());
        let price = match group.policy.cost_per_hour {
            Some(price) => price,
            None if is_any_priced => f64::INFINITY,
            None => f64::from(group.facts.shape.slots),
        };
        let mean_seconds = class.queued_slot_seconds / class.queued_tasks.max(1) as f64 / 2.0;
        let again = 1.0 + self.risks[index] * (mean_seconds + group.startup.as_secs_f64()) / 3_600.0;
        price / f64::from(group.facts.shape.tasks(class.shape)) * again
    }

    fn use_sources(&mut self, eligible: &[usize], shape: TaskShape, left: &mut Left, startup: f64) {
        let end = startup + self.target_seconds;
        for index in eligible {
            let per_worker = f64::from(self.groups[*index].facts.shape.tasks(shape));
            for source in self.sources[*index].iter_mut().filter(|source| source.free > NOISE) {
                let (seconds, begun) = (source.ready.seconds(end), source.ready.begun(startup, left.task_seconds));
                if left.is_nothing() || seconds <= 0.0 {
                    continue;
                }
                let workers = left.workers(per_worker, seconds, begun).min(source.free);
                source.free -= workers;
                let ask = &mut self.asks[*index];
                ask.take(source.from, workers);
                left.subtract(ask, workers, per_worker, seconds, begun);
            }
        }
    }

    fn buy(&mut self, eligible: &[usize], shape: TaskShape, left: &mut Left) {
        let Some(&first) = eligible.first() else { return };
        if left.slot_seconds > NOISE && left.tasks <= NOISE {
            self.limit(first, Limit::TooLate);
            return;
        }
        for &index in eligible {
            if left.is_nothing() {
                return;
            }
            let per_worker = f64::from(self.groups[index].facts.shape.tasks(shape));
            let wanted = left.workers(per_worker, self.target_seconds, 1.0);
            let are_few_tasks = left.tasks * left.slots * self.target_seconds < left.slot_seconds - NOISE;
            let workers = self.bought(index, wanted);
            if are_few_tasks && workers >= wanted - NOISE {
                self.limit(index, Limit::Tasks);
            }
            let ask = &mut self.asks[index];
            ask.new += workers;
            left.subtract(ask, workers, per_worker, self.target_seconds, 1.0);
            if workers >= wanted - NOISE {
                // By tasks or by time: the rest is done by who has done with its first one.
                left.tasks = 0.0;
                self.asks[index].slot_seconds += left.slot_seconds;
                left.slot_seconds = 0.0;
            }
        }
        if !left.is_nothing() {
            let per_worker = f64::from(self.groups[first].facts.shape.tasks(shape));
            self.asks[first].denied += left.workers(per_worker, self.target_seconds, 1.0);
        }
    }

    /// Takes up to so many parts of new workers from a group: what is left of those bought before, and as many whole ones as
    /// it may have.
    fn bought(&mut self, index: usize, wanted: f64) -> f64 {
        let (group, grows) = (&self.groups[index], self.grow[index]);
        let ask = &self.asks[index];
        let spare = f64::from(ask.bought) - ask.new;
        let more = whole(wanted - spare);
        let have = group.current().saturating_add(whole(ask.returning)).saturating_add(ask.bought);
        let by_max = group.policy.max_replicas.saturating_sub(have);
        let by_budget = match (self.budget_left, price(group)) {
            (Some(left), price) if price > 0.0 => (left / price + NOISE).floor().clamp(0.0, f64::from(u32::MAX)) as u32,
            _ => u32::MAX,
        };
        let may = if grows { by_max.min(by_budget) } else { 0 };
        if more > may {
            let limit = match () {
                () if group.facts.refused_since_ms.is_some() => Limit::Refused,
                () if !grows => Limit::Blocked,
                () if by_max <= by_budget => Limit::MaxReplicas,
                () => Limit::Budget,
            };
            self.limit(index, limit);
        }
        let bought = more.min(may);
        if let Some(left) = &mut self.budget_left {
            *left -= price(group) * f64::from(bought);
        }
        let ask = &mut self.asks[index];
        ask.bought += bought;
        wanted.min(f64::from(ask.bought) - ask.new).max(0.0)
    }

    /// What nobody else can do is left to workers that are late: they may come yet.
    fn wait_for_stuck(&mut self, eligible: &[usize], shape: TaskShape, left: &mut Left) {
        for &index in eligible {
            if left.is_nothing() {
                return;
            }
            let group = &self.groups[index];
            let per_worker = f64::from(group.facts.shape.tasks(shape));
            let free = (f64::from(group.stuck) - self.asks[index].stuck).max(0.0);
            let workers = left.workers(per_worker, self.target_seconds, 1.0).min(free);
            let ask = &mut self.asks[index];
            ask.stuck += workers;
            ask.denied = (ask.denied - workers).max(0.0);
            left.subtract(ask, workers, per_worker, self.target_seconds, 1.0);
        }
    }

    fn limit(&mut self, index: usize, limit: Limit) {
        let known = &mut self.asks[index].limit;
        if known.is_none_or(|known| known < limit) {
            *known = Some(limit);
        }
    }
}

/// How often a worker is taken away in an hour. With one more hour in which none was, as a first interruption says little.
fn risk_per_hour(interruptions: Interruptions) -> f64 {
    interruptions.count / (interruptions.worker_hours + 1.0)
}
