//! Aggregate functions over [`shoal_ml::Moments`]: `moments(x1, …, y)` folds the rows of each group, and
//! `merge_moments(state)` folds what other tasks folded. Both give the same struct, which is also the state that
//! travels between the stages of a query, spills to disk and lies in partitions:
//!
//! ```text
//! struct { count: u64, dropped: u64, mean: fixed list of v floats, comoment: fixed list of v (v + 1) / 2 floats }
//! ```
//!
//! A row in which any variable is null, NaN or infinite is not folded but counted in `dropped`.

mod accumulate;
mod column;
mod groups;
#[cfg(test)]
mod tests;
mod udaf;

pub use column::{MomentsColumn, moments_type};
pub(crate) use groups::GroupMoments;
pub use udaf::{merge_moments_udaf, moments_udaf};
