//! What is said of a cluster's size. Pure.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use shoal_core::autoscaling::{
    ClusterReport, Decision, Facts, GroupReport, Hold, Observed, Rule, WorkFacts, WorkerFacts, WorkerState,
};
use shoal_core::spec::v1alpha1::status::{AutoscalingInputs, AutoscalingStatus, GroupAutoscaling};

use super::memory::{METRICS_AVAILABLE, Told};
use crate::conditions::{Fact, text};

/// The group that says most of a cluster's size: the first that something else than its work decides on.
fn telling(report: &ClusterReport) -> Option<&GroupReport> {
    report.groups.iter().find(|group| group.rule != Rule::Work).or(report.groups.first())
}

/// Why a cluster is as large as it is, in words: of each of its groups, where there are several.
fn words(report: &ClusterReport) -> String {
    let of = |group: &GroupReport| match report.groups.len() {
        1 => group.to_string(),
        _ => format!("{}: {group}", group.group),
    };
    report.groups.iter().map(of).collect::<Vec<_>>().join("; ")
}

/// What is said, where it is looked again after that.
pub(super) fn told(facts: &Facts, decision: &Decision, next: Duration, now: Timestamp) -> Told {
    let report = &decision.report;
    let telling = telling(report);
    let group = |report: &GroupReport| GroupAutoscaling {
        name: report.group.clone(),
        desired: report.target,
        current: report.current,
    };
    let status = AutoscalingStatus {
        desired: report.groups.iter().map(|group| group.target).sum(),
        current: report.groups.iter().map(|group| group.current).sum(),
        reason: telling.map_or("NoGroups", |group| group.rule.name()).to_owned(),
        message: words(report),
        limited_by: telling.filter(|group| group.rule != Rule::Work).map(|group| group.rule.name().to_owned()),
        groups: report.groups.iter().map(group).collect(),
        inputs: facts.work.value().map(|work| inputs(work, facts)),
        decided_at: Some(text(now)),
        next_look_seconds: next.as_secs().max(1),
    };
    Told { status: Some(status), metrics: Some(metrics(facts, report)) }
}

/// Whether there is anything to decide by.
fn metrics(facts: &Facts, report: &ClusterReport) -> Fact {
    let missing = |reason: &str, message: String| Fact::new(METRICS_AVAILABLE, false, reason, message);
    let held = |words: &str| format!("{words}: the groups stay as large as they are");
    match (&report.hold, &facts.work) {
        (Some(Hold::HeadStarts), _) => missing("HeadNotReady", held("the head does not tell of work yet")),
        (Some(Hold::Work(trouble)), _) | (None, Observed::Missing(trouble)) => {
            missing(trouble.reason(), held(&trouble.to_string()))
        }
        (Some(Hold::Jobs(trouble)), _) => missing(trouble.reason(), held(&trouble.to_string())),
        (Some(Hold::Workers { group, trouble }), _) => {
            missing(trouble.reason(), held(&format!("what the workers of group {group} do is not known: {trouble}")))
        }
        (Some(Hold::GroupUnknown { group }), _) => {
            missing("GroupUnknown", held(&format!("there is no group {group} yet")))
        }
        (None, Observed::Known { .. }) => Fact::new(METRICS_AVAILABLE, true, "Complete", "work and workers are known"),
    }
}

fn inputs(work: &WorkFacts, facts: &Facts) -> AutoscalingInputs {
    // Ever so many seconds are no more than can be written down.
    let seconds = |seconds: f64| seconds.round().clamp(0.0, 1e15) as u64;
    let slots = |is_meant: fn(&WorkerFacts) -> bool| {
        let of_group = |group: &shoal_core::autoscaling::GroupFacts| {
            let workers = group.workers.value().map_or(&[][..], Vec::as_slice);
            workers.iter().filter(|worker| is_meant(worker)).count() as u64 * u64::from(group.shape.slots)
        };
        facts.groups.iter().map(of_group).sum()
    };
    let total = |of: fn(&shoal_core::autoscaling::WorkClass) -> f64| work.classes.iter().map(of).sum::<f64>();
    AutoscalingInputs {
        queued_tasks: work.classes.iter().map(|class| class.queued_tasks).sum(),
        queued_slot_seconds: seconds(total(|class| class.queued_slot_seconds)),
        running_tasks: work.classes.iter().map(|class| class.running_tasks).sum(),
        running_slot_seconds: seconds(total(|class| class.running_slot_seconds)),
        ready_slots: slots(|worker| matches!(worker.state, WorkerState::Idle { .. } | WorkerState::Busy { .. })),
        starting_slots: slots(|worker| {
            matches!(worker.state, WorkerState::Starting { .. } | WorkerState::Unschedulable { .. })
        }),
    }
}

