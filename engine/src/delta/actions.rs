use std::collections::{BTreeMap, HashMap};
use std::time::{SystemTime, UNIX_EPOCH};

use deltalake::DeltaTable;
use deltalake::kernel::{Action, Add, StructType, new_metadata};
use futures::TryStreamExt;
use shoal_core::publish::CommitIntent;
use shoal_core::spec::v1alpha1::OutputMode;
use shoal_core::task::FileMeta;
use shoal_core::{Failure, Reason};

use super::check::refuse_change;
use super::placeholder::PLACEHOLDER;
use super::protocol::{new_protocol, raised_protocol};
use crate::error::delta_failure;
use crate::storage::Location;

/// What makes a new table of an intent, in one commit.
pub(super) fn create(intent: &CommitIntent, schema: &StructType) -> Result<Vec<Action>, Failure> {
    let mut actions = vec![Action::Protocol(new_protocol(schema)?), metadata(schema, &[])?];
    actions.extend(adds(&intent.files));
    Ok(actions)
}

/// What makes a table that counts as absent: a log needs a protocol and a schema before anything can stand in it.
pub(super) fn create_placeholder(schema: &StructType) -> Result<Vec<Action>, Failure> {
    Ok(vec![Action::Protocol(new_protocol(schema)?), metadata(schema, &[(PLACEHOLDER, "true")])?])
}

/// What makes a table of an intent where there is such a one.
pub(super) fn replace_placeholder(
    intent: &CommitIntent,
    schema: &StructType,
    table: &DeltaTable,
) -> Result<Vec<Action>, Failure> {
    let state = table.snapshot().map_err(|error| delta_failure(&error))?;
    let mut actions = Vec::new();
    actions.extend(raised_protocol(state.protocol(), schema)?.map(Action::Protocol));
    actions.push(replaced_metadata(state.metadata(), schema)?);
    actions.extend(adds(&intent.files));
    Ok(actions)
}

/// What an intent does to a table that is there, in one commit.
///
/// # Errors
/// What keeps the table from being changed in the intent's mode.
pub(super) async fn change(
    intent: &CommitIntent,
    schema: &StructType,
    table: &DeltaTable,
) -> Result<Vec<Action>, Failure> {
    let state = table.snapshot().map_err(|error| delta_failure(&error))?;
    refuse_change(state.metadata(), &state.schema(), schema, intent.mode)?;
    let mut actions = Vec::new();
    if intent.mode == OutputMode::Overwrite {
        if *state.schema() != *schema || !state.metadata().partition_columns().is_empty() {
            actions.extend(raised_protocol(state.protocol(), schema)?.map(Action::Protocol));
            actions.push(replaced_metadata(state.metadata(), schema)?);
        }
        let store = table.log_store();
        let active = state.snapshot().file_views(store.as_ref(), None);
        let removes = active.map_ok(|file| Action::Remove(file.remove_action(true))).try_collect::<Vec<_>>();
        actions.extend(removes.await.map_err(|error| delta_failure(&error))?);
    }
    actions.extend(adds(&intent.files));
    Ok(actions)
}

fn metadata(schema: &StructType, properties: &[(&str, &str)]) -> Result<Action, Failure> {
    let metadata = new_metadata(schema, Vec::<String>::new(), properties.iter().copied());
    metadata.map(Action::Metadata).map_err(|error| Failure::internal("metadata cannot be made").because(&error))
}

/// A table keeps its identity, its properties and what people wrote about it when its schema is replaced.
fn replaced_metadata(current: &deltalake::kernel::Metadata, schema: &StructType) -> Result<Action, Failure> {
    let replace = || -> Result<_, serde_json::Error> {
        let mut value = serde_json::to_value(current)?;
        value["schemaString"] = serde_json::to_string(schema)?.into();
        value["partitionColumns"] = serde_json::json!([]);
        if let Some(properties) = value["configuration"].as_object_mut() {
            properties.remove(PLACEHOLDER);
        }
        serde_json::from_value(value)
    };
    replace()
        .map(Action::Metadata)
        .map_err(|error| Failure::internal("the table's metadata cannot be replaced").because(&error))
}

fn adds(files: &[FileMeta]) -> impl Iterator<Item = Action> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let modification_time = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    files.iter().map(move |FileMeta { path, bytes, rows: _, statistics }| {
        Action::Add(Add {
            path: path.clone(),
            partition_values: HashMap::new(),
            size: i64::try_from(*bytes).unwrap_or(i64::MAX),
            modification_time,
            data_change: true,
            stats: statistics.clone(),
            tags: None,
            deletion_vector: None,
            base_row_id: None,
            default_row_commit_version: None,
            clustering_provider: None,
        })
    })
}

/// Looks whether the files of an intent are there and as long as they were when they were written.
///
/// # Errors
/// [`Reason::CorruptFile`] with the first file that is not.
pub(super) async fn refuse_missing_files(place: &Location, files: &[FileMeta]) -> Result<(), Failure> {
    let entries = place.entries().await?;
    let there: BTreeMap<_, _> =
        entries.objects.iter().filter_map(|object| Some((object.location.filename()?, object.size))).collect();
    for file in files {
        let found = there.get(file.path.as_str()).copied();
        if found != Some(file.bytes) {
            let found = found.map_or_else(|| "is not there".to_owned(), |bytes| format!("has {bytes} bytes"));
            return Err(Failure::new(
                Reason::CorruptFile,
                format!("a file of {} bytes that was to be committed {found}", file.bytes),
            )
            .file(place.child(&file.path).to_string())
            .next("see what else writes to or cleans the table's folder, and run the job again"));
        }
    }
    Ok(())
}
