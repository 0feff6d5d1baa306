//! The head as the rest of a process sees it: a typed handle on its actors.

use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use ractor::ActorRef;
use shoal_core::blobs::{BlobStore, BlobStream, Digest, File};
use shoal_core::control::{Control, SubmitOptions, WorkerStatus};
use shoal_core::history::JobHistory;
use shoal_core::journal::{JobChange, Leadership};
use shoal_core::kind::Kinds;
use shoal_core::limits::JOB_FILE_BYTES_MAX;
use shoal_core::publish::Publisher;
use shoal_core::report::JobStatus;
use shoal_core::spec::v1alpha1::ShoalJob;
use shoal_core::traces::Traces;
use shoal_core::{Failure, Job, JobUid, Reason, WorkerId, limits};
use shoal_wire::limits::MESSAGE_BYTES_MAX;
use shoal_wire::listen::check_listen;
use shoal_wire::proto::jobs_server::JobsServer;
use shoal_wire::proto::membership_server::MembershipServer;
use shoal_wire::token::{RequireToken, Token};
use shoal_wire::{Tls, transport};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot, watch};
use tokio::task::JoinHandle;
use tonic::service::interceptor::InterceptedService;

use crate::archive::{ArchiveConfig, Archives};
use crate::blobs::{Blobs, TakenBlob};
use crate::coordinator::{Answer, Message, look, read, stopped};
use crate::doors::{Doors, enter};
use crate::govern::{Goodbye, govern};
use crate::jobs::JobsService;
use crate::journal::{StateConfig, Stores};
use crate::local_paths::LocalPaths;
use crate::membership::MembershipService;
use crate::metrics::HeadMetrics;
use crate::reign::Realm;
use crate::standing::{Leading, Standing};

/// How long workers may take to read that they should end, before their streams are cut.
const CLOSE_MAX: Duration = Duration::from_secs(2);

/// What a head is started with.
pub struct HeadConfig {
    /// Where workers connect; port 0 takes one that is free.
    pub listen: SocketAddr,
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
    /// How long a job does without any worker before it fails: [`limits::NO_WORKER_DEFAULT`] where somebody starts workers
    /// by hand and waits for them.
    pub no_worker_max: Duration,
    /// Where copies go of what is known of jobs that have ended; nowhere without it.
    pub archive: Option<ArchiveConfig>,
    /// Where files are kept that jobs bring along.
    pub blobs: Arc<dyn BlobStore>,
    /// Who takes the traces of jobs that have ended; nobody without it.
    pub traces: Option<Arc<dyn Traces>>,
}

/// A running head. Clones are handles on the same one.
#[derive(Clone)]
pub struct Head {
    standing: watch::Receiver<Standing>,
    workers_address: SocketAddr,
    local_paths: LocalPaths,
    metrics: HeadMetrics,
    doors: Arc<Doors>,
    archives: Option<Archives>,
    blobs: Blobs,
    tasks: Arc<Tasks>,
}

/// What ends with the last handle.
struct Tasks {
    door: Mutex<Option<Door>>,
    /// Taken by whoever starts to govern.
    idle: Mutex<Option<Idle>>,
    governor: Mutex<Option<Governor>>,
    leadership: OnceLock<Arc<dyn Leadership>>,
}

/// What a head needs to govern, beside its journal.
struct Idle {
    kinds: Kinds,
    publisher: Arc<dyn Publisher>,
    no_worker_max: Duration,
    traces: Option<Arc<dyn Traces>>,
    standing: watch::Sender<Standing>,
}

/// What campaigns and leads.
struct Governor {
    task: JoinHandle<()>,
    goodbye: oneshot::Sender<Goodbye>,
    /// Whether the workers can go to another head.
    is_alone: bool,
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
        if let Some(governor) = take(&self.governor) {
            governor.task.abort();
        }
        if let Some(door) = take(&self.door) {
            door.server.abort();
        }
    }
}

impl Head {
    /// Opens the doors of a head and leads: [`Head::open`] and [`Head::lead`].
    ///
    /// # Errors
    /// As both.
    pub async fn start(config: HeadConfig, state: StateConfig) -> Result<Self, Failure> {
        let head = Self::open(config).await?;
        head.lead(state).await?;
        Ok(head)
    }

