//! Users' functions that workers call for groups: what a task asks for, and what it gets.
//!
//! A function runs in a process of its own, because it may do anything. Whoever implements these traits owns the processes; a
//! kind of job sees groups go in and rows come out, each group exactly once, whatever happened to processes on the way.

use std::fmt::Debug;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::blobs::File;
use crate::calling::CallLog;
use crate::failure::{Failure, Reason};
use crate::id::{AttemptId, JobUid};
use crate::spec::v1alpha1::{Frame, Params, Returned, Variable};
use crate::tally::Tally;

/// A function, with all that a process has to know of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// Where the spec has it, as `spec.groupedScoring.python`.
    // Programs that were stored before there were others are of trainings.
    #[serde(default = "of_training")]
    pub field: String,
    /// What it is called for.
    #[serde(default)]
    pub purpose: Purpose,
    /// Where it is.
    pub code: Code,
    /// What lies beside it: its modules and their data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
    /// Its name there.
    pub function: String,
    /// What a group's rows come as.
    pub frame: Frame,
    /// What it gets beside the group and its key.
    pub params: Params,
    /// Names of the columns that make a key.
    pub keys: Vec<String>,
    /// What it returns.
    pub returns: Vec<Returned>,
    /// The interpreter, where it is not to be looked for.
    pub interpreter: Option<String>,
    /// What is installed for it in an environment of its own, where that is not what the interpreter has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirements: Option<Requirements>,
    /// Whether what is installed for it is packed once, for all workers of the cluster.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub packs: bool,
    /// Environment variables that it sees beside those that every function does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<Variable>,
    /// How long one group may take.
    pub group_time_max: Option<Duration>,
    /// Memory that its process may take, in bytes.
    pub memory_max: Option<u64>,
    /// Processes that may die under it before its job is given up.
    pub deaths_max: u32,
}

/// What a function is called for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Purpose {
    /// To make something of a group's rows: as many rows of the output as it likes.
    #[default]
    Fit,
    /// To predict: it gets the group's model as well, and makes a row of the output of each row.
    Predict,
}

fn of_training() -> String {
    "spec.groupedTraining.model.python".to_owned()
}

/// Who has a function called.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The job.
    pub job: JobUid,
    /// Which attempt at its task, from 1.
    pub attempt: u32,
    /// Whether it is to be told how long each group took.
    pub is_timing: bool,
    /// Where it wants to be told what becomes of its calls.
    pub log: CallLog,
}

impl Caller {
    /// An attempt, for which is written down there what becomes of its calls.
    pub fn attempt(AttemptId { task, number }: AttemptId, log: CallLog) -> Self {
        Self { job: task.job, attempt: number, is_timing: false, log }
    }
}

/// Where a program's function is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Code {
    /// In a text, which errors call by the name of its file.
    Text {
        /// The text.
        text: String,
        /// What it is called.
        file: String,
    },
    /// In an installed module.
    Module(String),
}

/// Packages that are installed into an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirements {
    /// They, as a file that `pip install -r` takes.
    pub text: String,
    /// What the file is called, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The folder of wheels that they come from, where nothing is to be fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wheels: Option<String>,
    /// The files of that folder, where it travels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wheel_files: Vec<File>,
    /// The index that they come from, where it is not the worker's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_url: Option<String>,
}

impl Requirements {
    /// The member of the function's environment in the spec that names them.
    pub fn member(&self) -> &'static str {
        if self.file.is_some() { "requirements" } else { "packages" }
    }
}

/// How an environment came to be ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Prepared {
    /// It was there.
    Found,
    /// It was built, by an installer of that name, within so many milliseconds.
    #[allow(missing_docs)]
    Built { by: String, milliseconds: u64 },
    /// It was laid out within so many milliseconds, as another worker had packed it.
    #[allow(missing_docs)]
    Fetched { milliseconds: u64 },
}

/// Rows of a piece, for a function that takes a group piece by piece: what libraries work with at a time.
pub const PIECE_ROWS: u64 = 1 << 16;

/// Bytes of a piece: several of it are held by whoever reads, makes a frame of it and computes.
pub const PIECE_BYTES: u64 = 8 << 20;

