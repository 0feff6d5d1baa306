//! The machine on its own: decisions one by one, and whole jobs under seeded faults.

#![allow(clippy::unwrap_used)]

mod decisions;
mod fixture;
mod simulation;