    /// Opens the door to workers. The head refuses them, and all requests, until it leads.
    ///
    /// # Errors
    /// [`Reason::InvalidValue`] for an address beyond loopback without a token; [`Reason::Io`] where the address cannot
    /// be listened on.
    pub async fn open(config: HeadConfig) -> Result<Self, Failure> {
        let HeadConfig { listen, kinds, publisher, token, tls, local_paths, no_worker_max, archive, blobs, traces } =
            config;
        let archives = archive.map(Archives::new);
        let blobs = Blobs::new(blobs);
        check_listen(listen, token.as_ref())?;
        let metrics = HeadMetrics::new()?;
        let (sender, standing) = watch::channel(Standing::Standby(None));
        let listener = TcpListener::bind(listen).await.map_err(|error| cannot_listen(listen, &error))?;
        let workers_address = listener.local_addr().map_err(|error| cannot_listen(listen, &error))?;
        let doors = Arc::new(Doors::new());
        let jobs = JobsService {
            standing: standing.clone(),
            local_paths: local_paths.clone(),
            doors: doors.clone(),
            archives: archives.clone(),
            blobs: blobs.clone(),
            newest: AtomicU64::default(),
        };
        let membership = MembershipService {
            standing: standing.clone(),
            admission: Arc::new(Semaphore::new(limits::EVENT_QUEUE_MAX)),
            metrics: metrics.clone(),
        };
        let (close, closed) = oneshot::channel();
        let server = tokio::spawn(serve(listener, membership, jobs, token, tls, closed));
        let tasks = Tasks {
            door: Mutex::new(Some(Door { server, close })),
            idle: Mutex::new(Some(Idle { kinds, publisher, no_worker_max, traces, standing: sender })),
            governor: Mutex::default(),
            leadership: OnceLock::new(),
        };
        Ok(Self { standing, workers_address, local_paths, metrics, doors, archives, blobs, tasks: Arc::new(tasks) })
    }

    /// Opens the journal and leads as soon as it can: goes on with what it finds, and takes workers and requests. With a
    /// folder that is when this returns; with etcd it may be never. An etcd that does not answer is waited for.
    ///
    /// # Errors
    /// What keeps the journal from being used: [`Reason::StateLocked`], [`Reason::IncompatibleVersion`],
    /// [`Reason::CorruptFile`], [`Reason::Io`] and others; [`Reason::NotPossible`] for a head that was told before.
    pub async fn lead(&self, state: StateConfig) -> Result<(), Failure> {
        let is_alone = matches!(state, StateConfig::Folder(_));
        let stores = Stores::await_etcd(state).await?;
        let Some(Idle { kinds, publisher, no_worker_max, traces, standing }) = take(&self.tasks.idle) else {
            return Err(Failure::new(Reason::NotPossible, "this head leads already, or has"));
        };
        let _ = self.tasks.leadership.set(stores.leadership.clone());
        let (metrics, archives, blobs) = (self.metrics.clone(), self.archives.clone(), self.blobs.clone());
        let realm = Realm { stores, kinds, publisher, no_worker_max, metrics, archives, blobs, traces };
        let (goodbye, receiver) = oneshot::channel();
        let task = tokio::spawn(govern(realm, standing, receiver));
        let governor = Governor { task, goodbye, is_alone };
        *self.tasks.governor.lock().unwrap_or_else(PoisonError::into_inner) = Some(governor);
        if is_alone {
            let mut standing = self.standing.clone();
            let first = standing.wait_for(|standing| !matches!(standing, Standing::Standby(_))).await;
            if let Ok(Standing::Over(failure)) = first.as_deref() {
                return Err(failure.clone());
            }
        }
        Ok(())
    }

    /// Completes once the head will never lead again, though nobody shut it down, and says why.
    pub async fn ended(&self) -> Failure {
        let mut standing = self.standing.clone();
        match standing.wait_for(|standing| matches!(standing, Standing::Over(_))).await.as_deref() {
            Ok(Standing::Over(failure)) => failure.clone(),
            Ok(_) | Err(_) => Failure::internal("what leads has failed"),
        }
    }

    /// Where the head that leads can be reached, where that is known and it is another one.
    pub async fn leader(&self) -> Option<String> {
        match self.tasks.leadership.get() {
            Some(leadership) => leadership.leader().await,
            None => None,
        }
    }

    /// Whether this head leads.
    pub fn is_leading(&self) -> bool {
        matches!(&*self.standing.borrow(), Standing::Leading(_))
    }

    async fn coordinator(&self) -> Result<ActorRef<Message>, Failure> {
        self.leading().await.map(|Leading { coordinator, .. }| coordinator)
    }

    async fn leading(&self) -> Result<Leading, Failure> {
        let leader = self.leader().await;
        self.standing.borrow().leading(leader)
    }

    /// Where workers connect.
    pub fn workers_address(&self) -> SocketAddr {
        self.workers_address
    }

