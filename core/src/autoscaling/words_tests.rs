#![allow(clippy::unwrap_used)]

use std::time::Duration;

use crate::autoscaling::fixture::{
    NOW, bounds, busy, class, decide_for, facts, first, group, idle, many, policy, running, worker,
};
use crate::autoscaling::report::Misfit;
use crate::autoscaling::trouble::SignalTrouble;
use crate::autoscaling::{Facts, History, Hold, Observed, Policy, WorkClass, WorkerState};

fn words(facts: &Facts, policy: &Policy, seconds: u64) -> String {
    decide_for(seconds, facts, policy, &History::default()).0.report.groups[0].to_string()
}

#[test]
fn each_rule_has_its_words() {
    let up_to = |max| policy(vec![bounds("a", 0, max)]);
    let none = || vec![group("a", 2, vec![])];
    let three_idle = || facts(vec![], vec![group("a", 2, many(3, "w", idle))]);
    let late = |id: &str| worker(id, WorkerState::Unschedulable { since_ms: NOW - 400_000 });
    let queue = "340 slot-seconds queued / 30 s target / 2 slots";
    let work = || vec![class(100, 340.0)];
    let mut refused = facts(work(), none());
    refused.groups[0].refused_since_ms = Some(NOW);
    let mut dear = up_to(9);
    (dear.budget_per_hour, dear.groups[0].cost_per_hour) = (Some(2.5), Some(0.5));
    let mut tolerant = up_to(90);
    tolerant.scale_up.tolerance = 0.5;
    let mut disabled = up_to(90);
    disabled.scale_up.select_policy = crate::autoscaling::SelectPolicy::Disabled;
    let mut steady = up_to(90);
    steady.scale_up.stabilization_window = Duration::from_secs(20);
    let mut slow = up_to(90);
    slow.scale_up.policies = vec![crate::autoscaling::RatePolicy {
        rate_type: crate::autoscaling::RateType::Pods,
        value: 2,
        period: Duration::from_secs(60),
    }];
    let (from_zero, busy_two) =
        (facts(work(), none()), facts(vec![running(2, 9.0)], vec![group("a", 2, many(2, "w", busy))]));
    for (seconds, facts, policy, expected) in [
        (0, &from_zero, up_to(90), format!("6 workers: {queue}")),
        (0, &from_zero, up_to(4), format!("4 workers: {queue} (6 asked for), limited by maxReplicas 4")),
        (0, &from_zero, policy(vec![bounds("a", 7, 9)]), format!("7 workers: {queue} (6 asked for), limited by minReplicas 7")),
        (0, &from_zero, dear, format!("5 workers: {queue} (6 asked for), limited by budgetPerHour 2.5")),
        (0, &from_zero, slow, format!("2 workers: {queue} (6 asked for), from 0, limited by a policy of behavior")),
        (0, &from_zero, disabled, format!("0 workers: {queue} (6 asked for), as selectPolicy is Disabled")),
        (0, &from_zero, steady, format!("0 workers: {queue} (6 asked for), until that has been asked for during 20 s")),
        (0, &refused, up_to(9), format!("0 workers: {queue} (6 asked for), as the API server makes no more of its pods")),
        (
            0,
            &facts(vec![class(10, 6_000.0)], none()),
            up_to(90),
            "5 workers: 6000 slot-seconds queued / 30 s target / 2 slots, as there are no more tasks than that".into(),
        ),
        (
            0,
            &facts(vec![class(8, 4_800.0)], vec![group("a", 2, many(4, "w", idle))]),
            up_to(90),
            "4 workers: 4800 slot-seconds queued / 30 s target / 2 slots, as the queue will be empty before more workers are ready"
                .into(),
        ),
        (
            0,
            &facts(vec![class(999, 3_000.0)], vec![group("a", 2, many(30, "w", idle))]),
            tolerant,
            "30 workers: 3000 slot-seconds queued / 30 s target / 2 slots (40 asked for), as the change is within the tolerance of 0.5"
                .into(),
        ),
        (
            0,
            &facts(vec![class(2, 4.5)], vec![group("a", 1, vec![late("w")])]),
            up_to(90),
            "1 worker: 4.5 slot-seconds queued / 30 s target / 1 slot, 1 not ready in time, as its last workers were not ready within provisioningTimeout"
                .into(),
        ),
        (0, &facts(vec![], none()), up_to(9), "0 workers: nothing queued".into()),
        (60, &busy_two, up_to(9), "2 workers: 2 busy, nothing queued".into()),
        (0, &facts(vec![], none()), policy(vec![bounds("a", 2, 9)]), "2 workers: nothing queued (0 asked for), limited by minReplicas 2".into()),
        (
            5,
            &three_idle(),
            up_to(9),
            "3 workers: nothing queued (0 asked for), until 3 complete samples in a row say so (2 so far)".into(),
        ),
        (
            30,
            &three_idle(),
            up_to(9),
            "3 workers: nothing queued (0 asked for), until that has been asked for during 60 s".into(),
        ),
        (60, &three_idle(), up_to(9), "0 workers: nothing queued".into()),
    ] {
        assert_eq!(words(facts, &policy, seconds), expected, "{policy:?}");
    }
}

#[test]
fn what_holds_a_size_is_told() {
    let mut lost = facts(vec![], vec![group("a", 2, many(3, "w", idle))]);
    lost.work = Observed::Missing(SignalTrouble::TimedOut { seconds: 3 });
    let mut policy = policy(vec![bounds("a", 0, 9)]);
    let report = first(&lost, &policy).report;
    assert_eq!(report.groups[0].to_string(), "3 workers: held as it is");
    let hold = report.hold.unwrap();
    assert_eq!(hold.to_string(), "it is not known what work there is: there was no answer within 3 s");
    assert_eq!(hold.reason(), "SourceTimedOut");
    policy.fallback_replicas = Some(5);
    assert_eq!(words(&lost, &policy, 60), "5 workers: raised by fallbackReplicas 5");
    assert_eq!(Hold::HeadStarts.reason(), "HeadStarts");
}

#[test]
fn tasks_that_fit_nowhere_are_told() {
    let large = WorkClass { shape: crate::autoscaling::TaskShape { slots: 4, memory_bytes: 8 << 30 }, ..class(2, 9.0) };
    let named = WorkClass { group: Some("b".into()), ..class(1, 1.0) };
    let report =
        first(&facts(vec![large, named], vec![group("a", 2, vec![])]), &policy(vec![bounds("a", 0, 9)])).report;
    assert_eq!(
        report.misfits.iter().map(Misfit::to_string).collect::<Vec<_>>(),
        [
            "1 task waits for a worker with 1 slot of the group `b`, which has none",
            "2 tasks wait for a worker with 4 slots and 8.0 GiB, which no group has",
        ]
    );
}
