use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::autoscaling::Autoscaling;
use super::limits::IntOrPercent;
use super::pods::{PodTemplate, Resources};

/// The `kind` of a cluster.
pub const CLUSTER_KIND: &str = "ShoalCluster";

/// A head and groups of workers, as pods of one namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "!has(self.autoscaling) || self.autoscaling.mode != 'Internal' || self.workerGroups.all(group, has(group.maxReplicas))", "message": "where `autoscaling` has the mode Internal, each of the workerGroups says how large it may become (`maxReplicas`)", "fieldPath": ".workerGroups"},
    {"rule": "!has(self.autoscaling) || !has(self.autoscaling.budgetPerHour) || self.workerGroups.all(group, has(group.costPerHour))", "message": "with a `budgetPerHour` each of the workerGroups has a `costPerHour`", "fieldPath": ".autoscaling.budgetPerHour"},
    {"rule": "!has(self.idleTimeout) || (has(self.autoscaling) && self.autoscaling.mode == 'Internal')", "message": "only a cluster whose `autoscaling` has the mode Internal goes to zero workers by itself", "fieldPath": ".idleTimeout"}
]))]
pub struct ClusterSpec {
    /// Image of head and workers. Where it is absent the operator's own is taken, and stays the cluster's when a newer
    /// operator is installed: `status.image` says which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,
    /// Where tables lie that the cluster's jobs read and write.
    #[serde(default)]
    pub storage: Storage,
    /// ServiceAccount of head and workers, for a cloud's workload identity; the namespace's default where it is absent.
    /// No token of it is mounted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub service_account_name: Option<String>,
    /// How its processes know each other. Where it is absent the operator is their authority. It stays as the cluster was
    /// made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSpec>,
    /// The process that takes jobs in and hands out their tasks.
    #[serde(default)]
    pub head: HeadSpec,
    /// The processes that run tasks, in groups of equal ones.
    #[serde(default)]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub worker_groups: Vec<WorkerGroupEntry>,
    /// Whether the cluster has no pods. Unfinished jobs go on when it has them again.
    #[serde(default)]
    pub suspend: bool,
    /// How long nothing is to be done before the cluster has no workers, those of `minReplicas` included, as `30m` or `2h`.
    /// Its head stays. The next ShoalJob brings workers back. Never where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 8), regex(pattern = "^[1-9][0-9]{0,5}[smhd]$"))]
    pub idle_timeout: Option<String>,
    /// Who decides how many workers there are, and by what. Where it is absent, nobody does (the mode Disabled).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
}

/// How a cluster's processes know each other: by certificates of exactly one of these.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct TlsSpec {
    /// Secret of the cluster's namespace with `tls.crt`, `tls.key` and `ca.crt`. The certificate is for servers and clients,
    /// and has the names NAME.NAMESPACE.shoal and NAME-head; whoever keeps the Secret replaces it in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalRef>,
    /// cert-manager keeps the Secret, by a Certificate that the operator makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_manager: Option<CertManager>,
    /// They send everything in the clear, and know each other by the token alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<NoTls>,
}

/// cert-manager keeps a cluster's certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CertManager {
    /// Who signs the certificate: an issuer whose authority is in `ca.crt`, such as one of the kind CA.
    pub issuer_ref: IssuerRef,
}

/// An issuer of cert-manager.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IssuerRef {
    /// Name of the issuer.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its kind: `Issuer` of the cluster's namespace, or `ClusterIssuer`.
    #[serde(default = "IssuerRef::kind_default")]
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// The kind's API group.
    #[serde(default = "IssuerRef::group_default")]
    #[schemars(length(min = 1, max = 253))]
    pub group: String,
}

impl IssuerRef {
    fn kind_default() -> String {
        "Issuer".into()
    }

    fn group_default() -> String {
        "cert-manager.io".into()
    }
}

/// Without TLS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NoTls {}

