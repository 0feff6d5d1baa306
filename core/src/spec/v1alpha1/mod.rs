//! `shoal.dev/v1alpha1`: the job file, the custom resource and the body of REST are these types.
//!
//! Serde and JSON schema only. Each field has a description (it becomes `kubectl explain`), a default where one is
//! sensible, and its rule in the schema; rules over two fields are CEL. Within this version fields are only added.

mod grouped_training;
mod job;
mod limits;
mod table;

pub use grouped_training::{BucketStrategy, Chosen, GroupedTraining, Model, Ols, OnMissing, Strategy};
pub use job::{API_VERSION, FailurePolicy, JOB_KIND, JobSpec, Metadata, ShoalJob};
pub use limits::{IntOrPercent, ParseIntOrPercentError};
pub use table::{InputTable, OutputMode, OutputTable, TableFormat};
