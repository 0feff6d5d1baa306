//! `shoal.dev/v1alpha1`: the job file, the custom resource and the body of REST are these types.
//!
//! Serde and JSON schema only. Each field has a description (it becomes `kubectl explain`), a default where one is
//! sensible, and its rule in the schema; rules over two fields are CEL. Within this version fields are only added.

mod autoscaling;
mod cluster;
mod evaluate;
mod grouped_scoring;
mod grouped_training;
mod job;
mod limits;
mod models;
mod pods;
mod predictor;
pub mod status;
mod table;
mod worker_group;

pub use autoscaling::{
    Autoscaling, AutoscalingMode, AutoscalingSource, PrometheusQueries, PrometheusSource, ScalingBehavior,
    ScalingPolicy, ScalingPolicySelect, ScalingPolicyType, ScalingRules,
};
pub use cluster::{
    CLUSTER_KIND, CertManager, ClusterSpec, Ephemeral, EtcdState, HeadSpec, HeadState, IssuerRef, LocalRef, NoTls,
    SharedVolume, StateVolume, Storage, TlsSpec, WorkerGroupEntry,
};
pub use evaluate::{Evaluate, TimeFolds};
pub use grouped_scoring::{GroupedScoring, ModelsTable, PredictionInterval, ScoringStrategy};
pub use grouped_training::{BucketStrategy, Chosen, GroupedTraining, OnMissing, Statistics, Strategy};
pub use job::{API_VERSION, BroughtAlong, FailurePolicy, JOB_KIND, JobSpec, MANAGED_BY_OPERATOR, Metadata, ShoalJob};
pub use limits::{IntOrPercent, ParseIntOrPercentError};
pub use models::{
    AlphaPath, Alphas, BoostingLoss, Categorical, ConfigMapKeyRef, CostOfBoth, CostOfCoefficients, EarlyStopping,
    ElasticNet, Encode, Environment, Frame, Glm, GlmFamily, GlmLink, GradientBoosting, Lasso, Logistic,
    LogisticPenalty, Mean, Model, Ols, Params, Predicted, Python, RandomForest, Returned, ReturnedType, Ridge,
    StandardErrors, Upload, Variable,
};
pub use pods::{PodTemplate, Resources};
pub use predictor::PythonPredictor;
pub use table::{InputTable, OutputMode, OutputTable, TableFormat};
pub use worker_group::{WORKER_GROUP_KIND, WorkerGroupSpec};

/// Whether a field says what it would mean if it were absent.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
