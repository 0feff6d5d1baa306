#![allow(clippy::unwrap_used)]

use super::*;
use crate::autoscaling::policy::RatePolicy;

const NOW: u64 = 1_000_000_000;

fn rate(rate_type: RateType, value: u32, seconds: u64) -> RatePolicy {
    RatePolicy { rate_type, value, period: Duration::from_secs(seconds) }
}

/// A group of which so many have been asked for during the last so many seconds, each.
fn asked(spans: &[(u64, u32)]) -> GroupHistory {
    let mut history = GroupHistory::default();
    let total: u64 = spans.iter().map(|(seconds, _)| seconds).sum();
    let mut now_ms = NOW - total * 1_000;
    for (seconds, workers) in spans {
        let until_ms = now_ms + seconds * 1_000;
        while now_ms < until_ms {
            remember(&mut history.asked, *workers, Duration::from_secs(3_600), now_ms);
            now_ms += 1_000;
        }
    }
    history
}

#[test]
fn rates_are_those_of_a_horizontal_pod_autoscaler() {
    use RateType::{Percent, Pods};
    use SelectPolicy::{Disabled, Max, Min};
    let usual = vec![rate(Percent, 100, 15), rate(Pods, 4, 15)];
    // Size, events as seconds ago and change, policies, which of them, asked for, and how large it may become.
    for (current, events, policies, select_policy, asked, expected) in [
        (1, vec![], usual.clone(), Max, 100, 5),
        (5, vec![], usual.clone(), Max, 100, 10),
        (10, vec![], usual.clone(), Max, 100, 20),
        (10, vec![], usual.clone(), Min, 100, 14),
        (10, vec![], usual.clone(), Disabled, 100, 10),
        (10, vec![], vec![], Max, 100, 100),
        // Of 10 at the beginning of the period, 4 were added.
        (14, vec![(5, 4)], usual.clone(), Max, 100, 20),
        (20, vec![(5, 10)], usual.clone(), Max, 100, 20),
        (20, vec![(15, 10)], usual.clone(), Max, 100, 40),
        // What was taken away meanwhile may come back.
        (10, vec![(5, -10)], usual.clone(), Max, 100, 40),
        // A share of nobody is one worker.
        (0, vec![], vec![rate(Percent, 10, 60)], Max, 100, 1),
        (3, vec![], vec![rate(Percent, 10, 60)], Max, 100, 4),
        (10, vec![], usual.clone(), Max, 12, 12),
    ] {
        let events =
            events.into_iter().map(|(ago, change): (u64, i64)| ScaleEvent { at_ms: NOW - ago * 1_000, change });
        let history = GroupHistory { events: events.collect(), target: Some(current), ..GroupHistory::default() };
        let behavior = Behavior { policies: policies.clone(), select_policy, ..Behavior::default() };
        let paced = grow(&behavior, &history, current, asked, NOW);
        assert_eq!(paced.target, expected, "{current} {:?} {policies:?} {select_policy:?}", history.events);
        assert_eq!(paced.rule.is_some(), expected < asked);
    }
    for (current, events, policies, select_policy, asked, expected) in [
        (10, vec![], vec![rate(Pods, 4, 60)], Max, 0, 6),
        (10, vec![], vec![rate(Percent, 10, 60), rate(Pods, 4, 60)], Max, 0, 6),
        (10, vec![], vec![rate(Percent, 10, 60), rate(Pods, 4, 60)], Min, 0, 9),
        (11, vec![], vec![rate(Percent, 10, 60)], Max, 0, 9),
        (8, vec![(30, -2)], vec![rate(Pods, 4, 60)], Max, 0, 6),
        (6, vec![(30, -4)], vec![rate(Pods, 4, 60)], Max, 0, 6),
        (10, vec![], vec![rate(Percent, 100, 15)], Max, 0, 0),
        (10, vec![], vec![], Disabled, 0, 10),
        (10, vec![], vec![], Min, 3, 3),
    ] {
        let events =
            events.into_iter().map(|(ago, change): (u64, i64)| ScaleEvent { at_ms: NOW - ago * 1_000, change });
        let history = GroupHistory { events: events.collect(), target: Some(current), ..self::asked(&[(100, asked)]) };
        let behavior = Behavior { policies: policies.clone(), select_policy, ..Behavior::default() };
        let paced = shrink(&behavior, &history, Duration::from_secs(60), current, asked, NOW);
        assert_eq!(paced.target, expected, "{current} {:?} {policies:?} {select_policy:?}", history.events);
    }
}

