//! Traces of jobs for OpenTelemetry: a span per job, in it one per stage, in these one per attempt, and in those the time in
//! which it read the partitions of the stage before.
//!
//! They are made of what is kept of a job once it has ended, not while it runs: so they are whole, cost a running job
//! nothing, and need no clock but the head's. The trace's id is the job's.

mod otlp;
mod spans;

pub use otlp::OtlpTraces;
