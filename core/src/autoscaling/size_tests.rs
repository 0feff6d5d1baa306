#![allow(clippy::unwrap_used)]

use super::*;
use crate::autoscaling::decision::ClusterSize;
use crate::autoscaling::facts::{TaskShape, WorkClass, WorkFacts, WorkerFacts, WorkerState};
use crate::autoscaling::fixture::{
    NOW, at, bounds, busy, class, decide_for, facts, first, group, idle, many, policy, running, worker,
};
use crate::autoscaling::trouble::SignalTrouble;

fn targets(decision: &Decision) -> Vec<u32> {
    decision.groups.iter().map(|group| group.target).collect()
}

fn draining(id: &str) -> WorkerFacts {
    worker(id, WorkerState::Draining { busy_slots: 0 })
}

fn starting(seconds_ago: u64) -> impl Fn(&str) -> WorkerFacts {
    move |id| worker(id, WorkerState::Starting { since_ms: NOW - seconds_ago * 1_000 })
}

fn unschedulable(seconds_ago: u64) -> impl Fn(&str) -> WorkerFacts {
    move |id| worker(id, WorkerState::Unschedulable { since_ms: NOW - seconds_ago * 1_000 })
}

#[test]
fn a_group_is_as_large_as_its_queue_takes() {
    let policy = policy(vec![bounds("a", 0, 1_000)]);
    // Tasks that wait, how long each takes, workers of 2 slots that are there, and how many there shall be. A start takes 10 s.
    for (tasks, seconds, workers, expected) in [
        (100, 3.4, vec![], 6),
        (1, 0.1, vec![], 1),
        (1, 0.0, vec![], 1),
        (0, 0.0, vec![], 0),
        (10, 600.0, vec![], 5),
        // Those that start give what they have of the time until the newest would have done: two and a half of 40 s.
        (100, 3.4, many(6, "w", starting(5)), 6),
        (100, 3.4, many(4, "w", starting(0)), 6),
        (100, 3.4, many(4, "w", starting(10)), 5),
        // Idle ones take all 80 slot-seconds of theirs.
        (100, 3.4, many(4, "w", idle), 5),
        (100, 3.0, many(4, "w", idle), 4),
        (100, 1.5, many(4, "w", idle), 4),
        // Ten tasks are begun before anybody else is ready.
        (10, 600.0, many(5, "w", idle), 5),
        (12, 600.0, many(5, "w", idle), 6),
    ] {
        let there = facts(vec![class(tasks, tasks as f64 * seconds)], vec![group("a", 2, workers)]);
        let decision = first(&there, &policy);
        assert_eq!(targets(&decision), [expected], "{tasks} of {seconds} s: {:?}", there.groups[0].workers);
    }
}

#[test]
fn busy_workers_give_what_their_tasks_leave() {
    let policy = policy(vec![bounds("a", 0, 1_000)]);
    // 10 workers of a slot run tasks that still take that long on the average; 100 tasks of 10 s wait.
    for (left_seconds, expected) in [(0.0, 30), (5.0, 32), (20.0, 37), (1_000.0, 44)] {
        let class = WorkClass { running_tasks: 10, running_slot_seconds: 10.0 * left_seconds, ..class(100, 1_000.0) };
        let there = facts(vec![class], vec![group("a", 1, many(10, "w", busy))]);
        assert_eq!(targets(&first(&there, &policy)), [expected], "{left_seconds}");
    }
    // Long tasks do not become shorter by more workers: each that waits gets a slot, and none besides.
    let long = WorkClass { running_tasks: 10, running_slot_seconds: 6_000.0, ..class(3, 1_800.0) };
    let there = facts(vec![long], vec![group("a", 1, many(10, "w", busy))]);
    assert_eq!(targets(&first(&there, &policy)), [13]);
}

