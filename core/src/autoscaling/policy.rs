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
