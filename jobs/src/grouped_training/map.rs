//! Reads a split and deals it to buckets by key: rows as they are, or folded into one state per group.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::Float64Type;
use datafusion::common::Column;
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::Expr;
use futures::StreamExt;
use shoal_core::Payload;
use shoal_core::runner::TaskContext;
use shoal_core::spec::v1alpha1::OnMissing;
use shoal_core::task::{Assignment, Counters, TaskOutput};
use shoal_core::{Failure, Reason};
use shoal_engine::columns::{ResolvedColumns, select};
use shoal_engine::error::engine_failure;
use shoal_engine::folds::fold_udf;
use shoal_engine::keys::{canonical_key, canonical_keys};
use shoal_engine::models::Folds;
use shoal_engine::moments::{MomentsColumn, moments_udaf};
use shoal_engine::scanned::streamed;
use shoal_engine::session::task_session;
use shoal_engine::table::scan;

use super::tasks::{Exchange, MapStage, MapTask};
use crate::dealing::Dealing;
use crate::scan_error::ScanError;

pub(super) async fn run(assignment: &Assignment, context: &TaskContext) -> Result<TaskOutput, Failure> {
    let stage: MapStage = assignment.common.read()?;
    let split: MapTask = assignment.payload.read()?;
    let ctx = task_session(context.memory_bytes, &context.scratch)?;
    let rows = select(&ctx, scan(&ctx, &stage.table, &split).await?, &stage.columns, &stage.encoders)?;
    let frame = match stage.exchange {
        Exchange::Rows => rows,
        Exchange::States => states(rows, &stage)?,
    };
    let mut counters = Counters::default();
    if let Err(error) = deal(frame, &stage, rows_of(&stage, &split), assignment, context, &mut counters).await {
        return Err(error.of(&ctx, &stage.table, &split).await);
    }
    let partitions = context.partitions.seal(assignment.attempt).await?;
    tracing::info!(rows_in = counters.rows_in, rows_out = counters.rows_out, "the split is dealt to its buckets");
    Ok(TaskOutput { partitions, counters, payload: Payload::of(&stage.exchange)?, ..TaskOutput::default() })
}

/// One state per group of the split, or where models are tested one per group and fold.
fn states(rows: DataFrame, stage: &MapStage) -> Result<DataFrame, Failure> {
    let (keys, count) = (stage.columns.keys.len(), stage.variables.len());
    let columns = || rows.schema().columns().into_iter().map(Expr::Column);
    let variables: Vec<Expr> = columns().skip(keys).take(count).collect();
    let fold = match stage.folds {
        Some(Folds::Hashed(folds)) => Some(fold_udf(folds, count).call(variables.clone()).alias(FOLD)),
        Some(Folds::Column) => columns().nth(keys + count).map(|fold| fold.alias(FOLD)),
        Some(Folds::Time(_)) | None => None,
    };
    let groups = key_exprs(&stage.columns).into_iter().chain(fold).collect();
    let moments = moments_udaf(count).call(variables).alias("__moments");
    rows.aggregate(groups, vec![moments]).map_err(|error| engine_failure(&error))
}

/// The column of states that says which fold they are of. No column of a job has a name with spaces.
const FOLD: &str = "fold of a row";

/// The keys as SQL's `GROUP BY` has to see them, so that what hashes alike also groups alike.
pub(super) fn key_exprs(columns: &ResolvedColumns) -> Vec<Expr> {
    let key = |name: &String, data_type| {
        let column = Expr::Column(Column::from_name(name));
        canonical_key(column.clone(), data_type).map_or(column, |canonical| canonical.alias(name))
    };
    columns.keys.iter().map(|column| key(&column.name, &column.data_type)).collect()
}

/// About how many rows a split has, where all are taken and files say how many they have.
fn rows_of(stage: &MapStage, split: &MapTask) -> Option<u64> {
    let (rows, bytes) = stage.rows_and_bytes?;
    Some((rows as f64 * split.bytes as f64 / bytes.max(1) as f64) as u64)
}

async fn deal(
    frame: DataFrame,
    stage: &MapStage,
    rows: Option<u64>,
    assignment: &Assignment,
    context: &TaskContext,
    counters: &mut Counters,
) -> Result<(), ScanError> {
    let keys = stage.columns.keys.len();
    let (mut batches, scanned) = streamed(frame).await.map_err(ScanError::Engine)?;
    if let Some(rows) = rows {
        context.progress.measure(rows, move || scanned.rows());
    }
    let mut dealing = Dealing::new(assignment.attempt, context, keys, &stage.buckets);
    while let Some(batch) = batches.next().await {
        context.cancelled.check()?;
        let batch = batch.map_err(ScanError::Engine)?;
        counters.rows_in += check_rows(&batch, stage)?;
        counters.rows_out += batch.num_rows() as u64;
        dealing.push(canonical_keys(&batch, keys)?).await?;
    }
    Ok(dealing.finish().await?)
}

/// Counts the input rows that a batch stands for, and refuses missing values where the job wants none.
pub(super) fn check_rows(batch: &RecordBatch, stage: &MapStage) -> Result<u64, Failure> {
    let keys = stage.columns.keys.len();
    match stage.exchange {
        Exchange::Rows => {
            if stage.on_missing == OnMissing::Fail {
                for (column, name) in batch.columns().iter().skip(keys).zip(&stage.variables) {
                    if has_missing(column) {
                        return Err(missing(&stage.variables).column(name));
                    }
                }
            }
            Ok(batch.num_rows() as u64)
        }
        Exchange::States => {
            let states = batch.columns().last().ok_or_else(|| Failure::internal("a batch without columns"))?;
            let states = MomentsColumn::new(states.as_ref(), stage.variables.len())?;
            let mut rows = 0;
            for index in 0..states.len() {
                if stage.on_missing == OnMissing::Fail && states.dropped(index) > 0 {
                    return Err(missing(&stage.variables));
                }
                rows += states.get(index).count + states.dropped(index);
            }
            Ok(rows)
        }
    }
}

/// Whether a number is null, NaN or infinite, or a text null.
fn has_missing(column: &ArrayRef) -> bool {
    let numbers = column.as_primitive_opt::<Float64Type>();
    column.null_count() > 0 || numbers.is_some_and(|numbers| numbers.values().iter().any(|value| !value.is_finite()))
}

fn missing(variables: &[String]) -> Failure {
    let names: Vec<String> = variables.iter().map(|name| format!("`{name}`")).collect();
    Failure::new(Reason::MissingValue, format!("a row has a null, NaN or infinite value in {}", names.join(", ")))
        .field("spec.groupedTraining.onMissing")
        .next("mend the data, keep such rows out with `where`, or set `onMissing: drop`")
}