/// Where tables lie, and what is to outlive the cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(self.uri) || !self.uri.startsWith('/') || (has(self.sharedVolumes) && self.sharedVolumes.exists(volume, self.uri.startsWith(volume.mountPath)))",
    "message": "a folder has to be below the mountPath of one of the sharedVolumes",
    "fieldPath": ".uri"
}]))]
pub struct Storage {
    /// Where the head keeps a copy of report, spec, attempts and log of each job that has ended, below
    /// `jobs/NAMESPACE/NAME/`: `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX`, `az://CONTAINER/PREFIX`, or a folder of a shared
    /// volume. `status.logsUri` of a job says where its copy is. A cluster of a job's own is deleted once the copy is there. A table that a job writes to and names by a
    /// relative path lies below `results/NAMESPACE/NAME/`. Absent: no copies, and no relative paths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 2, max = 1024),
        regex(pattern = r"^((s3|gs|az)://[A-Za-z0-9._-]+|/[A-Za-z0-9._-]+)(/[A-Za-z0-9._=-]+)*/?$")
    )]
    pub uri: Option<String>,
    /// Secret of the cluster's namespace whose entries are environment variables of head and workers, such as
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_ENDPOINT_URL`, `GOOGLE_SERVICE_ACCOUNT_KEY`, or
    /// `AZURE_STORAGE_ACCOUNT_NAME` and `AZURE_STORAGE_ACCOUNT_KEY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<LocalRef>,
    /// Volumes that head and all workers mount, so that jobs may name paths below them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["claimName"]))]
    pub shared_volumes: Vec<SharedVolume>,
}

/// An object of the same namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LocalRef {
    /// Name of the object.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// A volume that head and all workers mount.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SharedVolume {
    /// The PersistentVolumeClaim; pods on several nodes take one that can be mounted by many.
    #[schemars(length(min = 1, max = 253))]
    pub claim_name: String,
    /// Where it is mounted: what jobs name begins with this.
    #[schemars(length(min = 2, max = 512), regex(pattern = r"^/[A-Za-z0-9._/-]+$"))]
    pub mount_path: String,
}

/// The process that takes jobs in and hands out their tasks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "self.replicas == 1 || (has(self.state) && has(self.state.etcd))", "message": "only heads that keep their state in etcd (`state.etcd`) can be several", "fieldPath": ".replicas"}
]))]
pub struct HeadSpec {
    /// Heads, of which one leads and the others stand by. More than one only with `state.etcd`.
    #[serde(default = "HeadSpec::replicas_default")]
    #[schemars(range(min = 1, max = 3))]
    pub replicas: u32,
    /// What its container asks for, and its limit of memory.
    #[serde(default = "HeadSpec::resources_default")]
    pub resources: Resources,
    /// Where it keeps what must survive it.
    #[serde(default)]
    pub state: HeadState,
    /// Merged over the pod that the operator makes, as `kubectl patch` merges: labels, annotations, node selectors,
    /// tolerations, volumes, more containers. The head's container is called `shoal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<PodTemplate>,
}

impl HeadSpec {
    fn replicas_default() -> u32 {
        1
    }

    fn resources_default() -> Resources {
        Resources { cpu: "250m".into(), memory: "512Mi".into() }
    }
}

impl Default for HeadSpec {
    fn default() -> Self {
        Self {
            replicas: Self::replicas_default(),
            resources: Self::resources_default(),
            state: HeadState::default(),
            template: None,
        }
    }
}

/// Where a head keeps what must survive it: in exactly one of these. A volume of 1Gi where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("maxProperties" = 1))]
pub struct HeadState {
    /// A volume of its own: a head that is lost starts again where the volume can be mounted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<StateVolume>,
    /// The pod's own disk: what runs is lost with the pod. For clusters that live as long as one job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ephemeral: Option<Ephemeral>,
    /// An etcd, so that another head leads within seconds where one is lost (`replicas`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etcd: Option<EtcdState>,
}

