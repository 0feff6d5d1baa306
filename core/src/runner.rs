//! The worker's side of a job kind.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use crate::calling::CallLog;
use crate::failure::{Failure, Reason};
use crate::functions::{Caller, Functions};
use crate::id::AttemptId;
use crate::partition::PartitionStore;
use crate::progress::TaskProgress;
use crate::task::{Assignment, TaskOutput};

/// Runs tasks of one or more kinds. Called on the worker's task runtime, never on an actor's thread, so it may compute
/// for as long as it likes between awaits.
#[async_trait]
pub trait TaskRunner: Send + Sync {
    /// Runs one attempt to its end. Files that it wrote for a failed attempt are its own to delete.
    ///
    /// # Errors
    /// What failed, with the actor that decides whether another attempt makes sense.
    async fn run(&self, assignment: Assignment, context: TaskContext) -> Result<TaskOutput, Failure>;
}

/// What a worker lends to a running task.
#[derive(Clone)]
pub struct TaskContext {
    /// Partitions, its own and other workers'.
    pub partitions: Arc<dyn PartitionStore>,
    /// Processes for users' functions.
    pub functions: Arc<dyn Functions>,
    /// A folder of this attempt's own for what does not fit in memory. Whoever writes there makes it; it is
    /// deleted when the attempt ends.
    pub scratch: PathBuf,
    /// Memory that the task may use before it spills, in bytes.
    pub memory_bytes: u64,
    /// Set when the attempt is no longer wanted.
    pub cancelled: Cancelled,
    /// Where the task says how far it is.
    pub progress: TaskProgress,
    /// Where is written down what becomes of its calls of a user's function.
    pub calls: CallLog,
}

impl TaskContext {
    /// The attempt as one that has functions called.
    pub fn caller(&self, attempt: AttemptId) -> Caller {
        Caller::attempt(attempt, self.calls.clone())
    }
}

/// A flag that a long computation looks at now and then.
#[derive(Clone, Debug, Default)]
pub struct Cancelled(Arc<AtomicBool>);

impl Cancelled {
    /// Says that the attempt is no longer wanted.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Ends the computation where it is no longer wanted.
    ///
    /// # Errors
    /// [`Reason::Cancelled`] once [`Cancelled::cancel`] was called.
    pub fn check(&self) -> Result<(), Failure> {
        if self.0.load(Ordering::Relaxed) {
            Err(Failure::new(Reason::Cancelled, "the attempt was cancelled"))
        } else {
            Ok(())
        }
    }
}
