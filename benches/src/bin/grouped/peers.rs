//! What others do with the same table.

use std::path::Path;

use shoal_benches::processes::{Environment, python};
use shoal_benches::{BenchResult, Runs};

use crate::case::Frame;

/// Another program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// The sums that a regression needs, written to Parquet.
    DuckDb,
    /// Regressions by polars with the plugin polars-ds, written to Parquet.
    PolarsDs,
    /// `applyInPandas` with numpy's least squares, written to Parquet.
    Spark,
    /// As many plain Python processes as there are cores, which call the function that Shoal calls.
    Loop(Frame),
}

impl Peer {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DuckDb => "duckdb sums",
            Self::PolarsDs => "polars-ds",
            Self::Spark => "spark applyInPandas",
            Self::Loop(Frame::Numpy | Frame::Arrow) => "plain loops, numpy",
            Self::Loop(Frame::Pandas) => "plain loops, pandas",
        }
    }

    /// Whether `make bench-peers` has to install it.
    pub(crate) fn is_extra(self) -> bool {
        matches!(self, Self::PolarsDs | Self::Spark)
    }

    /// Runs it over a table; Spark, which takes a minute, once.
    pub(crate) fn run(self, table: &Path, cores: usize, runs: usize) -> BenchResult<Runs> {
        let (environment, script, runs) = match self {
            Self::DuckDb => (Environment::Tests, "grouped_duckdb.py", runs),
            Self::PolarsDs => (Environment::Peers, "grouped_polars_ds.py", runs),
            Self::Spark => (Environment::Peers, "grouped_spark.py", 1),
            Self::Loop(_) => (Environment::Tests, "python_loop.py", runs),
        };
        let path = table.to_str().ok_or("the path is no UTF-8")?;
        let (cores, runs) = (cores.to_string(), runs.to_string());
        let mut arguments = vec![path, &cores, &runs];
        if let Self::Loop(frame) = self {
            arguments.push(frame.name());
        }
        python(environment, script, &arguments)
    }
}