#[test]
fn a_slow_start_asks_for_fewer_as_those_that_are_there_work_meanwhile() {
    let policy = policy(vec![bounds("a", 0, 1_000)]);
    for (startup, expected) in [(0, 24), (10, 20), (60, 10), (120, 10)] {
        let mut there = facts(vec![class(200, 700.0)], vec![group("a", 1, many(10, "w", idle))]);
        there.groups[0].startup = Some(Duration::from_secs(startup));
        assert_eq!(targets(&first(&there, &policy)), [expected], "{startup}");
    }
    let mut none = facts(vec![class(200, 700.0)], vec![group("a", 1, vec![])]);
    none.groups[0].startup = Some(Duration::from_secs(120));
    assert_eq!(targets(&first(&none, &policy)), [24], "not asked from zero");
}

#[test]
fn workers_that_were_asked_for_and_have_no_pod_yet_count() {
    let policy = policy(vec![bounds("a", 0, 1_000)]);
    let mut there = facts(vec![class(100, 340.0)], vec![group("a", 2, vec![])]);
    let (decision, history) = decide(&there, &policy, &History::default(), NOW);
    there.groups[0].replicas = decision.groups[0].replicas;
    let (decision, _) = decide(&at(there, NOW + 5_000), &policy, &history, NOW + 5_000);
    assert_eq!((targets(&decision), decision.groups[0].current), (vec![6], 6));
}

#[test]
fn work_goes_to_the_cheapest_group_that_can_do_it_and_on_to_the_next_where_that_is_full() {
    let with = |prices: [Option<f64>; 3], max| {
        let mut policy = policy(vec![bounds("a", 0, max), bounds("b", 0, max), bounds("c", 0, max)]);
        for (group, price) in policy.groups.iter_mut().zip(prices) {
            group.cost_per_hour = price;
        }
        policy
    };
    let groups = || vec![group("a", 1, vec![]), group("b", 2, vec![]), group("c", 4, vec![])];
    let gpu = WorkClass { group: Some("c".into()), ..class(10, 240.0) };
    let wide = WorkClass { shape: TaskShape { slots: 2, memory_bytes: 0 }, ..class(100, 240.0) };
    let heavy = WorkClass { shape: TaskShape { slots: 1, memory_bytes: 3 << 30 }, ..class(100, 240.0) };
    let plain = || class(100, 240.0);
    for (classes, prices, max, expected) in [
        // Slots cost alike: the first of the spec.
        (vec![plain()], [None; 3], 99, [8, 0, 0]),
        (vec![plain()], [Some(1.0), Some(1.5), Some(8.0)], 99, [0, 4, 0]),
        (vec![plain()], [Some(1.0), Some(1.5), Some(8.0)], 3, [2, 3, 0]),
        (vec![plain()], [Some(1.0), Some(1.5), Some(8.0)], 1, [1, 1, 1]),
        // Whose price is not known comes last.
        (vec![plain()], [None, None, Some(8.0)], 99, [0, 0, 2]),
        (vec![gpu], [Some(1.0), Some(1.5), Some(8.0)], 99, [0, 0, 2]),
        (vec![wide], [Some(0.1), Some(1.5), Some(8.0)], 99, [0, 4, 0]),
        // Of 4 GiB one such task takes 3.
        (vec![heavy], [Some(0.1), Some(1.5), Some(8.0)], 99, [0, 0, 8]),
        (vec![plain(), plain()], [Some(1.0), Some(1.5), Some(8.0)], 99, [0, 8, 0]),
    ] {
        let decision = first(&facts(classes.clone(), groups()), &with(prices, max));
        assert_eq!(targets(&decision), expected, "{classes:?} {prices:?} {max}");
    }
}

