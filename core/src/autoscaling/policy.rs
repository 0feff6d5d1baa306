//! What a user has asked for, parsed: see `autoscaling` of a ShoalCluster.

use std::time::Duration;

use crate::failure::{Failure, Reason};
use crate::spec::v1alpha1::{
    Autoscaling, AutoscalingMode, ClusterSpec, ScalingPolicySelect, ScalingPolicyType, ScalingRules, WorkerGroupEntry,
};
use crate::units::parse_duration;

/// How a cluster's groups follow the work.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// How long the queue may take once the workers are there that it needs.
    pub target_drain_time: Duration,
    /// How long a worker may take until it is ready before what it was made for goes to another group.
    pub provisioning_timeout: Duration,
    /// What all workers together may cost in an hour.
    pub budget_per_hour: Option<f64>,
    /// Workers of each group that there are at least while nobody knows what there is to do; `None` keeps those that there
    /// are.
    pub fallback_replicas: Option<u32>,
    /// How a group grows.
    pub scale_up: Behavior,
    /// How a group shrinks.
    pub scale_down: Behavior,
    /// How long nothing is to be done before the cluster has no pods; `None` for never.
    pub idle_timeout: Option<Duration>,
    /// Whether the head's state outlives its pod, so that it may go, too.
    pub head_may_sleep: bool,
    /// Its groups, in the order of the spec.
    pub groups: Vec<GroupPolicy>,
}

impl Policy {
    /// What a cluster's spec says, if the operator is to decide.
    ///
    /// # Errors
    /// A time that the schema would not have taken.
    pub fn parse(spec: &ClusterSpec) -> Result<Option<Self>, Failure> {
        let Some(autoscaling) = &spec.autoscaling else { return Ok(None) };
        // Taken apart without `..`, so that a new field cannot be forgotten here. Who is asked does not matter to what is
        // decided.
        let Autoscaling {
            mode,
            source: _,
            target_drain_time,
            provisioning_timeout,
            budget_per_hour,
            fallback_replicas,
            behavior,
        } = autoscaling;
        if *mode != AutoscalingMode::Internal {
            return Ok(None);
        }
        let behavior = behavior.clone().unwrap_or_default();
        let groups = spec.worker_groups.iter().enumerate().map(|(index, entry)| GroupPolicy::parse(entry, index));
        Ok(Some(Self {
            target_drain_time: time(target_drain_time, || "spec.autoscaling.targetDrainTime".into())?,
            provisioning_timeout: time(provisioning_timeout, || "spec.autoscaling.provisioningTimeout".into())?,
            budget_per_hour: *budget_per_hour,
            fallback_replicas: *fallback_replicas,
            scale_up: Behavior::parse(behavior.scale_up.as_ref()),
            scale_down: Behavior::parse(behavior.scale_down.as_ref()),
            idle_timeout: optional_time(spec.idle_timeout.as_ref(), || "spec.idleTimeout".into())?,
            head_may_sleep: spec.head.state.ephemeral.is_none(),
            groups: groups.collect::<Result<_, _>>()?,
        }))
    }
}

fn time(text: &str, field: impl Fn() -> String) -> Result<Duration, Failure> {
    parse_duration(text).map_err(|message| Failure::new(Reason::InvalidValue, message).field(field()))
}

fn optional_time(text: Option<&String>, field: impl Fn() -> String) -> Result<Option<Duration>, Failure> {
    text.map(|text| time(text, field)).transpose()
}

/// What a user has asked for of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupPolicy {
    /// Its name in the cluster's spec.
    pub name: String,
    /// Workers that it has at least.
    pub min_replicas: u32,
    /// Workers that it has at most.
    pub max_replicas: u32,
    /// How long a worker stays that nothing needs; `None` for as long as one takes to start.
    pub idle_timeout: Option<Duration>,
    /// What a worker costs in an hour.
    pub cost_per_hour: Option<f64>,
}

impl GroupPolicy {
    fn parse(entry: &WorkerGroupEntry, index: usize) -> Result<Self, Failure> {
        let idle_timeout =
            optional_time(entry.idle_timeout.as_ref(), || format!("spec.workerGroups[{index}].idleTimeout"));
        Ok(Self {
            name: entry.name.clone(),
            min_replicas: entry.min_replicas.unwrap_or(0),
            // The schema wants it said; who gets by that has as many as it begins with.
            max_replicas: entry.max_replicas.unwrap_or(entry.replicas),
            idle_timeout: idle_timeout?,
            cost_per_hour: entry.cost_per_hour,
        })
    }
}

/// How a group changes in one direction. The names are those of a HorizontalPodAutoscaler.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Behavior {
    /// Changes that are a smaller share of the size are not made.
    pub tolerance: f64,
    /// How long the size must have been asked for.
    pub stabilization_window: Duration,
    /// How fast it may change; as fast as it likes where there is none.
    pub policies: Vec<RatePolicy>,
    /// Which of `policies` counts.
    pub select_policy: SelectPolicy,
}

