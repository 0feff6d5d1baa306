//! Finds out what planning needs: the only step of the head that does IO for this kind.

use datafusion::arrow::datatypes::SchemaRef;
use shoal_core::blobs::BlobSource;
use shoal_core::functions::{Program, Purpose};
use shoal_core::job::{Function, GroupedTraining, Learner, Model, Strategy};
use shoal_core::{Failure, Job};
use shoal_engine::columns::{ResolvedColumns, Wanted, WantedFrame, resolve, resolve_frame};
use shoal_engine::delta::check_output;
use shoal_engine::functions::{FunctionTable, OWN_COLUMNS};
use shoal_engine::models::{ModelTable, Training, reserved_columns};
use shoal_engine::session::query_session;
use shoal_engine::table::{PinnedTable, ProvenKeys, pin, proven_keys};
use shoal_ml::Needs;

use super::program::program;
use super::reduce::key_fields;
use super::tasks::Facts;

const FIELD: &str = "spec.groupedTraining";

/// Files whose footers are read again for models of moments, of which seldom more travels than fits a footer.
const FILES_READ_TWICE_MAX: usize = 1_000;

/// What is read, and what the output is made of.
struct Resolved {
    columns: ResolvedColumns,
    output_schema: SchemaRef,
    needs: Needs,
    program: Option<Program>,
}

/// Pins the input, resolves columns and expressions against it, and checks that the output can take the models.
pub(super) async fn gather(job: &Job, training: &GroupedTraining, blobs: &dyn BlobSource) -> Result<Facts, Failure> {
    let (table, files) = pin(&training.input, &format!("{FIELD}.input")).await?;
    let Resolved { columns, output_schema, needs, program } = match &training.learner {
        Learner::Model(model) => of_model(training, model, &table)?,
        Learner::Function(function) => of_function(job, training, function, &table, blobs).await?,
    };
    check_output(&training.output, &output_schema, &format!("{FIELD}.output")).await?;
    let is_proof_worth_it = match needs {
        Needs::Rows => true,
        Needs::Moments => files.len() <= FILES_READ_TWICE_MAX,
    };
    let ProvenKeys { clusters, groups_max } = match training.strategy {
        Strategy::Auto if is_proof_worth_it => proven_keys(&table, &files, &columns.keys).await?,
        _ => ProvenKeys::default(),
    };
    Ok(Facts { table, files, columns, output_schema, clusters, groups_max, program })
}

fn of_model(training: &GroupedTraining, model: &Model, table: &PinnedTable) -> Result<Resolved, Failure> {
    let wanted = Wanted {
        group_by: &training.group_by,
        model,
        evaluate: training.evaluate.as_ref(),
        filter: training.input.filter.as_deref(),
    };
    let reserved = reserved_columns(training, model, &table.schema);
    let columns = resolve(&query_session(), &table.schema, &wanted, FIELD, &reserved)?;
    let models = ModelTable::new(&key_fields(&columns), Training::new(training, model, &columns, &[]));
    let needs = models.training().needs();
    Ok(Resolved { columns, output_schema: models.schema().clone(), needs, program: None })
}

async fn of_function(
    job: &Job,
    training: &GroupedTraining,
    function: &Function,
    table: &PinnedTable,
    blobs: &dyn BlobSource,
) -> Result<Resolved, Failure> {
    let wanted = WantedFrame {
        group_by: &training.group_by,
        columns: function.columns.as_deref(),
        returns: &function.returns,
        filter: training.input.filter.as_deref(),
    };
    let columns = resolve_frame(&query_session(), &table.schema, &wanted, FIELD, &OWN_COLUMNS)?;
    let output_schema = FunctionTable::new(&key_fields(&columns), &function.returns).schema().clone();
    let program = program(function, Purpose::Fit, &training.group_by, &job.failure_policy, blobs).await?;
    Ok(Resolved { columns, output_schema, needs: Needs::Rows, program: Some(program) })
}