#[test]
fn the_higher_priority_is_served_first_by_what_may_be_spent() {
    let mut policy = policy(vec![bounds("a", 0, 9), bounds("b", 0, 9)]);
    policy.budget_per_hour = Some(3.0);
    policy.groups.iter_mut().for_each(|group| group.cost_per_hour = Some(1.0));
    let of = |group: &str, priority| WorkClass { group: Some(group.into()), priority, ..class(100, 60.0) };
    let groups = || vec![group("a", 1, vec![]), group("b", 1, vec![])];
    for (a, b, expected) in [(0, 5, [1, 2]), (5, 0, [2, 1]), (-3, -5, [2, 1])] {
        let decision = first(&facts(vec![of("a", a), of("b", b)], groups()), &policy);
        assert_eq!(targets(&decision), expected);
        assert!((decision.report.cost_per_hour - 3.0).abs() < 1e-9);
    }
    // A lower budget takes the dearest away, but none of those that are to be there.
    policy.groups[1].cost_per_hour = Some(2.0);
    policy.groups[1].min_replicas = 1;
    let there = facts(vec![], vec![group("a", 1, many(2, "a", busy)), group("b", 1, many(3, "b", busy))]);
    let decision = first(&there, &policy);
    assert_eq!(targets(&decision), [1, 1]);
    assert_eq!(decision.groups[1].drain.len(), 2);
    assert_eq!(decision.groups[1].report_rule(&decision), Rule::Budget(3.0));
}

impl GroupDecision {
    fn report_rule(&self, decision: &Decision) -> Rule {
        decision.report.groups.iter().find(|report| report.group == self.name).unwrap().rule.clone()
    }
}

#[test]
fn pods_that_get_no_node_in_time_leave_their_work_to_the_next_group() {
    let policy = policy(vec![bounds("a", 0, 9), bounds("b", 0, 9)]);
    let work = || vec![class(100, 120.0)];
    let groups = |seconds| vec![group("a", 1, many(4, "a", unschedulable(seconds))), group("b", 1, vec![])];
    assert_eq!(targets(&first(&facts(work(), groups(299)), &policy)), [4, 0]);
    let (decision, history) = decide(&facts(work(), groups(300)), &policy, &History::default(), NOW);
    assert_eq!(targets(&decision), [0, 4]);
    assert_eq!((decision.groups[0].delete.len(), decision.groups[0].replicas), (4, 0));
    // It is left alone, for as long as it was waited for, and for twice as long where it happens again.
    let empty = |now_ms| at(facts(work(), vec![group("a", 1, vec![]), group("b", 1, vec![])]), now_ms);
    for (seconds, expected) in [(1, [0, 4]), (299, [0, 4]), (300, [4, 0])] {
        let now_ms = NOW + seconds * 1_000;
        assert_eq!(targets(&decide(&empty(now_ms), &policy, &history, now_ms).0), expected, "{seconds}");
    }
    let later = NOW + 700_000;
    let others = vec![group("a", 1, many(4, "other", unschedulable(0))), group("b", 1, vec![])];
    let (_, again) = decide(&at(facts(work(), others), later), &policy, &history, later);
    assert_eq!(again.groups["a"].blocked.unwrap().seconds, 600);
    // Nobody else can do it: it is waited for.
    let alone = crate::autoscaling::fixture::policy(vec![bounds("a", 0, 9)]);
    let decision = first(&facts(work(), vec![groups(300).remove(0)]), &alone);
    assert_eq!((targets(&decision), decision.groups[0].delete.len()), (vec![4], 0));
}

#[test]
fn what_a_quota_refuses_goes_to_the_next_group_at_once() {
    let policy = policy(vec![bounds("a", 0, 9), bounds("b", 0, 9)]);
    let mut there =
        facts(vec![class(100, 120.0)], vec![group("a", 1, many(1, "a", starting(1))), group("b", 1, vec![])]);
    (there.groups[0].replicas, there.groups[0].refused_since_ms) = (4, Some(NOW - 1_000));
    let (decision, history) = decide(&there, &policy, &History::default(), NOW);
    assert_eq!(targets(&decision), [1, 3]);
    assert!(history.groups["a"].blocked.is_none());
}

