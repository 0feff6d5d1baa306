//! How fast a group follows what it is asked for: `behavior`, with the rules of a HorizontalPodAutoscaler.

use std::time::Duration;

use super::constants::{FACT_AGE_MAX, SPANS_OF_WINDOW, ms};
use super::history::{Asked, GroupHistory, ScaleEvent};
use super::policy::{Behavior, RateType, SelectPolicy};
use super::report::Rule;

/// A size, and what decided it where that was not what was asked for.
#[derive(Debug, PartialEq)]
pub(super) struct Paced {
    pub(super) target: u32,
    pub(super) rule: Option<Rule>,
}

impl Paced {
    fn limited(target: u32, rule: Rule) -> Self {
        Self { target, rule: Some(rule) }
    }
}

/// Notes down what is asked for now, and forgets what is older than the longest window.
pub(super) fn remember(asked: &mut Vec<Asked>, now: u32, longest: Duration, now_ms: u64) {
    let longest_ms = ms(longest);
    let span_ms = longest_ms / u64::from(SPANS_OF_WINDOW);
    // What was asked for while nobody looked is not known.
    if asked.last().is_some_and(|last| now_ms.saturating_sub(last.to_ms) > ms(FACT_AGE_MAX)) {
        asked.clear();
    }
    match asked.last_mut() {
        Some(last) if now_ms.saturating_sub(last.from_ms) <= span_ms || (last.least, last.most) == (now, now) => {
            last.to_ms = now_ms.max(last.to_ms);
            last.least = last.least.min(now);
            last.most = last.most.max(now);
        }
        _ => asked.push(Asked { from_ms: now_ms, to_ms: now_ms, least: now, most: now }),
    }
    asked.retain(|span| span.to_ms.saturating_add(longest_ms) >= now_ms);
}

/// Lets a group grow from `current` to what it is asked for.
pub(super) fn grow(behavior: &Behavior, history: &GroupHistory, current: u32, asked: u32, now_ms: u64) -> Paced {
    if behavior.select_policy == SelectPolicy::Disabled {
        return Paced::limited(current, Rule::Disabled);
    }
    let mut paced = Paced { target: asked, rule: None };
    let window_ms = ms(behavior.stabilization_window);
    if window_ms > 0 {
        let least = within(&history.asked, window_ms, now_ms).map(|span| span.least).min().unwrap_or(current);
        let least = if is_covered(&history.asked, window_ms, now_ms) { least } else { current };
        if least < asked {
            let until_ms = settled_ms(&history.asked, window_ms, now_ms, |span| span.least < asked);
            paced = Paced::limited(least.max(current), stabilization(until_ms, window_ms));
        }
    }
    if is_too_small(behavior.tolerance, current, paced.target) {
        return Paced::limited(current, Rule::Tolerance(behavior.tolerance));
    }
    let most = rate_limits(behavior, history, current, now_ms, |begin, policy_type, value| match policy_type {
        RateType::Pods => begin.saturating_add(value),
        // Of a group without workers a share counts as one of a single worker: it could never begin.
        RateType::Percent => begin.saturating_add(percent(begin.max(1), value).max(1)),
    });
    let most = select(behavior.select_policy, most, |limits| limits.max(), |limits| limits.min());
    match most {
        Some(most) if most < paced.target => Paced::limited(most.max(current), Rule::Rate),
        _ => paced,
    }
}

/// Lets a group shrink from `current` to what it is asked for, where nothing has needed more for so long.
pub(super) fn shrink(
    behavior: &Behavior,
    history: &GroupHistory,
    idle_timeout: Duration,
    current: u32,
    asked: u32,
    now_ms: u64,
) -> Paced {
    if behavior.select_policy == SelectPolicy::Disabled {
        return Paced::limited(current, Rule::Disabled);
    }
    let mut paced = Paced { target: asked, rule: None };
    let window_ms = ms(behavior.stabilization_window.max(idle_timeout));
    let most = within(&history.asked, window_ms, now_ms).map(|span| span.most).max().unwrap_or(current);
    let most = if is_covered(&history.asked, window_ms, now_ms) { most } else { current };
    if most > asked {
        let until_ms = settled_ms(&history.asked, window_ms, now_ms, |span| span.most > asked);
        paced = Paced::limited(most.min(current), stabilization(until_ms, window_ms));
    }
    if is_too_small(behavior.tolerance, current, paced.target) {
        let rule = paced.rule.filter(|_| paced.target == current);
        return Paced::limited(current, rule.unwrap_or(Rule::Tolerance(behavior.tolerance)));
    }
    let least = rate_limits(behavior, history, current, now_ms, |begin, policy_type, value| match policy_type {
        RateType::Pods => begin.saturating_sub(value),
        RateType::Percent => begin.saturating_sub(percent(begin, value)),
    });
    let least = select(behavior.select_policy, least, |limits| limits.min(), |limits| limits.max());
    match least {
        Some(least) if least > paced.target => Paced::limited(least.min(current), Rule::Rate),
        _ => paced,
    }
}

