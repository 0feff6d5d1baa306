//! The decision, from the first fact to the last list.

use std::time::Duration;

use super::behavior;
use super::blocking;
use super::capacity::Group;
use super::choice;
use super::constants::{FALLBACK_AFTER, IDLE_BOUNDS, IDLE_PRIOR, LOOK_EVERY, SAMPLES_TO_SHRINK, ms};
use super::decision::{Decision, GroupDecision, Leaving};
use super::facts::{Facts, GroupFacts, HeadState, Observed};
use super::history::{GroupHistory, History, LeavingPhase, WhyLeave};
use super::leaving;
use super::placement::{self, Ask, Limit, Placement};
use super::policy::{GroupPolicy, Policy};
use super::report::{ClusterReport, GroupReport, Hold, Inputs, Misfit, Rule};
use super::sleep;
use super::trust;

/// A group's size, and why.
struct Sized {
    asked: u32,
    target: u32,
    rule: Rule,
}

/// What is to be done, and what to remember for the next time.
pub fn decide(facts: &Facts, policy: &Policy, history: &History, now_ms: u64) -> (Decision, History) {
    let mut next = history.clone();
    next.groups.retain(|name, _| policy.groups.iter().any(|group| group.name == *name));
    match trust::hold(facts, policy, now_ms) {
        Some(hold) => {
            let decision = held(facts, policy, &mut next, hold, now_ms);
            (decision, next)
        }
        None => {
            let decision = known(facts, policy, &mut next, now_ms);
            (decision, next)
        }
    }
}

// === Everything is known ===

fn known(facts: &Facts, policy: &Policy, next: &mut History, now_ms: u64) -> Decision {
    next.missing_since_ms = None;
    count_sample(next, facts);
    for group in &policy.groups {
        let history = next.groups.entry(group.name.clone()).or_default();
        let found = of_group(facts, &group.name);
        let workers = found.and_then(|found| found.workers.value()).map(Vec::as_slice).unwrap_or_default();
        let interrupted = |history: &GroupHistory| {
            history.leaving.values().filter(|leaving| leaving.why == WhyLeave::Interrupted).count()
        };
        let before = interrupted(history);
        leaving::advance(&mut history.leaving, workers, now_ms);
        let new = u32::try_from(interrupted(history).saturating_sub(before)).unwrap_or(u32::MAX);
        if let Some(found) = found {
            let counted = Group::count(policy, group, found, history, now_ms);
            blocking::count_interruptions(history, &counted, new, now_ms);
            blocking::advance(history, &counted, policy, now_ms);
        }
    }
    let histories = next.groups.clone();
    let groups = counted(facts, policy, &histories, now_ms);
    sleep::advance(next, facts, &groups, policy, now_ms);
    let work = facts.work.value().cloned().unwrap_or_default();
    let Placement { asks, misfits } = placement::place(&work, &groups, policy, &histories, now_ms);

    let mut sizes: Vec<Sized> = Vec::with_capacity(groups.len());
    for (group, ask) in groups.iter().zip(&asks) {
        let history = next.groups.entry(group.policy.name.clone()).or_default();
        sizes.push(if next.asleep {
            Sized { asked: 0, target: 0, rule: Rule::Asleep }
        } else {
            size(group, ask, policy, history, next.samples, now_ms)
        });
    }
    keep_budget(&groups, policy, &mut sizes);
    let mut decisions = Vec::with_capacity(groups.len());
    let mut reports = Vec::with_capacity(groups.len());
    for ((group, ask), sized) in groups.iter().zip(&asks).zip(&sizes) {
        let history = next.groups.entry(group.policy.name.clone()).or_default();
        change(history, group, sized, policy, now_ms);
        decisions.push(group_decision(group.facts, history, group.current(), sized.target, false));
        reports.push(report(group, ask, sized, policy));
    }
    let size = sleep::size(next.asleep, policy, facts);
    let report = cluster_report(None, reports, misfits, &decisions, policy, next, now_ms);
    Decision { size, groups: decisions, report }
}

