//! The processes of a worker: started, lent and kept for a while.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use shoal_core::blobs::BlobSource;
use shoal_core::functions::{Caller, Calls, Functions, Prepared, Program};
use shoal_core::{Failure, JobUid, Reason};

use crate::cache::Lease;
use crate::calls::PooledCalls;
use crate::environment;
use crate::files::Files;
use crate::limits::IDLE_TIME_MAX;
use crate::lookout::Lookout;
use crate::offer::Offer;
use crate::process::{Process, Starter};
use crate::room::Surroundings;
use crate::seal::seal;
use crate::sources;
use crate::start::Home;

/// The processes of a worker. Clones are handles on the same; with the last one all of them end.
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

pub(crate) struct Shared {
    /// Where processes and the Python side live.
    folder: PathBuf,
    /// What the worker has for them.
    offer: Offer,
    /// Ends the largest of them before memory runs out.
    lookout: Arc<Lookout>,
    /// Where environments are kept, which other workers of the machine may share.
    environments: PathBuf,
    /// What jobs have brought along.
    files: Files,
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
}

struct Idle {
    job: JobUid,
    process: Process,
    since: Instant,
}

impl Pool {
    /// Processes that live in this folder, which is made once it is needed. What is installed for them is kept in a folder of
    /// its own, which may be that of other workers of the machine too. `surroundings` tell of the memory that there is for all of
    /// them, the worker and whatever else shares it. What jobs bring along comes from `files`.
    pub fn new(
        folder: PathBuf,
        offer: Offer,
        environments: PathBuf,
        surroundings: Arc<dyn Surroundings>,
        files: Arc<dyn BlobSource>,
    ) -> Self {
        // Processes run in folders of their own, where a relative path leads elsewhere.
        let [folder, environments] = [folder, environments].map(|path| std::path::absolute(&path).unwrap_or(path));
        let lookout = Lookout::new(surroundings);
        let files = Files::new(folder.join("files"), files);
        Self(Arc::new(Shared { folder, offer, lookout, environments, files, state: Mutex::default() }))
    }
}

#[async_trait]
impl Functions for Pool {
    async fn prepare(&self, program: &Program) -> Result<Prepared, Failure> {
        self.0.offer.check(program)?;
        let environment = self.0.environment(program).await.map_err(|failure| placed(program, failure))?;
        Ok(environment.map_or(Prepared::Found, |(_, prepared)| prepared))
    }

    async fn load(&self, caller: Caller, program: Arc<Program>) -> Result<Box<dyn Calls>, Failure> {
        self.0.offer.check(&program)?;
        let process = self.0.process(&caller, &program).await?;
        Ok(Box::new(PooledCalls::new(Arc::clone(&self.0), caller, program, process)))
    }
}

impl Shared {
    /// A process that has loaded the program and knows who calls: one that was used before by its job, or a new one.
    pub(crate) async fn process(&self, caller: &Caller, program: &Arc<Program>) -> Result<Process, Failure> {
        self.loaded(caller, program).await.map_err(|failure| placed(program, failure))
    }

    async fn loaded(&self, caller: &Caller, program: &Arc<Program>) -> Result<Process, Failure> {
        while let Some(mut process) = self.idle(caller.job, program) {
            if process.is_alive() {
                process.is_called_by(caller);
                return Ok(process);
            }
        }
        seal()?;
        let environment = self.environment(program).await?.map(|(lease, _)| lease);
        let home = self.home().map_err(|error| self.no_place(&error))?;
        home.furnish(program, &self.files).await?;
        let sources = self.sources();
        let starter = Starter { sources: &sources, threads: self.offer.threads, lookout: &self.lookout };
        let process = Process::start(Arc::clone(program), home, environment, &starter).await?;
        process.is_called_by(caller);
        Ok(process)
    }

    /// The program's own environment, where it has one: built unless it is there.
    async fn environment(&self, program: &Program) -> Result<Option<(Lease, Prepared)>, Failure> {
        let Some(requirements) = &program.requirements else { return Ok(None) };
        self.write_sources().map_err(|error| self.no_place(&error))?;
        environment::ready(&self.environments, &self.sources(), &self.files, program, requirements).await.map(Some)
    }

    fn no_place(&self, error: &std::io::Error) -> Failure {
        Failure::new(Reason::Io, "a process for the function has no place to live")
            .because(error)
            .file(self.folder.display().to_string())
            .next("see whether the worker's scratch folder can be written to")
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

    fn sources(&self) -> PathBuf {
        self.folder.join("python")
    }

    fn write_sources(&self) -> std::io::Result<()> {
        let mut state = self.state();
        if !state.has_sources {
            sources::write(&self.sources())?;
            state.has_sources = true;
        }
        Ok(())
    }

    fn home(&self) -> std::io::Result<Home> {
        self.write_sources()?;
        let mut state = self.state();
        state.homes += 1;
        Home::make(self.folder.join(state.homes.to_string()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in it is ever half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is wrong with a member of the function, at that member of the spec.
fn placed(program: &Program, mut failure: Failure) -> Failure {
    let member = failure.location.field_path.take();
    failure.location.field_path = member.map(|member| format!("{}.{member}", program.field));
    failure
}

#[cfg(test)]
mod tests {
    use shoal_core::blobs::NoBlobs;

    use super::*;
    use crate::room::Room;

    struct Nowhere;

    impl Surroundings for Nowhere {
        fn room(&self) -> Option<Room> {
            None
        }

        fn kills(&self) -> Option<u64> {
            None
        }
    }

    #[test]
    fn processes_find_their_files_from_wherever_they_run() {
        let offer = Offer { slots: 1, memory_bytes: 1 << 30, threads: 1 };
        let pool =
            Pool::new("scratch/w/functions".into(), offer, "environments".into(), Arc::new(Nowhere), Arc::new(NoBlobs));
        let Shared { folder, environments, .. } = &*pool.0;
        assert!(folder.is_absolute() && folder.ends_with("scratch/w/functions"), "{folder:?}");
        assert!(environments.is_absolute() && environments.ends_with("environments"), "{environments:?}");
    }
}
