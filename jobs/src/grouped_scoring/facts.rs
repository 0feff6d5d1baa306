//! Finds out what planning needs: the only step of the head that does IO for this kind.

use shoal_core::Failure;
use shoal_core::job::GroupedScoring;
use shoal_core::spec::v1alpha1::InputTable;
use shoal_engine::delta::check_output;
use shoal_engine::scoring::{Request, output_schema, resolve};
use shoal_engine::session::query_session;
use shoal_engine::table::pin;

use super::tasks::{Facts, Pinned};

const FIELD: &str = "spec.groupedScoring";

/// Pins models and rows, fits what the job says to both, and checks that the output can take the predictions.
pub(super) async fn gather(job: &GroupedScoring) -> Result<Facts, Failure> {
    let models =
        InputTable { table: job.models.table.clone(), format: None, version: job.models.version, filter: None };
    let (models, model_files) = pin(&models, &format!("{FIELD}.models")).await?;
    let (rows, row_files) = pin(&job.input, &format!("{FIELD}.input")).await?;
    let ctx = query_session();
    let request = Request {
        models: (&models, &model_files),
        rows: &rows,
        features: &job.features,
        keep: job.keep.as_deref(),
        is_stored: true,
        prediction_column: job.prediction_column.as_deref(),
        level: job.level,
        statuses: &job.statuses,
        filter: job.input.filter.as_deref(),
        field: FIELD,
    };
    let scoring = resolve(&ctx, &request).await?;
    let output_schema = output_schema(&scoring);
    check_output(&job.output, &output_schema, &format!("{FIELD}.output")).await?;
    Ok(Facts {
        models: Pinned { table: models, files: model_files },
        rows: Pinned { table: rows, files: row_files },
        scoring,
        output_schema,
    })
}
