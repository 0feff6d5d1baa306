//! Output tables: what may be written where, and commits that happen once.
//!
//! Tasks write their files straight into the table's folder, under names that hold the job's uid; a file is part of
//! the table only once a commit in `_delta_log` names it. One commit per job and table makes all models visible at
//! once. It carries the job's application id (a `txn` action), which is looked for before anything is written, so
//! that publishing again, after a crash or by another head, finds the commit instead of making a second one.

mod actions;
mod check;
mod compare;
mod leftovers;
mod location;
mod log;
mod protocol;
mod publisher;
mod schema;
#[cfg(test)]
mod tests;

pub use check::check_output;
pub use leftovers::attempt_file_name;
pub(crate) use location::{local_folder, write_failure};
pub use publisher::DeltaPublisher;
pub use schema::schema_json;