fn stabilization(until_ms: u64, window_ms: u64) -> Rule {
    Rule::Stabilization { until_ms, window_seconds: window_ms / 1_000 }
}

fn within(asked: &[Asked], window_ms: u64, now_ms: u64) -> impl Iterator<Item = &Asked> {
    asked.iter().filter(move |span| span.to_ms.saturating_add(window_ms) > now_ms || span.to_ms >= now_ms)
}

/// Whether what was asked for is known for the whole window.
fn is_covered(asked: &[Asked], window_ms: u64, now_ms: u64) -> bool {
    asked.first().is_some_and(|first| now_ms.saturating_sub(first.from_ms) >= window_ms)
}

/// When a window will have gone by in which nothing was in the way.
fn settled_ms(asked: &[Asked], window_ms: u64, now_ms: u64, is_in_the_way: impl Fn(&Asked) -> bool) -> u64 {
    let last = asked.iter().rev().find(|span| is_in_the_way(span)).map(|span| span.to_ms);
    let since = last.or_else(|| Some(asked.first()?.from_ms)).unwrap_or(now_ms);
    since.saturating_add(window_ms)
}

fn is_too_small(tolerance: f64, current: u32, target: u32) -> bool {
    current > 0 && target > 0 && f64::from(current.abs_diff(target)) <= tolerance * f64::from(current)
}

/// How large the group may be by each of the policies.
fn rate_limits(
    behavior: &Behavior,
    history: &GroupHistory,
    current: u32,
    now_ms: u64,
    limit: impl Fn(u32, RateType, u32) -> u32,
) -> Vec<u32> {
    let base = i64::from(history.target.unwrap_or(current));
    let by_policy = behavior.policies.iter().map(|policy| {
        let is_within = |event: &&ScaleEvent| event.at_ms.saturating_add(ms(policy.period)) > now_ms;
        let changed: i64 = history.events.iter().filter(is_within).map(|event| event.change).sum();
        let begin = u32::try_from((base - changed).max(0)).unwrap_or(u32::MAX);
        limit(begin, policy.rate_type, policy.value)
    });
    by_policy.collect()
}

fn select(
    policy: SelectPolicy,
    limits: Vec<u32>,
    loosest: impl Fn(std::vec::IntoIter<u32>) -> Option<u32>,
    tightest: impl Fn(std::vec::IntoIter<u32>) -> Option<u32>,
) -> Option<u32> {
    match policy {
        SelectPolicy::Max => loosest(limits.into_iter()),
        SelectPolicy::Min => tightest(limits.into_iter()),
        SelectPolicy::Disabled => None,
    }
}

fn percent(of: u32, share: u32) -> u32 {
    u32::try_from((u64::from(of) * u64::from(share)).div_ceil(100)).unwrap_or(u32::MAX)
}

/// Notes down that the size changes, and forgets what no rate looks at any more.
pub(super) fn record(history: &mut GroupHistory, target: u32, current: u32, longest: Duration, now_ms: u64) {
    let before = history.target.unwrap_or(current);
    if target > current && (target > before || history.grown_ms.is_none()) {
        history.grown_ms = Some(now_ms);
    }
    let change = i64::from(target) - i64::from(before);
    if change != 0 && longest > Duration::ZERO {
        history.events.push(ScaleEvent { at_ms: now_ms, change });
    }
    history.events.retain(|event| event.at_ms.saturating_add(ms(longest)) > now_ms);
    history.target = Some(target);
}

#[cfg(test)]
#[path = "behavior_tests.rs"]
mod tests;