impl Behavior {
    fn parse(rules: Option<&ScalingRules>) -> Self {
        let Some(rules) = rules else { return Self::default() };
        let ScalingRules { tolerance, stabilization_window_seconds, select_policy, policies } = rules;
        let policies = policies.iter().map(|policy| RatePolicy {
            rate_type: match policy.policy_type {
                ScalingPolicyType::Pods => RateType::Pods,
                ScalingPolicyType::Percent => RateType::Percent,
            },
            value: policy.value,
            period: Duration::from_secs(u64::from(policy.period_seconds)),
        });
        Self {
            tolerance: tolerance.unwrap_or(0.0),
            stabilization_window: Duration::from_secs(u64::from(stabilization_window_seconds.unwrap_or(0))),
            policies: policies.collect(),
            select_policy: match select_policy {
                None | Some(ScalingPolicySelect::Max) => SelectPolicy::Max,
                Some(ScalingPolicySelect::Min) => SelectPolicy::Min,
                Some(ScalingPolicySelect::Disabled) => SelectPolicy::Disabled,
            },
        }
    }
}

/// How much a group may change in some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RatePolicy {
    /// What `value` counts.
    pub rate_type: RateType,
    /// By how many, or by what share in percent.
    pub value: u32,
    /// In what time.
    pub period: Duration,
}

/// What a rate counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateType {
    /// Workers.
    Pods,
    /// Shares of the group, in percent.
    Percent,
}

/// Which of several rates counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SelectPolicy {
    /// The one that allows most.
    #[default]
    Max,
    /// The one that allows least.
    Min,
    /// None: it does not change in this direction.
    Disabled,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parsed(spec: &Value) -> Option<Policy> {
        Policy::parse(&serde_json::from_value(spec.clone()).unwrap()).unwrap()
    }

    #[test]
    fn only_in_the_mode_internal_is_there_anything_to_decide() {
        let groups = json!([{"name": "a", "maxReplicas": 3}]);
        for (autoscaling, expected) in [
            (json!(null), false),
            (json!({}), true),
            (json!({"mode": "Internal"}), true),
            (json!({"mode": "External"}), false),
            (json!({"mode": "Disabled"}), false),
        ] {
            let spec = json!({"workerGroups": groups, "autoscaling": autoscaling});
            assert_eq!(parsed(&spec).is_some(), expected, "{autoscaling}");
        }
    }

    #[test]
    fn what_is_not_said_is_suited_to_batch_work() {
        let policy = parsed(&json!({"workerGroups": [{"name": "a", "maxReplicas": 3}], "autoscaling": {}})).unwrap();
        let group =
            GroupPolicy { name: "a".into(), min_replicas: 0, max_replicas: 3, idle_timeout: None, cost_per_hour: None };
        let expected = Policy {
            target_drain_time: Duration::from_secs(30),
            provisioning_timeout: Duration::from_secs(300),
            budget_per_hour: None,
            fallback_replicas: None,
            scale_up: Behavior::default(),
            scale_down: Behavior::default(),
            idle_timeout: None,
            head_may_sleep: true,
            groups: vec![group],
        };
        assert_eq!(policy, expected);
    }

    #[test]
    fn everything_that_is_said_arrives() {
        let rules = json!({"tolerance": 0.2, "stabilizationWindowSeconds": 60, "selectPolicy": "Min",
            "policies": [{"type": "Percent", "value": 50, "periodSeconds": 30}]});
        let policy = parsed(&json!({
            "head": {"state": {"ephemeral": {}}},
            "idleTimeout": "30m",
            "workerGroups": [{"name": "a", "minReplicas": 1, "maxReplicas": 3, "idleTimeout": "2m", "costPerHour": 0.5}],
            "autoscaling": {"targetDrainTime": "1m", "provisioningTimeout": "10m", "budgetPerHour": 20, "fallbackReplicas": 2,
                "behavior": {"scaleDown": rules}},
        }))
        .unwrap();
        assert_eq!(policy.target_drain_time, Duration::from_secs(60));
        assert_eq!(policy.provisioning_timeout, Duration::from_secs(600));
        assert_eq!((policy.budget_per_hour, policy.fallback_replicas), (Some(20.0), Some(2)));
        assert_eq!((policy.idle_timeout, policy.head_may_sleep), (Some(Duration::from_secs(1_800)), false));
        let group = &policy.groups[0];
        assert_eq!((group.min_replicas, group.max_replicas, group.cost_per_hour), (1, 3, Some(0.5)));
        assert_eq!(group.idle_timeout, Some(Duration::from_secs(120)));
        let rate = RatePolicy { rate_type: RateType::Percent, value: 50, period: Duration::from_secs(30) };
        let expected = Behavior {
            tolerance: 0.2,
            stabilization_window: Duration::from_secs(60),
            policies: vec![rate],
            select_policy: SelectPolicy::Min,
        };
        assert_eq!((policy.scale_up, policy.scale_down), (Behavior::default(), expected));
    }
}
