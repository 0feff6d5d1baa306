//! Carries effects out.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use ractor::ActorRef;
use shoal_core::control::{Control, Effect, Event, ReplyId};
use shoal_core::journal::{Journal, Record};
use shoal_core::kind::Kinds;
use shoal_core::publish::Publisher;
use shoal_core::{Failure, JobUid, WorkerId};
use shoal_wire::proto::head_message::Message as ToWorker;
use shoal_wire::proto::{Adopt, Assign, CancelAttempt, HeadMessage, Release, Shutdown};
use tokio::sync::{Semaphore, mpsc, watch};

use crate::coordinator::{Answer, Message, Reveal, now_ms};
use crate::event_log;
use crate::history::Histories;
use crate::links::Links;
use crate::metrics::HeadMetrics;

/// Inputs that are looked at, at the same time: each holds a table's list of files in memory. A head that took in a
/// thousand jobs within a second looks at the others' meanwhile.
const FACTS_AT_ONCE_MAX: usize = 16;

/// Commits that are made or withdrawn, and folders that are swept, at the same time: each reads a table's log.
const COMMITS_AT_ONCE_MAX: usize = 16;

/// What effects reach, apart from the workers' streams and waiting callers.
pub(crate) struct Interpreter {
    pub(crate) epoch: u64,
    pub(crate) kinds: Kinds,
    pub(crate) publisher: Arc<dyn Publisher>,
    /// Where what is stored of a job can be read.
    pub(crate) records: Arc<dyn Journal>,
    /// One append at a time: the effect loop waits for its end.
    pub(crate) journal: mpsc::Sender<Vec<Record>>,
    pub(crate) metrics: HeadMetrics,
    pub(crate) histories: Histories,
}

/// All that effects reach. What takes time runs beside the actor and comes back as an event.
pub(crate) struct Outside {
    coordinator: ActorRef<Message>,
    interpreter: Interpreter,
    pub(crate) links: Links,
    replies: HashMap<ReplyId, Answer>,
    /// What was read, and may be told once it is stored.
    reveals: HashMap<ReplyId, Reveal>,
    next_reply: u64,
    /// Closed with the coordinator: what still runs beside it ends then, a commit of a head that leads no more included.
    alive: watch::Sender<()>,
    facts: Arc<Semaphore>,
    commits: Arc<Semaphore>,
}

impl Outside {
    pub(crate) fn new(coordinator: ActorRef<Message>, interpreter: Interpreter) -> Self {
        Self {
            coordinator,
            interpreter,
            links: Links::default(),
            replies: HashMap::new(),
            reveals: HashMap::new(),
            next_reply: 0,
            alive: watch::Sender::new(()),
            facts: Arc::new(Semaphore::new(FACTS_AT_ONCE_MAX)),
            commits: Arc::new(Semaphore::new(COMMITS_AT_ONCE_MAX)),
        }
    }

    /// Notes down who waits for an answer.
    pub(crate) fn expect_reply(&mut self, answer: Answer) -> ReplyId {
        let reply = self.draw_reply();
        self.replies.insert(reply, answer);
        reply
    }

    /// Notes down what may be told once all that is decided so far is stored.
    pub(crate) fn expect_flush(&mut self, reveal: Reveal) -> ReplyId {
        let reply = self.draw_reply();
        self.reveals.insert(reply, reveal);
        reply
    }

    fn draw_reply(&mut self) -> ReplyId {
        self.next_reply += 1;
        ReplyId(self.next_reply)
    }

    /// It is decided whether a failed job goes on.
    pub(crate) fn forget_recalled(&self, job: JobUid) {
        self.interpreter.histories.forget_recalled(job);
    }

    pub(crate) fn send(&mut self, worker: &WorkerId, message: ToWorker) {
        self.links.send(worker, HeadMessage { message: Some(message) });
    }

    fn beside<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Failure>> + Send + 'static,
        event: impl FnOnce(Result<T, Failure>) -> Event + Send + 'static,
    ) {
        beside(&self.coordinator, self.alive.subscribe(), work, event);
    }
}

impl shoal_core::control::Outside for Outside {
    fn append(&mut self, records: Vec<Record>) {
        let records = self.interpreter.histories.complete(records, now_ms());
        if self.interpreter.journal.try_send(records).is_err() {
            self.coordinator.stop(Some("the journal writer has ended".to_owned()));
        }
    }

