//! What is told of an attempt while it runs.

use std::time::{Duration, Instant};

use shoal_core::AttemptId;
use shoal_core::calling::CallLog;
use shoal_core::progress::TaskProgress;
use shoal_core::task::Assignment;
use shoal_wire::{json, proto};
use tracing::Span;

use crate::attempt_log::{self, Early};
use crate::limits::{CLOSER_BEAT, CLOSEST_BEAT};

/// An attempt that occupies a slot. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct RunningAttempt {
    /// How far it is.
    pub(crate) progress: TaskProgress,
    /// What becomes of the user's function that it calls.
    pub(crate) calls: CallLog,
    /// What it runs in, which has its log.
    pub(crate) span: Span,
    /// Runs of its task that ended with their worker.
    lost_workers: u32,
}

impl RunningAttempt {
    /// One that begins.
    pub(crate) fn begun(assignment: &Assignment, now: Instant) -> Self {
        Self {
            progress: TaskProgress::begun(now),
            calls: CallLog::default(),
            span: attempt_log::span(assignment),
            lost_workers: assignment.lost_workers,
        }
    }

    /// How often its worker tells of itself at least: the more often, the more its task is suspected to end it, too.
    pub(crate) fn beat(&self) -> Option<Duration> {
        match self.lost_workers {
            0 => None,
            1 => Some(CLOSER_BEAT),
            _ => Some(CLOSEST_BEAT),
        }
    }

    /// What a heartbeat tells of it, where there is anything to tell.
    pub(crate) fn told(&self, attempt: AttemptId) -> Option<proto::RunningAttempt> {
        let calls = self.calls.so_far();
        let Early { before, lines } = attempt_log::next_lines(&self.span);
        if calls.is_nothing() && lines.is_empty() {
            return None;
        }
        let calls_json = if calls.is_nothing() { Vec::new() } else { json::encode(&calls).unwrap_or_default() };
        Some(proto::RunningAttempt { attempt: attempt.to_string(), calls_json, log: lines, log_before: before })
    }
}
