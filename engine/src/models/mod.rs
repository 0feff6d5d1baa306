//! The output table: one row per group with its key, how its fit ended, and the fit.

mod builder;
mod file;
mod fit;

mod schema;
mod statistics;
#[cfg(test)]
mod tests;

pub use builder::{ModelCounts, OlsModelBuilder};
pub use file::{ParquetFile, write_parquet};
pub use fit::fit_moments_batch;
pub use schema::{OlsTable, RESERVED_COLUMNS, ols_schema};
