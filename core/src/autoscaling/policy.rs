//! What a user has asked for, parsed: see `autoscaling` of a ShoalCluster.

use std::time::Duration;

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
