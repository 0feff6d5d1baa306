#![allow(clippy::unwrap_used)]

mod decisions;
mod ending;
mod fixture;
mod recovery;
mod sharing;
