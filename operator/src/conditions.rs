//! Conditions: facts about a resource. Pure.

use k8s_openapi::jiff::Timestamp;
use shoal_core::spec::v1alpha1::status::{Condition, ConditionStatus};

use crate::news::News;

/// What is to be said of a resource, without its history.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fact {
    pub(crate) type_: &'static str,
    pub(crate) holds: ConditionStatus,
    pub(crate) reason: String,
    pub(crate) message: String,
}

impl Fact {
    pub(crate) fn new(type_: &'static str, holds: bool, reason: impl Into<String>, message: impl Into<String>) -> Self {
        let holds = if holds { ConditionStatus::True } else { ConditionStatus::False };
        Self { type_, holds, reason: reason.into(), message: message.into() }
    }
}

/// The conditions that follow from facts; one whose status has not changed keeps its time.
pub(crate) fn conditions(
    before: &[Condition],
    facts: Vec<Fact>,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    facts
        .into_iter()
        .map(|Fact { type_, holds, reason, message }| {
            let since = before
                .iter()
                .find(|condition| condition.type_ == type_ && condition.status == holds)
                .map_or_else(|| text(now), |condition| condition.last_transition_time.clone());
            Condition {
                type_: type_.to_owned(),
                status: holds,
                observed_generation: generation,
                last_transition_time: since,
                reason,
                message,
            }
        })
        .collect()
}

/// The conditions of which an event is told: those that have turned, and those that hold or do not hold for another reason
/// that somebody should look at. What is so from the beginning and no fault is no news, nor is that something is on its way:
/// where it arrives is.
pub(crate) fn turned<'a>(before: &[Condition], after: &'a [Condition]) -> Vec<&'a Condition> {
    let is_news = |condition: &&Condition| match before.iter().find(|old| old.type_ == condition.type_) {
        Some(old) if old.status == condition.status => old.reason != condition.reason && is_worth_words(condition),
        Some(_) => condition.type_ != PROGRESSING || is_worth_words(condition),
        None => {
            let says_more = ![READY, PROGRESSING].contains(&condition.type_.as_str());
            (condition.status == ConditionStatus::True && says_more) || is_worth_words(condition)
        }
    };
    after.iter().filter(is_news).collect()
}

/// What a status tells that follows one with these conditions, or is the first.
pub(crate) fn news(before: Option<&[Condition]>, after: &[Condition]) -> News {
    let works = |one: &Condition| one.type_ == READY && one.status == ConditionStatus::True;
    match before {
        before if !turned(before.unwrap_or_default(), after).is_empty() => News::Turn,
        None if after.iter().any(works) => News::Arrival,
        None => News::Beginning,
        Some(_) => News::Counts,
    }
}

/// The condition that says whether something works.
const READY: &str = "Ready";

/// The condition that says whether something is on its way.
const PROGRESSING: &str = "Progressing";

/// Why something is on its way for longer than it takes: people ask.
const WAITING: [&str; 2] = ["WaitingForJobs", "HeadWaits"];

fn is_worth_words(condition: &Condition) -> bool {
    is_bad(condition) || WAITING.contains(&condition.reason.as_str())
}

/// Whether all is well only while it holds.
fn is_wanted(condition: &Condition) -> bool {
    matches!(condition.type_.as_str(), "Ready" | "Accepted" | "ClusterReady" | "Archived" | "MetricsAvailable")
}

/// Reasons for which what should hold does not, and that are no fault.
const EXPECTED: [&str; 8] = [
    "PodsStarting",
    "HeadNotReady",
    "Suspended",
    "ClusterStarting",
    "WorkersStarting",
    "Submitting",
    "NameTaken",
    "CancelKept",
];

/// Whether somebody should look at it.
pub(crate) fn is_bad(condition: &Condition) -> bool {
    match condition.status {
        ConditionStatus::True => matches!(condition.type_.as_str(), "Failed" | "ReplicaFailure"),
        ConditionStatus::False => is_wanted(condition) && !EXPECTED.contains(&condition.reason.as_str()),
        ConditionStatus::Unknown => false,
    }
}