/// Rows of some groups, group by group.
#[derive(Clone, Debug, PartialEq)]
pub struct Groups {
    /// The columns that the function sees; no row where these are in `pieces`.
    pub rows: RecordBatch,
    /// The key columns, a row per group.
    pub keys: RecordBatch,
    /// Where each group's rows end among all.
    pub ends: Vec<u64>,
    /// The rows of the only group, where memory does not hold them: for functions that take a group piece by piece.
    pub pieces: Option<Pieces>,
    /// What comes along where the function predicts.
    pub predicting: Option<Predicting>,
}

/// Rows that memory does not hold.
#[derive(Clone, Debug)]
pub struct Pieces(pub Arc<dyn ReadPieces>);

impl PartialEq for Pieces {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Reads rows that memory does not hold, as often as they are asked for.
pub trait ReadPieces: Debug + Send + Sync {
    /// How many rows each piece has, at least one.
    fn rows(&self) -> &[u64];

    /// A piece, with the columns that the function sees.
    ///
    /// # Errors
    /// Those of the disk that it is on.
    fn read(&self, piece: usize) -> io::Result<RecordBatch>;
}

/// What groups have beside their rows where a function predicts.
#[derive(Clone, Debug, PartialEq)]
pub struct Predicting {
    /// What it predicts with, a row per group.
    pub models: RecordBatch,
    /// What the output has of each row, which the function need not see: it stays with whoever asks.
    pub kept: RecordBatch,
}

impl Groups {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many rows a group has.
    pub fn rows_of(&self, group: usize) -> u64 {
        self.ends[group] - self.start_of(group)
    }

    /// Some of them; no row is copied.
    #[must_use]
    pub fn slice(&self, groups: Range<usize>) -> Self {
        if self.pieces.is_some() && groups == (0..self.len()) {
            return self.clone();
        }
        let (start, end) = (self.start_of(groups.start), self.start_of(groups.end));
        // They were counted by rows that are in memory.
        let rows = if self.pieces.is_some() { 0..0 } else { start as usize..end as usize };
        let of_rows = |batch: &RecordBatch| batch.slice(rows.start, rows.len());
        let ends = self.ends[groups.clone()].iter().map(|end| end - start).collect();
        let of_groups = |batch: &RecordBatch| batch.slice(groups.start, groups.len());
        let predicting = self.predicting.as_ref();
        let predicting = predicting.map(|all| Predicting { models: of_groups(&all.models), kept: of_rows(&all.kept) });
        Self { rows: of_rows(&self.rows), keys: of_groups(&self.keys), ends, pieces: None, predicting }
    }

    fn start_of(&self, group: usize) -> u64 {
        group.checked_sub(1).map_or(0, |before| self.ends[before])
    }
}

/// What the function returned for some groups.
#[derive(Clone, Debug, PartialEq)]
pub struct Returns {
    /// The groups.
    pub groups: Groups,
    /// The declared columns.
    pub rows: RecordBatch,
    /// Which group each row is of, by its place, in ascending order.
    pub group_of_row: Vec<u32>,
    /// Groups without a result, in ascending order.
    pub failed: Vec<FailedGroup>,
    /// What the function counted in these groups.
    pub counted: Tally,
    /// How long each group took, where the caller is timing; of one that cost its process nothing is known.
    pub took: Vec<Duration>,
}

/// A group that has no result, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedGroup {
    /// Its place.
    pub group: u32,
    /// What happened, as a word of [`status`].
    pub status: String,
    /// Type of the exception, where one was raised.
    pub error_type: Option<String>,
    /// What happened, for people.
    pub message: String,
    /// The user's own lines that led there, where one was raised.
    pub trace: Option<String>,
}

/// Words for how a call of a function ended, beside those of models.
pub mod status {
    /// The function raised an exception.
    pub const RAISED: &str = "raised";
    /// It returned something else than the job declares.
    pub const WRONG_RETURN: &str = "wrong_return";
    /// It took longer than a group may.
    pub const TIMED_OUT: &str = "timed_out";
    /// Its process died.
    pub const PROCESS_DIED: &str = "process_died";
    /// Its process took more memory than it may.
    pub const OUT_OF_MEMORY: &str = "out_of_memory";
}

