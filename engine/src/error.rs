//! Errors of DataFusion, Arrow, Parquet, Delta and the object stores, as failures that keep their type.

use std::error::Error;
use std::io;

use datafusion::arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use datafusion::parquet::errors::ParquetError;
use deltalake::DeltaTableError;
use deltalake::kernel::transaction::TransactionError;
use shoal_core::{Failure, Reason};

use crate::storage::{Location, remote_failure};
use crate::table::PinnedTable;

/// The failure behind an error that came up while a table was read; names the table where the error names no file.
pub fn read_failure(error: DataFusionError, table: &PinnedTable) -> Failure {
    let mut failure = engine_failure(&error);
    let about_data = matches!(
        failure.reason,
        Reason::TableNotFound
            | Reason::TableUnreadable
            | Reason::MalformedRow
            | Reason::CorruptFile
            | Reason::Io
            | Reason::Unauthorized
    );
    match (&failure.location.file, Location::parse(&table.location)) {
        (None, _) if about_data => failure.location.file = Some(table.location.clone()),
        // An object is named by its key alone.
        (Some(key), Ok(place)) if place.local_path().is_none() && !key.contains("://") => {
            failure.location.file = Some(place.name_of(&key.trim_start_matches('/').into()));
        }
        _ => {}
    }
    failure
}

/// The failure behind any error of the engine. A failure that travelled inside the error comes out unchanged.
pub fn engine_failure(error: &DataFusionError) -> Failure {
    classify(error).unwrap_or_else(|| Failure::internal("the engine failed in a way that has no name").because(error))
}

/// The failure behind an error of the Delta library.
pub(crate) fn delta_failure(error: &DeltaTableError) -> Failure {
    classify(error)
        .unwrap_or_else(|| Failure::new(Reason::TableUnreadable, "the Delta table cannot be read").because(error))
}

/// The failure behind an error of a store or of the file system.
pub(crate) fn store_failure(error: &object_store::Error) -> Failure {
    if let Some(failure) = remote_failure(error) {
        return failure;
    }
    match error {
        object_store::Error::NotFound { path, .. } => {
            Failure::new(Reason::Io, "a file of the table is not there").file(absolute(path)).because(error)
        }
        object_store::Error::PermissionDenied { path, .. } | object_store::Error::Unauthenticated { path, .. } => {
            Failure::new(Reason::TableUnreadable, "the file may not be read")
                .file(absolute(path))
                .next("give the user that Shoal runs as the right to read it")
                .because(error)
        }
        other => other
            .source()
            .and_then(classify_chain)
            .unwrap_or_else(|| Failure::new(Reason::Io, "reading failed").because(other)),
    }
}

/// The failure behind an error of the Parquet reader. Which file it was, the error does not know.
pub(crate) fn parquet_failure(error: &ParquetError) -> Failure {
    if let ParquetError::External(source) = error
        && let Some(failure) = classify_chain(source.as_ref())
    {
        return failure;
    }
    corrupt_file().because(error)
}

/// A Parquet file that is no longer what its writer wrote.
fn corrupt_file() -> Failure {
    Failure::new(Reason::CorruptFile, "a Parquet file is cut off or damaged")
        .next("write the file again, or take it out of the table")
}

/// A table in which nothing can be computed.
pub(crate) fn no_rows() -> Failure {
    Failure::new(Reason::TableEmpty, "the table has no rows")
        .next("see whether whatever writes the table has run, or name another one")
}

fn absolute(path: &str) -> String {
    // The local store names its objects without the root.
    if path.starts_with('/') || path.contains("://") { path.to_owned() } else { format!("/{path}") }
}

