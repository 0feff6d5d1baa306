#![allow(clippy::unwrap_used)]

mod calls;
mod changes;
mod decisions;
mod demand;
mod drain;
mod ending;
mod fixture;
mod recovery;
mod sharing;
mod speculation;
