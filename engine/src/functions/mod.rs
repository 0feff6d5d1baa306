//! Users' functions per group: rows are packed into messages of many groups, and what comes back becomes rows of the output.

mod frame;
mod packer;
mod spill;
mod table;

pub use packer::{Packed, Packer};
pub use table::{FunctionTable, OWN_COLUMNS, returned_types};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