    /// Takes a job in; answers once it is stored. The same job again is the same job.
    ///
    /// # Errors
    /// What is wrong with the spec, [`Reason::LocalPathRefused`], [`Reason::FileNotUploaded`], [`Reason::JobConflict`],
    /// [`Reason::Busy`].
    pub async fn submit(&self, spec: ShoalJob, options: SubmitOptions) -> Result<JobStatus, Failure> {
        let _turn = enter(&self.doors.submissions, limits::SUBMISSIONS_WAITING_MAX)?;
        let spec = Arc::new(spec);
        let uid = JobUid(uuid::Uuid::now_v7());
        self.local_paths.check(&Job::parse(uid, spec.clone())?)?;
        // One that does not lead may keep files elsewhere.
        self.leading().await?;
        self.blobs.check(&spec).await?;
        self.ask(|answer| Message::Submit { uid, spec, options, answer }).await
    }

    /// Which of these files this head has not.
    ///
    /// # Errors
    /// [`Reason::NotLeading`], [`Reason::Busy`]; what keeps files from being looked for.
    pub async fn missing_blobs(&self, digests: Vec<Digest>) -> Result<Vec<Digest>, Failure> {
        let _turn = self.turn()?;
        self.leading().await?;
        self.blobs.missing(digests).await
    }

    /// Takes a file.
    ///
    /// # Errors
    /// [`Reason::NotLeading`], [`Reason::Busy`]; what keeps it from being written.
    pub async fn take_blob(&self, digest: Digest) -> Result<TakenBlob, Failure> {
        self.leading().await?;
        self.blobs.take(digest).await
    }

    /// What is in a file; none where this head has it not.
    ///
    /// # Errors
    /// [`Reason::NotLeading`], [`Reason::Busy`]; what keeps it from being read.
    pub async fn open_blob(&self, digest: &Digest) -> Result<Option<BlobStream>, Failure> {
        self.leading().await?;
        self.blobs.open(digest).await
    }

    /// The file that workers share under a name; none where there is none.
    ///
    /// # Errors
    /// [`Reason::NotLeading`], [`Reason::Busy`]; what keeps it from being looked for.
    pub async fn shared_file(&self, name: &Digest) -> Result<Option<File>, Failure> {
        let _turn = self.turn()?;
        self.leading().await?;
        self.blobs.shared(name).await
    }

    /// Shares a file under a name, which is a hash of what it was made of.
    ///
    /// # Errors
    /// [`Reason::NotLeading`], [`Reason::Busy`]; [`Reason::NotPossible`] without a storage; [`Reason::FileNotUploaded`].
    pub async fn share_file(&self, name: &Digest, file: &File) -> Result<(), Failure> {
        let _turn = self.turn()?;
        self.leading().await?;
        self.blobs.share(name, file).await
    }

    /// Cancels a job; answers once that is stored, while its attempts are still being called back.
    ///
    /// # Errors
    /// [`Reason::JobNotFound`], [`Reason::Busy`].
    pub async fn cancel(&self, name: &str) -> Result<JobStatus, Failure> {
        let name = name.to_owned();
        let _turn = self.turn()?;
        self.ask(|answer| Message::Cancel { name, answer }).await
    }

    /// Changes what may be changed of an unfinished job; answers once that is stored.
    ///
    /// # Errors
    /// [`Reason::JobNotFound`]; [`Reason::NotPossible`] once it has ended.
    pub async fn change(&self, name: &str, change: JobChange) -> Result<JobStatus, Failure> {
        let name = name.to_owned();
        let _turn = self.turn()?;
        self.ask(|answer| Message::Change { name, change, answer }).await
    }

    /// The latest submission of every job, oldest first; given once all that it tells of is stored.
    ///
    /// # Errors
    /// [`Reason::NotLeading`], [`Reason::Busy`].
    pub async fn list(&self) -> Result<Vec<JobStatus>, Failure> {
        let _turn = enter(&self.doors.lists, limits::LISTS_WAITING_MAX)?;
        let mut all = self.read(Control::list).await?;
        if let Some(archives) = &self.archives {
            all.iter_mut().for_each(|status| archives.tell(status));
        }
        Ok(all)
    }

    /// The latest submission under a name; given once all that it tells of is stored.
    ///
    /// # Errors
    /// [`Reason::JobNotFound`], [`Reason::Busy`].
    pub async fn show(&self, name: &str) -> Result<JobStatus, Failure> {
        let name = name.to_owned();
        let _turn = self.turn()?;
        self.ask(|answer| Message::Show { name, answer }).await
    }

    /// The spec of the latest submission under a name.
    ///
    /// # Errors
    /// [`Reason::JobNotFound`].
    pub async fn spec(&self, name: &str) -> Result<Arc<ShoalJob>, Failure> {
        let name = name.to_owned();
        let _turn = self.turn()?;
        Ok(self.read(move |control, _| control.spec(&name)).await??.1)
    }

