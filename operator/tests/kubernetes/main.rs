//! The operator on a real API server, with Kubernetes' own controllers and no node: what the kubelet would say of pods, the
//! tests say. Each test has a namespace of its own, which takes restricted pods only, and operators with the rights that
//! the chart gives.
//!
//! `make test-kubernetes` builds what they need and runs them.
#![allow(clippy::unwrap_used)]

mod api;
mod callers;
mod chart;
mod clusters;
mod door;
mod fake_head;
mod fake_metrics;
mod fault_proxy;
mod faults;
mod groups;
mod heads;
mod jobs;
mod leadership;
mod leaving;
mod operator;
mod operator_process;
mod processes;
mod restarts;
mod room;
mod scaling;
mod security;
mod story;
mod tokens;
mod verdicts;
mod writes;
