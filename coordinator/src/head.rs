//! The head as the rest of a process sees it: a typed handle on its actors.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ractor::{Actor, ActorRef};
use shoal_core::control::{Control, SubmitOptions, WorkerStatus};
use shoal_core::journal::JobChange;
use shoal_core::kind::Kinds;
use shoal_core::publish::Publisher;
use shoal_core::report::JobStatus;
use shoal_core::spec::v1alpha1::ShoalJob;
use shoal_core::{Failure, Job, JobUid, Reason, limits};
use shoal_wire::limits::MESSAGE_BYTES_MAX;
use shoal_wire::listen::check_listen;
use shoal_wire::proto::membership_server::MembershipServer;
use shoal_wire::token::{RequireToken, Token};
use shoal_wire::{Tls, transport};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tonic::service::interceptor::InterceptedService;

use crate::coordinator::{Answer, Coordinator, Message, Start, look, now_ms, stopped};
use crate::effects::Interpreter;
use crate::journal::{StateConfig, Stores};
use crate::journal_writer;
use crate::local_paths::LocalPaths;
use crate::membership::MembershipService;
use crate::metrics::HeadMetrics;

/// How long workers may take to read that they should end, before their streams are cut.
const CLOSE_MAX: Duration = Duration::from_secs(2);

/// What a head is started with.
pub struct HeadConfig {
    /// Where workers connect; port 0 takes one that is free.
    pub listen: SocketAddr,
    /// Folder of the journal; locked while the head runs.
    pub state_dir: PathBuf,
    /// The kinds of jobs that it can plan.
    pub kinds: Kinds,
    /// What writes commits.
    pub publisher: Arc<dyn Publisher>,
    /// What every request must carry; required beyond loopback.
    pub token: Option<Token>,
    /// What it shows to workers and trusts of them; without it everything is sent in the clear.
    pub tls: Option<Tls>,
    /// Which paths of its own machine jobs may name.
    pub local_paths: LocalPaths,
}

/// A running head. Clones are handles on the same one.
#[derive(Clone)]
pub struct Head {
    coordinator: ActorRef<Message>,
    workers_address: SocketAddr,
    local_paths: LocalPaths,
    metrics: HeadMetrics,
    tasks: Arc<Tasks>,
}

/// What ends with the last handle.
struct Tasks {
    coordinator: ActorRef<Message>,
    door: Mutex<Option<Door>>,
    journal_writer: Mutex<Option<JoinHandle<()>>>,
}

/// The server that workers connect to.
struct Door {
    server: JoinHandle<()>,
    /// Dropped to let the server end once its last stream has.
    close: oneshot::Sender<()>,
}

fn take<T>(place: &Mutex<Option<T>>) -> Option<T> {
    place.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.coordinator.stop(None);
        if let Some(door) = take(&self.door) {
            door.server.abort();
        }
    }
}

impl Head {
    /// Starts a head: loads its journal, goes on with what it finds, and opens its door to workers.
    ///
    /// # Errors
    /// [`Reason::StateLocked`], [`Reason::IncompatibleVersion`] and [`Reason::Io`] from the journal;
    /// [`Reason::InvalidValue`] for an address beyond loopback without a token; [`Reason::Io`] where the address cannot
    /// be listened on.
    pub async fn start(config: HeadConfig) -> Result<Self, Failure> {
        let HeadConfig { listen, state_dir, kinds, publisher, token, tls, local_paths } = config;
        check_listen(listen, token.as_ref())?;
        let Stores { journal, leadership, place } = Stores::open(StateConfig::Folder(state_dir)).await?;
        let epoch = leadership.campaign().await?;
        let (control, effects) =
            Control::recover(kinds.clone(), journal.load().await?, now_ms()).map_err(|failure| failure.file(place))?;
        let metrics = HeadMetrics::new()?;
        let (appends, queue) = mpsc::channel(1);
        let interpreter = Interpreter {
            epoch,
            kinds,
            publisher,
            records: journal.clone(),
            journal: appends,
            metrics: metrics.clone(),
        };
        let (coordinator, _) = Actor::spawn(None, Coordinator, Start { control, effects, interpreter })
            .await
            .map_err(|error| Failure::internal("the coordinator cannot be started").because(&error))?;
        let writer = tokio::spawn(journal_writer::run(journal, epoch, queue, coordinator.clone()));

        let listener = TcpListener::bind(listen).await.map_err(|error| cannot_listen(listen, &error))?;
        let workers_address = listener.local_addr().map_err(|error| cannot_listen(listen, &error))?;
        let service = MembershipService {
            coordinator: coordinator.clone(),
            admission: Arc::new(Semaphore::new(limits::EVENT_QUEUE_MAX)),
            metrics: metrics.clone(),
            epoch,
        };
        let (close, closed) = oneshot::channel();
        let server = tokio::spawn(serve(listener, service, token, tls, closed));
        let tasks = Tasks {
            coordinator: coordinator.clone(),
            door: Mutex::new(Some(Door { server, close })),
            journal_writer: Mutex::new(Some(writer)),
        };
        Ok(Self { coordinator, workers_address, local_paths, metrics, tasks: Arc::new(tasks) })
    }

