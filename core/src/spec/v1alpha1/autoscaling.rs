use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cluster::LocalRef;

/// Who decides how many workers a cluster's groups have, and by what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Autoscaling {
    /// Who decides.
    #[serde(default)]
    pub mode: AutoscalingMode,
    /// Where is asked what work there is; the leading head itself where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<AutoscalingSource>,
    /// How long the queue may take once the workers are ready that are asked for, as `30s`, `5m` or `2h`: the shorter, the more
    /// workers for the same work.
    #[serde(default = "Autoscaling::target_drain_time_default")]
    #[schemars(length(min = 2, max = 8), regex(pattern = "^[1-9][0-9]{0,5}[smhd]$"))]
    pub target_drain_time: String,
    /// How long a worker may take until it is ready, its node included. What one was made for that takes longer goes to
    /// another group that can do it.
    #[serde(default = "Autoscaling::provisioning_timeout_default")]
    #[schemars(length(min = 2, max = 8), regex(pattern = "^[1-9][0-9]{0,5}[smhd]$"))]
    pub provisioning_timeout: String,
    /// What all workers together may cost in an hour, in the unit of the groups' `costPerHour`, which each of them has then.
    /// Workers that are about to leave are not counted, and `minReplicas` are there whatever they cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub budget_per_hour: Option<f64>,
    /// Workers that each group has at least, within its bounds and the budget, when nobody has known for a minute what work
    /// there is. Absent: as many as there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000))]
    pub fallback_replicas: Option<u32>,
    /// How fast groups change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behavior: Option<ScalingBehavior>,
}

impl Autoscaling {
    fn target_drain_time_default() -> String {
        "30s".into()
    }

    fn provisioning_timeout_default() -> String {
        "5m".into()
    }
}

impl Default for Autoscaling {
    fn default() -> Self {
        Self {
            mode: AutoscalingMode::default(),
            source: None,
            target_drain_time: Self::target_drain_time_default(),
            provisioning_timeout: Self::provisioning_timeout_default(),
            budget_per_hour: None,
            fallback_replicas: None,
            behavior: None,
        }
    }
}

/// Who decides how many workers there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AutoscalingMode {
    /// The operator, by the work that there is.
    #[default]
    Internal,
    /// Whoever changes `replicas` of the ShoalWorkerGroups: `kubectl scale`, a HorizontalPodAutoscaler, KEDA.
    External,
    /// Nobody: groups have the `replicas` of the spec, until somebody scales them.
    Disabled,
}

/// Where is asked what work there is: exactly one of these.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct AutoscalingSource {
    /// A Prometheus that scrapes the cluster's heads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<PrometheusSource>,
}

/// A Prometheus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrometheusSource {
    /// Its URL, as `http://prometheus.monitoring:9090`.
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^https?://[^/?#@, ]+(/[^?# ]*)?$"))]
    pub url: String,
    /// Secret of the cluster's namespace with a `token`, or `username` and `password`; with `ca.crt` where an authority of
    /// its own has signed its certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_secret_ref: Option<LocalRef>,
    /// Other queries than the usual ones, which pick the metrics by the labels of the namespace and the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queries: Option<PrometheusQueries>,
}

/// What a Prometheus is asked for some of the metrics, in PromQL.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrometheusQueries {
    /// In place of `shoal_head_leads`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub head_leads: Option<String>,
    /// In place of `shoal_queued_slot_seconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub queued_slot_seconds: Option<String>,
    /// In place of `shoal_queued_tasks`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub queued_tasks: Option<String>,
    /// In place of `shoal_running_slot_seconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub running_slot_seconds: Option<String>,
    /// In place of `shoal_running_tasks`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub running_tasks: Option<String>,
    /// In place of `shoal_capacity_slots`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub capacity_slots: Option<String>,
    /// In place of `shoal_expected_workers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub expected_workers: Option<String>,
    /// In place of `shoal_held_partition_bytes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub held_partition_bytes: Option<String>,
    /// In place of `shoal_unfinished_jobs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub unfinished_jobs: Option<String>,
    /// In place of `shoal_signal_timestamp_seconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub signal_timestamp_seconds: Option<String>,
}

