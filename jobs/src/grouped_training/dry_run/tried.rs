//! One group, trained by itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::FieldRef;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use shoal_core::Failure;
use shoal_core::functions::Calls;
use shoal_engine::functions::{FunctionTable, Packed, Packer};
use shoal_engine::group_apply::{Clustering, GroupTrainer, ModelTrainer, ModelsOfGroups};
use shoal_engine::models::ModelTable;
use shoal_ml::FitStatus;

use super::super::reduce::{GROUP_MEMORY_SHARE, key_fields};
use super::super::tasks::Facts;
use crate::dry_run::Lent;

/// A group that was trained.
#[derive(Clone, Debug)]
pub struct TriedGroup {
    /// Its key, as a person would write it.
    pub key: String,
    /// Its rows, as far as they were read.
    pub rows: u64,
    /// How long it took; nobody knows that of one that cost its process.
    pub took: Option<Duration>,
    /// How it failed, if it did.
    pub failed: Option<FailedGroup>,
}

/// How a group failed, as the output tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedGroup {
    /// What happened, as a word.
    pub status: String,
    /// For people.
    pub message: Option<String>,
    /// The user's own lines that led there.
    pub trace: Option<String>,
}

/// What trains groups.
pub(super) enum Trying {
    Function(TryFunction),
    Model(TryModel),
}

/// A user's function.
pub(super) struct TryFunction {
    pub(super) calls: Box<dyn Calls>,
    pub(super) table: FunctionTable,
    /// How long it took to load.
    pub(super) load: Duration,
}

/// A model.
pub(super) struct TryModel {
    pub(super) table: Arc<ModelTable>,
}

impl Trying {
    /// How long it took before it could begin.
    pub(super) fn load(&self) -> Duration {
        match self {
            Self::Function(function) => function.load,
            Self::Model(_) => Duration::ZERO,
        }
    }

    /// The rows that the output has of a group, and what there is to tell of it.
    pub(super) async fn group(
        &mut self,
        batches: Vec<RecordBatch>,
        facts: &Facts,
        lent: &Lent,
    ) -> Result<(RecordBatch, TriedGroup), Failure> {
        let rows: u64 = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        let some = batches.iter().find(|batch| batch.num_rows() > 0);
        let key = some.map(|batch| key_text(batch, facts.columns.keys.len())).unwrap_or_default();
        let group_bytes_max = lent.memory_bytes / GROUP_MEMORY_SHARE;
        let (output, took) = match self {
            Self::Function(function) => {
                let mut packer = Packer::new(&facts.columns, group_bytes_max);
                hand_over(batches, facts, &mut packer)?;
                packer.close()?;
                function.call(packer.take()).await?
            }
            Self::Model(model) => {
                let since = Instant::now();
                let mut trainer = ModelTrainer::new(Arc::clone(&model.table), group_bytes_max);
                hand_over(batches, facts, &mut trainer)?;
                (trainer.models().take()?, Some(since.elapsed()))
            }
        };
        let tried = TriedGroup { key, rows, took, failed: failed(&output) };
        Ok((output, tried))
    }
}

impl TryFunction {
    async fn call(&mut self, packed: Option<Packed>) -> Result<(RecordBatch, Option<Duration>), Failure> {
        match packed {
            Some(Packed::Groups(groups)) => self.calls.send(groups),
            Some(Packed::TooLarge(key, rows)) => return Ok((self.table.too_large(key, rows)?.0, None)),
            None => return Err(Failure::internal("a group of a dry run has no rows")),
        }
        let returns = self.calls.next().await?;
        let returns = returns.ok_or_else(|| Failure::internal("a group was sent and not answered"))?;
        let (rows, _) = self.table.rows(&returns)?;
        Ok((rows, returns.took.first().copied()))
    }
}

fn hand_over(batches: Vec<RecordBatch>, facts: &Facts, trainer: &mut impl GroupTrainer) -> Result<(), Failure> {
    let keys: Vec<FieldRef> = key_fields(&facts.columns).into_iter().map(Arc::new).collect();
    // The few rows of a group make one part.
    let mut clustering = Clustering::new(&keys, 0);
    for batch in batches {
        clustering.push(batch)?;
    }
    let mut clustered = clustering.cluster()?;
    while clustered.train_next(trainer)? {}
    Ok(())
}

/// The key of the first row, as a person would write it.
fn key_text(rows: &RecordBatch, key_columns: usize) -> String {
    let options = FormatOptions::default().with_null("null");
    let part = |(field, column): (&FieldRef, &arrow::array::ArrayRef)| {
        let value = ArrayFormatter::try_new(column, &options).map(|formatter| formatter.value(0).to_string());
        value.map_or_else(|_| field.name().clone(), |value| format!("{}={value}", field.name()))
    };
    let keys = rows.schema_ref().fields().iter().zip(rows.columns()).take(key_columns);
    keys.map(part).collect::<Vec<_>>().join(", ")
}

/// How the group failed, as its row says.
fn failed(rows: &RecordBatch) -> Option<FailedGroup> {
    let text = |name: &str| {
        let column = rows.column_by_name(name)?.as_string_opt::<i32>()?;
        (column.len() > 0 && column.is_valid(0)).then(|| column.value(0).to_owned())
    };
    let status = text("status").filter(|status| status != FitStatus::Ok.as_str())?;
    Some(FailedGroup { status, message: text("message"), trace: text("trace") })
}
