//! One term of a head: from what the journal holds to the end of its coordinator.

use std::sync::Arc;
use std::time::Duration;

use ractor::Actor;
use shoal_core::Failure;
use shoal_core::control::Control;
use shoal_core::kind::Kinds;
use shoal_core::publish::Publisher;
use shoal_core::traces::Traces;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::archive::Archives;
use crate::blobs::Blobs;
use crate::coordinator::{Coordinator, Message, Start, now_ms, read};
use crate::effects::Interpreter;
use crate::history::Histories;
use crate::journal::Stores;
use crate::journal_writer;
use crate::metrics::HeadMetrics;
use crate::standing::Leading;
use crate::traces::Tracer;

/// How long a coordinator may take to finish the message that it is about.
const STOP_MAX: Duration = Duration::from_secs(5);

/// How long what is decided may take to be stored when a head is shut down. A journal that hangs longer keeps it from
/// nothing: what is not stored was not acknowledged.
const FLUSH_MAX: Duration = Duration::from_secs(5);

/// What every term of a head has.
#[derive(Clone)]
pub(crate) struct Realm {
    pub(crate) stores: Stores,
    pub(crate) kinds: Kinds,
    pub(crate) publisher: Arc<dyn Publisher>,
    pub(crate) no_worker_max: Duration,
    pub(crate) metrics: HeadMetrics,
    pub(crate) archives: Option<Archives>,
    pub(crate) blobs: Blobs,
    pub(crate) traces: Option<Arc<dyn Traces>>,
}

/// A running coordinator, its journal writer and its workers' streams. All of it ends when this is dropped.
pub(crate) struct Reign {
    leading: Leading,
    actor: JoinHandle<()>,
    writer: JoinHandle<()>,
    /// Makes copies of jobs that have ended.
    keeper: Option<JoinHandle<()>>,
    /// Looks after files that jobs bring along.
    janitor: JoinHandle<()>,
    /// Hands over traces of jobs that have ended.
    tracer: Option<(Tracer, JoinHandle<()>)>,
}

impl Drop for Reign {
    fn drop(&mut self) {
        self.leading.coordinator.kill();
        self.writer.abort();
        if let Some(keeper) = &self.keeper {
            keeper.abort();
        }
        self.janitor.abort();
        if let Some((_, tracer)) = &self.tracer {
            tracer.abort();
        }
    }
}

impl Reign {
    /// Goes on with what the journal holds.
    ///
    /// # Errors
    /// What keeps the journal from being loaded, or what is in it from being understood.
    pub(crate) async fn begin(realm: &Realm, epoch: u64) -> Result<Self, Failure> {
        let Realm {
            stores: Stores { journal, place, .. },
            kinds,
            publisher,
            no_worker_max,
            metrics,
            archives,
            blobs,
            traces,
        } = realm.clone();
        let records = journal.load().await?;
        let histories = Histories::load(&records, journal.as_ref()).await;
        let (control, effects) =
            Control::recover(kinds.clone(), records, now_ms()).map_err(|failure| failure.file(place))?;
        let control = control.with_no_worker_max(no_worker_max);
        let (appends, queue) = mpsc::channel(1);
        let interpreter = Interpreter {
            epoch,
            kinds,
            publisher,
            records: journal.clone(),
            journal: appends,
            metrics,
            histories: histories.clone(),
        };
        let (coordinator, actor) = Actor::spawn(None, Coordinator, Start { control, effects, interpreter })
            .await
            .map_err(|error| Failure::internal("the coordinator cannot be started").because(&error))?;
        let (tracer, orders) = Tracer::new();
        let ends = journal_writer::Ends {
            histories: histories.clone(),
            archives: archives.clone(),
            tracer: traces.is_some().then(|| tracer.clone()),
        };
        let writer = tokio::spawn(journal_writer::run(journal.clone(), epoch, queue, coordinator.clone(), ends));
        let leading = Leading { coordinator, epoch, journal, histories };
        let keeper = archives.map(|archives| tokio::spawn(archives.keep(leading.clone())));
        let janitor = tokio::spawn(blobs.keep(leading.clone()));
        let tracer = traces.map(|traces| (tracer, orders.carry_out(traces, leading.clone())));
        Ok(Self { leading, actor, writer, keeper, janitor, tracer })
    }

    pub(crate) fn leading(&self) -> Leading {
        self.leading.clone()
    }

    /// Completes once the coordinator has ended by itself: its journal failed, or it did. Cancel safe.
    pub(crate) async fn ended(&mut self) {
        let _ = (&mut self.actor).await;
    }

    /// Stops at once: nothing is stored, sent or answered any more.
    pub(crate) async fn depose(self) {
        let _ = self
            .leading
            .coordinator
            .stop_and_wait(Some("this head does not lead any more".to_owned()), Some(STOP_MAX))
            .await;
    }

    /// Stops once all that was to be stored is stored, and tells the workers to end where they are to.
    pub(crate) async fn finish(mut self, workers_end: bool) {
        if workers_end {
            let _ = self.leading.coordinator.send_message(Message::EndWorkers);
        }
        // A stop overtakes messages, so an answer is awaited that comes after them.
        let _ = timeout(FLUSH_MAX, read(&self.leading.coordinator, |_, _| ())).await;
        if let Some((tracer, _)) = &self.tracer {
            tracer.flush().await;
        }
        let _ = self.leading.coordinator.stop_and_wait(Some("the head is shut down".to_owned()), Some(STOP_MAX)).await;
        // The queue to the journal writer has closed with the coordinator.
        let _ = timeout(FLUSH_MAX, &mut self.writer).await;
    }
}
