//! Everything that a user can get wrong: one typed error that names the place and the mend, and nothing published.
#![allow(clippy::unwrap_used)]

mod case;
mod columns;
mod documents;
mod outputs;
mod remote;
mod scoring;
mod tables;