#[test]
fn a_group_whose_workers_are_taken_away_is_worth_less() {
    let mut policy = policy(vec![bounds("spot", 0, 9), bounds("steady", 0, 9)]);
    policy.groups[0].cost_per_hour = Some(1.0);
    policy.groups[1].cost_per_hour = Some(1.2);
    // Tasks of an hour, of which half is lost each time.
    let work = || vec![class(4, 14_400.0)];
    let groups = |spot| vec![group("spot", 1, spot), group("steady", 1, vec![])];
    assert_eq!(targets(&first(&facts(work(), groups(vec![])), &policy)), [4, 0]);
    let taken = |id: &str| WorkerFacts { leaves_at_ms: Some(NOW + 120_000), ..busy(id) };
    let there = facts(work(), groups(many(2, "s", taken)));
    let (decision, history) = decide(&there, &policy, &History::default(), NOW);
    assert_eq!(targets(&decision), [0, 4]);
    let spot = &decision.groups[0];
    assert!(
        spot.drain.iter().all(|leaving| leaving.why == WhyLeave::Interrupted && leaving.deadline_ms == NOW + 120_000)
    );
    assert_eq!((spot.drain.len(), spot.replicas), (2, 2));
    // Two days later that counts little.
    let later = NOW + 48 * 3_600_000;
    let (decision, _) = decide(&at(facts(work(), groups(vec![])), later), &policy, &history, later);
    assert_eq!(targets(&decision), [4, 0]);
}

#[test]
fn workers_leave_by_cordon_drain_and_deletion_and_come_back_where_work_comes() {
    let policy = policy(vec![bounds("a", 0, 9)]);
    let three = facts(vec![], vec![group("a", 1, many(3, "w", idle))]);
    let (decision, history, mut now_ms) = decide_for(60, &three, &policy, &History::default());
    let out = &decision.groups[0];
    assert_eq!((out.current, out.target, out.replicas, out.drain.len(), out.delete.len()), (3, 0, 3, 3, 0));
    assert!(out.drain.iter().all(|leaving| leaving.phase == LeavingPhase::Cordoned));

    now_ms += 1_000;
    let mut there = at(facts(vec![], vec![group("a", 1, many(3, "w", draining))]), now_ms);
    let (decision, history) = decide(&there, &policy, &history, now_ms);
    assert!(decision.groups[0].drain.iter().all(|leaving| leaving.phase == LeavingPhase::Draining));

    // Work for two: they are taken back, at once and instead of new ones.
    let mut busy_again = there.clone();
    busy_again.work = Observed::known(now_ms, WorkFacts { classes: vec![class(20, 70.0)], unfinished_jobs: 1 });
    let (decision, taken) = decide(&busy_again, &policy, &history, now_ms);
    let back = &decision.groups[0];
    assert_eq!((back.target, back.replicas, back.take_back.len(), back.drain.len()), (2, 3, 2, 1));
    let again = decide(&busy_again, &policy, &taken, now_ms).0.groups.remove(0);
    assert_eq!(GroupDecision { current: 0, ..again }, *back, "the second time says the same");

    now_ms += 1_000;
    there = at(facts(vec![], vec![group("a", 1, many(3, "w", |id| worker(id, WorkerState::Drained)))]), now_ms);
    let (decision, history) = decide(&there, &policy, &history, now_ms);
    let out = &decision.groups[0];
    assert_eq!((out.replicas, out.drain.len(), out.delete.len()), (0, 0, 3));
    now_ms += 1_000;
    let (_, history) = decide(&at(facts(vec![], vec![group("a", 1, vec![])]), now_ms), &policy, &history, now_ms);
    assert!(history.groups["a"].leaving.is_empty());
}