/// An etcd that keeps a cluster's state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "!has(self.tlsSecretRef) || self.endpoints.all(endpoint, endpoint.startsWith('https://'))", "message": "with `tlsSecretRef` every endpoint begins with `https://`", "fieldPath": ".endpoints"}
]))]
pub struct EtcdState {
    /// URLs of its members, as `https://etcd-0.etcd.storage:2379`.
    #[schemars(length(min = 1, max = 9), inner(length(min = 1, max = 512), regex(pattern = r"^https?://[^/?#, ]+$")))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub endpoints: Vec<String>,
    /// Secret with `ca.crt`, the authority that signed etcd's certificate, and `tls.crt` and `tls.key`, which heads show to
    /// etcd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_secret_ref: Option<LocalRef>,
    /// Secret with the `username` and `password` of etcd's user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<LocalRef>,
    /// What the cluster's keys begin with. Where it is absent it has the cluster's namespace, name and uid in it, so that
    /// another cluster of that name starts anew; a prefix that is named makes it go on with what is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^/([A-Za-z0-9_.-]+/)+$"))]
    pub prefix: Option<String>,
}

/// A volume for a head's state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StateVolume {
    /// Size of the volume, as `1Gi`.
    #[serde(default = "StateVolume::size_default")]
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|k|M|G|T)?$"))]
    pub size: String,
    /// Its StorageClass; the cluster's default where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,
}

impl StateVolume {
    fn size_default() -> String {
        "1Gi".into()
    }
}

impl Default for StateVolume {
    fn default() -> Self {
        Self { size: Self::size_default(), storage_class_name: None }
    }
}

/// The pod's own disk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ephemeral {}

/// A group of equal workers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "self.name != 'head' && !self.name.endsWith('-head')", "message": "`head` is what the head's own pod is called", "fieldPath": ".name"},
    {"rule": "!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas", "message": "`minReplicas` is more than `maxReplicas`", "fieldPath": ".minReplicas"}
]))]
pub struct WorkerGroupEntry {
    /// Name, unique in the cluster: lower-case letters, digits and `-`, at most 24 characters; not `head`.
    #[schemars(length(min = 1, max = 24), regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Workers that the group begins with, and has again whenever this is changed. `kubectl scale` and autoscalers
    /// change the ShoalWorkerGroup, and nothing writes that back.
    #[serde(default = "WorkerGroupEntry::replicas_default")]
    #[schemars(range(min = 0, max = 10_000))]
    pub replicas: u32,
    /// Workers that it has at least where `autoscaling` decides; 0 where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000))]
    pub min_replicas: Option<u32>,
    /// Workers that it has at most where `autoscaling` decides. Some that are about to leave may be there as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000))]
    pub max_replicas: Option<u32>,
    /// How long a worker stays that nothing needs, where `autoscaling` decides, as `60s` or `10m`. Where it is absent, as
    /// long as a worker of the group takes to start, at least 15s and at most 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 8), regex(pattern = "^[1-9][0-9]{0,5}[smhd]$"))]
    pub idle_timeout: Option<String>,
    /// What a worker costs in an hour, in any unit that all groups share. Work goes first to the group where a slot costs
    /// least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub cost_per_hour: Option<f64>,
    /// Workers that may be away at a time because their nodes are drained or upgraded: a number, or a share of the group
    /// as `10%`, rounded up. The others stay until those are back (a PodDisruptionBudget). What deletes a pod otherwise is
    /// not held up.
    #[serde(default = "WorkerGroupEntry::max_unavailable_default")]
    pub max_unavailable: IntOrPercent,
    /// What each worker asks for, and its limit of memory. It has a slot for each whole CPU.
    #[serde(default = "WorkerGroupEntry::resources_default")]
    pub resources: Resources,
    /// Image that the workers run in, where jobs' functions need a Python that Shoal's image has not: any with glibc and with
    /// Python 3.10 or newer in its path, and with the packages that functions import. Nothing of Shoal has to be in it:
    /// that is brought in from the cluster's `image` when a pod starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub python_image: Option<String>,
    /// Merged over the pods that the operator makes, as `kubectl patch` merges: labels, annotations, node selectors,
    /// tolerations, volumes, more containers. The worker's container is called `shoal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<PodTemplate>,
}

impl WorkerGroupEntry {
    fn replicas_default() -> u32 {
        1
    }

    /// A tenth: a node that is drained waits for no more than a few workers to move, and never for a group of one.
    pub(super) fn max_unavailable_default() -> IntOrPercent {
        IntOrPercent::Percent(10)
    }

    pub(super) fn resources_default() -> Resources {
        Resources { cpu: "1".into(), memory: "2Gi".into() }
    }
}
