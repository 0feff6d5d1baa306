//! The processes of a worker: started, lent, kept for a while, and counted where they die.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use shoal_core::functions::{Caller, Calls, Functions, Program};
use shoal_core::{Failure, JobUid, Reason};

use crate::calls::PooledCalls;
use crate::limits::{IDLE_TIME_MAX, JOBS_COUNTED_MAX};
use crate::process::Process;
use crate::sources;
use crate::start::Home;

/// The processes of a worker. Clones are handles on the same; with the last one all of them end.
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

pub(crate) struct Shared {
    /// Where processes and the Python side live.
    folder: PathBuf,
    /// Threads that libraries may compute with in one process.
    threads: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whether the Python side is written.
    has_sources: bool,
    /// Homes that were made.
    homes: u64,
    /// Processes that nobody uses, those that wait the longest first.
    idle: Vec<Idle>,
    /// How many died under each job, the oldest job first.
    deaths: VecDeque<(JobUid, u32)>,
}

struct Idle {
    job: JobUid,
    process: Process,
    since: Instant,
}

impl Pool {
    /// Processes that live in this folder, which is made once it is needed; libraries in each compute with so many threads.
    pub fn new(folder: PathBuf, threads: usize) -> Self {
        Self(Arc::new(Shared { folder, threads, state: Mutex::default() }))
    }
}

#[async_trait]
impl Functions for Pool {
    async fn load(&self, caller: Caller, program: Arc<Program>) -> Result<Box<dyn Calls>, Failure> {
        let process = self.0.process(caller, &program).await?;
        Ok(Box::new(PooledCalls::new(Arc::clone(&self.0), caller, program, process)))
    }
}

impl Shared {
    /// A process that has loaded the program and knows who calls: one that was used before by its job, or a new one.
    pub(crate) async fn process(&self, caller: Caller, program: &Arc<Program>) -> Result<Process, Failure> {
        while let Some(mut process) = self.idle(caller.job, program) {
            if process.is_alive() {
                process.is_called_by(&caller);
                return Ok(process);
            }
        }
        let home = self.home().map_err(|error| {
            Failure::new(Reason::Io, "a process for the function has no place to live")
                .because(&error)
                .file(self.folder.display().to_string())
                .next("see whether the worker's scratch folder can be written to")
        })?;
        let process = Process::start(Arc::clone(program), &self.sources(), home, self.threads).await?;
        process.is_called_by(&caller);
        Ok(process)
    }

    fn idle(&self, job: JobUid, program: &Program) -> Option<Process> {
        let mut state = self.state();
        let found = state.idle.iter().rposition(|idle| idle.job == job && idle.process.program() == program)?;
        Some(state.idle.remove(found).process)
    }

    /// Keeps a process that nothing was asked of that it has not answered, for the next task of its job.
    pub(crate) fn put_back(self: Arc<Self>, job: JobUid, mut process: Process) {
        if !process.is_alive() {
            return;
        }
        self.state().idle.push(Idle { job, process, since: Instant::now() });
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let pool = Arc::downgrade(&self);
        drop(self);
        runtime.spawn(async move {
            tokio::time::sleep(IDLE_TIME_MAX).await;
            if let Some(pool) = pool.upgrade() {
                pool.state().idle.retain(|idle| idle.since.elapsed() < IDLE_TIME_MAX);
            }
        });
    }

    /// Counts a process that died under a job, and says how many have.
    pub(crate) fn count_death(&self, job: JobUid) -> u32 {
        let deaths = &mut self.state().deaths;
        if let Some((_, count)) = deaths.iter_mut().find(|(counted, _)| *counted == job) {
            *count += 1;
            return *count;
        }
        if deaths.len() == JOBS_COUNTED_MAX {
            deaths.pop_front();
        }
        deaths.push_back((job, 1));
        1
    }

    fn sources(&self) -> PathBuf {
        self.folder.join("python")
    }

    fn home(&self) -> std::io::Result<Home> {
        let mut state = self.state();
        if !state.has_sources {
            sources::write(&self.sources())?;
            state.has_sources = true;
        }
        state.homes += 1;
        Home::make(self.folder.join(state.homes.to_string()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in it is ever half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
