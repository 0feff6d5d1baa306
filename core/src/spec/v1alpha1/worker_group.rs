use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cluster::{Storage, WorkerGroupEntry};
use super::limits::IntOrPercent;
use super::pods::{PodTemplate, Resources};

/// The `kind` of a group of workers.
pub const WORKER_GROUP_KIND: &str = "ShoalWorkerGroup";

/// A group of equal workers of a cluster. The operator makes one per entry of the cluster's `workerGroups`, and keeps all
/// but `replicas` as that entry has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkerGroupSpec {
    /// The ShoalCluster that it belongs to.
    #[schemars(length(min = 1, max = 253))]
    pub cluster_name: String,
    /// Workers that there shall be: what `kubectl scale` and autoscalers change.
    #[serde(default)]
    #[schemars(range(min = 0, max = 10_000))]
    pub replicas: u32,
    /// Whether it has no pods, whatever `replicas` says: its cluster is suspended.
    #[serde(default)]
    pub suspend: bool,
    /// Image of its workers.
    #[schemars(length(min = 1, max = 512))]
    pub image: String,
    /// Where tables lie that its tasks read and write.
    #[serde(default)]
    pub storage: Storage,
    /// ServiceAccount of its pods; the namespace's default where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub service_account_name: Option<String>,
    /// Secret with the certificate, the key and the authority that its cluster's processes know each other by; absent where
    /// they do without TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub tls_secret_name: Option<String>,
    /// Heads of its cluster, which its workers know by name.
    #[serde(default = "WorkerGroupSpec::heads_default")]
    #[schemars(range(min = 1, max = 3))]
    pub heads: u32,
    /// Workers that may be away at a time because their nodes are drained or upgraded: a number, or a share of the group
    /// as `10%`, rounded up.
    #[serde(default = "WorkerGroupEntry::max_unavailable_default")]
    pub max_unavailable: IntOrPercent,
    /// What each worker asks for, and its limit of memory.
    #[serde(default = "WorkerGroupEntry::resources_default")]
    pub resources: Resources,
    /// Image that its workers run in, with `image` brought in; `image` itself where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub python_image: Option<String>,
    /// Merged over the pods that the operator makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<PodTemplate>,
}

impl WorkerGroupSpec {
    fn heads_default() -> u32 {
        1
    }
}
