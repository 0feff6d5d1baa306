//! Output tables: what may be written where, and commits that happen once.
//!
//! Tasks write their files straight into the table's folder, under names that hold the job's uid; a file is part of
//! the table only once a commit in `_delta_log` names it. One commit per job and table makes all models visible at
//! once. It carries the job's application id (a `txn` action), which is looked for before anything is written, so
//! that publishing again, after a crash or by another head, finds the commit instead of making a second one. A commit that
//! is not wanted any more is withdrawn by an empty one with the same id, which whoever still means to write it finds.

mod actions;
mod check;
mod commit;
mod compare;
mod leftovers;
mod open;
mod placeholder;
mod protocol;
mod publisher;
mod schema;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod testing;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod transaction;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod withdrawal_tests;

pub use check::check_output;
pub use leftovers::attempt_file_name;
pub(crate) use open::log_store;
pub(crate) use placeholder::is_placeholder;
pub use publisher::DeltaPublisher;
pub use schema::schema_json;