    /// Where workers connect.
    pub fn workers_address(&self) -> SocketAddr {
        self.workers_address
    }

    /// Takes a job in; answers once it is stored. The same job again is the same job.
    ///
    /// # Errors
    /// What is wrong with the spec, [`Reason::LocalPathRefused`], [`Reason::JobConflict`], [`Reason::Busy`].
    pub async fn submit(&self, spec: ShoalJob, options: SubmitOptions) -> Result<JobStatus, Failure> {
        let spec = Arc::new(spec);
        self.local_paths.check(&Job::parse(JobUid(uuid::Uuid::nil()), spec.clone())?)?;
        self.ask(|answer| Message::Submit { spec, options, answer }).await
    }

    /// Cancels a job; answers once that is stored, while its attempts are still being called back.
    ///
    /// # Errors
    /// [`Reason::JobNotFound`].
    pub async fn cancel(&self, name: &str) -> Result<JobStatus, Failure> {
        let name = name.to_owned();
        self.ask(|answer| Message::Cancel { name, answer }).await
    }

    /// Changes what may be changed of an unfinished job; answers once that is stored.
    ///
    /// # Errors
    /// [`Reason::JobNotFound`]; [`Reason::NotPossible`] once it has ended.
    pub async fn change(&self, name: &str, change: JobChange) -> Result<JobStatus, Failure> {
        let name = name.to_owned();
        self.ask(|answer| Message::Change { name, change, answer }).await
    }

    /// The latest submission of every job, oldest first.
    ///
    /// # Errors
    /// [`Reason::HeadUnreachable`] once the head has stopped.
    pub async fn list(&self) -> Result<Vec<JobStatus>, Failure> {
        look(&self.coordinator, Control::list).await
    }

    /// The latest submission under a name.
    ///
    /// # Errors
    /// [`Reason::JobNotFound`].
    pub async fn show(&self, name: &str) -> Result<JobStatus, Failure> {
        let name = name.to_owned();
        look(&self.coordinator, move |control, now_ms| control.show(&name, now_ms)).await?
    }

    /// The workers, by name.
    ///
    /// # Errors
    /// [`Reason::HeadUnreachable`] once the head has stopped.
    pub async fn workers(&self) -> Result<Vec<WorkerStatus>, Failure> {
        look(&self.coordinator, |control, _| control.workers()).await
    }

    /// The metrics, their gauges as of now.
    ///
    /// # Errors
    /// [`Reason::HeadUnreachable`] once the head has stopped.
    pub async fn metrics(&self) -> Result<prometheus::Registry, Failure> {
        let metrics = self.metrics.clone();
        look(&self.coordinator, move |control, now_ms| metrics.set_gauges(control, now_ms)).await?;
        Ok(self.metrics.registry.clone())
    }

    /// Whether the head takes requests.
    pub fn is_ready(&self) -> bool {
        self.coordinator.get_status() == ractor::ActorStatus::Running
    }

    /// Tells all workers to end and stops, once all that was to be stored is stored.
    pub async fn shutdown(self) {
        let _ = self.coordinator.send_message(Message::EndWorkers);
        // A stop overtakes messages, so an answer is awaited that comes after them.
        let (done, flushed) = oneshot::channel();
        if self.coordinator.send_message(Message::Flush(done)).is_ok() {
            let _ = flushed.await;
        }
        let _ = self.coordinator.stop_and_wait(Some("the head is shut down".to_owned()), None).await;
        // The queue to the journal writer has closed with the coordinator.
        if let Some(writer) = take(&self.tasks.journal_writer) {
            let _ = writer.await;
        }
        // Streams end when workers have read their last message.
        if let Some(Door { mut server, close }) = take(&self.tasks.door) {
            drop(close);
            if tokio::time::timeout(CLOSE_MAX, &mut server).await.is_err() {
                server.abort();
            }
        }
    }

    async fn ask(&self, message: impl FnOnce(Answer) -> Message) -> Result<JobStatus, Failure> {
        let (answer, receiver) = oneshot::channel();
        self.coordinator.send_message(message(answer)).map_err(|_| stopped())?;
        receiver.await.map_err(|_| stopped())?
    }
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> Failure {
    Failure::new(Reason::Io, format!("{address} cannot be listened on"))
        .next("another process may have the port: name another, or 0 for any")
        .because(error)
}

async fn serve(
    listener: TcpListener,
    service: MembershipService,
    token: Option<Token>,
    tls: Option<Tls>,
    closed: oneshot::Receiver<()>,
) {
    let service = MembershipServer::new(service)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let service = InterceptedService::new(service, RequireToken(token));
    if let Err(error) = transport::server()
        .add_service(service)
        .serve_with_incoming_shutdown(transport::incoming(listener, tls), async { drop(closed.await) })
        .await
    {
        tracing::error!(%error, "the door for workers is closed");
    }
}