#[test]
fn growing_does_not_wait_for_those_that_leave() {
    let policy = policy(vec![bounds("a", 0, 4)]);
    let taken = |id: &str| WorkerFacts { leaves_at_ms: Some(NOW + 120_000), ..busy(id) };
    let there = facts(vec![class(100, 300.0)], vec![group("a", 1, many(3, "w", taken))]);
    let decision = first(&there, &policy);
    assert_eq!((decision.groups[0].target, decision.groups[0].replicas), (4, 7));
}

#[test]
fn fewer_allowed_ones_take_busy_workers_out_and_the_rest_stays() {
    let policy = policy(vec![bounds("a", 0, 3)]);
    let mut workers = many(4, "busy", busy);
    workers.extend(many(1, "idle", idle));
    let there = facts(vec![running(4, 100.0)], vec![group("a", 1, workers)]);
    let decision = first(&there, &policy);
    assert_eq!(targets(&decision), [3]);
    let names: Vec<&str> = decision.groups[0].drain.iter().map(|leaving| leaving.worker.0.as_str()).collect();
    assert_eq!(names, ["busy-00000", "idle-00000"], "the idle one, and as few busy ones as it takes");
    assert!(decision.groups[0].drain.iter().all(|leaving| leaving.why == WhyLeave::Bounds));
}

#[test]
fn whatever_is_missing_holds_the_size() {
    let mut policy = policy(vec![bounds("a", 0, 9)]);
    policy.idle_timeout = Some(Duration::from_secs(60));
    let right = || facts(vec![class(100, 3_000.0)], vec![group("a", 1, many(3, "w", idle))]);
    let missing = || SignalTrouble::TimedOut { seconds: 3 };
    let spoiled: Vec<(&str, Spoil)> = vec![
        ("SourceTimedOut", Box::new(move |facts| facts.work = Observed::Missing(missing()))),
        ("SourceTimedOut", Box::new(move |facts| facts.unfinished_jobs = Observed::Missing(missing()))),
        ("SourceTimedOut", Box::new(move |facts| facts.groups[0].workers = Observed::Missing(missing()))),
        ("GroupUnknown", Box::new(|facts| facts.groups[0].name = "b".into())),
        ("GroupUnknown", Box::new(|facts| facts.groups.push(facts.groups[0].clone()))),
        ("MetricsStale", Box::new(|facts| facts.work = Observed::known(NOW - 121_000, WorkFacts::default()))),
        ("MetricsStale", Box::new(|facts| facts.work = Observed::known(NOW + 31_000, WorkFacts::default()))),
        ("MetricsStale", Box::new(|facts| facts.groups[0].workers = Observed::known(NOW - 121_000, vec![]))),
        ("MetricsContradictory", Box::new(|facts| facts.groups[0].shape.slots = 0)),
        (
            "MetricsContradictory",
            Box::new(|facts| {
                let worker = worker("w", WorkerState::Busy { busy_slots: 2 });
                facts.groups[0].workers = Observed::known(NOW, vec![worker]);
            }),
        ),
        ("ValueNotANumber", Box::new(|facts| set_work(facts, class(3, f64::NAN)))),
        ("ValueInfinite", Box::new(|facts| set_work(facts, class(3, f64::INFINITY)))),
        ("ValueNegative", Box::new(|facts| set_work(facts, class(3, -1.0)))),
        ("MetricsContradictory", Box::new(|facts| set_work(facts, class(0, 1.0)))),
        ("ValueNegative", Box::new(|facts| set_work(facts, running(3, -1.0)))),
        ("MetricsContradictory", Box::new(|facts| set_work(facts, running(0, 1.0)))),
        ("HeadStarts", Box::new(|facts| facts.head = HeadState::Starting)),
    ];
    for (reason, spoil) in spoiled {
        let mut facts = right();
        spoil(&mut facts);
        let (decision, history) = decide(&facts, &policy, &History { samples: 3, ..History::default() }, NOW);
        assert_eq!(decision.report.hold.as_ref().map(Hold::reason), Some(reason));
        assert_eq!(history.samples, 0, "{reason}");
        let out = &decision.groups[0];
        assert!(out.drain.is_empty() && out.delete.is_empty(), "{reason}");
        if reason != "GroupUnknown" {
            assert_eq!((out.target, out.replicas), (3, 3), "{reason}");
        }
    }
    assert!(first(&right(), &policy).report.hold.is_none());
}

