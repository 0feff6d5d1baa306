//! What holds of every decision, whatever the facts.

use std::time::Duration;

use proptest::prelude::*;

use super::facts::{Facts, GroupFacts, Observed, TaskShape, WorkClass, WorkFacts, WorkerFacts, WorkerState};
use super::fixture::{NOW, at, bounds, facts, group, policy, worker};
use super::history::{LeavingPhase, LeavingWorker};
use super::policy::{Policy, RatePolicy, RateType};
use super::trouble::SignalTrouble;
use super::{Decision, GroupDecision, History, WhyLeave, decide};

fn a_class() -> impl Strategy<Value = WorkClass> {
    let queue = (0..2_000_u64, 0.0..200.0_f64);
    (prop::option::weighted(0.3, 0..3_usize), 1..3_u32, -2..3_i32, queue, (0..20_u64, 0.0..500.0_f64)).prop_map(
        |(group, slots, priority, (tasks, seconds), (running, left))| WorkClass {
            group: group.map(|index| NAMES[index].to_owned()),
            shape: TaskShape { slots, memory_bytes: 0 },
            priority,
            queued_tasks: tasks,
            queued_slot_seconds: tasks as f64 * seconds,
            running_tasks: running,
            running_slot_seconds: running as f64 * left,
        },
    )
}

const NAMES: [&str; 3] = ["a", "b", "c"];

fn a_state() -> impl Strategy<Value = WorkerState> {
    (0..7_u8, 0..600_u64).prop_map(|(state, ago)| {
        let since_ms = NOW - ago * 1_000;
        match state {
            0 => WorkerState::Unschedulable { since_ms },
            1 => WorkerState::Starting { since_ms },
            2 | 3 => WorkerState::Idle { since_ms },
            4 | 5 => WorkerState::Busy { busy_slots: 1 },
            _ => WorkerState::Draining { busy_slots: 0 },
        }
    })
}

fn a_worker() -> impl Strategy<Value = (WorkerState, u64, Option<u64>)> {
    (a_state(), 0..4_u64, prop::option::weighted(0.05, 0..200_u64))
}

fn a_group(index: usize) -> impl Strategy<Value = GroupFacts> {
    let workers = prop::collection::vec(a_worker(), 0..12);
    (workers, 1..5_u32, 0..4_u32, prop::option::of(0..90_u64), any::<bool>()).prop_map(
        move |(workers, slots, unborn, startup, is_refused)| {
            let make = |(number, (state, held, leaves)): (usize, (WorkerState, u64, Option<u64>))| WorkerFacts {
                held_bytes: held << 20,
                leaves_at_ms: leaves.map(|seconds| NOW + seconds * 1_000),
                ..worker(&format!("{}-{number}", NAMES[index]), state)
            };
            let mut group = group(NAMES[index], slots, workers.into_iter().enumerate().map(make).collect());
            group.replicas += unborn;
            group.startup = startup.map(Duration::from_secs);
            group.refused_since_ms = (is_refused && unborn == 3).then_some(NOW - 9_000);
            group
        },
    )
}

fn some_facts() -> impl Strategy<Value = Facts> {
    (prop::collection::vec(a_class(), 0..5), a_group(0), a_group(1), a_group(2), 1..4_usize).prop_map(
        |(classes, one, two, three, count)| {
            let groups = [one, two, three].into_iter().take(count).collect();
            facts(classes, groups)
        },
    )
}

fn a_policy() -> impl Strategy<Value = Policy> {
    let of_group = (0..5_u32, 0..20_u32, prop::option::of(0.1..4.0_f64), prop::option::of(1..90_u64));
    let rate = prop::option::of((any::<bool>(), 1..60_u32, 1..120_u64));
    (prop::collection::vec(of_group, 3), prop::option::of(1.0..30.0_f64), rate, 0..90_u64, 0.0..0.3_f64).prop_map(
        |(groups, budget, rate, window, tolerance)| {
            let of_group = |(index, (min, more, cost, idle)): (usize, (u32, u32, Option<f64>, Option<u64>))| {
                let mut group = bounds(NAMES[index], min, min + more);
                group.cost_per_hour = cost;
                group.idle_timeout = idle.map(Duration::from_secs);
                group
            };
            let mut policy = policy(groups.into_iter().enumerate().map(of_group).collect());
            policy.budget_per_hour = budget;
            let rates = rate.map(|(is_pods, value, seconds)| RatePolicy {
                rate_type: if is_pods { RateType::Pods } else { RateType::Percent },
                value,
                period: Duration::from_secs(seconds),
            });
            for behavior in [&mut policy.scale_up, &mut policy.scale_down] {
                behavior.policies = rates.into_iter().collect();
                behavior.stabilization_window = Duration::from_secs(window / 30 * 30);
                behavior.tolerance = tolerance;
            }
            policy
        },
    )
}