/// The first error of the chain that says what kind of failure it is.
fn classify_chain(error: &(dyn Error + 'static)) -> Option<Failure> {
    let mut current = Some(error);
    while let Some(error) = current {
        if let Some(failure) = classify(error) {
            return Some(failure);
        }
        current = error.source();
    }
    None
}

fn classify(error: &(dyn Error + 'static)) -> Option<Failure> {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        Some(failure.clone())
    } else if let Some(error) = error.downcast_ref::<DataFusionError>() {
        classify_datafusion(error)
    } else if let Some(error) = error.downcast_ref::<ArrowError>() {
        classify_arrow(error)
    } else if let Some(error) = error.downcast_ref::<ParquetError>() {
        Some(parquet_failure(error))
    } else if let Some(error) = error.downcast_ref::<object_store::Error>() {
        Some(store_failure(error))
    } else if let Some(error) = error.downcast_ref::<DeltaTableError>() {
        classify_delta(error)
    } else {
        error.downcast_ref::<io::Error>().map(classify_io)
    }
}

fn classify_datafusion(error: &DataFusionError) -> Option<Failure> {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => classify_datafusion(inner),
        DataFusionError::Shared(inner) => classify_datafusion(inner),
        DataFusionError::Collection(errors) => errors.iter().find_map(classify_datafusion),
        DataFusionError::External(inner) => classify_chain(inner.as_ref()),
        DataFusionError::ArrowError(inner, _) => classify_arrow(inner),
        DataFusionError::ParquetError(inner) => Some(parquet_failure(inner)),
        DataFusionError::ObjectStore(inner) => Some(store_failure(inner)),
        DataFusionError::IoError(inner) => Some(classify_io(inner)),
        DataFusionError::ResourcesExhausted(_) => Some(exhausted("memory or scratch space ran out").because(error)),
        DataFusionError::ExecutionJoin(inner) if inner.is_panic() => {
            Some(Failure::new(Reason::TaskPanicked, "a part of the query ended in a panic").because(error))
        }
        DataFusionError::ExecutionJoin(_) => Some(Failure::new(Reason::Cancelled, "the query was cancelled")),
        DataFusionError::SQL(..) => Some(invalid(error)),
        DataFusionError::SchemaError(inner, _) => Some(match inner.as_ref() {
            SchemaError::FieldNotFound { field, .. } => {
                Failure::new(Reason::ColumnNotFound, format!("there is no column `{}`", field.name)).column(&field.name)
            }
            _ => invalid(error),
        }),
        DataFusionError::Plan(_)
        | DataFusionError::NotImplemented(_)
        | DataFusionError::Configuration(_)
        | DataFusionError::Execution(_) => Some(invalid(error)),
        DataFusionError::Internal(_) | DataFusionError::Substrait(_) | DataFusionError::Ffi(_) => None,
    }
}

fn classify_arrow(error: &ArrowError) -> Option<Failure> {
    match error {
        ArrowError::ExternalError(inner) => classify_chain(inner.as_ref()),
        ArrowError::IoError(_, inner) => Some(classify_io(inner)),
        ArrowError::ParquetError(_) => Some(corrupt_file().because(error)),
        ArrowError::CsvError(_) | ArrowError::JsonError(_) | ArrowError::ParseError(_) => {
            Some(Failure::new(Reason::MalformedRow, "a line does not fit the table's columns").because(error))
        }
        ArrowError::MemoryError(_) => Some(exhausted("memory ran out").because(error)),
        ArrowError::CastError(_) => {
            Some(invalid(error).next("a value cannot be cast; `TRY_CAST` gives null where `CAST` fails"))
        }
        ArrowError::DivideByZero => {
            Some(invalid(error).next("divide by `NULLIF(..., 0)`, which gives null instead of failing"))
        }
        ArrowError::ArithmeticOverflow(_) => {
            Some(invalid(error).next("compute with floats, as `CAST(... AS DOUBLE) * ...`"))
        }
        ArrowError::ComputeError(_) | ArrowError::InvalidArgumentError(_) | ArrowError::NotYetImplemented(_) => {
            Some(invalid(error))
        }
        _ => None,
    }
}

fn classify_delta(error: &DeltaTableError) -> Option<Failure> {
    match error {
        DeltaTableError::Transaction { source: TransactionError::UnsupportedTableFeatures(features) } => {
            let names = features.iter().map(|feature| format!("`{feature}`")).collect::<Vec<_>>().join(", ");
            Some(
                Failure::new(
                    Reason::TableUnreadable,
                    format!("the Delta table needs features that cannot be read: {names}"),
                )
                .next("drop the feature from the table, or copy the table to one without it"),
            )
        }
        DeltaTableError::NotATable(_) => {
            Some(Failure::new(Reason::TableUnreadable, "this is no Delta table").because(error))
        }
        other => other
            .source()
            .and_then(classify_chain)
            .or_else(|| Some(Failure::new(Reason::TableUnreadable, "the Delta table cannot be read").because(other))),
    }
}

