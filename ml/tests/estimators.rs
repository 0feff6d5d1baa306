//! What trees, metrics, encoders and stored models promise, checked from outside the crate and against scikit-learn.
#![allow(clippy::unwrap_used)]

#[path = "estimators/boosting.rs"]
mod boosting;
#[path = "estimators/data.rs"]
mod data;
#[path = "estimators/encoders.rs"]
mod encoders;
#[path = "estimators/forest.rs"]
mod forest;
#[path = "estimators/golden.rs"]
mod golden;
#[path = "estimators/invariance.rs"]
mod invariance;
#[path = "estimators/means.rs"]
mod means;
#[path = "estimators/metrics.rs"]
mod metrics;
#[path = "estimators/oracle.rs"]
mod oracle;
#[path = "estimators/preorder.rs"]
mod preorder;
#[path = "support/python.rs"]
mod python;
#[path = "estimators/stored.rs"]
mod stored;
