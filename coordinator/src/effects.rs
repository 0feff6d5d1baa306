//! Carries effects out.

use std::future::Future;
use std::sync::Arc;

use ractor::ActorRef;
use shoal_core::control::{Effect, Event};
use shoal_core::kind::Kinds;
use shoal_core::publish::Publisher;
use shoal_core::{Failure, WorkerId};
use shoal_wire::proto::{Assign, CancelAttempt, HeadMessage, Release, head_message::Message as ToWorker};
use tokio::sync::mpsc;

use crate::coordinator::{Message, State};
use crate::event_log;
use crate::journal_writer::Append;
use crate::metrics::HeadMetrics;

/// What effects reach, apart from the workers' streams.
pub(crate) struct Interpreter {
    pub(crate) epoch: u64,
    pub(crate) kinds: Kinds,
    pub(crate) publisher: Arc<dyn Publisher>,
    /// Unbounded on purpose: what is in it was caused by events, and those are bounded at the door.
    pub(crate) journal: mpsc::UnboundedSender<Append>,
    pub(crate) metrics: HeadMetrics,
}

impl State {
    /// Carries effects out in order. What takes time runs beside the actor and comes back as an event.
    pub(crate) fn interpret(&mut self, myself: &ActorRef<Message>, effects: Vec<Effect>) {
        for effect in effects {
            self.interpret_one(myself, effect);
        }
    }

    fn interpret_one(&mut self, myself: &ActorRef<Message>, effect: Effect) {
        match effect {
            Effect::Persist { records, then } => {
                event_log::log(&records);
                self.interpreter.metrics.observe(&records, &self.control);
                if self.interpreter.journal.send(Append { records, then }).is_err() {
                    myself.stop(Some("the journal writer has ended".to_owned()));
                }
            }
            Effect::Reply { to, answer } => {
                if let Some(waiting) = self.replies.remove(&to) {
                    let _ = waiting.send(*answer);
                }
            }
            Effect::GatherFacts { job } => {
                let (kinds, uid) = (self.interpreter.kinds.clone(), job.uid);
                let facts = async move { kinds.get(job.work.kind())?.facts(&job).await };
                beside(myself, facts, move |result| Event::FactsGathered { job: uid, result });
            }
            Effect::Publish { intent } => {
                let (publisher, uid) = (self.interpreter.publisher.clone(), intent.job);
                let publish = async move { publisher.publish(&intent).await };
                beside(myself, publish, move |result| Event::Published { job: uid, result });
            }
            Effect::Discard { job, tables } => {
                let publisher = self.interpreter.publisher.clone();
                let discard = async move {
                    for table in tables {
                        if let Err(failure) = publisher.discard(job, &table).await {
                            tracing::warn!(%job, %table, %failure, "files of a failed job could not be deleted");
                        }
                    }
                    Ok(())
                };
                beside(myself, discard, move |_: Result<(), Failure>| Event::Discarded { job });
            }
            Effect::Assign { worker, assignment } => match serde_json::to_vec(&assignment) {
                Ok(assignment_json) => {
                    let assign = Assign { epoch: self.interpreter.epoch, assignment_json };
                    self.send(&worker, ToWorker::Assign(assign));
                }
                Err(error) => {
                    tracing::error!(attempt = %assignment.attempt, %error, "an assignment cannot be written as JSON")
                }
            },
            Effect::CancelAttempt { worker, attempt } => {
                self.send(&worker, ToWorker::CancelAttempt(CancelAttempt { attempt: attempt.to_string() }));
            }
            Effect::Release { worker, job } => {
                self.send(&worker, ToWorker::Release(Release { job_uid: job.to_string() }))
            }
            Effect::Disconnect { worker, instance, failure } => {
                tracing::warn!(%worker, %failure, "a worker was taken out");
                self.links.close(&worker, &instance);
            }
        }
    }

    fn send(&mut self, worker: &WorkerId, message: ToWorker) {
        self.links.send(worker, HeadMessage { message: Some(message) });
    }
}

/// Runs something beside the actor; a panic in it comes back as a failure, never as silence.
fn beside<T: Send + 'static>(
    myself: &ActorRef<Message>,
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
    event: impl FnOnce(Result<T, Failure>) -> Event + Send + 'static,
) {
    let myself = myself.clone();
    tokio::spawn(async move {
        let result = match tokio::spawn(work).await {
            Ok(result) => result,
            Err(error) => Err(Failure::internal("the head panicked over this job").because(&error)),
        };
        let _ = myself.send_message(Message::Event(Box::new(event(result)), None));
    });
}
