//! One attempt, from its assignment to its report.
//!
//! Two futures: the task itself, on the task runtime, and its driver, which waits for it, cancels it and reports. What
//! has to be undone hangs on the task's future, so that it is undone when that future is gone and not before: a future
//! that computes cannot be stopped between two awaits. The driver reports once it is.

use std::sync::Arc;
use std::time::Instant;

use shoal_core::failure::said_by_panic;
use shoal_core::runner::{Cancelled, TaskContext};
use shoal_core::task::{Assignment, Counters, TaskOutput};
use shoal_core::{AttemptId, Failure, Reason};
use shoal_wire::memory::Memory;
use tokio::sync::watch;
use tokio::task::JoinError;
use tracing::Instrument;

use super::exchange::Timed;
use super::owed::Owed;
use super::slot::Slot;
use crate::attempt_log;
use crate::limits::CANCEL_GRACE;
use crate::membership::MembershipMessage;
use crate::running::RunningAttempt;
use crate::scratch::AttemptScratch;
use crate::shared::{AbortOnDrop, Shared};

/// The way to cancel an attempt.
#[derive(Clone, Default)]
pub(super) struct Cancel {
    flag: Cancelled,
    signal: watch::Sender<bool>,
}

impl Cancel {
    pub(super) fn cancel(&self) {
        self.flag.cancel();
        self.signal.send_replace(true);
    }

    /// Completes when the attempt is to be dropped: some time after it was cancelled.
    async fn overdue(&self) {
        let mut signal = self.signal.subscribe();
        if signal.wait_for(|cancelled| *cancelled).await.is_err() {
            // Nobody is left to cancel it.
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(CANCEL_GRACE).await;
    }
}

/// Runs an attempt and reports its end, exactly once; also when this future is dropped before its end.
pub(super) async fn drive(shared: Arc<Shared>, assignment: Assignment, owed: Owed, slot: Slot, cancel: Cancel) {
    let mut counted = Counted::start(shared.clone(), &assignment);
    let span = slot.told.span.clone();
    let task = run(shared.clone(), assignment, slot, cancel.flag.clone()).instrument(span.clone());
    let mut task = AbortOnDrop(shared.task_runtime.spawn(task));
    let ended = tokio::select! {
        ended = &mut task.0 => ended,
        () = cancel.overdue() => {
            task.0.abort();
            (&mut task.0).await
        }
    };
    let result = ended.unwrap_or_else(|error| Err(not_ended(error)));
    span.in_scope(|| match &result {
        Ok(_) => tracing::debug!("the attempt succeeded"),
        Err(failure) => tracing::warn!(reason = ?failure.reason, %failure, "the attempt failed"),
    });
    if let Err(failure) = &result
        && shared.disk.note(failure, Instant::now())
    {
        // Before its result: with that the head would place the next task here.
        shared.tell_membership(MembershipMessage::Beat);
    }
    if let Ok(output) = &result {
        shared.metrics.functions.add(&counted.job_name, &output.counters.function_counters);
    }
    counted.succeeded = result.is_ok();
    drop(counted);
    owed.pay(result, attempt_log::take(&span));
}

async fn run(
    shared: Arc<Shared>,
    assignment: Assignment,
    slot: Slot,
    cancelled: Cancelled,
) -> Result<TaskOutput, Failure> {
    let attempt = assignment.attempt;
    let RunningAttempt { progress, calls, .. } = slot.told.clone();
    // Undone in the opposite order: the slot is free when everything else is gone.
    let _slot = slot;
    let partitions = Unfinished::open(shared.clone(), attempt);
    let scratch = AttemptScratch::new(&shared.attempts_folder, attempt);
    let (store, exchange) = Timed::new(shared.store.clone());
    let context = TaskContext {
        partitions: Arc::new(store),
        functions: Arc::clone(&shared.functions),
        scratch: scratch.path(),
        memory_bytes: shared.task_memory_bytes,
        cancelled,
        progress,
        calls: calls.clone(),
    };
    let output = shared.runner.run(assignment, context).await?;
    partitions.keep();
    let deaths = calls.deaths();
    let counters = Counters { process_deaths: deaths.count, ..output.counters };
    Ok(TaskOutput { peak_memory_bytes: Memory::now().peak, exchange: exchange.times(), deaths, counters, ..output })
}

/// Partitions of an attempt that has not succeeded; dropped with it unless they are kept.
struct Unfinished {
    shared: Arc<Shared>,
    attempt: AttemptId,
    keep: bool,
}

impl Unfinished {
    fn open(shared: Arc<Shared>, attempt: AttemptId) -> Self {
        shared.store.open(attempt);
        Self { shared, attempt, keep: false }
    }

    fn keep(mut self) {
        self.keep = true;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.keep {
            self.shared.store.discard(self.attempt);
        }
    }
}

/// Counts an attempt while it runs, and its end when it is dropped.
struct Counted {
    shared: Arc<Shared>,
    job_name: String,
    labels: [String; 2],
    succeeded: bool,
}

impl Counted {
    fn start(shared: Arc<Shared>, assignment: &Assignment) -> Self {
        let labels = [assignment.kind.clone(), assignment.stage.clone()];
        shared.metrics.running.with_label_values(&labels).inc();
        Self { shared, job_name: assignment.job_name.clone(), labels, succeeded: false }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let [kind, stage] = &self.labels;
        let state = if self.succeeded { "succeeded" } else { "failed" };
        self.shared.metrics.running.with_label_values(&[kind, stage]).dec();
        self.shared.metrics.finished.with_label_values(&[kind.as_str(), stage, state]).inc();
    }
}

fn not_ended(error: JoinError) -> Failure {
    if error.is_cancelled() {
        return Failure::new(Reason::Cancelled, "the attempt was cancelled");
    }
    let panic = error.into_panic();
    let message = format!("the task panicked: {}", said_by_panic(panic.as_ref()).unwrap_or("no message"));
    Failure::new(Reason::TaskPanicked, message).next("please report this with the worker's log")
}
