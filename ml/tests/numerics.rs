//! What the numerics promise, checked from outside the crate.
#![allow(clippy::unwrap_used)]

#[path = "numerics/digits.rs"]
mod digits;
#[path = "numerics/fits.rs"]
mod fits;
#[path = "numerics/merging.rs"]
mod merging;
#[path = "numerics/nist.rs"]
mod nist;
#[path = "numerics/support.rs"]
mod support;
#[path = "numerics/tails.rs"]
mod tails;
