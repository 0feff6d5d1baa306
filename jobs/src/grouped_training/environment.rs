//! Makes the environment of the user's function ready before anything else is done: what cannot be installed shows at once, and
//! the time that it takes is not that of a group.

use shoal_core::functions::{Prepared, Program};
use shoal_core::kind::{Capacity, StageOutcome};
use shoal_core::runner::TaskContext;
use shoal_core::task::{Assignment, TaskOutput, TaskPlan};
use shoal_core::{Failure, Payload};

use super::tasks::stage;
use crate::planning::one_per_slot;

pub(crate) async fn run(assignment: &Assignment, context: &TaskContext) -> Result<TaskOutput, Failure> {
    let program: Program = assignment.common.read()?;
    let prepared = context.functions.prepare(&program).await?;
    Ok(TaskOutput { payload: Payload::of(&prepared)?, ..TaskOutput::default() })
}

/// A task per slot: of those on one machine one does it, and the others wait for it. Where it is packed one task does it for all,
/// and whoever loads the function fetches it.
pub(crate) fn tasks(program: Option<&Program>, capacity: Capacity) -> Vec<TaskPlan> {
    let packs = program.is_some_and(|program| program.packs);
    one_per_slot(if packs { Capacity { slots: 1 } } else { capacity })
}

/// How the environment came to be ready, where there is one.
pub(crate) fn in_words(program: &Program, done: &[StageOutcome]) -> Result<Option<String>, Failure> {
    let Some(stage) = done.last().filter(|outcome| outcome.name == stage::ENVIRONMENT) else { return Ok(None) };
    let prepared = stage.outputs.iter().map(|output| output.payload.read()).collect::<Result<Vec<Prepared>, _>>()?;
    let built: Vec<(&str, u64)> = (prepared.iter())
        .filter_map(|prepared| match prepared {
            Prepared::Found | Prepared::Fetched { .. } => None,
            Prepared::Built { by, milliseconds } => Some((by.as_str(), *milliseconds)),
        })
        .collect();
    let of = match program.requirements.as_ref().and_then(|requirements| requirements.file.as_ref()) {
        Some(file) => format!("the environment of `{file}`"),
        None => "the environment of `packages`".to_owned(),
    };
    let Some((by, longest)) = built.iter().max_by_key(|(_, milliseconds)| *milliseconds) else {
        let fetched = prepared.iter().filter_map(|prepared| match prepared {
            Prepared::Fetched { milliseconds } => Some(*milliseconds),
            Prepared::Found | Prepared::Built { .. } => None,
        });
        return Ok(Some(match fetched.max() {
            Some(longest) => {
                format!("{of} was fetched from the cluster's storage in {:.1} s", longest as f64 / 1e3)
            }
            None => format!("{of} was there from before"),
        }));
    };
    let times = if built.len() == 1 { String::new() } else { format!(" {} times", built.len()) };
    Ok(Some(format!("{of} was built by {by}{times} in {:.1} s, and is kept for later jobs", *longest as f64 / 1e3)))
}
