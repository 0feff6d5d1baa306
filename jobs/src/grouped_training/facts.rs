//! Finds out what planning needs: the only step of the head that does IO for this kind.

use shoal_core::Failure;
use shoal_core::job::{GroupedTraining, Strategy};
use shoal_engine::columns::{Wanted, resolve};
use shoal_engine::delta::check_output;
use shoal_engine::models::{ModelTable, Training, reserved_columns};
use shoal_engine::session::query_session;
use shoal_engine::table::{clusters, pin};
use shoal_ml::Needs;

use super::reduce::key_fields;
use super::tasks::Facts;

const FIELD: &str = "spec.groupedTraining";

/// Pins the input, resolves columns and expressions against it, and checks that the output can take the models.
pub(super) async fn gather(training: &GroupedTraining) -> Result<Facts, Failure> {
    let (table, files) = pin(&training.input, &format!("{FIELD}.input")).await?;
    let wanted = Wanted {
        group_by: &training.group_by,
        model: &training.model,
        evaluate: training.evaluate.as_ref(),
        filter: training.input.filter.as_deref(),
    };
    let columns = resolve(&query_session(), &table.schema, &wanted, FIELD, &reserved_columns(training, &table.schema))?;
    let trained = Training::new(training, &columns, &[]);
    let models = ModelTable::new(&key_fields(&columns), trained);
    check_output(&training.output, models.schema(), &format!("{FIELD}.output")).await?;
    let clusters = match (training.strategy, models.training().needs()) {
        (Strategy::Auto, Needs::Rows) => clusters(&table, &files, &columns.keys).await?,
        _ => Vec::new(),
    };
    Ok(Facts { table, files, columns, output_schema: models.schema().clone(), clusters })
}