    fn observe(&mut self, records: &[Record], control: &Control) {
        event_log::log(records);
        self.interpreter.histories.observe(records, now_ms());
        self.interpreter.metrics.observe(records, control);
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Persist { .. } => unreachable!("the effect loop keeps these to itself"),
            Effect::Reply { to, answer } => {
                if let Some(waiting) = self.replies.remove(&to) {
                    let _ = waiting.send(*answer);
                }
            }
            Effect::Flushed { to } => {
                if let Some(reveal) = self.reveals.remove(&to) {
                    reveal();
                }
            }
            Effect::Recall { job } => {
                let (journal, histories) = (self.interpreter.records.clone(), self.interpreter.histories.clone());
                let recall = async move {
                    let records = journal.load_job(job).await?;
                    // Nothing depends on it but what people read.
                    let history = journal.load_history(job).await.unwrap_or_default();
                    histories.recall(job, &records, history);
                    Ok(records)
                };
                self.beside(recall, move |result| Event::Recalled { job, result });
            }
            Effect::GatherFacts { job } => {
                let (kinds, uid) = (self.interpreter.kinds.clone(), job.uid);
                let facts = async move { kinds.get(job.work.kind())?.facts(&job).await };
                self.beside(in_turn(self.facts.clone(), facts), move |result| Event::FactsGathered {
                    job: uid,
                    result,
                });
            }
            Effect::Publish { intent } => {
                let (publisher, uid) = (self.interpreter.publisher.clone(), intent.job);
                let publish = async move { publisher.publish(&intent).await };
                self.beside(in_turn(self.commits.clone(), publish), move |result| Event::Published {
                    job: uid,
                    result,
                });
            }
            Effect::Withdraw { intent } => {
                let (publisher, uid) = (self.interpreter.publisher.clone(), intent.job);
                let withdraw = async move { publisher.withdraw(&intent).await };
                self.beside(in_turn(self.commits.clone(), withdraw), move |result| Event::Withdrawn {
                    job: uid,
                    result,
                });
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
                self.beside(in_turn(self.commits.clone(), discard), move |_: Result<(), Failure>| Event::Discarded {
                    job,
                });
            }
            Effect::Assign { worker, instance, assignment } => match serde_json::to_vec(&assignment) {
                Ok(assignment_json) => {
                    let assign = Assign { epoch: self.interpreter.epoch, assignment_json };
                    if self.links.leads_to(&worker, &instance) {
                        self.send(&worker, ToWorker::Assign(assign));
                    }
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
            Effect::MovePartitions { worker, instance, sources } => match serde_json::to_vec(&sources) {
                Ok(sources_json) => {
                    if self.links.leads_to(&worker, &instance) {
                        self.send(&worker, ToWorker::Adopt(Adopt { sources_json }));
                    }
                }
                Err(error) => tracing::error!(%worker, %error, "partitions to move cannot be written as JSON"),
            },
            Effect::Dismiss { worker, instance } => {
                tracing::info!(%worker, "a worker leaves in order");
                if self.links.leads_to(&worker, &instance) {
                    self.send(&worker, ToWorker::Shutdown(Shutdown {}));
                }
                // What is in the queue still arrives.
                self.links.close(&worker, &instance);
            }
            Effect::Disconnect { worker, instance, failure } => {
                if self.links.leads_to(&worker, &instance) {
                    tracing::warn!(%worker, %failure, "a worker was taken out");
                    self.links.close(&worker, &instance);
                }
            }
        }
    }
}

/// Does something once a turn is free. Nothing is done in vain while it waits.
async fn in_turn<T>(turns: Arc<Semaphore>, work: impl Future<Output = T>) -> T {
    // It is never closed; and if it were, there would only be more at a time.
    let _turn = turns.acquire_owned().await.ok();
    work.await
}

/// Runs something beside the actor; a panic in it comes back as a failure, never as silence.
fn beside<T: Send + 'static>(
    myself: &ActorRef<Message>,
    mut alive: watch::Receiver<()>,
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
    event: impl FnOnce(Result<T, Failure>) -> Event + Send + 'static,
) {
    let myself = myself.clone();
    tokio::spawn(async move {
        let mut work = tokio::spawn(work);
        let result = tokio::select! {
            done = &mut work => match done {
                Ok(result) => result,
                Err(error) => Err(Failure::internal("the head panicked over this job").because(&error)),
            },
            // Nothing is ever sent.
            _ = alive.changed() => return work.abort(),
        };
        let _ = myself.send_message(Message::Event(Box::new(event(result)), None));
    });
}
