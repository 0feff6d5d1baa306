//! Columns of Parquet files, from their footers.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::parquet::arrow::async_reader::MetadataFetch;
use datafusion::parquet::arrow::parquet_to_arrow_schema;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use shoal_core::{Failure, Reason};

use super::InputFile;
use super::widen::widen;
use crate::error::{no_rows, parquet_failure};
use crate::storage::Location;

/// Footers that are read at the same time: latency, not bandwidth, is what a footer costs.
pub(super) const CONCURRENCY: usize = 16;

/// Bytes that are read from the end of a file at once: most footers are in them, and one request is enough.
const FOOTER_BYTES_HINT: usize = 64 << 10;

/// The table's schema and its files that have rows.
pub(super) async fn pin(files: &[InputFile]) -> Result<(SchemaRef, Vec<InputFile>), Failure> {
    let footers: Vec<Footer> =
        futures::stream::iter(files.iter().cloned().map(read_footer)).buffered(CONCURRENCY).try_collect().await?;
    let schema = merge(&footers)?;
    let with_rows: Vec<InputFile> =
        footers.into_iter().filter(|footer| footer.file.rows != Some(0)).map(|footer| footer.file).collect();
    if with_rows.is_empty() {
        return Err(no_rows());
    }
    Ok((Arc::new(schema), with_rows))
}

/// What a file says of itself.
struct Footer {
    file: InputFile,
    schema: Schema,
}

/// All that a file says of itself.
pub(super) async fn read_metadata(file: &InputFile) -> Result<ParquetMetaData, Failure> {
    let bytes = StoredFile(Location::parse(&file.path)?);
    ParquetMetaDataReader::new()
        .with_prefetch_hint(Some(FOOTER_BYTES_HINT))
        .load_and_finish(bytes, file.bytes)
        .await
        .map_err(|error| parquet_failure(&error).file(&file.path))
}

async fn read_footer(file: InputFile) -> Result<Footer, Failure> {
    let metadata = read_metadata(&file).await?;
    let metadata = metadata.file_metadata();
    let schema = parquet_to_arrow_schema(metadata.schema_descr(), metadata.key_value_metadata())
        .map_err(|error| parquet_failure(&error).file(&file.path))?;
    refuse_twins(&file.path, &schema)?;
    let rows = u64::try_from(metadata.num_rows()).ok();
    Ok(Footer { schema, file: InputFile { rows, ..file } })
}

/// The file that a footer is read from.
struct StoredFile(Location);

impl MetadataFetch for StoredFile {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move { self.0.read(range).await.map_err(|failure| ParquetError::External(Box::new(failure))) }.boxed()
    }
}

fn refuse_twins(path: &str, schema: &Schema) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    match schema.fields().iter().find(|field| !seen.insert(field.name())) {
        None => Ok(()),
        Some(field) => Err(Failure::new(Reason::TableUnreadable, format!("two columns are called `{}`", field.name()))
            .file(path)
            .column(field.name())
            .next("write the file again with one of them renamed")),
    }
}

/// One schema for all files: columns go by their names, types widen, and a column that a file lacks is null there.
fn merge(footers: &[Footer]) -> Result<Schema, Failure> {
    let mut order: Vec<(&str, DataType, &str)> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for footer in footers {
        for field in footer.schema.fields() {
            let Some(place) = places.get(field.name().as_str()) else {
                places.insert(field.name(), order.len());
                order.push((field.name(), field.data_type().clone(), &footer.file.path));
                continue;
            };
            let (name, kind, first) = &mut order[*place];
            *kind = widen(kind, field.data_type()).ok_or_else(|| {
                Failure::new(
                    Reason::TableUnreadable,
                    format!("column `{name}` is {} here, but {kind} in `{first}`", field.data_type()),
                )
                .file(&footer.file.path)
                .column(*name)
                .next("write one of the files again with the other's type, or name the files with a glob")
            })?;
        }
    }
    // Nullable throughout: a file without the column, or one with wider types, may come with the next job.
    Ok(Schema::new(order.into_iter().map(|(name, kind, _)| Field::new(name, kind, true)).collect::<Vec<_>>()))
}
