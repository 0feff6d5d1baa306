//! Finds out what planning needs: the only step of the head that does IO for this kind.

use datafusion::arrow::datatypes::SchemaRef;
use shoal_core::blobs::BlobSource;
use shoal_core::functions::{Program, Purpose};
use shoal_core::job::{Function, GroupedScoring};
use shoal_core::spec::v1alpha1::InputTable;
use shoal_core::{Failure, Job};
use shoal_engine::delta::check_output;
use shoal_engine::scoring::{FunctionRequest, Request, output_schema, resolve, resolve_function};
use shoal_engine::session::query_session;
use shoal_engine::table::pin;

use super::tasks::{Facts, Pinned, Scorer};
use crate::grouped_training::program::program;

const FIELD: &str = "spec.groupedScoring";

/// Pins models and rows, fits what the job says to both, and checks that the output can take the predictions.
pub(super) async fn gather(job: &Job, scoring: &GroupedScoring, blobs: &dyn BlobSource) -> Result<Facts, Failure> {
    let models =
        InputTable { table: scoring.models.table.clone(), format: None, version: scoring.models.version, filter: None };
    let (table, files) = pin(&models, &format!("{FIELD}.models")).await?;
    let models = Pinned { table, files };
    let (table, files) = pin(&scoring.input, &format!("{FIELD}.input")).await?;
    let rows = Pinned { table, files };
    let resolved = match &scoring.function {
        None => of_models(scoring, &models, &rows).await?,
        Some(function) => of_function(job, scoring, function, (&models, &rows), blobs).await?,
    };
    let Resolved { scorer, output_schema, program } = resolved;
    check_output(&scoring.output, &output_schema, &format!("{FIELD}.output")).await?;
    Ok(Facts { models, rows, scoring: scorer, output_schema, program })
}

/// What the job says, fitted to its tables.
struct Resolved {
    scorer: Scorer,
    output_schema: SchemaRef,
    program: Option<Program>,
}

async fn of_models(job: &GroupedScoring, models: &Pinned, rows: &Pinned) -> Result<Resolved, Failure> {
    let request = Request {
        models: (&models.table, &models.files),
        rows: &rows.table,
        features: &job.features,
        keep: job.keep.as_deref(),
        is_stored: true,
        prediction_column: job.prediction_column.as_deref(),
        level: job.level,
        statuses: &job.statuses,
        filter: job.input.filter.as_deref(),
        field: FIELD,
    };
    let scoring = resolve(&query_session(), &request).await?;
    let output_schema = output_schema(&scoring);
    Ok(Resolved { scorer: Scorer::Models(Box::new(scoring)), output_schema, program: None })
}

async fn of_function(
    job: &Job,
    scoring: &GroupedScoring,
    function: &Function,
    (models, rows): (&Pinned, &Pinned),
    blobs: &dyn BlobSource,
) -> Result<Resolved, Failure> {
    let request = FunctionRequest {
        models: &models.table,
        rows: &rows.table,
        function,
        keep: scoring.keep.as_deref(),
        statuses: &scoring.statuses,
        filter: scoring.input.filter.as_deref(),
        field: FIELD,
    };
    let resolved = resolve_function(&query_session(), &request)?;
    let keys: Vec<String> = resolved.columns.keys.iter().map(|key| key.name.clone()).collect();
    let program = program(function, Purpose::Predict, &keys, &job.failure_policy, blobs).await?;
    let output_schema = resolved.output_schema();
    Ok(Resolved { scorer: Scorer::Function(Box::new(resolved)), output_schema, program: Some(program) })
}
