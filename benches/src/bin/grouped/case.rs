//! What is measured, and against what.

use clap::ValueEnum;

use crate::peers::Peer;

/// One thing to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Case {
    /// Least squares, coefficients alone: 100,000 groups of 100 rows.
    Coefficients,
    /// The same with all statistics and stored models.
    Full,
    /// A million groups of 10 rows.
    ManyGroups,
    /// A thousand groups of 10,000 rows.
    LargeGroups,
    /// Rows are exchanged, not sums.
    Bucket,
    /// A hundred million rows exchanged by a worker that may take a gigabyte.
    LittleMemory,
    /// Two worker processes, which exchange over Flight.
    TwoWorkers,
    /// Elastic net of five features.
    ElasticNet,
    /// Logistic regression of five features.
    Logistic,
    /// Ten groups, from the command to its end.
    Small,
    /// A Python function of numpy arrays: a million groups of 10 rows.
    PythonNumpy,
    /// The same of Arrow's.
    PythonArrow,
    /// A Python function of pandas frames: 100,000 groups of 100 rows.
    PythonPandas,
    /// A Python function of numpy arrays: a thousand groups of 10,000 rows.
    PythonLarge,
}

/// What a Python function gets of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Numpy,
    Arrow,
    Pandas,
}

impl Frame {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Numpy => "numpy",
            Self::Arrow => "arrow",
            Self::Pandas => "pandas",
        }
    }
}

/// What is made of a group.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Learner {
    /// A model of Shoal's own, as the job has it.
    Model(&'static str),
    /// What the function of `python_fit.py` for such frames returns.
    Function(Frame),
}

/// A table of groups, and a job over it.
pub(crate) struct Plan {
    pub(crate) groups: u64,
    pub(crate) rows_per_group: u64,
    pub(crate) features: usize,
    pub(crate) learner: Learner,
    pub(crate) statistics: &'static str,
    pub(crate) strategy: &'static str,
    /// Worker processes, which share the cores.
    pub(crate) workers: usize,
    /// What each of them may take, where it is told, so that not all rows fit.
    pub(crate) memory: Option<&'static str>,
}

impl Plan {
    /// Rows of the table.
    pub(crate) fn rows(&self) -> f64 {
        (self.groups * self.rows_per_group) as f64
    }
}

const OLS: &str = "ols: {target: y, features: [x1, x2]}";

