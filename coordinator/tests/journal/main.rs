//! Journals and elections, on a real file and a real etcd: one suite for both, and what only one of them can do.
#![allow(clippy::unwrap_used)]

mod conformance;
mod damage;
mod etcd;
mod etcd_doors;
mod place;
mod samples;
