//! Hands over the traces of jobs that have ended.
//!
//! A trace is handed over once, by the head that stored the job's end: one that a collector does not take is lost, and
//! nothing of the job is.

use std::sync::Arc;
use std::time::Duration;

use shoal_core::control::Control;
use shoal_core::traces::Traces;
use shoal_core::{Failure, JobUid};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::coordinator::read;
use crate::standing::Leading;

/// How long a head that is shut down waits for what is on its way to the collector.
const FLUSH_MAX: Duration = Duration::from_secs(5);

enum Order {
    /// The end of a job is stored.
    Ended(JobUid),
    /// All that was ordered before is done.
    Flush(oneshot::Sender<()>),
}

/// The way to whoever hands traces over.
#[derive(Clone)]
pub(crate) struct Tracer(mpsc::UnboundedSender<Order>);

/// What it waits for.
pub(crate) struct Orders(mpsc::UnboundedReceiver<Order>);

impl Tracer {
    pub(crate) fn new() -> (Self, Orders) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), Orders(receiver))
    }

    pub(crate) fn jobs_have_ended(&self, ended: &[JobUid]) {
        for uid in ended {
            // Where nobody takes it any more, the head is at its end.
            let _ = self.0.send(Order::Ended(*uid));
        }
    }

    /// Waits until all traces so far are handed over, but not for ever.
    pub(crate) async fn flush(&self) {
        let (done, is_done) = oneshot::channel();
        if self.0.send(Order::Flush(done)).is_ok() {
            let _ = timeout(FLUSH_MAX, is_done).await;
        }
    }
}

impl Orders {
    /// Hands traces over, one after the other, for as long as this head leads.
    pub(crate) fn carry_out(mut self, traces: Arc<dyn Traces>, leading: Leading) -> JoinHandle<()> {
        tokio::spawn(async move {
            while let Some(order) = self.0.recv().await {
                match order {
                    Order::Ended(uid) => {
                        if let Err(failure) = export(&*traces, &leading, uid).await {
                            let Failure { message, causes, next, .. } = &failure;
                            tracing::warn!(job = %uid, causes = ?causes, next, "{message}; the job has ended all the same");
                        }
                    }
                    Order::Flush(done) => drop(done.send(())),
                }
            }
        })
    }
}

async fn export(traces: &dyn Traces, leading: &Leading, uid: JobUid) -> Result<(), Failure> {
    let ended = read(&leading.coordinator, move |control: &Control, _| control.ended_job(uid)).await?;
    // It was forgotten or goes on already.
    let Some((status, _)) = ended else { return Ok(()) };
    let history = leading.journal.load_history(uid).await?.unwrap_or_default();
    traces.export(&status, &history).await
}
