//! What every part of Shoal agrees on: the resources that a user writes, the job that is made of them, the traits at
//! the seams, and the state machine that turns a job into tasks.
//!
//! Nothing in here does IO, reads a clock or draws a random number: facts and `now` come in as arguments, decisions go
//! out as data.
//!
//! ```text
//!   spec  --parse-->  job  --JobKind::plan-->  stages of tasks  --control-->  effects
//!   (what a user      (what the rest           (what a worker                (what the head's
//!    writes)           of the code sees)        runs)                         actors carry out)
//! ```

pub mod archive;
pub mod autoscaling;
pub mod blobs;
pub mod calling;
pub mod control;
pub mod failure;
pub mod functions;
pub mod history;
pub mod id;
pub mod job;
pub mod journal;
pub mod kind;
pub mod lease;
pub mod limits;
pub mod partition;
pub mod payload;
pub mod progress;
pub mod publish;
pub mod report;
pub mod runner;
pub mod skew;
pub mod spec;
pub mod splitmix;
pub mod tally;
pub mod task;
pub mod traces;
pub mod units;

pub use failure::{Actor, Failure, Location, Reason};
pub use id::{AttemptId, JobUid, TaskId, WorkerId};
pub use job::Job;
pub use payload::Payload;