/// What is done to facts.
type Spoil = Box<dyn Fn(&mut Facts)>;

fn set_work(facts: &mut Facts, class: WorkClass) {
    facts.work = Observed::known(NOW, WorkFacts { classes: vec![class], unfinished_jobs: 1 });
}

#[test]
fn bounds_hold_while_something_is_missing_and_a_fallback_only_makes_larger() {
    let mut policy = policy(vec![bounds("a", 2, 6)]);
    let lost = |count| {
        let mut facts = facts(vec![], vec![group("a", 1, many(count, "w", idle))]);
        facts.work = Observed::Missing(SignalTrouble::SeveralLead);
        facts
    };
    // Workers that there are, the fallback, how long something is missing, those that there shall be, and their pods.
    for (count, fallback, seconds, target, replicas) in [
        (3, None, 600, 3, 3),
        (1, None, 0, 2, 2),
        // Who would leave is not known.
        (9, None, 600, 6, 9),
        (3, Some(5), 55, 3, 3),
        (3, Some(5), 60, 5, 5),
        (5, Some(3), 600, 5, 5),
        (3, Some(50), 60, 6, 6),
    ] {
        policy.fallback_replicas = fallback;
        let (decision, ..) = decide_for(seconds, &lost(count), &policy, &History::default());
        assert_eq!(
            (decision.groups[0].target, decision.groups[0].replicas),
            (target, replicas),
            "{count} {fallback:?}"
        );
    }
    (policy.budget_per_hour, policy.groups[0].cost_per_hour) = (Some(4.5), Some(1.0));
    assert_eq!(targets(&decide_for(60, &lost(3), &policy, &History::default()).0), [4]);
}

#[test]
fn what_is_held_is_what_was_to_be_whether_or_not_those_that_leave_are_counted() {
    let policy = policy(vec![bounds("a", 0, 9)]);
    let mut there = facts(vec![], vec![group("a", 1, many(3, "w", idle))]);
    let (decision, history, now_ms) = decide_for(60, &there, &policy, &History::default());
    assert_eq!((decision.groups[0].target, decision.groups[0].replicas), (0, 3));
    there.work = Observed::Missing(SignalTrouble::SeveralLead);
    for (replicas, expected) in [(3, 0), (2, 0), (0, 0), (5, 2)] {
        there.groups[0].replicas = replicas;
        let decision = decide(&at(there.clone(), now_ms), &policy, &history, now_ms).0;
        assert_eq!(targets(&decision), [expected], "{replicas}");
    }
}

#[test]
fn a_gap_takes_several_samples_before_anybody_leaves() {
    let policy = policy(vec![bounds("a", 0, 9)]);
    let three = facts(vec![], vec![group("a", 1, many(3, "w", idle))]);
    let (_, mut history, mut now_ms) = decide_for(55, &three, &policy, &History::default());
    let mut lost = three.clone();
    lost.work = Observed::Missing(SignalTrouble::SeveralLead);
    for (facts, expected) in [(&lost, 3), (&three, 3), (&three, 3), (&three, 0)] {
        now_ms += 5_000;
        let (decision, next) = decide(&at(facts.clone(), now_ms), &policy, &history, now_ms);
        assert_eq!(targets(&decision), [expected]);
        history = next;
    }
    // The same sample seen again is none.
    let (_, history, now_ms) = decide_for(60, &three, &policy, &History::default());
    let mut history = History { samples: 2, sampled_ms: now_ms, ..history };
    history.groups.get_mut("a").unwrap().leaving.clear();
    assert_eq!(targets(&decide(&at(three.clone(), now_ms), &policy, &history, now_ms).0), [3]);
    assert_eq!(targets(&decide(&at(three, now_ms + 1), &policy, &history, now_ms + 1).0), [0]);
}