/// A time as Kubernetes writes it.
pub(crate) fn text(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_keeps_its_time_until_its_status_turns() {
        let at = |seconds: i64| Timestamp::from_second(seconds).unwrap();
        let first = conditions(&[], vec![Fact::new("Ready", false, "Starting", "")], Some(1), at(10));
        let same = conditions(&first, vec![Fact::new("Ready", false, "NoWorkers", "")], Some(2), at(20));
        assert_eq!(same[0].last_transition_time, "1970-01-01T00:00:10Z");
        assert_eq!((same[0].reason.as_str(), same[0].observed_generation), ("NoWorkers", Some(2)));
        let turned_over = conditions(&same, vec![Fact::new("Ready", true, "Ready", "")], Some(2), at(30));
        assert_eq!(turned_over[0].last_transition_time, "1970-01-01T00:00:30Z");
        assert_eq!(turned(&first, &same).len(), 1);
        assert_eq!(turned(&turned_over, &turned_over).len(), 0);
    }

    #[test]
    fn events_tell_what_has_turned_and_warn_of_what_somebody_should_look_at() {
        let at = Timestamp::UNIX_EPOCH;
        let one = |type_, holds, reason: &str| conditions(&[], vec![Fact::new(type_, holds, reason, "")], None, at);
        for (before, after, is_told, warns) in [
            (vec![], one("Ready", false, "PodsStarting"), false, false),
            (vec![], one("Ready", true, "Ready"), false, false),
            (vec![], one("Ready", false, "ImageNotPulled"), true, true),
            (vec![], one("Accepted", false, "InvalidValue"), true, true),
            (vec![], one("ReplicaFailure", false, "NoFailure"), false, false),
            (vec![], one("ReplicaFailure", true, "QuotaExceeded"), true, true),
            (vec![], one("Progressing", false, "Settled"), false, false),
            (vec![], one("Complete", true, "Published"), true, false),
            (vec![], one("Failed", true, "TableNotFound"), true, true),
            (one("Ready", false, "PodsStarting"), one("Ready", true, "Ready"), true, false),
            (one("Ready", true, "Ready"), one("Ready", true, "Ready"), false, false),
            (one("Progressing", true, "PodsChanging"), one("Progressing", false, "Settled"), false, false),
            (one("Progressing", false, "Settled"), one("Progressing", true, "WaitingForJobs"), true, false),
            (one("Ready", false, "PodsStarting"), one("Ready", false, "ImageNotPulled"), true, true),
            (one("Ready", false, "PodsStarting"), one("Ready", false, "HeadNotReady"), false, false),
            (one("Ready", true, "Ready"), one("Ready", false, "HeadNotReady"), true, false),
        ] {
            assert_eq!(!turned(&before, &after).is_empty(), is_told, "{before:?} {after:?}");
            assert_eq!(is_bad(&after[0]), warns, "{after:?}");
        }
    }

    #[test]
    fn a_status_tells_a_turn_or_an_arrival_or_neither() {
        let one = |holds, reason: &str| {
            conditions(&[], vec![Fact::new("Ready", holds, reason, "")], None, Timestamp::UNIX_EPOCH)
        };
        let (starting, refused, works) = (one(false, "PodsStarting"), one(false, "QuotaExceeded"), one(true, "Ready"));
        for (before, after, expected) in [
            (None, &starting, News::Beginning),
            (None, &refused, News::Turn),
            (None, &works, News::Arrival),
            (Some(&starting), &starting, News::Counts),
            (Some(&starting), &works, News::Turn),
            (Some(&works), &works, News::Counts),
            (Some(&works), &starting, News::Turn),
        ] {
            assert_eq!(news(before.map(Vec::as_slice), after), expected, "{before:?} {after:?}");
        }
    }
}