#[test]
fn of_a_window_the_least_change_counts() {
    let window = Duration::from_secs(60);
    let behavior = Behavior { stabilization_window: window, ..Behavior::default() };
    // What was asked for; what 10 workers become where 20, or 2, are asked for now.
    for (spans, up, down) in [
        (vec![(100, 20)], Some(20), None),
        (vec![(100, 12), (10, 20)], Some(12), None),
        (vec![(100, 5), (50, 20)], Some(10), None),
        (vec![(100, 5), (59, 20)], Some(10), None),
        (vec![(1_000, 5), (300, 20)], Some(20), None),
        // Not known for as long as that.
        (vec![(30, 20)], Some(10), None),
        (vec![(100, 2)], None, Some(2)),
        (vec![(100, 6), (10, 2)], None, Some(6)),
        (vec![(100, 60), (10, 2)], None, Some(10)),
        (vec![(1_000, 60), (300, 2)], None, Some(2)),
        (vec![(30, 2)], None, Some(10)),
    ] {
        let mut history = asked(&spans);
        let now = spans.last().unwrap().1;
        remember(&mut history.asked, now, Duration::from_secs(3_600), NOW);
        if let Some(up) = up {
            assert_eq!(grow(&behavior, &history, 10, now, NOW).target, up, "{spans:?}");
        }
        if let Some(down) = down {
            let by_window = shrink(&behavior, &history, Duration::ZERO, 10, now, NOW);
            assert_eq!(by_window.target, down, "{spans:?}");
            let by_timeout = shrink(&Behavior::default(), &history, window, 10, now, NOW);
            assert_eq!(by_timeout, by_window, "an idle timeout is such a window");
        }
    }
}

#[test]
fn small_changes_are_left_undone_but_the_first_worker_comes_and_the_last_one_goes() {
    let behavior = Behavior { tolerance: 0.1, ..Behavior::default() };
    let none = GroupHistory::default();
    for (current, asked, expected) in [(100, 110, 100), (100, 111, 111), (0, 1, 1), (9, 10, 10), (10, 11, 10)] {
        assert_eq!(grow(&behavior, &none, current, asked, NOW).target, expected, "{current} {asked}");
    }
    for (current, asked, expected) in [(100, 90, 100), (100, 89, 89), (1, 0, 0), (10, 9, 10)] {
        let mut history = self::asked(&[(100, asked)]);
        remember(&mut history.asked, asked, Duration::from_secs(3_600), NOW);
        assert_eq!(shrink(&behavior, &history, Duration::ZERO, current, asked, NOW).target, expected, "{current}");
    }
}

#[test]
fn what_was_asked_for_while_nobody_looked_is_not_known() {
    let mut asked = Vec::new();
    let hour = Duration::from_secs(3_600);
    remember(&mut asked, 3, hour, NOW);
    remember(&mut asked, 3, hour, NOW + 120_000);
    assert_eq!((asked.len(), asked[0].from_ms), (1, NOW));
    remember(&mut asked, 3, hour, NOW + 241_000);
    assert_eq!((asked.len(), asked[0].from_ms), (1, NOW + 241_000));
}

#[test]
fn what_is_remembered_stays_small() {
    let mut asked = Vec::new();
    for second in 0..20_000_u32 {
        remember(&mut asked, second % 7, Duration::from_secs(300), NOW + u64::from(second) * 1_000);
        assert!(asked.len() <= 2 + SPANS_OF_WINDOW as usize, "{}", asked.len());
    }
    let mut history = GroupHistory::default();
    for second in 0..20_000_u32 {
        record(&mut history, second % 7, 3, Duration::from_secs(60), NOW + u64::from(second) * 1_000);
        assert!(history.events.len() <= 60);
    }
    record(&mut history, 3, 3, Duration::ZERO, NOW + 20_000_000);
    assert!(history.events.is_empty());
}