fn classify_io(error: &io::Error) -> Failure {
    // An IO error may carry another error whole.
    if let Some(failure) = error.get_ref().and_then(|inner| classify_chain(inner)) {
        return failure;
    }
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => exhausted("the disk is full").because(error),
        io::ErrorKind::OutOfMemory => exhausted("memory ran out").because(error),
        io::ErrorKind::PermissionDenied => Failure::new(Reason::TableUnreadable, "the file may not be read")
            .next("give the user that Shoal runs as the right to read it")
            .because(error),
        _ => Failure::new(Reason::Io, "reading or writing failed").because(error),
    }
}

fn exhausted(message: &str) -> Failure {
    Failure::new(Reason::ResourcesExhausted, message).next("give each slot more memory, or run fewer slots per worker")
}

/// An expression or statement that does not parse, does not fit its table or cannot be evaluated.
fn invalid(error: &(dyn Error + 'static)) -> Failure {
    Failure::new(Reason::InvalidExpression, reason_of(error))
}

/// An error's message as one part of a sentence: without DataFusion's prefixes, backtraces and full stops.
pub(crate) fn reason_of(error: &(dyn Error + 'static)) -> String {
    const PREFIXES: [&str; 8] = [
        "Error during planning: ",
        "Schema error: ",
        "SQL error: ",
        "Execution error: ",
        "Arrow error: ",
        "This feature is not implemented: ",
        "Invalid or Unsupported Configuration: ",
        "type_coercion\ncaused by\n",
    ];
    let text = error.to_string();
    let mut text = text.split("\n\nbacktrace:").next().unwrap_or_default();
    while let Some(rest) = PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)) {
        text = rest;
    }
    // The parser's own errors print as `ParserError("...")`.
    if let Some(inner) = text.strip_prefix("ParserError(\"").and_then(|rest| rest.strip_suffix("\")")) {
        text = inner;
    }
    text.trim().trim_end_matches('.').replace('\n', " ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn reason(error: DataFusionError) -> Reason {
        engine_failure(&error).reason
    }

    #[test]
    fn a_failure_inside_comes_out_unchanged() {
        let failure = Failure::new(Reason::PartitionLost, "gone").file("f").next("wait");
        let external = DataFusionError::External(Box::new(failure.clone()));
        let arrow = ArrowError::ExternalError(Box::new(DataFusionError::Shared(Arc::new(external))));
        let error = DataFusionError::Context("while reading".into(), Box::new(arrow.into()));
        assert_eq!(engine_failure(&error), failure);
        let io = io::Error::other(failure.clone());
        assert_eq!(engine_failure(&DataFusionError::IoError(io)), failure);
    }

    #[test]
    fn each_error_keeps_its_type() {
        let parquet = |error| DataFusionError::ParquetError(Box::new(error));
        let missing = || object_store::Error::NotFound { path: "data/a.parquet".into(), source: "no".into() };
        assert_eq!(reason(DataFusionError::ResourcesExhausted("pool".into())), Reason::ResourcesExhausted);
        assert_eq!(reason(parquet(ParquetError::EOF("short".into()))), Reason::CorruptFile);
        assert_eq!(reason(parquet(ParquetError::External(Box::new(missing())))), Reason::Io);
        assert_eq!(reason(ArrowError::ParseError("x".into()).into()), Reason::MalformedRow);
        assert_eq!(reason(ArrowError::CsvError("x".into()).into()), Reason::MalformedRow);
        assert_eq!(reason(ArrowError::DivideByZero.into()), Reason::InvalidExpression);
        assert_eq!(reason(DataFusionError::IoError(io::ErrorKind::StorageFull.into())), Reason::ResourcesExhausted);
        assert_eq!(reason(DataFusionError::Internal("odd".into())), Reason::Internal);
        let failure = engine_failure(&DataFusionError::ObjectStore(Box::new(missing())));
        assert_eq!((failure.reason, failure.location.file.as_deref()), (Reason::Io, Some("/data/a.parquet")));
    }

    #[test]
    fn messages_lose_their_prefixes() {
        let error = DataFusionError::Plan("no such thing.".into());
        assert_eq!(engine_failure(&error).message, "no such thing");
    }
}
