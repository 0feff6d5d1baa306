//! Trains a few groups of the input and publishes nothing: what the models will look like, and about how long the job will take.
//!
//! ```text
//!   facts, as for the job itself -> sample: the first rows of the largest file -> the first groups of it, one by one
//!                                                                             \-> estimate, from what was seen
//! ```

mod estimate;
mod sample;
mod tried;

use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use shoal_core::calling::CallLog;
use shoal_core::functions::Caller;
use shoal_core::job::{GroupedTraining, Learner};
use shoal_core::{Failure, Job};
use shoal_engine::functions::FunctionTable;
use shoal_engine::models::{ModelTable, Training};

pub use self::estimate::{Estimate, GroupsBy};
use self::sample::Sample;
pub use self::tried::TriedGroup;
use self::tried::{TryFunction, TryModel, Trying};
use super::facts;
use super::learn::encoders;
use super::reduce::key_fields;
use super::tasks::Facts;
use crate::dry_run::Lent;
use crate::planning::no_rows;

/// Groups that are trained: what comes with the first one only, and what does not.
const GROUPS: usize = 3;

/// What came of some groups.
#[derive(Clone, Debug)]
pub struct DryRun {
    /// The columns of the output.
    pub schema: SchemaRef,
    /// How many of its leading columns are keys.
    pub key_columns: usize,
    /// The rows that the output would have of these groups.
    pub rows: RecordBatch,
    /// The groups, in the order in which they were trained.
    pub groups: Vec<TriedGroup>,
    /// What they were taken from.
    pub file: String,
    /// Rows of it that were read.
    pub rows_read: u64,
    /// Whether these are all rows of the input.
    pub is_whole: bool,
    /// What the job will take.
    pub estimate: Estimate,
    /// What is different in the job itself.
    pub notes: Vec<String>,
}

pub(crate) async fn dry_run(job: &Job, training: &GroupedTraining, lent: &Lent) -> Result<DryRun, Failure> {
    let facts = facts::gather(job, training, &*lent.blobs).await?;
    let source = sample::Source::open(&facts, lent)?;
    let mut notes = Vec::new();
    let (trying, encoders) = match (&training.learner, &facts.program) {
        (Learner::Function(_), Some(program)) => {
            // Its code is loaded before a row is read, as in the job.
            let caller = Caller { job: job.uid, attempt: 1, is_timing: true, log: CallLog::default() };
            let since = Instant::now();
            let calls = lent.functions.load(caller, Arc::new(program.clone())).await?;
            let table = FunctionTable::new(&key_fields(&facts.columns), &program.returns);
            (Trying::Function(TryFunction { calls, table, load: since.elapsed() }), Vec::new())
        }
        (Learner::Function(_), None) => return Err(Failure::internal("the function's code was not read")),
        (Learner::Model(model), _) => {
            let learned = source.categories().await?;
            if !learned.0.is_empty() {
                notes.push("categories are those of the rows that were read".to_owned());
            }
            let encoders = encoders(&facts.columns, &[learned], model.name())?;
            let models = Training::new(training, model, &facts.columns, &encoders);
            let table = Arc::new(ModelTable::new(&key_fields(&facts.columns), models));
            (Trying::Model(TryModel { table }), encoders)
        }
    };
    let sample = source.read(&encoders).await?;
    if sample.rows() == 0 {
        return Err(nothing_found(training, &sample));
    }
    let (rows, groups, load) = trained(trying, &sample, &facts, lent).await?;
    let estimate = estimate::estimate(&sample.seen(), &groups, load, lent.slots);
    notes.extend(estimate::larger_groups(&estimate, &groups));
    let Sample { file, rows_read, is_whole, .. } = sample;
    let schema = Arc::clone(&facts.output_schema);
    let key_columns = facts.columns.keys.len();
    Ok(DryRun { schema, key_columns, rows, groups, file, rows_read, is_whole, estimate, notes })
}

async fn trained(
    mut trying: Trying,
    sample: &Sample,
    facts: &Facts,
    lent: &Lent,
) -> Result<(RecordBatch, Vec<TriedGroup>, std::time::Duration), Failure> {
    let (mut batches, mut groups) = (Vec::new(), Vec::new());
    for group in sample.first_groups(GROUPS)? {
        let (rows, tried) = trying.group(group, facts, lent).await?;
        batches.push(rows);
        groups.push(tried);
    }
    let rows = concat_batches(&facts.output_schema, &batches)
        .map_err(|error| Failure::internal("rows of groups do not make one table").because(&error))?;
    Ok((rows, groups, trying.load()))
}

/// There is no row to train on, as far as was read.
fn nothing_found(training: &GroupedTraining, sample: &Sample) -> Failure {
    let failure = no_rows(&training.input, "groupedTraining", "to train on");
    if sample.is_whole {
        return failure;
    }
    let message = format!("none of the first {} rows is one to train on", sample.rows_read);
    Failure { message, ..failure }.file(&sample.file)
}
