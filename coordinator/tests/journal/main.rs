//! Journals and elections, on a real file and a real etcd: one suite for both, and what only one of them can do.
#![allow(clippy::unwrap_used)]

mod child;
mod clock;
mod conformance;
mod damage;
mod etcd;
mod etcd_doors;
mod etcd_trouble;
mod full_disk;
mod place;
mod samples;
mod two_heads;