#[cfg(test)]
mod tests {
    use shoal_core::autoscaling::trouble::SignalTrouble;
    use shoal_core::autoscaling::{ClusterSize, HeadState, Inputs, WorkClass};
    use shoal_core::spec::v1alpha1::status::ConditionStatus;

    use super::*;

    fn report(group: &str, target: u32, rule: Rule) -> GroupReport {
        let inputs = Inputs { queued_slot_seconds: 340.2, target_drain_seconds: 30.0, slots: 2, ..Inputs::default() };
        GroupReport { group: group.into(), current: 1, asked: target, target, rule, inputs }
    }

    fn decision(hold: Option<Hold>, groups: Vec<GroupReport>) -> Decision {
        let report = ClusterReport { hold, groups, misfits: Vec::new(), cost_per_hour: 0.0, next_look_ms: 0 };
        Decision { size: ClusterSize::Awake, groups: Vec::new(), report }
    }

    fn facts(work: Observed<WorkFacts>) -> Facts {
        Facts { head: HeadState::Running, work, unfinished_jobs: Observed::known(0, 1), groups: Vec::new() }
    }

    #[test]
    fn what_limits_a_cluster_is_said_before_what_does_not() {
        let work = WorkClass {
            group: None,
            shape: shoal_core::autoscaling::TaskShape::SLOT,
            priority: 0,
            queued_tasks: 68,
            queued_slot_seconds: 340.2,
            running_tasks: 0,
            running_slot_seconds: 0.0,
        };
        let facts = facts(Observed::known(0, WorkFacts { classes: vec![work], unfinished_jobs: 1 }));
        let one = told(
            &facts,
            &decision(None, vec![report("cpu", 6, Rule::Work)]),
            Duration::from_secs(2),
            Timestamp::UNIX_EPOCH,
        );
        let status = one.status.unwrap_or_default();
        assert_eq!((status.desired, status.reason.as_str(), status.limited_by), (6, "Work", None));
        assert_eq!(status.message, "6 workers: 340 slot-seconds queued / 30 s target / 2 slots");
        assert_eq!(status.inputs.map(|inputs| inputs.queued_slot_seconds), Some(340));
        assert_eq!(one.metrics.map(|fact| fact.reason), Some("Complete".to_owned()));

        let groups = vec![report("cpu", 6, Rule::Work), report("gpu", 2, Rule::MaxReplicas(2))];
        let two = told(&facts, &decision(None, groups), Duration::from_secs(2), Timestamp::UNIX_EPOCH);
        let status = two.status.unwrap_or_default();
        assert_eq!((status.desired, status.limited_by.as_deref()), (8, Some("MaxReplicas")));
        assert!(status.message.contains("cpu: 6 workers") && status.message.contains("; gpu: 2 workers"));
    }

    #[test]
    fn what_is_missing_is_a_condition_with_its_reason() {
        let trouble = SignalTrouble::Refused { status: 401, url: "http://p".into() };
        for (hold, reason, words) in [
            (Hold::Work(trouble.clone()), "SourceUnauthorized", "http://p answers 401"),
            (Hold::HeadStarts, "HeadNotReady", "does not tell of work yet"),
            (Hold::GroupUnknown { group: "cpu".into() }, "GroupUnknown", "cpu"),
            (Hold::Workers { group: "cpu".into(), trouble: trouble.clone() }, "SourceUnauthorized", "group cpu"),
        ] {
            let facts = facts(Observed::Missing(trouble.clone()));
            let decision = decision(Some(hold), vec![report("cpu", 1, Rule::Held)]);
            let told = told(&facts, &decision, Duration::from_secs(2), Timestamp::UNIX_EPOCH);
            assert_eq!(told.status.map(|status| status.inputs.is_some()), Some(false));
            let fact = told.metrics.unwrap_or_else(|| panic!("{reason} is to be said"));
            assert_eq!((fact.reason.as_str(), fact.holds), (reason, ConditionStatus::False));
            assert!(fact.message.contains(words) && fact.message.contains("stay"), "{}", fact.message);
        }
    }
}
