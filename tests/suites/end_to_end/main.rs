//! The built binary, from a job file to a table that others can read, and through what can happen on the way.
#![allow(clippy::unwrap_used)]

mod agreement;
mod archive;
mod clustered;
mod command_line;
mod drain;
mod estimators;
mod exchange;
mod failover;
mod failures;
mod history;
mod interrupts;
mod jobs;
mod lost_worker;
mod memory;
mod missing_values;
mod object_stores;
mod place;
mod probes;
mod program;
mod python;
mod s3;
mod scoring;
mod scoring_expressions;
mod shapes;
mod simulate;
mod speculation;
mod sql;
mod suspend;
mod timeline;
mod tls;
mod token;
mod traces;
mod worker_faults;