/// Counts samples in a row. The one that was seen last time is no new one.
fn count_sample(next: &mut History, facts: &Facts) {
    if let Observed::Known { at_ms, .. } = facts.work
        && at_ms > next.sampled_ms
    {
        next.samples = next.samples.saturating_add(1).min(SAMPLES_TO_SHRINK);
        next.sampled_ms = at_ms;
    }
}

fn of_group<'a>(facts: &'a Facts, name: &str) -> Option<&'a GroupFacts> {
    facts.groups.iter().find(|group| group.name == name)
}

fn counted<'a>(
    facts: &'a Facts,
    policy: &'a Policy,
    histories: &std::collections::BTreeMap<String, GroupHistory>,
    now_ms: u64,
) -> Vec<Group<'a>> {
    let none = GroupHistory::default();
    let count = |group: &'a GroupPolicy| {
        let history = histories.get(&group.name).unwrap_or(&none);
        Some(Group::count(policy, group, of_group(facts, &group.name)?, history, now_ms))
    };
    policy.groups.iter().filter_map(count).collect()
}

/// How long a worker stays that nothing needs. Where nobody says, for as long as another takes to start: whatever comes
/// next, no more than twice is lost of what would have been with foresight.
fn idle_timeout(group: &Group<'_>) -> Duration {
    let measured = group.facts.startup.unwrap_or(IDLE_PRIOR).clamp(IDLE_BOUNDS.0, IDLE_BOUNDS.1);
    group.policy.idle_timeout.unwrap_or(measured)
}

/// The size of a group that is awake.
fn size(group: &Group<'_>, ask: &Ask, policy: &Policy, history: &mut GroupHistory, samples: u32, now_ms: u64) -> Sized {
    let idle_timeout = idle_timeout(group);
    let windows = [idle_timeout, policy.scale_up.stabilization_window, policy.scale_down.stabilization_window];
    let longest = windows.into_iter().max().unwrap_or_default();
    let asked = ask.workers(group.busy);
    behavior::remember(&mut history.asked, asked, longest, now_ms);
    // Late workers that nobody needs hold nothing and do nothing.
    let late = group.stuck.saturating_sub(ask.stuck.ceil() as u32);
    let current = group.current() - late;
    let (target, rule) = if asked > current {
        let paced = behavior::grow(&policy.scale_up, history, current, asked, now_ms);
        (paced.target, paced.rule)
    } else if asked == current {
        (current, None)
    } else if samples < SAMPLES_TO_SHRINK {
        (current, Some(Rule::Samples { seen: samples, needed: SAMPLES_TO_SHRINK }))
    } else {
        let paced = behavior::shrink(&policy.scale_down, history, idle_timeout, current, asked, now_ms);
        (paced.target, paced.rule)
    };
    let (min, max) = (group.policy.min_replicas.min(group.policy.max_replicas), group.policy.max_replicas);
    let rule = match rule {
        _ if target < min => Rule::MinReplicas(min),
        _ if target > max => Rule::MaxReplicas(max),
        Some(rule) => rule,
        None => rule_of(group, ask, policy, history),
    };
    Sized { asked: ask.unbounded(group.busy), target: target.clamp(min, max), rule }
}

/// What kept the work from asking for more, if something did.
fn rule_of(group: &Group<'_>, ask: &Ask, policy: &Policy, history: &GroupHistory) -> Rule {
    match ask.limit {
        None => Rule::Work,
        Some(Limit::TooLate) => Rule::TooLate,
        Some(Limit::Tasks) => Rule::Tasks,
        Some(Limit::MaxReplicas) => Rule::MaxReplicas(group.policy.max_replicas),
        Some(Limit::Budget) => Rule::Budget(policy.budget_per_hour.unwrap_or_default()),
        Some(Limit::Refused) => Rule::Refused,
        Some(Limit::Blocked) => Rule::Blocked { until_ms: history.blocked.map_or(0, |blocked| blocked.until_ms) },
    }
}

