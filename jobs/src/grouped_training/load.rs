//! Has a process load the user's function before any row is read: what is wrong with it shows at once, and the process is there
//! when the first groups are.

use std::sync::Arc;

use shoal_core::Failure;
use shoal_core::functions::Program;
use shoal_core::runner::TaskContext;
use shoal_core::task::{Assignment, TaskOutput};

pub(crate) async fn run(assignment: &Assignment, context: &TaskContext) -> Result<TaskOutput, Failure> {
    let program: Arc<Program> = Arc::new(assignment.common.read()?);
    drop(context.functions.load(context.caller(assignment.attempt), program).await?);
    Ok(TaskOutput::default())
}
