use arrow::datatypes::Schema;
use deltalake::kernel::{Metadata, StructType};
use shoal_core::spec::v1alpha1::{OutputMode, OutputTable};
use shoal_core::{Failure, Reason};

use super::compare::refuse_mismatch;
use super::leftovers::attempt_of;
use super::open::without_files;
use super::schema::delta_schema;
use crate::storage::Location;

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
    let place = Location::parse(&output.table)?;
    let schema = delta_schema(schema)?;
    refuse_file(&place).await?;
    match without_files(&place).await? {
        Some(table) => refuse_change(table.metadata(), &table.schema(), &schema, output.mode),
        None => refuse_foreign_files(&place).await,
    }
}

/// Refuses what a mode must not or cannot do to a table that is there.
pub(super) fn refuse_change(
    table: &Metadata,
    table_schema: &StructType,
    schema: &StructType,
    mode: OutputMode,
) -> Result<(), Failure> {
    match mode {
        OutputMode::Error => {
            Err(Failure::new(Reason::OutputExists, "the output table exists already")
                .next("use mode: overwrite or append"))
        }
        OutputMode::Append => {
            refuse_mismatch(table_schema, schema)?;
            match table.partition_columns().first() {
                Some(column) => Err(Failure::new(
                    Reason::SchemaMismatch,
                    format!("the table is partitioned by `{column}`, but what would be appended is not"),
                )
                .column(column)
                .next("use mode: overwrite, or name another table")),
                None => refuse_unsupported(table, table_schema),
            }
        }
        OutputMode::Overwrite if is_append_only(table) => {
            Err(Failure::new(Reason::NotPossible, "the table can only be appended to")
                .next("use mode: append, or name another table"))
        }
        OutputMode::Overwrite => refuse_unsupported(table, table_schema),
    }
}

fn is_append_only(table: &Metadata) -> bool {
    table.configuration().get("delta.appendOnly").is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Refuses tables with features that a writer has to honour and we do not.
fn refuse_unsupported(table: &Metadata, schema: &StructType) -> Result<(), Failure> {
    let configuration = table.configuration();
    let has_mapping = configuration.get("delta.columnMapping.mode").is_some_and(|mode| mode != "none");
    let has_constraints = configuration.keys().any(|key| key.starts_with("delta.constraints."));
    // Invariants, generated columns, identities and defaults all stand in the metadata of their column.
    let special = schema.fields().find_map(|field| {
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

/// A file stands in the way of a folder. In a bucket it does not: a key may be an object and begin others.
async fn refuse_file(place: &Location) -> Result<(), Failure> {
    let Some(path) = place.local_path() else { return Ok(()) };
    match tokio::fs::metadata(&path).await {
        Ok(metadata) if !metadata.is_dir() => {
            Err(Failure::new(Reason::OutputExists, "the output's location is a file")
                .file(place.to_string())
                .next("name a folder that is a Delta table, is empty, or is not there yet"))
        }
        _ => Ok(()),
    }
}

/// A folder without a table may hold nothing but what attempts of jobs left in it.
async fn refuse_foreign_files(place: &Location) -> Result<(), Failure> {
    let entries = place.entries().await?;
    let inside = entries.objects.iter().map(|object| &object.location).chain(&entries.common_prefixes);
    // Some tools make an empty object to stand for a folder.
    let mut names = inside.filter(|path| *path != place.path()).filter_map(|path| path.filename());
    match names.find(|name| *name != DELTA_LOG && attempt_of(name).is_none()) {
        None => Ok(()),
        Some(name) => Err(Failure::new(
            Reason::OutputExists,
            format!("the output's folder is no Delta table and holds other files, as `{name}`"),
        )
        .file(place.to_string())
        .next("name a folder that is a Delta table, is empty, or is not there yet")),
    }
}
