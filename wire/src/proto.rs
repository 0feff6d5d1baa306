//! The messages and the service, as generated from `proto/membership.proto`, which documents them.

#![allow(missing_docs, unreachable_pub, clippy::all)]

tonic::include_proto!("shoal.v1");
