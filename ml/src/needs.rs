//! What an estimator has to be given.

use serde::{Deserialize, Serialize};

/// What of a group's rows an estimator is fitted from, by which a planner chooses how to bring it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Needs {
    /// The merged [`Moments`](crate::Moments) of the rows: of fixed size, built wherever the rows lie, in any order.
    Moments,
    /// The rows themselves, all of a group in one place, several times over.
    Rows,
}
