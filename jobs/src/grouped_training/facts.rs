//! Finds out what planning needs: the only step of the head that does IO for this kind.

use shoal_core::Failure;
use shoal_core::job::{GroupedTraining, Model};
use shoal_engine::columns::resolve;
use shoal_engine::delta::check_output;
use shoal_engine::models::{RESERVED_COLUMNS, ols_schema};
use shoal_engine::session::query_session;
use shoal_engine::table::pin;

use super::reduce::{feature_names, key_fields};
use super::tasks::Facts;

const FIELD: &str = "spec.groupedTraining";

/// Pins the input, resolves columns and expressions against it, and checks that the output can take the models.
pub(super) async fn gather(training: &GroupedTraining) -> Result<Facts, Failure> {
    let Model::Ols(ols) = &training.model;
    let (table, files) = pin(&training.input, &format!("{FIELD}.input")).await?;
    let columns = resolve(
        &query_session(),
        &table.schema,
        &training.group_by,
        &ols.features,
        &ols.target,
        training.input.filter.as_deref(),
        FIELD,
        RESERVED_COLUMNS,
    )?;
    let output_schema = ols_schema(&key_fields(&columns), &feature_names(&columns), ols.intercept);
    check_output(&training.output, &output_schema, &format!("{FIELD}.output")).await?;
    Ok(Facts { table, files, columns, output_schema })
}