/// Facts, and the part of a policy that is about their groups.
fn a_case() -> impl Strategy<Value = (Facts, Policy)> {
    (some_facts(), a_policy()).prop_map(|(facts, mut policy)| {
        policy.groups.truncate(facts.groups.len());
        (facts, policy)
    })
}

/// Decides a few times, each time by other facts; what is remembered then, and when that is.
fn remembered(earlier: &[Facts], policy: &Policy) -> (History, u64) {
    let (mut history, mut now_ms) = (History::default(), NOW);
    for facts in earlier.iter().filter(|facts| facts.groups.len() >= policy.groups.len()) {
        history = decide(&at(facts.clone(), now_ms), policy, &history, now_ms).1;
        now_ms += 20_000;
    }
    (history, now_ms)
}

/// What is to be done, without what was there before it was.
fn essence(decision: &Decision) -> Vec<GroupDecision> {
    decision.groups.iter().map(|group| GroupDecision { current: 0, ..group.clone() }).collect()
}

fn is_busy(facts: &Facts, id: &str) -> bool {
    let workers = facts.groups.iter().filter_map(|group| group.workers.value()).flatten();
    workers.filter(|worker| worker.id.0 == id).any(|worker| matches!(worker.state, WorkerState::Busy { .. }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn bounds_and_budget_are_kept(
        (facts, policy) in a_case(),
        earlier in prop::collection::vec(some_facts(), 0..6),
    ) {
        let (history, now_ms) = remembered(&earlier, &policy);
        let facts = at(facts, now_ms);
        let decision = decide(&facts, &policy, &history, now_ms).0;
        let mut at_least = 0.0;
        for (group, bounds) in decision.groups.iter().zip(&policy.groups) {
            prop_assert!((bounds.min_replicas..=bounds.max_replicas).contains(&group.target), "{:?}", group);
            let leaving = u32::try_from(group.drain.len()).unwrap();
            prop_assert_eq!(group.replicas, group.target + leaving);
            at_least += bounds.cost_per_hour.unwrap_or(0.0) * f64::from(bounds.min_replicas);
        }
        let budget = policy.budget_per_hour.unwrap_or(f64::INFINITY);
        prop_assert!(decision.report.cost_per_hour <= budget.max(at_least) + 1e-6, "{:?}", decision.report);
        prop_assert!(decision.report.next_look_ms > now_ms);
    }

    /// The first look may send workers away or take some back, and the second count on that; after that the same facts say
    /// the same. What those cost who are sent away is spent one look later still, so that a budget is the exception.
    #[test]
    fn the_same_facts_settle_by_the_second_look(
        (facts, policy) in a_case(),
        earlier in prop::collection::vec(some_facts(), 0..6),
    ) {
        let policy = Policy { budget_per_hour: None, ..policy };
        let (history, now_ms) = remembered(&earlier, &policy);
        let facts = at(facts, now_ms);
        let (_, next) = decide(&facts, &policy, &history, now_ms);
        let (settled, after) = decide(&facts, &policy, &next, now_ms);
        let (again, after) = decide(&facts, &policy, &after, now_ms);
        prop_assert_eq!(essence(&again), essence(&settled));
        prop_assert_eq!(essence(&decide(&facts, &policy, &after, now_ms).0), essence(&settled));
    }

    #[test]
    fn nobody_who_works_leaves_because_there_are_too_many(
        (facts, policy) in a_case(),
        earlier in prop::collection::vec(some_facts(), 0..6),
    ) {
        let (history, now_ms) = remembered(&earlier, &policy);
        let before = |id: &str| history.groups.values().any(|group| group.leaving.keys().any(|known| known.0 == id));
        let facts = at(facts, now_ms);
        let decision = decide(&facts, &policy, &history, now_ms).0;
        for group in &decision.groups {
            let new: Vec<_> = group.drain.iter().filter(|leaving| !before(&leaving.worker.0)).collect();
            let busy: Vec<_> = new.iter().filter(|leaving| is_busy(&facts, &leaving.worker.0)).collect();
            prop_assert!(busy.iter().all(|leaving| leaving.why != WhyLeave::Surplus), "{:?}", busy);
            if busy.iter().any(|leaving| leaving.why == WhyLeave::Bounds) {
                let workers = facts.groups.iter().find(|found| found.name == group.name).unwrap().workers.value().unwrap();
                let leaves = |id: &str| group.drain.iter().any(|leaving| leaving.worker.0 == id) || group.delete.iter().any(|known| known.0 == id);
                let idle = workers.iter().filter(|worker| matches!(worker.state, WorkerState::Idle { .. }));
                let stays: Vec<_> = idle.filter(|worker| !leaves(&worker.id.0)).collect();
                prop_assert!(stays.is_empty(), "{:?} stay while busy ones leave", stays);
            }
            prop_assert!(group.delete.iter().all(|id| before(&id.0) || !is_busy(&facts, &id.0)));
        }
    }

    #[test]
    fn more_work_never_means_fewer_slots(
        classes in prop::collection::vec(a_class(), 1..4),
        found in a_group(0),
        index in 0..4_usize,
        (more_tasks, more_seconds) in (0..500_u64, 0.0..5_000.0_f64),
    ) {
        let policy = policy(vec![bounds("a", 0, 1_000)]);
        let mut more = classes.clone();
        let grows = index % classes.len();
        let class = &mut more[grows];
        class.queued_tasks += more_tasks.max(1);
        class.queued_slot_seconds += more_seconds;
        let target = |classes| {
            let decision = decide(&facts(classes, vec![found.clone()]), &policy, &History::default(), NOW).0;
            decision.groups[0].target
        };
        let (less, more) = (target(classes), target(more));
        prop_assert!(more >= less, "{} after {}", more, less);
    }

    #[test]
    fn whatever_is_missing_nobody_is_sent_away_and_nobody_comes(
        (facts, mut policy) in a_case(),
        earlier in prop::collection::vec(some_facts(), 0..6),
        which in 0..4_usize,
    ) {
        policy.groups.iter_mut().for_each(|group| (group.min_replicas, group.max_replicas) = (0, 1_000));
        policy.budget_per_hour = None;
        let (history, now_ms) = remembered(&earlier, &policy);
        let mut facts = at(facts, now_ms);
        let trouble = SignalTrouble::SeveralLead;
        match which {
            0 => facts.work = Observed::Missing(trouble),
            1 => facts.unfinished_jobs = Observed::Missing(trouble),
            2 => facts.groups[0].workers = Observed::Missing(trouble),
            _ => facts = at(facts, now_ms - 121_000),
        }
        let (decision, _) = decide(&facts, &policy, &history, now_ms);
        prop_assert!(decision.report.hold.is_some());
        for (group, found) in decision.groups.iter().zip(&facts.groups) {
            let was_leaving = history.groups.get(&group.name).map_or(0, |group| group.leaving.len());
            prop_assert!(group.delete.is_empty());
            prop_assert!(group.drain.len() <= was_leaving);
            prop_assert!(group.replicas >= found.replicas);
            prop_assert!(group.target <= found.replicas);
        }
    }

    #[test]
    fn those_that_are_deleted_hold_nobody_up((facts, policy) in a_case(), count in 1..9_usize) {
        let without = decide(&facts, &policy, &History::default(), NOW).0;
        let (mut with, mut history) = (facts, History::default());
        let entry = LeavingWorker::enter(LeavingPhase::Drained, WhyLeave::Surplus, NOW);
        for group in &mut with.groups {
            let Observed::Known { value, .. } = &mut group.workers else { unreachable!() };
            for number in 0..count {
                let leaves = worker(&format!("leaves-{number}"), WorkerState::Drained);
                history.groups.entry(group.name.clone()).or_default().leaving.insert(leaves.id.clone(), entry);
                value.push(leaves);
            }
            group.replicas += u32::try_from(count).unwrap();
        }
        let with = decide(&with, &policy, &history, NOW).0;
        for (with, without) in with.groups.iter().zip(&without.groups) {
            prop_assert_eq!((with.target, with.replicas), (without.target, without.replicas));
        }
    }
}

/// A group of workers under a load that stays as it is.
struct World {
    /// Seconds that each task of each worker still takes, and when the worker is ready.
    workers: Vec<(String, u64, Vec<u64>, bool)>,
    queue: u64,
    task_seconds: u64,
    slots: u32,
    made: u64,
    now_s: u64,
}

const STARTUP_S: u64 = 10;

impl World {
    fn second(&mut self, arriving: u64) {
        self.now_s += 1;
        self.queue += arriving;
        for (_, ready, tasks, drains) in &mut self.workers {
            tasks.iter_mut().for_each(|left| *left -= 1);
            tasks.retain(|left| *left > 0);
            while *ready <= self.now_s && !*drains && tasks.len() < self.slots as usize && self.queue > 0 {
                tasks.push(self.task_seconds);
                self.queue -= 1;
            }
        }
    }

    fn facts(&self) -> Facts {
        let ms = |seconds: u64| NOW + seconds * 1_000;
        let state = |(_, ready, tasks, drains): &(String, u64, Vec<u64>, bool)| match (tasks.len(), drains) {
            (0, true) => WorkerState::Drained,
            (busy, true) => WorkerState::Draining { busy_slots: u32::try_from(busy).unwrap() },
            _ if *ready > self.now_s => WorkerState::Starting { since_ms: ms(*ready - STARTUP_S) },
            (0, _) => WorkerState::Idle { since_ms: ms(self.now_s) },
            (busy, _) => WorkerState::Busy { busy_slots: u32::try_from(busy).unwrap() },
        };
        let workers: Vec<_> = self.workers.iter().map(|one| worker(&one.0, state(one))).collect();
        let running: Vec<u64> = self.workers.iter().flat_map(|one| one.2.iter().copied()).collect();
        let class = WorkClass {
            running_tasks: running.len() as u64,
            running_slot_seconds: running.iter().sum::<u64>() as f64,
            ..super::fixture::class(self.queue, (self.queue * self.task_seconds) as f64)
        };
        let mut facts = facts(vec![class], vec![group("a", self.slots, workers)]);
        facts.work = Observed::known(NOW, WorkFacts { unfinished_jobs: 1, ..facts.work.value().unwrap().clone() });
        at(facts, ms(self.now_s))
    }

    fn obey(&mut self, decision: &GroupDecision) {
        let leaving = |id: &String| decision.drain.iter().any(|leaving| leaving.worker.0 == *id);
        self.workers.retain(|one| !decision.delete.iter().any(|deleted| deleted.0 == one.0));
        for one in &mut self.workers {
            one.3 = leaving(&one.0);
        }
        while (self.workers.len() as u32) < decision.replicas {
            self.made += 1;
            self.workers.push((format!("w-{:05}", self.made), self.now_s + STARTUP_S, Vec::new(), false));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_load_that_stays_as_it_is_makes_nothing_flap(
        arriving in 1..12_u64,
        task_seconds in 1..80_u64,
        slots in 1..5_u32,
        every in 1..6_u64,
    ) {
        let policy = policy(vec![bounds("a", 0, 1_000)]);
        let mut world = World { workers: vec![], queue: 0, task_seconds, slots, made: 0, now_s: 0 };
        let (mut history, mut targets) = (History::default(), Vec::new());
        for second in 0..1_500_u64 {
            world.second(if second % every == 0 { arriving } else { 0 });
            if second % 5 == 0 {
                let (decision, next) = decide(&world.facts(), &policy, &history, NOW + world.now_s * 1_000);
                history = next;
                world.obey(&decision.groups[0]);
                targets.push(decision.groups[0].target);
            }
        }
        let changes: Vec<i64> = targets.windows(2).map(|pair| i64::from(pair[1]) - i64::from(pair[0])).filter(|change| *change != 0).collect();
        let turns = changes.windows(2).filter(|pair| (pair[0] > 0) != (pair[1] > 0)).count();
        prop_assert!(turns <= 1, "{} turns: {:?}", turns, targets);
        // What is seen every five seconds of tasks that come and go at other times is not quite the same each time.
        let late = &targets[targets.len() - 60..];
        let (least, most) = (late.iter().min().unwrap(), late.iter().max().unwrap());
        prop_assert!(most - least <= 1 + most / 20, "it does not come to rest: {:?}", targets);
        let enough = arriving as f64 * task_seconds as f64 / every as f64 / f64::from(slots);
        prop_assert!(f64::from(late[0]) >= enough - 1.0, "{} workers for {}", late[0], enough);
        prop_assert!(world.queue as f64 * task_seconds as f64 <= 40.0 * f64::from(late[0] * slots) + arriving as f64 * task_seconds as f64, "{} wait", world.queue);
    }
}