/// Makes groups smaller until all of them cost no more than they may: the most expensive workers first, and none of those
/// that a group has at least.
fn keep_budget(groups: &[Group<'_>], policy: &Policy, sizes: &mut [Sized]) {
    let Some(budget) = policy.budget_per_hour else { return };
    let total = |sizes: &[Sized]| -> f64 {
        groups.iter().zip(sizes).map(|(group, sized)| placement::price(group) * f64::from(sized.target)).sum()
    };
    let per_slot = |index: usize| placement::price(&groups[index]) / f64::from(groups[index].facts.shape.slots.max(1));
    let mut dearest: Vec<usize> = (0..groups.len()).filter(|&index| placement::price(&groups[index]) > 0.0).collect();
    dearest.sort_by(|&one, &other| per_slot(other).total_cmp(&per_slot(one)).then(other.cmp(&one)));
    for index in dearest {
        let over = total(sizes) - budget;
        if over <= 1e-9 {
            return;
        }
        let min = groups[index].policy.min_replicas.min(groups[index].policy.max_replicas);
        let fewer = (over / placement::price(&groups[index]) - 1e-9).ceil().clamp(0.0, f64::from(u32::MAX)) as u32;
        let sized = &mut sizes[index];
        let target = sized.target.saturating_sub(fewer).max(min);
        if target < sized.target {
            (sized.target, sized.rule) = (target, Rule::Budget(budget));
        }
    }
}

/// Brings a group's history to its new size: who leaves, who comes back.
fn change(history: &mut GroupHistory, group: &Group<'_>, sized: &Sized, policy: &Policy, now_ms: u64) {
    let current = group.current();
    if sized.target < current {
        let why = match sized.rule {
            Rule::Asleep => WhyLeave::Asleep,
            Rule::MaxReplicas(_) | Rule::Budget(_) if sized.asked > sized.target => WhyLeave::Bounds,
            _ => WhyLeave::Surplus,
        };
        choice::leave(history, group, current - sized.target, why, policy, now_ms);
    } else {
        choice::take_back(history, sized.target - current, now_ms);
    }
    let policies = policy.scale_up.policies.iter().chain(&policy.scale_down.policies);
    let longest = policies.map(|policy| policy.period).max().unwrap_or_default();
    behavior::record(history, sized.target, current, longest, now_ms);
}

/// What is to be done about a group, read from where its workers are on their ways out.
fn group_decision(
    facts: &GroupFacts,
    history: &GroupHistory,
    current: u32,
    target: u32,
    is_held: bool,
) -> GroupDecision {
    let (mut drain, mut take_back, mut delete) = (Vec::new(), Vec::new(), Vec::new());
    for (id, leaving) in &history.leaving {
        match leaving.phase {
            LeavingPhase::TakenBack => take_back.push(id.clone()),
            // What is deleted is not seen any more, where nothing is: it stays until it is.
            LeavingPhase::Drained if !is_held => delete.push(id.clone()),
            phase => {
                drain.push(Leaving { worker: id.clone(), phase, why: leaving.why, deadline_ms: leaving.deadline_ms })
            }
        }
    }
    let leaving = u32::try_from(drain.len()).unwrap_or(u32::MAX);
    let replicas = target.saturating_add(leaving);
    let replicas = if is_held { replicas.max(facts.replicas) } else { replicas };
    GroupDecision { name: facts.name.clone(), current, target, replicas, drain, take_back, delete }
}

fn report(group: &Group<'_>, ask: &Ask, sized: &Sized, policy: &Policy) -> GroupReport {
    GroupReport {
        group: group.policy.name.clone(),
        current: group.current(),
        asked: sized.asked,
        target: sized.target,
        rule: sized.rule.clone(),
        inputs: Inputs {
            queued_slot_seconds: ask.slot_seconds,
            queued_tasks: ask.tasks,
            target_drain_seconds: policy.target_drain_time.as_secs_f64(),
            slots: group.facts.shape.slots,
            startup_seconds: group.startup.as_secs_f64(),
            busy: group.busy,
            idle: group.idle,
            starting: group.starting.values().sum(),
            stuck: group.stuck,
            leaving: group.leaving,
        },
    }
}

// === Something is missing ===

fn held(facts: &Facts, policy: &Policy, next: &mut History, hold: Hold, now_ms: u64) -> Decision {
    next.samples = 0;
    let is_waking = hold == Hold::HeadStarts && sleep::is_needed(facts);
    // A head that was taken away because nothing was to be done says that, whatever is remembered.
    let sleeps = policy.idle_timeout.is_some() && (next.asleep || facts.head == HeadState::Absent);
    let stays_asleep = sleeps && !sleep::is_needed(facts);
    next.asleep = stays_asleep;
    if is_waking {
        next.idle_since_ms = None;
    }
    // A head that starts tells nothing, and is not at fault.
    let missing_since_ms = if hold == Hold::HeadStarts { None } else { Some(next.missing_since_ms.unwrap_or(now_ms)) };
    next.missing_since_ms = missing_since_ms;
    let falls_back = missing_since_ms.is_some_and(|since| now_ms.saturating_sub(since) >= ms(FALLBACK_AFTER));
    let fallback = policy.fallback_replicas.filter(|_| falls_back && !stays_asleep);

    let mut money = policy.budget_per_hour;
    let mut decisions = Vec::new();
    let mut reports = Vec::new();
    for group in &policy.groups {
        let history = next.groups.entry(group.name.clone()).or_default();
        let none = unknown(&group.name, history.target.unwrap_or(0));
        let found = of_group(facts, &group.name).unwrap_or(&none);
        let current = held_size(found, history);
        let sized = match stays_asleep {
            true => Sized { asked: 0, target: 0, rule: Rule::Asleep },
            false => sized_while_held(group, current, fallback, &mut money),
        };
        decisions.push((found.clone(), sized, current));
    }
    if is_waking && decisions.iter().all(|(_, sized, _)| sized.target == 0) {
        first_worker(policy, &mut decisions);
    }
    let decisions: Vec<GroupDecision> = decisions
        .into_iter()
        .map(|(found, sized, current)| {
            let history = next.groups.entry(found.name.clone()).or_default();
            let target = sized.target;
            if target > current && history.target != Some(target) {
                history.grown_ms = Some(now_ms);
            }
            history.target = Some(target);
            reports.push(GroupReport {
                group: found.name.clone(),
                current,
                asked: sized.asked,
                target,
                rule: sized.rule,
                inputs: Inputs {
                    slots: found.shape.slots,
                    target_drain_seconds: policy.target_drain_time.as_secs_f64(),
                    ..Inputs::default()
                },
            });
            group_decision(&found, history, current, target, true)
        })
        .collect();
    let size = sleep::size(stays_asleep, policy, facts);
    let hold = Some(hold).filter(|hold| !stays_asleep || *hold != Hold::HeadStarts);
    let report = cluster_report(hold, reports, Vec::new(), &decisions, policy, next, now_ms);
    Decision { size, groups: decisions, report }
}

/// A group of which nothing is known: it is as it was to be.
fn unknown(name: &str, replicas: u32) -> GroupFacts {
    GroupFacts {
        name: name.to_owned(),
        shape: super::facts::WorkerShape { slots: 1, memory_bytes: 0 },
        replicas,
        workers: Observed::known(0, Vec::new()),
        startup: None,
        refused_since_ms: None,
    }
}

/// Workers that a group has where they are not known: its pods, without those that were leaving. Whoever has already
/// counted them out has left as many as there were to be.
fn held_size(facts: &GroupFacts, history: &GroupHistory) -> u32 {
    let leaving = history.leaving.values().filter(|leaving| !leaving.works()).count();
    let leaving = u32::try_from(leaving).unwrap_or(u32::MAX);
    match history.target {
        Some(target) if (target..=target.saturating_add(leaving)).contains(&facts.replicas) => target,
        _ => facts.replicas.saturating_sub(leaving),
    }
}

fn sized_while_held(group: &GroupPolicy, current: u32, fallback: Option<u32>, money: &mut Option<f64>) -> Sized {
    let (min, max) = (group.min_replicas.min(group.max_replicas), group.max_replicas);
    let bounded = current.clamp(min, max);
    let price = group.cost_per_hour.unwrap_or(0.0);
    let affordable = match (*money, price > 0.0) {
        (Some(money), true) => (money / price + 1e-9).floor().clamp(0.0, f64::from(u32::MAX)) as u32,
        _ => u32::MAX,
    };
    let fallback = fallback.map(|fallback| fallback.clamp(min, max).min(affordable)).filter(|it| *it > bounded);
    let target = fallback.unwrap_or(bounded);
    if let Some(money) = money {
        *money -= price * f64::from(target);
    }
    let rule = match fallback {
        Some(fallback) => Rule::Fallback(fallback),
        None if current < min => Rule::MinReplicas(min),
        None if current > max => Rule::MaxReplicas(max),
        None => Rule::Held,
    };
    Sized { asked: current, target, rule }
}

/// A job is known of and the head that will tell of its tasks starts: a worker starts meanwhile, in the cheapest group.
fn first_worker(policy: &Policy, sizes: &mut [(GroupFacts, Sized, u32)]) {
    let price = |group: &GroupPolicy| group.cost_per_hour.unwrap_or(f64::INFINITY);
    let is_possible = |index: &usize| policy.groups[*index].max_replicas > 0;
    let is_affordable = |index: &usize| {
        let budget = policy.budget_per_hour.unwrap_or(f64::INFINITY);
        policy.groups[*index].cost_per_hour.unwrap_or(0.0) <= budget
    };
    let cheapest = (0..sizes.len())
        .filter(is_possible)
        .filter(is_affordable)
        .min_by(|&one, &other| price(&policy.groups[one]).total_cmp(&price(&policy.groups[other])));
    if let Some((_, sized, _)) = cheapest.and_then(|index| sizes.get_mut(index)) {
        *sized = Sized { asked: 1, target: 1, rule: Rule::FirstWorker };
    }
}

// === Both ===

fn cluster_report(
    hold: Option<Hold>,
    groups: Vec<GroupReport>,
    misfits: Vec<Misfit>,
    decisions: &[GroupDecision],
    policy: &Policy,
    next: &History,
    now_ms: u64,
) -> ClusterReport {
    let prices = policy.groups.iter().map(|group| group.cost_per_hour.unwrap_or(0.0));
    let cost_per_hour = prices.zip(decisions).map(|(price, group)| price * f64::from(group.target)).sum();
    let of_leaving = decisions.iter().flat_map(|group| &group.drain).map(|leaving| leaving.deadline_ms);
    let of_rules = groups.iter().filter_map(|group| match group.rule {
        Rule::Stabilization { until_ms, .. } | Rule::Blocked { until_ms } => Some(until_ms),
        _ => None,
    });
    let to_sleep = next.idle_since_ms.zip(policy.idle_timeout).filter(|_| !next.asleep);
    let to_sleep = to_sleep.map(|(since, timeout)| since.saturating_add(ms(timeout)));
    let soon = now_ms.saturating_add(ms(LOOK_EVERY));
    let moments = of_leaving.chain(of_rules).chain(to_sleep).filter(|at| *at > now_ms);
    let next_look_ms = moments.fold(soon, u64::min);
    ClusterReport { hold, groups, misfits, cost_per_hour, next_look_ms }
}

#[cfg(test)]
#[path = "size_tests.rs"]
mod tests;
