//! The output table: one row per group with its key, how its fit ended, and the fit.

mod alphas;
mod builder;
mod estimator;
mod evaluate;
mod file;
mod fit;
mod fitted;
mod own_columns;
mod schema;
mod statistics;
mod terms;
#[cfg(test)]
mod tests;
mod training;

pub use builder::{ModelBuilder, ModelCounts};
pub use estimator::{Classes, Estimator};
pub use evaluate::Tests;
pub use file::{ParquetFile, write_parquet};
pub(crate) use fit::CLASSES_MAX;
pub use fit::{GroupRows, fit_moments_batch};
pub use fitted::Fitted;
pub use own_columns::{MODEL, reserved_columns};
pub use schema::ModelTable;
pub use training::{Folds, Training};
