//! What others do with the same table.

use std::path::Path;

use shoal_benches::processes::{Environment, python};
use shoal_benches::{BenchResult, Runs};

/// Another program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// The sums that a regression needs, written to Parquet.
    DuckDb,
    /// Regressions by polars with the plugin polars-ds, written to Parquet.
    PolarsDs,
    /// `applyInPandas` with numpy's least squares, written to Parquet.
    Spark,
}

impl Peer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DuckDb => "duckdb sums",
            Self::PolarsDs => "polars-ds",
            Self::Spark => "spark applyInPandas",
        }
    }

    /// Whether `make bench-peers` has to install it.
    pub(crate) fn is_extra(self) -> bool {
        self != Self::DuckDb
    }

    /// Runs it over a table; Spark, which takes a minute, once.
    pub(crate) fn run(self, table: &Path, cores: usize, runs: usize) -> BenchResult<Runs> {
        let (environment, script, runs) = match self {
            Self::DuckDb => (Environment::Tests, "grouped_duckdb.py", runs),
            Self::PolarsDs => (Environment::Peers, "grouped_polars_ds.py", runs),
            Self::Spark => (Environment::Peers, "grouped_spark.py", 1),
        };
        let path = table.to_str().ok_or("the path is no UTF-8")?;
        python(environment, script, &[path, &cores.to_string(), &runs.to_string()])
    }
}
