//! Pins a table: what it is, which files it has and what its columns are, once and for all of a job.

use shoal_core::spec::v1alpha1::{InputTable, TableFormat};
use shoal_core::{Failure, Reason};

use super::find::{Found, find};
use super::{InputFile, PinnedTable, csv, delta, ndjson, parquet};
use crate::storage::Location;

/// Finds a table and fixes what every reader of it will see. `field` is the input's path in the job file, as
/// `spec.groupedTraining.input`.
///
/// Reads footers of Parquet files and the first lines of CSV and JSON files. A Delta table is pinned by its version; plain files
/// by their list and sizes, which is as much as a folder can promise.
///
/// # Errors
/// With the field's path, the file and what to do: the table is not there, is no table, is of mixed formats, is empty, is
/// damaged, or does not have the version asked for.
pub async fn pin(input: &InputTable, field: &str) -> Result<(PinnedTable, Vec<InputFile>), Failure> {
    let InputTable { table, format, version, filter: _ } = input;
    let at = |failure: Failure| at_field(failure, &format!("{field}.table"));
    let place = Location::from_here(table).map_err(at)?;
    let found = find(&place).await.map_err(at)?;
    let location = place.to_string();
    let format = choose_format(&found, *format, &location, field)?;
    if let Some(version) = version
        && format != TableFormat::Delta
    {
        return Err(Failure::new(
            Reason::InvalidValue,
            format!("version {version} of files without versions is asked for"),
        )
        .field(format!("{field}.version"))
        .file(location)
        .next("remove the version: only Delta tables have some"));
    }
    let files = match found {
        Found::Delta => return delta::pin(&place, *version, field).await,
        Found::File(file) => vec![file],
        Found::Files(files) => with_format(files, format),
    };
    let pinned = match format {
        TableFormat::Csv => csv::pin(&files).await,
        TableFormat::Ndjson => ndjson::pin(&files).await,
        TableFormat::Parquet => parquet::pin(&files).await,
        TableFormat::Delta => Err(Failure::internal("a Delta table was taken for files")),
    };
    let (schema, files) = pinned.map_err(|failure| {
        let named = failure.location.file.is_some();
        at(if named { failure } else { failure.file(&location) })
    })?;
    Ok((PinnedTable { location, format, version: None, schema }, files))
}

/// Adds the field's path to a failure that has none.
fn at_field(mut failure: Failure, path: &str) -> Failure {
    failure.location.field_path.get_or_insert_with(|| path.to_owned());
    failure
}

fn choose_format(
    found: &Found,
    asked: Option<TableFormat>,
    location: &str,
    field: &str,
) -> Result<TableFormat, Failure> {
    let unreadable =
        |message: &str| Failure::new(Reason::TableUnreadable, message).field(format!("{field}.table")).file(location);
    let files = match (found, asked) {
        (Found::Delta, None | Some(TableFormat::Delta)) => return Ok(TableFormat::Delta),
        (Found::Delta, Some(_)) => {
            return Err(Failure::new(Reason::InvalidValue, "the folder is a Delta table")
                .field(format!("{field}.format"))
                .file(location)
                .next("remove the format: its files may hold rows that were deleted"));
        }
        (_, Some(TableFormat::Delta)) => {
            return Err(unreadable("this is no Delta table: it has no `_delta_log` folder")
                .next("name the folder of a Delta table, or remove the format"));
        }
        (Found::File(file), _) => std::slice::from_ref(file),
        (Found::Files(files), _) => files.as_slice(),
    };
    if let Some(format) = asked {
        return if files.is_empty() { Err(unreadable("the folder has no files")) } else { Ok(format) };
    }
    let has = |format| files.iter().any(|file| format_of(&file.path) == Some(format));
    let formats = [TableFormat::Csv, TableFormat::Ndjson, TableFormat::Parquet];
    match formats.into_iter().filter(|format| has(*format)).collect::<Vec<_>>().as_slice() {
        [format] => Ok(*format),
        [] => Err(match found {
            Found::File(_) => unreadable("the file's name does not say how it is written")
                .next("add `format: csv`, `format: ndjson` or `format: parquet`"),
            _ => unreadable("the folder has no CSV, JSON or Parquet files")
                .next("name another folder, or add `format` where the files have other names"),
        }),
        several => {
            let names: Vec<&str> = several.iter().map(|format| in_words(*format)).collect();
            let message = format!("the folder has {} files: one table has one format", names.join(" and "));
            Err(unreadable(&message).next("say which to read with `format`, or name them with a glob, as `data/*.csv`"))
        }
    }
}

fn in_words(format: TableFormat) -> &'static str {
    match format {
        TableFormat::Csv => "CSV",
        TableFormat::Ndjson => "JSON",
        TableFormat::Parquet => "Parquet",
        TableFormat::Delta => "Delta",
    }
}

/// The files of that format, or all where none says by its name that it is.
fn with_format(files: Vec<InputFile>, format: TableFormat) -> Vec<InputFile> {
    if files.iter().any(|file| format_of(&file.path) == Some(format)) {
        files.into_iter().filter(|file| format_of(&file.path) == Some(format)).collect()
    } else {
        files
    }
}

fn format_of(path: &str) -> Option<TableFormat> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let (_, extension) = name.rsplit_once('.')?;
    match extension.to_ascii_lowercase().as_str() {
        "csv" => Some(TableFormat::Csv),
        "ndjson" | "jsonl" => Some(TableFormat::Ndjson),
        "parquet" | "pq" => Some(TableFormat::Parquet),
        _ => None,
    }
}
