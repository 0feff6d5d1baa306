//! The messages and services, as generated from `proto/`, which documents them.

#![allow(missing_docs, unreachable_pub, clippy::all)]

tonic::include_proto!("shoal.v1");
