//! A cluster of one job: head, REST and workers on this machine, started and ended together.

mod process;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use shoal_api::{Api, ApiConfig};
use shoal_coordinator::{Head, HeadConfig, LocalPaths, StateConfig};
use shoal_core::blobs::BlobSource;
use shoal_core::limits::{HEAD_GONE_DEFAULT, NO_WORKER_DEFAULT};
use shoal_core::{Failure, Reason, WorkerId};
use shoal_wire::listen::LISTEN_DEFAULT;
use shoal_worker::{FixedHeads, Worker, WorkerConfig};
use tempfile::TempDir;

use self::process::{Start, WorkerProcess};
use crate::args::LogFormat;
use crate::client::Client;
use crate::environments::EnvironmentsArgs;
use crate::kinds;
use crate::machine::Share;
use crate::terminal::Terminal;

/// How long workers may take to register: they do within a second, unless the machine is very busy.
const REGISTER_MAX: Duration = Duration::from_secs(30);

/// Pause between two looks at who has registered.
const REGISTER_PAUSE: Duration = Duration::from_millis(10);

/// How long workers may take to end after they were told to; then their processes are killed.
const END_MAX: Duration = Duration::from_secs(5);

/// A head with its REST interface, and workers once they are started. What is dropped without
/// [`LocalCluster::shutdown`] ends at once, processes included.
pub(crate) struct LocalCluster {
    workers: Workers,
    api: Api,
    head: Head,
    log_format: LogFormat,
    environments: EnvironmentsArgs,
}

enum Workers {
    None,
    /// One inside this process; its folder goes after it.
    Here(Worker, TempDir),
    Processes(Vec<WorkerProcess>),
}

impl LocalCluster {
    /// Starts head and REST on loopback, with the journal of a state folder.
    ///
    /// # Errors
    /// As [`Head::start`].
    pub(crate) async fn start_head(
        state_dir: PathBuf,
        log_format: LogFormat,
        environments: EnvironmentsArgs,
    ) -> Result<Self, Failure> {
        kinds::close_head();
        let blobs = kinds::blobs(&state_dir.display().to_string(), false)?;
        let config = HeadConfig {
            listen: LISTEN_DEFAULT,
            kinds: kinds::kinds(&(blobs.clone() as Arc<dyn BlobSource>)),
            publisher: kinds::publisher(),
            token: None,
            tls: None,
            // Whoever can reach this head is on this machine.
            local_paths: LocalPaths::Any,
            no_worker_max: NO_WORKER_DEFAULT,
            archive: None,
            blobs,
            traces: kinds::traces()?,
        };
        let head = Head::start(config, StateConfig::Folder(state_dir)).await?;
        let config = ApiConfig { listen: LISTEN_DEFAULT, token: None, callers: None, tls: None, head: head.clone() };
        let api = shoal_api::start(config).await?;
        Ok(Self { workers: Workers::None, api, head, log_format, environments })
    }