#[test]
fn a_cluster_with_nothing_to_do_goes_to_no_pods_and_comes_back() {
    let mut policy = policy(vec![bounds("a", 1, 9), bounds("b", 0, 9)]);
    policy.idle_timeout = Some(Duration::from_secs(300));
    (policy.groups[0].cost_per_hour, policy.groups[1].cost_per_hour) = (Some(2.0), Some(1.0));
    let quiet = |workers| facts(vec![], vec![group("a", 1, workers), group("b", 1, vec![])]);
    let (decision, ..) = decide_for(295, &quiet(many(1, "w", idle)), &policy, &History::default());
    assert_eq!((decision.size, targets(&decision)), (ClusterSize::Awake, vec![1, 0]));
    let (decision, history, now_ms) = decide_for(300, &quiet(many(1, "w", idle)), &policy, &History::default());
    assert_eq!((decision.size, targets(&decision)), (ClusterSize::HeadOnly, vec![0, 0]), "the worker hands over first");
    assert_eq!(decision.groups[0].drain[0].why, WhyLeave::Asleep);
    assert_eq!(
        decision.report.groups[0].to_string(),
        "0 workers: as the cluster had nothing to do for its idleTimeout"
    );
    let (decision, history) = decide(&at(quiet(vec![]), now_ms), &policy, &history, now_ms);
    assert_eq!(decision.size, ClusterSize::Asleep);
    // There is no head that tells of anything, and that is no fault. An operator that remembers nothing sees it, too.
    let mut asleep = at(quiet(vec![]), now_ms);
    (asleep.head, asleep.work) = (HeadState::Absent, Observed::Missing(SignalTrouble::SeveralLead));
    for history in [&history, &History::default()] {
        let (decision, _) = decide(&asleep, &policy, history, now_ms);
        assert_eq!((decision.size, targets(&decision)), (ClusterSize::Asleep, vec![0, 0]));
        assert!(decision.report.hold.is_none());
    }
    // A ShoalJob wakes it: the head comes, and workers that are there at least; where there are none, one of the cheapest.
    asleep.unfinished_jobs = Observed::known(now_ms, 1);
    let (decision, _) = decide(&asleep, &policy, &history, now_ms);
    assert_eq!((decision.size, targets(&decision)), (ClusterSize::Awake, vec![1, 0]));
    policy.groups[0].min_replicas = 0;
    let (decision, _) = decide(&asleep, &policy, &history, now_ms);
    assert_eq!((decision.size, targets(&decision)), (ClusterSize::Awake, vec![0, 1]));
    assert_eq!(decision.report.groups[1].rule, Rule::FirstWorker);
    // A head whose state would go with it stays.
    policy.head_may_sleep = false;
    let (decision, ..) = decide_for(300, &quiet(vec![]), &policy, &History::default());
    assert_eq!(decision.size, ClusterSize::HeadOnly);
    // A job that is planned has no tasks yet.
    let mut planned = quiet(vec![]);
    planned.work = Observed::known(NOW, WorkFacts { classes: vec![], unfinished_jobs: 1 });
    assert_eq!(decide_for(900, &planned, &policy, &History::default()).0.size, ClusterSize::Awake);
}

#[test]
fn what_is_remembered_survives_as_text() {
    let policy = policy(vec![bounds("a", 0, 9)]);
    let three = facts(vec![], vec![group("a", 1, many(3, "w", idle))]);
    let (_, history, _) = decide_for(60, &three, &policy, &History::default());
    let text = serde_json::to_string(&history).unwrap();
    assert_eq!(serde_json::from_str::<History>(&text).unwrap(), history);
    assert_eq!(serde_json::from_str::<History>("{}").unwrap(), History::default());
}
