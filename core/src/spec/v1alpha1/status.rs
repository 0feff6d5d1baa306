//! What the operator says of a resource. Users read it, and nothing reads it back but the operator.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A fact about a resource, in the form of all Kubernetes resources.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What the fact is about.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 316))]
    pub type_: String,
    /// Whether it is so.
    pub status: ConditionStatus,
    /// Generation of the spec that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9_007_199_254_740_991u64))]
    pub observed_generation: Option<i64>,
    /// When `status` last changed.
    #[schemars(length(min = 1, max = 64), extend("format" = "date-time"))]
    pub last_transition_time: String,
    /// Why, as a name that programs can rely on.
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"))]
    pub reason: String,
    /// Why, and what to do, for people.
    #[schemars(length(max = 32768))]
    pub message: String,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    #[allow(missing_docs)]
    True,
    #[allow(missing_docs)]
    False,
    #[allow(missing_docs)]
    Unknown,
}

/// Longest text of the authorities of a cluster: that of two, while one takes over from the other, is a tenth of it; bundles of
/// a user's own are longer.
pub const AUTHORITY_CHARS_MAX: usize = 16_384;

/// What is known of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterStatus {
    /// Generation of the spec that this is about.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991u64))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where it stands, for people: Pending, Ready, Suspended or Failed.
    #[schemars(length(max = 64))]
    pub phase: String,
    /// Facts for machines: Ready, Progressing, and MetricsAvailable where the operator says how large it is to be.
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Image of head and workers where the spec names none: the operator's when the cluster was made.
    #[schemars(length(max = 512))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Whether its processes speak TLS, where the spec says nothing: as it was when the cluster was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<bool>,
    /// Certificates (PEM) of the authorities that have signed those of its processes, by which whoever asks its head over
    /// REST knows it. Two while one takes over from the other.
    #[schemars(length(max = AUTHORITY_CHARS_MAX))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// URL of the head's REST interface inside Kubernetes.
    #[schemars(length(max = 512))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Workers that there shall be, of all groups.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub workers: u32,
    /// Workers that are ready.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub ready_workers: u32,
    /// How large it is to be and why, where the operator says that (`autoscaling.mode: Internal`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<AutoscalingStatus>,
}

/// How large a cluster is to be, and why. Written when that changes, and now and then while there is work.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AutoscalingStatus {
    /// Workers that there are to be.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub desired: u32,
    /// Workers that there are, those that start included.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub current: u32,
    /// Why, as a name that programs can rely on.
    #[schemars(length(max = 128))]
    pub reason: String,
    /// Why, for people: what `shoal cluster explain` prints.
    #[schemars(length(max = 4096))]
    pub message: String,
    /// The rule that kept it from being larger or smaller, where one did.
    #[schemars(length(max = 256))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limited_by: Option<String>,
    /// The groups.
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupAutoscaling>,
    /// What it was decided by; absent where nothing was to be known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inputs: Option<AutoscalingInputs>,
    /// When it was decided.
    #[schemars(length(max = 64), extend("format" = "date-time"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<String>,
    /// How many seconds later it is looked at again at the latest.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub next_look_seconds: u64,
}

/// How large a group is to be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupAutoscaling {
    /// Its name in the cluster.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Workers that there are to be.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub desired: u32,
    /// Workers that there are, those that start included.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub current: u32,
}

/// What the size of a cluster was decided by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AutoscalingInputs {
    /// Tasks that wait.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991u64))]
    pub queued_tasks: u64,
    /// How many seconds of a slot those are estimated to take.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991u64))]
    pub queued_slot_seconds: u64,
    /// Tasks that run.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991u64))]
    pub running_tasks: u64,
    /// How many seconds of a slot those are estimated to take still.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991u64))]
    pub running_slot_seconds: u64,
    /// Slots of workers that take tasks.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991u64))]
    pub ready_slots: u64,
    /// Slots of workers that start.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991u64))]
    pub starting_slots: u64,
}

/// What is known of a group of workers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkerGroupStatus {
    /// Generation of the spec that this is about.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991u64))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Pods that there are, those that are ending not counted.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub replicas: u32,
    /// Pods that are ready.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub ready_replicas: u32,
    /// Pods that are as the spec has it now.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub updated_replicas: u32,
    /// Labels of its pods, as autoscalers ask for them.
    #[schemars(length(max = 1024))]
    pub selector: String,
    /// Facts for machines: Ready, Progressing, ReplicaFailure.
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// What is known of a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct JobStatus {
    /// Generation of the spec that this is about.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991u64))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where it stands, for people: Pending, Running, Suspended, Committing, Succeeded or Failed.
    #[schemars(length(max = 64))]
    pub phase: String,
    /// Facts for machines: Accepted, ClusterReady, Suspended, Complete, Failed, Archived.
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// How the head knows the job: namespace, name, uid and how often it was submitted. Written before it is submitted,
    /// so that no second one can follow.
    #[schemars(length(max = 512))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submission_id: Option<String>,
    /// Cluster that runs it.
    #[schemars(length(max = 253))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_name: Option<String>,
    /// How far it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<JobProgress>,
    /// Tables that it published.
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<JobOutput>,
    /// Why it failed, where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<JobFailure>,
    /// Where report, spec, attempts and log of the job are, once all of them are in its cluster's storage:
    /// `shoal job show --from` and `shoal job logs --from` read them, also when the cluster is gone.
    #[schemars(length(max = 4096))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logs_uri: Option<String>,
    /// When the head took it.
    #[schemars(length(max = 64), extend("format" = "date-time"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    /// When it ended.
    #[schemars(length(max = 64), extend("format" = "date-time"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<String>,
}

/// How far a job is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct JobProgress {
    /// What is counted: `groups`.
    #[schemars(length(max = 64))]
    pub unit: String,
    /// How many there are, once that is known.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991u64))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// How many are finished.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991u64))]
    pub done: u64,
    /// How many of those went well.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991u64))]
    pub succeeded: u64,
    /// How many of those did not.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991u64))]
    pub failed: u64,
    /// Tasks that run at the moment.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub running: u32,
    /// Share of the work that is done, from 0 to 100.
    #[schemars(range(min = 0, max = 100))]
    pub percent: u8,
    /// Time until the end at the speed so far, as `40s`.
    #[schemars(length(max = 32))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta: Option<String>,
}

/// A table that a job published.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobOutput {
    /// Which output of the job it is.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Where it is.
    #[schemars(length(max = 4096))]
    pub table: String,
    /// Version of the table that the job's commit made.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991u64))]
    pub version: u64,
    /// Rows that the commit added.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991u64))]
    pub rows: u64,
}

/// Why a job failed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct JobFailure {
    /// What went wrong, as a name that programs can rely on.
    #[schemars(length(max = 128))]
    pub reason: String,
    /// Who can mend it: User, Data, Platform or Shoal.
    #[schemars(length(max = 64))]
    pub actor: String,
    /// Field of the job that it is about.
    #[schemars(length(max = 1024))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_path: Option<String>,
    /// What went wrong, for people.
    #[schemars(length(max = 32768))]
    pub message: String,
    /// What to do.
    #[schemars(length(max = 32768))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