impl PrometheusQueries {
    /// The queries that are there, by the metric that they take the place of.
    pub fn by_metric(&self) -> BTreeMap<String, String> {
        let Self {
            head_leads,
            queued_slot_seconds,
            queued_tasks,
            running_slot_seconds,
            running_tasks,
            capacity_slots,
            expected_workers,
            held_partition_bytes,
            unfinished_jobs,
            signal_timestamp_seconds,
        } = self;
        let all = [
            ("shoal_head_leads", head_leads),
            ("shoal_queued_slot_seconds", queued_slot_seconds),
            ("shoal_queued_tasks", queued_tasks),
            ("shoal_running_slot_seconds", running_slot_seconds),
            ("shoal_running_tasks", running_tasks),
            ("shoal_capacity_slots", capacity_slots),
            ("shoal_expected_workers", expected_workers),
            ("shoal_held_partition_bytes", held_partition_bytes),
            ("shoal_unfinished_jobs", unfinished_jobs),
            ("shoal_signal_timestamp_seconds", signal_timestamp_seconds),
        ];
        all.into_iter().filter_map(|(metric, query)| Some((metric.to_owned(), query.clone()?))).collect()
    }
}

/// How fast groups change, in the words of a HorizontalPodAutoscaler.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScalingBehavior {
    /// How they grow: at once where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_up: Option<ScalingRules>,
    /// How they shrink: by every worker that nothing has needed for `idleTimeout`, where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_down: Option<ScalingRules>,
}

/// How fast groups change in one direction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScalingRules {
    /// Changes by this share of the size, or less, are not made, as 0.1 for a tenth. A group without workers grows, and one
    /// loses its last ones, whatever it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub tolerance: Option<f64>,
    /// For how many seconds a change must have been asked for; of what was asked for in that time the least change counts.
    /// 0 where it is absent. What shrinks waits for `idleTimeout`, if that is longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3_600))]
    pub stabilization_window_seconds: Option<u32>,
    /// Which of `policies` counts: the one that allows most (Max), the one that allows least (Min), or none, so that nothing
    /// changes in this direction (Disabled).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select_policy: Option<ScalingPolicySelect>,
    /// How much may change in some time; anything where it is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "atomic"))]
    pub policies: Vec<ScalingPolicy>,
}

/// Which of several policies counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ScalingPolicySelect {
    /// The one that allows most.
    Max,
    /// The one that allows least.
    Min,
    /// None: nothing changes.
    Disabled,
}

/// How much may change in some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScalingPolicy {
    /// What `value` counts: workers (Pods), or a share of the group in percent (Percent).
    #[serde(rename = "type")]
    pub policy_type: ScalingPolicyType,
    /// How many, or what share.
    #[schemars(range(min = 1, max = 10_000))]
    pub value: u32,
    /// In how many seconds.
    #[schemars(range(min = 1, max = 1_800))]
    pub period_seconds: u32,
}

/// What a policy counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ScalingPolicyType {
    /// Workers.
    Pods,
    /// Percent of the group.
    Percent,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::autoscaling::signal::METRICS;

    #[test]
    fn each_metric_can_have_a_query_of_its_own() {
        let fields = ["headLeads", "queuedSlotSeconds", "queuedTasks", "runningSlotSeconds", "runningTasks"];
        let more =
            ["capacitySlots", "expectedWorkers", "heldPartitionBytes", "unfinishedJobs", "signalTimestampSeconds"];
        let all = fields.into_iter().chain(more).map(|field| (field.to_owned(), field.into())).collect();
        let queries: PrometheusQueries = serde_json::from_value(serde_json::Value::Object(all)).unwrap();
        let by_metric = queries.by_metric();
        assert_eq!(by_metric.len(), 10);
        for metric in METRICS {
            assert!(by_metric.contains_key(metric), "{metric}");
        }
        assert_eq!(by_metric["shoal_queued_tasks"], "queuedTasks");
        assert!(PrometheusQueries::default().by_metric().is_empty());
    }
}
