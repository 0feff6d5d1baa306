use std::io;
use std::path::Path;

use arrow::datatypes::Schema;
use deltalake::kernel::StructType;
use deltalake::table::state::DeltaTableState;
use shoal_core::spec::v1alpha1::{OutputMode, OutputTable};
use shoal_core::{Failure, Reason};

use super::compare::refuse_mismatch;
use super::leftovers::attempt_of;
use super::location::{local_folder, open};
use super::schema::delta_schema;
use crate::error::delta_failure;

/// The folder in which a Delta table keeps its log.
const DELTA_LOG: &str = "_delta_log";

/// Looks whether a table of that schema can be written where the output says, in its mode, before anything is computed.
/// `field` is the output's path in the job file, as `spec.groupedTraining.output`. Writes nothing.
///
/// # Errors
/// With the field: [`Reason::OutputExists`] where the mode is `error` and a table is there, or where something else is
/// that is not ours to replace; [`Reason::SchemaMismatch`] where rows cannot be appended; [`Reason::NotPossible`] where
/// the table uses features that this build does not write.
pub async fn check_output(output: &OutputTable, schema: &Schema, field: &str) -> Result<(), Failure> {
    let table_field = format!("{field}.table");
    check(output, schema).await.map_err(|failure| {
        let about_mode = matches!(failure.reason, Reason::SchemaMismatch)
            || failure.reason == Reason::OutputExists && failure.location.file.is_none();
        let failure = match failure.location.file {
            Some(_) => failure,
            None => failure.file(&output.table),
        };
        failure.field(if about_mode { format!("{field}.mode") } else { table_field })
    })
}

async fn check(output: &OutputTable, schema: &Schema) -> Result<(), Failure> {
    let folder = local_folder(&output.table)?;
    let schema = delta_schema(schema)?;
    if !folder_is_there(&folder).await? {
        return Ok(());
    }
    let Some(table) = open(&folder).await? else {
        return refuse_foreign_files(&folder).await;
    };
    let state = table.snapshot().map_err(|error| delta_failure(&error))?;
    refuse_change(state, &schema, output.mode)
}

/// Refuses what a mode must not or cannot do to a table that is there.
pub(super) fn refuse_change(state: &DeltaTableState, schema: &StructType, mode: OutputMode) -> Result<(), Failure> {
    match mode {
        OutputMode::Error => {
            Err(Failure::new(Reason::OutputExists, "the output table exists already")
                .next("use mode: overwrite or append"))
        }
        OutputMode::Append => {
            refuse_mismatch(&state.schema(), schema)?;
            match state.metadata().partition_columns().first() {
                Some(column) => Err(Failure::new(
                    Reason::SchemaMismatch,
                    format!("the table is partitioned by `{column}`, but what would be appended is not"),
                )
                .column(column)
                .next("use mode: overwrite, or name another table")),
                None => refuse_unsupported(state),
            }
        }
        OutputMode::Overwrite if is_append_only(state) => {
            Err(Failure::new(Reason::NotPossible, "the table can only be appended to")
                .next("use mode: append, or name another table"))
        }
        OutputMode::Overwrite => refuse_unsupported(state),
    }
}

fn is_append_only(state: &DeltaTableState) -> bool {
    state.metadata().configuration().get("delta.appendOnly").is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Refuses tables with features that a writer has to honour and we do not.
fn refuse_unsupported(state: &DeltaTableState) -> Result<(), Failure> {
    let metadata = state.metadata();
    let configuration = metadata.configuration();
    let has_mapping = configuration.get("delta.columnMapping.mode").is_some_and(|mode| mode != "none");
    let has_constraints = configuration.keys().any(|key| key.starts_with("delta.constraints."));
    // Invariants, generated columns, identities and defaults all stand in the metadata of their column.
    let special = state.schema().fields().find_map(|field| {
        let is_special = field.metadata().keys().any(|key| key.starts_with("delta.") || key == "CURRENT_DEFAULT");
        is_special.then(|| field.name().clone())
    });
    let why = match (has_mapping, has_constraints, special) {
        (true, ..) => "it maps column names".to_owned(),
        (_, true, _) => "it has constraints".to_owned(),
        (_, _, Some(column)) => format!("column `{column}` is computed or constrained"),
        _ => return Ok(()),
    };
    Err(Failure::new(Reason::NotPossible, format!("this build cannot write to the table: {why}"))
        .next("name another table"))
}

async fn folder_is_there(folder: &Path) -> Result<bool, Failure> {
    match tokio::fs::metadata(folder).await {
        Ok(metadata) if metadata.is_dir() => Ok(true),
        Ok(_) => Err(Failure::new(Reason::OutputExists, "the output's location is a file")
            .file(folder.display().to_string())
            .next("name a folder that is a Delta table, is empty, or is not there yet")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(unreadable(folder, &error)),
    }
}

/// A folder without a table may hold nothing but what attempts of jobs left in it.
async fn refuse_foreign_files(folder: &Path) -> Result<(), Failure> {
    let failed = |error: io::Error| unreadable(folder, &error);
    let mut entries = tokio::fs::read_dir(folder).await.map_err(failed)?;
    while let Some(entry) = entries.next_entry().await.map_err(failed)? {
        let name = entry.file_name();
        let is_ours = name == DELTA_LOG || name.to_str().is_some_and(|name| attempt_of(name).is_some());
        if !is_ours {
            let name = name.to_string_lossy();
            return Err(Failure::new(
                Reason::OutputExists,
                format!("the output's folder is no Delta table and holds other files, as `{name}`"),
            )
            .file(folder.display().to_string())
            .next("name a folder that is a Delta table, is empty, or is not there yet"));
        }
    }
    Ok(())
}

fn unreadable(folder: &Path, error: &io::Error) -> Failure {
    Failure::new(Reason::Io, "the output's folder cannot be looked into")
        .file(folder.display().to_string())
        .because(error)
}
