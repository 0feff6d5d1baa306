use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ClusterSpec, Environment, GroupedScoring, GroupedTraining, IntOrPercent, LocalRef, Python, PythonPredictor, Upload,
};
use crate::limits::{PROCESS_DEATHS_DEFAULT, TASK_ATTEMPTS_DEFAULT};

/// The `apiVersion` of every resource in this module.
pub const API_VERSION: &str = "shoal.dev/v1alpha1";

/// The `kind` of a job.
pub const JOB_KIND: &str = "ShoalJob";

/// The `managedBy` of jobs that the operator looks after.
pub const MANAGED_BY_OPERATOR: &str = "shoal.dev/operator";

/// A job file: one job, as a user submits it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ShoalJob {
    /// Version of the API: `shoal.dev/v1alpha1`.
    #[schemars(extend("enum" = [API_VERSION]))]
    pub api_version: String,
    /// Kind of the resource: `ShoalJob`.
    #[schemars(extend("enum" = [JOB_KIND]))]
    pub kind: String,
    /// Name of the job.
    pub metadata: Metadata,
    /// What the job does.
    pub spec: JobSpec,
}

impl ShoalJob {
    /// What the Python functions of the job bring along, of whatever kind it is.
    pub fn brought_along_mut(&mut self) -> impl Iterator<Item = BroughtAlong<'_>> {
        let trained = self.spec.grouped_training.iter_mut().filter_map(|training| training.model.python.as_deref_mut());
        let trained = trained.map(|Python { file, files, environment, uploads, .. }| BroughtAlong {
            path: "spec.groupedTraining.model.python",
            file,
            files,
            environment,
            uploads,
        });
        let scored = self.spec.grouped_scoring.iter_mut().filter_map(|scoring| scoring.python.as_deref_mut());
        let scored = scored.map(|PythonPredictor { file, files, environment, uploads, .. }| BroughtAlong {
            path: "spec.groupedScoring.python",
            file,
            files,
            environment,
            uploads,
        });
        trained.chain(scored)
    }

    /// The files that were uploaded for the job.
    pub fn uploads(&self) -> impl Iterator<Item = &Upload> {
        let trained = self.spec.grouped_training.iter().filter_map(|training| training.model.python.as_deref());
        let scored = self.spec.grouped_scoring.iter().filter_map(|scoring| scoring.python.as_deref());
        let uploads = trained.map(|python| &python.uploads).chain(scored.map(|python| &python.uploads));
        uploads.flatten().flatten()
    }
}

/// What a Python function of a job brings along.
#[derive(Debug)]
pub struct BroughtAlong<'a> {
    /// Where the function is in the spec.
    pub path: &'static str,
    /// Its own file.
    pub file: &'a Option<String>,
    /// Files and folders beside it.
    pub files: &'a Option<Vec<String>>,
    /// What it runs in, which may have files, too.
    pub environment: &'a Option<Environment>,
    /// What was uploaded of all that.
    pub uploads: &'a mut Option<Vec<Upload>>,
}

/// Names a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// Name of the job, unique on its head: lower-case letters, digits, `-` and `.`, at most 63 characters.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
}

/// What a job does: exactly one kind, and what holds for all kinds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "[has(self.groupedTraining), has(self.groupedScoring)].filter(kind, kind).size() == 1", "message": "exactly one kind of job is expected: groupedTraining or groupedScoring"},
    {"rule": "!has(self.clusterRef) || !has(self.cluster)", "message": "a job runs on a cluster of its own or on another, not on both", "fieldPath": ".cluster"}
]))]
pub struct JobSpec {
    /// ShoalCluster of the same namespace that runs the job, on Kubernetes. The namespace's only one where neither this
    /// nor `cluster` is there. Elsewhere the job runs where it is submitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_ref: Option<LocalRef>,
    /// A cluster of the job's own, on Kubernetes: it is made for the job and deleted after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Box<ClusterSpec>>,
    /// Who looks after the job on Kubernetes: `shoal.dev/operator` where it is absent. What somebody else manages is left
    /// alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub managed_by: Option<String>,
    /// Jobs with a higher priority get free slots first; those of one priority share them equally. What runs already is
    /// not interrupted.
    #[serde(default)]
    #[schemars(range(min = -1000, max = 1000))]
    pub priority: i32,
    /// Whether the job holds no slot: suspended while it runs, it hands its running tasks back and keeps what is
    /// finished. A commit that has begun is not stopped.
    #[serde(default)]
    pub suspend: bool,
    /// Seconds after which the job fails, counted from its submission or from the last time that it went on after it was
    /// suspended or had failed. Unlimited where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 31_536_000))]
    pub active_deadline_seconds: Option<u64>,
    /// Seconds for which the job is listed after its end; 7 days where absent. The oldest of more than a thousand
    /// finished jobs are forgotten earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 31_536_000))]
    pub ttl_seconds_after_finished: Option<u64>,
    /// When a job gives up.
    #[serde(default)]
    pub failure_policy: FailurePolicy,
    /// Trains one model per group of a table's rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grouped_training: Option<GroupedTraining>,
    /// Predicts for the rows of a table with the models that `groupedTraining` made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grouped_scoring: Option<GroupedScoring>,
}

/// When a job gives up. One for all kinds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FailurePolicy {
    /// Groups whose model may have another status than `ok` before the job fails and publishes nothing: a number, or a
    /// share of all groups as `5%`; for `groupedScoring`, rows without a prediction. Any number may where this is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_failed: Option<IntOrPercent>,
    /// Runs of one task before the job fails. Runs that a lost worker ended count; runs that only waited for another
    /// worker's data do not.
    #[schemars(range(min = 1, max = 100))]
    pub max_task_attempts: u32,
    /// Processes of a `python` function that may die under it in the whole job before that fails: each of them is started
    /// again and costs the group that it was at. One that is killed for time or memory has died, too.
    // Specs that were stored before there was such a limit stay as they were.
    #[serde(skip_serializing_if = "is_default_of_deaths")]
    #[schemars(range(min = 0, max = 1_000_000), extend("default" = PROCESS_DEATHS_DEFAULT))]
    pub max_process_deaths: u32,
}

fn is_default_of_deaths(deaths: &u32) -> bool {
    *deaths == PROCESS_DEATHS_DEFAULT
}

impl Default for FailurePolicy {
    fn default() -> Self {
        Self { max_failed: None, max_task_attempts: TASK_ATTEMPTS_DEFAULT, max_process_deaths: PROCESS_DEATHS_DEFAULT }
    }
}
