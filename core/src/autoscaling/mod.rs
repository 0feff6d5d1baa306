//! Groups of workers that follow the work.

pub mod estimate;
pub mod samples;
pub mod signal;
pub mod trouble;
