//! What must hold of the tree itself, whatever the code does.
#![allow(clippy::unwrap_used)]

mod arrows;
mod chart;
mod documents;
mod graph;
mod licences;
mod style;