    /// The latest submission under a name, with its attempts and its log; empty for a job that a build without histories
    /// has ended.
    ///
    /// # Errors
    /// [`Reason::JobNotFound`]; what keeps the journal from being read.
    pub async fn history(&self, name: &str) -> Result<(JobStatus, JobHistory), Failure> {
        let Leading { histories, journal, .. } = self.leading().await?;
        let status = self.show(name).await?;
        let history = match histories.view(status.uid) {
            Some(history) => history,
            None => journal.load_history(status.uid).await?.unwrap_or_default(),
        };
        Ok((status, history))
    }

    /// The workers, by name.
    ///
    /// # Errors
    /// [`Reason::NotLeading`].
    pub async fn workers(&self) -> Result<Vec<WorkerStatus>, Failure> {
        let _turn = self.turn()?;
        look(&self.coordinator().await?, |control, _| control.workers()).await
    }

    /// Lets a worker leave in order within that time: it gets no more tasks and hands over what it has.
    ///
    /// # Errors
    /// [`Reason::WorkerNotFound`], [`Reason::NotLeading`].
    pub async fn drain_worker(&self, name: &str, within: Duration) -> Result<WorkerStatus, Failure> {
        let _turn = self.turn()?;
        let (answer, receiver) = oneshot::channel();
        let drain = Message::Drain { worker: WorkerId(name.to_owned()), within, answer };
        self.coordinator().await?.send_message(drain).map_err(|_| stopped())?;
        receiver.await.map_err(|_| stopped())?
    }

    /// The metrics, their gauges as of now. A head that does not lead has no jobs and no workers.
    pub async fn metrics(&self) -> prometheus::Registry {
        let Ok(_turn) = self.doors.scrapes.try_acquire() else { return self.metrics.registry.clone() };
        let metrics = self.metrics.clone();
        let set = match self.coordinator().await {
            Ok(coordinator) => look(&coordinator, move |control, now_ms| metrics.set_gauges(control, now_ms)).await,
            Err(failure) => Err(failure),
        };
        if set.is_err() {
            self.metrics.set_standby();
        }
        self.metrics.registry.clone()
    }

    /// Whether the head takes requests.
    ///
    /// # Errors
    /// Why not, in words that may be shown to anybody.
    pub fn readiness(&self) -> Result<(), String> {
        let waits_for = self.tasks.leadership.get().and_then(|leadership| leadership.waits_for());
        self.standing.borrow().readiness(waits_for.as_ref())
    }

    /// Stops, once all that was to be stored is stored, and gives the lead up. Tells all workers to end, unless they can
    /// go to another head.
    pub async fn shutdown(self) {
        if let Some(Governor { task, goodbye, is_alone }) = take(&self.tasks.governor) {
            let _ = goodbye.send(Goodbye { workers_end: is_alone });
            let _ = task.await;
        }
        // Streams end when workers have read their last message.
        if let Some(Door { mut server, close }) = take(&self.tasks.door) {
            drop(close);
            if tokio::time::timeout(CLOSE_MAX, &mut server).await.is_err() {
                server.abort();
            }
        }
    }

    fn turn(&self) -> Result<SemaphorePermit<'_>, Failure> {
        enter(&self.doors.calls, limits::CALLS_WAITING_MAX)
    }

    async fn read<T: Send + 'static>(
        &self,
        view: impl FnOnce(&Control, u64) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        read(&self.coordinator().await?, view).await
    }

    async fn ask(&self, message: impl FnOnce(Answer) -> Message) -> Result<JobStatus, Failure> {
        let (answer, receiver) = oneshot::channel();
        self.coordinator().await?.send_message(message(answer)).map_err(|_| stopped())?;
        let mut status = receiver.await.map_err(|_| stopped())??;
        if let Some(archives) = &self.archives {
            archives.tell(&mut status);
        }
        Ok(status)
    }
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> Failure {
    Failure::new(Reason::Io, format!("{address} cannot be listened on"))
        .next("another process may have the port: name another, or 0 for any")
        .because(error)
}

/// What a submission has beside the job's document.
const MESSAGE_EXTRA: usize = 1024;

async fn serve(
    listener: TcpListener,
    membership: MembershipService,
    jobs: JobsService,
    token: Option<Token>,
    tls: Option<Tls>,
    closed: oneshot::Receiver<()>,
) {
    let membership = MembershipServer::new(membership)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let jobs = JobsServer::new(jobs)
        .max_decoding_message_size(JOB_FILE_BYTES_MAX + MESSAGE_EXTRA)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    if let Err(error) = transport::server()
        .add_service(InterceptedService::new(membership, RequireToken(token.clone())))
        .add_service(InterceptedService::new(jobs, RequireToken(token)))
        .serve_with_incoming_shutdown(transport::incoming(listener, tls), async { drop(closed.await) })
        .await
    {
        tracing::error!(%error, "the door for workers is closed");
    }
}