impl Case {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Coefficients => "ols coefficients, 100,000 x 100",
            Self::Full => "ols full, 100,000 x 100",
            Self::ManyGroups => "ols coefficients, 1,000,000 x 10",
            Self::LargeGroups => "ols coefficients, 1,000 x 10,000",
            Self::Bucket => "ols coefficients, strategy bucket",
            Self::LittleMemory => "strategy bucket, 1,000,000 x 100, 1 GiB",
            Self::TwoWorkers => "ols coefficients, two workers",
            Self::ElasticNet => "elastic net, 100,000 x 100, 5 features",
            Self::Logistic => "logistic, 20,000 x 100, 5 features",
            Self::Small => "whole `shoal run`, 10 groups",
            Self::PythonNumpy => "python, numpy, 1,000,000 x 10",
            Self::PythonArrow => "python, arrow, 1,000,000 x 10",
            Self::PythonPandas => "python, pandas, 100,000 x 100",
            Self::PythonLarge => "python, numpy, 1,000 x 10,000",
        }
    }

    pub(crate) fn plan(self) -> Plan {
        let ols = Plan {
            groups: 100_000,
            rows_per_group: 100,
            features: 2,
            learner: Learner::Model(OLS),
            statistics: "coefficients",
            strategy: "auto: {}",
            workers: 1,
            memory: None,
        };
        match self {
            Self::Coefficients => ols,
            Self::Full => Plan { statistics: "full", ..ols },
            Self::ManyGroups => Plan { groups: 1_000_000, rows_per_group: 10, ..ols },
            Self::LargeGroups => Plan { groups: 1_000, rows_per_group: 10_000, ..ols },
            Self::Bucket => Plan { strategy: "bucket: {}", ..ols },
            Self::LittleMemory => Plan { groups: 1_000_000, strategy: "bucket: {}", memory: Some("1GiB"), ..ols },
            Self::TwoWorkers => Plan { workers: 2, ..ols },
            Self::ElasticNet => Plan {
                features: 5,
                // About half of the features stay; the tolerance is the one that scikit-learn is asked for as well.
                learner: Learner::Model(
                    "elasticNet: {target: y, features: [x1, x2, x3, x4, x5], alpha: 0.05, tolerance: 1.0e-10}",
                ),
                ..ols
            },
            Self::Logistic => Plan {
                groups: 20_000,
                features: 5,
                learner: Learner::Model(
                    "logistic: {target: \"y > 1 AS high\", features: [x1, x2, x3, x4, x5], tolerance: 1.0e-10}",
                ),
                ..ols
            },
            Self::Small => Plan { groups: 10, ..ols },
            Self::PythonNumpy => {
                Plan { groups: 1_000_000, rows_per_group: 10, learner: Learner::Function(Frame::Numpy), ..ols }
            }
            Self::PythonArrow => {
                Plan { groups: 1_000_000, rows_per_group: 10, learner: Learner::Function(Frame::Arrow), ..ols }
            }
            Self::PythonPandas => Plan { learner: Learner::Function(Frame::Pandas), ..ols },
            Self::PythonLarge => {
                Plan { groups: 1_000, rows_per_group: 10_000, learner: Learner::Function(Frame::Numpy), ..ols }
            }
        }
    }

    /// Whether it is one of `make bench-python`.
    pub(crate) fn is_python(self) -> bool {
        matches!(self.plan().learner, Learner::Function(_))
    }

    /// How often it is measured where the others are so often: what takes ten seconds not as often.
    pub(crate) fn runs(self, runs: usize) -> usize {
        if self == Self::LittleMemory { runs.min(3) } else { runs }
    }

    /// What it is held against.
    pub(crate) fn bars(self) -> &'static [Bar] {
        const DUCKDB: Peer = Peer::DuckDb;
        match self {
            Self::Coefficients => {
                &[Bar::Times(DUCKDB, 1.0), Bar::Times(Peer::PolarsDs, 0.25), Bar::Times(Peer::Spark, 0.005)]
            }
            Self::Full => &[Bar::Times(DUCKDB, 1.5)],
            Self::ManyGroups | Self::LargeGroups => &[Bar::Times(DUCKDB, 1.0)],
            Self::Bucket => &[Bar::Times(DUCKDB, 3.0)],
            Self::LittleMemory => &[Bar::TimesCasePerRow(Case::Bucket, 2.0), Bar::MemoryMib(1536.0)],
            Self::TwoWorkers => &[Bar::TimesCase(Case::Coefficients, 1.5)],
            Self::ElasticNet => &[Bar::GroupsPerSecond(50_000.0)],
            Self::Logistic => &[Bar::GroupsPerSecond(20_000.0)],
            Self::Small => &[Bar::Seconds(0.15)],
            Self::PythonNumpy => {
                &[Bar::GroupsPerSecond(100_000.0), Bar::Times(Peer::Loop(Frame::Numpy), OF_PLAIN_LOOPS)]
            }
            Self::PythonArrow => &[Bar::GroupsPerSecond(100_000.0)],
            Self::PythonPandas => &[
                Bar::GroupsPerSecond(30_000.0),
                Bar::Times(Peer::Loop(Frame::Pandas), OF_PLAIN_LOOPS),
                Bar::Times(Peer::Spark, 0.05),
            ],
            Self::PythonLarge => &[Bar::Times(Peer::Loop(Frame::Numpy), 1.2)],
        }
    }
}

/// How many times as long as plain loops functions may take that are called for a great many small groups: 0.6 of their rate.
const OF_PLAIN_LOOPS: f64 = 1.0 / 0.6;

/// What a case may take at the most.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bar {
    /// So many times as long as a peer.
    Times(Peer, f64),
    /// So many times as long as another case.
    TimesCase(Case, f64),
    /// So many times as long as another case, for each row.
    TimesCasePerRow(Case, f64),
    /// So much memory of all processes together, in MiB.
    MemoryMib(f64),
    /// As long as so many groups a second take.
    GroupsPerSecond(f64),
    /// So many seconds.
    Seconds(f64),
}