/// Processes that run functions.
#[async_trait]
pub trait Functions: Send + Sync {
    /// Makes what a program runs in ready, where packages are to be installed for it: once for all that share a machine.
    ///
    /// # Errors
    /// [`crate::Reason::InvalidEnvironment`] with the installer's last words; [`crate::Reason::Io`] where environments cannot
    /// be kept.
    async fn prepare(&self, program: &Program) -> Result<Prepared, Failure>;

    /// Has a process load a program for that caller, and gives the way to call it. Processes are used again by others of its
    /// job.
    ///
    /// # Errors
    /// [`crate::Reason::InvalidFunction`] or [`crate::Reason::InvalidEnvironment`], with what has to be mended.
    async fn load(&self, caller: Caller, program: Arc<Program>) -> Result<Box<dyn Calls>, Failure>;
}

/// For a worker that runs no users' functions.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFunctions;

#[async_trait]
impl Functions for NoFunctions {
    async fn prepare(&self, _: &Program) -> Result<Prepared, Failure> {
        Err(runs_none())
    }

    async fn load(&self, _: Caller, _: Arc<Program>) -> Result<Box<dyn Calls>, Failure> {
        Err(runs_none())
    }
}

fn runs_none() -> Failure {
    Failure::new(Reason::InvalidEnvironment, "this worker runs no functions of users")
        .next("run the job on workers that do")
}

/// Calls of a loaded function. Dropping it ends those that are on their way.
#[async_trait]
pub trait Calls: Send {
    /// Whether the function takes a group piece by piece, and so one that memory does not hold.
    fn takes_pieces(&self) -> bool;

    /// Has it called for each of these groups, after those that were sent before. Nobody waits here.
    fn send(&mut self, groups: Groups);

    /// How many groups have been sent and not answered.
    fn waiting(&self) -> usize;

    /// Waits for what it returned for the next groups, some or all that were sent together; `None` where no group waits. A group
    /// that costs its process is one that failed, and comes before its neighbours: these are tried again.
    ///
    /// # Errors
    /// [`crate::Reason::ProcessesKeepDying`] where more died than may.
    async fn next(&mut self) -> Result<Option<Returns>, Failure>;
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow_array::{ArrayRef, Int64Array};

    use super::*;

    fn batch(name: &str, values: Range<i64>) -> RecordBatch {
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values(values));
        RecordBatch::try_from_iter([(name, values)]).unwrap()
    }

    #[test]
    fn a_slice_has_its_own_rows_and_keys() {
        let predicting = |models, kept| Some(Predicting { models: batch("model", models), kept: batch("y", kept) });
        let groups = Groups {
            rows: batch("x", 0..10),
            keys: batch("key", 0..4),
            ends: vec![2, 3, 9, 10],
            pieces: None,
            predicting: predicting(10..14, 20..30),
        };
        assert_eq!((0..4).map(|group| groups.rows_of(group)).collect::<Vec<_>>(), [2, 1, 6, 1]);
        let middle = groups.slice(1..3);
        let expected = Groups {
            rows: batch("x", 2..9),
            keys: batch("key", 1..3),
            ends: vec![1, 7],
            pieces: None,
            predicting: predicting(11..13, 22..29),
        };
        assert_eq!(middle, expected);
        assert_eq!(middle.slice(1..2).rows, batch("x", 3..9));
        assert_eq!(groups.slice(0..4), groups);
        assert!(groups.slice(2..2).is_empty());
    }

    /// Pieces of nothing.
    #[derive(Debug)]
    struct Nowhere;

    impl ReadPieces for Nowhere {
        fn rows(&self) -> &[u64] {
            &[]
        }

        fn read(&self, _: usize) -> io::Result<RecordBatch> {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    #[test]
    fn a_group_in_pieces_is_there_as_a_whole_or_not_at_all() {
        let pieces = Some(Pieces(Arc::new(Nowhere)));
        let large =
            Groups { rows: batch("x", 0..0), keys: batch("key", 7..8), ends: vec![1_000], pieces, predicting: None };
        assert_eq!(large.slice(0..1), large);
        let rest = large.slice(1..1);
        assert!(rest.is_empty() && rest.pieces.is_none(), "{rest:?}");
    }
}