    /// A client of its REST interface.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        Client::new(&[self.url()], None, None)
    }

    fn url(&self) -> String {
        format!("http://{}", self.api.address())
    }

    /// Starts workers and waits until all have registered: so many processes, or one worker in this process. Together they
    /// get `memory_bytes`, or what there is.
    ///
    /// # Errors
    /// [`Reason::WorkerStartFailed`], with the last that a process said.
    pub(crate) async fn start_workers(
        &mut self,
        processes: Option<u32>,
        memory_bytes: Option<u64>,
        terminal: &Terminal,
    ) -> Result<(), Failure> {
        let share = Share::of_this_machine(processes.unwrap_or(1), memory_bytes);
        match processes {
            None => {
                let scratch = private_folder("worker-1")?;
                let worker = shoal_worker::start(self.worker_config(share, scratch.path())?).await?;
                self.workers = Workers::Here(worker, scratch);
            }
            Some(number) => {
                let url = self.url();
                let Self { log_format, environments, .. } = self;
                let start = Start { head: &url, share, log_format: *log_format, environments, terminal };
                let started: Result<Vec<_>, _> =
                    (1..=number).map(|number| WorkerProcess::start(&format!("worker-{number}"), &start)).collect();
                self.workers = Workers::Processes(started?);
            }
        }
        self.registered(processes.unwrap_or(1) as usize).await
    }

    fn worker_config(&self, share: Share, scratch: &Path) -> Result<WorkerConfig, Failure> {
        let files = Arc::new(kinds::OfHead(self.client()?));
        Ok(WorkerConfig {
            name: WorkerId("worker-1".to_owned()),
            heads: FixedHeads::one(format!("http://{}", self.head.workers_address())),
            head_gone_max: HEAD_GONE_DEFAULT,
            listen: LISTEN_DEFAULT.ip(),
            flight_port: 0,
            http_port: 0,
            advertise: None,
            slots: share.slots,
            memory_bytes: share.memory_bytes,
            scratch: scratch.to_owned(),
            token: None,
            tls: None,
            runner: kinds::runner(),
            functions: kinds::functions(
                &scratch.join("worker-1"),
                self.environments.folder(None, scratch),
                files,
                share.slots,
                share.memory_bytes,
            ),
        })
    }

    async fn registered(&mut self, expected: usize) -> Result<(), Failure> {
        let Self { head, workers, .. } = self;
        let all_there = async {
            let since = Instant::now();
            loop {
                let there = head.workers().await?.len();
                if there >= expected {
                    return Ok(());
                }
                if since.elapsed() > REGISTER_MAX {
                    let seconds = REGISTER_MAX.as_secs();
                    let why = format!("{there} of {expected} workers registered within {seconds} s");
                    return Err(Failure::new(Reason::WorkerStartFailed, why)
                        .next("the machine may be too busy for so many: use fewer `--workers`"));
                }
                tokio::time::sleep(REGISTER_PAUSE).await;
            }
        };
        tokio::select! {
            there = all_there => there?,
            failure = workers.first_end() => return Err(failure),
        }
        workers.say_what_they_say();
        Ok(())
    }

    /// Waits until no worker is left; for ever while one is.
    pub(crate) async fn all_workers_gone(&mut self) -> Failure {
        self.workers.all_ended().await
    }

    /// Ends workers, then REST, then the head. Processes that do not end in time are killed.
    pub(crate) async fn shutdown(self) {
        let Self { workers, api, head, log_format: _, environments: _ } = self;
        api.shutdown().await;
        head.shutdown().await;
        match workers {
            Workers::None => {}
            Workers::Here(worker, _scratch) => worker.shutdown().await,
            Workers::Processes(processes) => {
                let deadline = Instant::now() + END_MAX;
                for process in processes {
                    process.end(deadline).await;
                }
            }
        }
    }
}

impl Workers {
    /// Waits until one has ended that should not have.
    async fn first_end(&mut self) -> Failure {
        match self {
            Self::None => std::future::pending().await,
            Self::Here(worker, _) => here_ended(worker).await,
            Self::Processes(processes) => {
                let ends = processes.iter_mut().map(|process| Box::pin(process.ended()));
                futures::future::select_all(ends).await.0
            }
        }
    }

    async fn all_ended(&mut self) -> Failure {
        match self {
            Self::None => std::future::pending().await,
            Self::Here(worker, _) => here_ended(worker).await,
            Self::Processes(processes) => {
                let ends = futures::future::join_all(processes.iter_mut().map(WorkerProcess::ended)).await;
                let failure = Failure::new(Reason::NoWorkers, "all worker processes have ended")
                    .next("look at what they said last; a process that was killed may have taken too much memory");
                ends.into_iter().fold(failure, |mut failure, end| {
                    failure.causes.push(end.message);
                    failure
                })
            }
        }
    }

    fn say_what_they_say(&self) {
        if let Self::Processes(processes) = self {
            processes.iter().for_each(WorkerProcess::registered);
        }
    }
}

async fn here_ended(worker: &Worker) -> Failure {
    match worker.stopped().await {
        Ok(()) => Failure::new(Reason::NoWorkers, "the worker was told to end"),
        Err(failure) => failure,
    }
}

/// A folder that only this user can look into, deleted when it is dropped.
pub(crate) fn private_folder(worker: &str) -> Result<TempDir, Failure> {
    tempfile::Builder::new().prefix(&format!("shoal-{worker}-")).tempdir().map_err(|error| {
        Failure::new(Reason::Io, "no folder can be made for what does not fit in memory")
            .because(&error)
            .file(std::env::temp_dir().display().to_string())
            .next("name a folder that this user may write to with TMPDIR")
    })
}
