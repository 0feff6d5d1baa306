//! Puts a worker together and takes it apart.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use prometheus::Registry;
use ractor::{Actor, ActorRef};
use shoal_core::{Failure, Reason};
use shoal_wire::WIRE_VERSION;
use shoal_wire::probes::{Probes, serve_probes};
use shoal_wire::proto::Register;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use uuid::Uuid;

use crate::config::{MemoryShares, WorkerConfig};
use crate::disk::Disk;
use crate::flight;
use crate::limits::SHUTDOWN_WAIT_MAX;
use crate::membership::MembershipMessage;
use crate::metrics::Metrics;
use crate::scratch::WorkerScratch;
use crate::shared::{AbortOnDrop, Shared, SharedParts};
use crate::store::Store;
use crate::supervisor::Supervisor;

/// A worker that runs. Dropping it ends it at once.
pub struct Worker {
    // Dropped in this order: first whoever could still use what comes later.
    supervisor: StopOnDrop,
    _flight: AbortOnDrop<()>,
    _probes: AbortOnDrop<()>,
    probes_handle: ServerHandle,
    _task_runtime: TaskRuntime,
    _scratch: WorkerScratch,
    shared: Arc<Shared>,
    http_addr: SocketAddr,
}

/// Starts a worker: it listens when this returns, and joins its head as soon as it can reach it.
///
/// # Errors
/// [`Reason::InvalidValue`] for a configuration that cannot work, [`Reason::Io`] for an address or folder that cannot
/// be used, [`Reason::StateLocked`] where a worker of that name already runs in the scratch folder.
pub async fn start(config: WorkerConfig) -> Result<Worker, Failure> {
    config.check()?;
    let flight_listener = listen(&config, config.flight_port)?;
    let http_listener = listen(&config, config.http_port)?;
    let flight_url = config.flight_url(address(&flight_listener)?.port());
    let http_addr = address(&http_listener)?;

    let scratch = WorkerScratch::claim(&config.scratch, &config.name)?;
    let metrics = Metrics::new(config.slots)?;
    let MemoryShares { partitions, task } = config.memory_shares();
    let (token, tls) = (config.token.clone(), config.tls.clone());
    let store = Store::new(
        config.name.clone(),
        scratch.partitions(),
        partitions,
        token.clone(),
        tls.clone(),
        metrics.store.clone(),
    );
    let task_runtime = TaskRuntime::start(config.slots)?;
    let shared = Shared::new(SharedParts {
        identity: Register {
            wire_version: WIRE_VERSION,
            worker_id: config.name.0,
            instance: Uuid::now_v7().to_string(),
            flight_url,
            slots: config.slots,
            memory_bytes: config.memory_bytes,
            build: env!("CARGO_PKG_VERSION").to_owned(),
            // Filled in whenever the worker registers.
            leaves_within_ms: None,
            running: Vec::new(),
        },
        heads: config.heads,
        head_gone_max: config.head_gone_max,
        token: token.clone(),
        tls: tls.clone(),
        runner: config.runner,
        functions: config.functions,
        task_runtime: task_runtime.handle(),
        attempts_folder: scratch.attempts(),
        task_memory_bytes: task,
        store: store.clone(),
        disk: Disk::new(scratch.folder().to_owned(), metrics.disk.clone()),
        metrics: metrics.clone(),
    });

    let flight_listener = tokio::net::TcpListener::from_std(flight_listener).map_err(|error| not_usable(&error))?;
    let serving = flight::serve_partitions(flight_listener, store, metrics.store, token.clone(), tls.clone());
    let flight_end = shared.clone();
    let flight = AbortOnDrop(tokio::spawn(async move { flight_end.end(serving.await) }));

    let ready = shared.clone();
    let is_in = move || {
        let is_in = ready.ready.load(Ordering::Relaxed);
        is_in.then_some(()).ok_or_else(|| "no head has taken this worker in".to_owned())
    };
    let probes = Probes::new(is_in, metrics.registry, token);
    let (probes_handle, serving) = serve_probes(http_listener, probes, tls.as_ref())?;
    let probes = AbortOnDrop(tokio::spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(%error, "the probes are not served any more");
        }
    }));

    let (supervisor, _) = Actor::spawn(None, Supervisor, shared.clone())
        .await
        .map_err(|error| Failure::internal("the worker's actors cannot be started").because(&error))?;
    Ok(Worker {
        supervisor: StopOnDrop(supervisor),
        _flight: flight,
        _probes: probes,
        probes_handle,
        _task_runtime: task_runtime,
        _scratch: scratch,
        shared,
        http_addr,
    })
}

impl Worker {
    /// The URL at which other workers reach its Flight server.
    pub fn flight_url(&self) -> &str {
        &self.shared.identity.flight_url
    }

    /// Where its probes and metrics are served.
    pub fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// What it counts.
    pub fn metrics(&self) -> Registry {
        self.shared.metrics.registry.clone()
    }

    /// Waits until the worker has ended by itself, because the head told it to or because it cannot go on.
    ///
    /// # Errors
    /// [`Reason::HeadUnreachable`] where no head has answered for long, what the head refused it for, or what keeps
    /// failing.
    pub async fn stopped(&self) -> Result<(), Failure> {
        self.shared.ended().await
    }

    /// Lets it leave in order: it gets no more tasks, hands over what it has, and then ends by itself, within that time.
    /// One that belongs to no cluster now and has nothing ends at once. The sooner of two times counts.
    pub fn drain(&self, within: Duration) {
        self.shared.leave_within(within);
        self.shared.tell_membership(MembershipMessage::Leave);
    }

    /// Ends it: cancels its attempts, leaves the cluster and deletes its files.
    pub async fn shutdown(self) {
        self.shared.end(Ok(()));
        // Whatever does not stop in time is dropped below.
        let _ = self.supervisor.0.stop_and_wait(None, Some(SHUTDOWN_WAIT_MAX)).await;
        let mut running = self.shared.running.subscribe();
        let _ = timeout(SHUTDOWN_WAIT_MAX, running.wait_for(|running| running.is_empty())).await;
        self.probes_handle.stop(false).await;
    }
}

fn listen(config: &WorkerConfig, port: u16) -> Result<TcpListener, Failure> {
    let address = SocketAddr::new(config.listen, port);
    let listener = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    listener.map_err(|error| {
        Failure::new(Reason::Io, format!("the worker cannot listen on {address}"))
            .because(&error)
            .next("choose another address or port; port 0 takes one that is free")
    })
}

fn address(listener: &TcpListener) -> Result<SocketAddr, Failure> {
    listener.local_addr().map_err(|error| not_usable(&error))
}

fn not_usable(error: &std::io::Error) -> Failure {
    Failure::new(Reason::Io, "a socket that was just opened cannot be used").because(error)
}

/// Stops the actor, and with it those that it supervises.
struct StopOnDrop(ActorRef<()>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.kill();
    }
}

/// The threads that tasks compute on. One more than there are slots, so that the exchange goes on while all compute.
struct TaskRuntime(Option<Runtime>);

impl TaskRuntime {
    fn start(slots: u32) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(slots as usize + 1)
            .thread_name("shoal-task")
            .enable_all()
            .build()
            .map_err(|error| Failure::new(Reason::Io, "threads for tasks cannot be started").because(&error))?;
        Ok(Self(Some(runtime)))
    }

    fn handle(&self) -> tokio::runtime::Handle {
        self.0.as_ref().expect("there until it is dropped").handle().clone()
    }
}

impl Drop for TaskRuntime {
    fn drop(&mut self) {
        // Waiting is not allowed here, and a task that computes may take long.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
