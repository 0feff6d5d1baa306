//! Reads slices of pinned tables.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::config::CsvOptions;
use datafusion::common::project_schema;
use datafusion::datasource::TableType;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::prelude::{DataFrame, SessionContext};
use shoal_core::spec::v1alpha1::TableFormat;
use shoal_core::{Failure, Reason};

use super::{FileSlice, InputFile, PinnedTable, Split, delta, dialect};
use crate::error::read_failure;
use crate::storage::Location;

/// The rows of a split, lazily and with all columns of the pinned schema; what is not selected is not read. Values of
/// files with narrower types are widened.
///
/// Errors while the frame runs are DataFusion's: [`super::scan_failure`] says what they mean.
///
/// # Errors
/// A file of the split is gone or is no longer the one that was pinned.
pub async fn scan(ctx: &SessionContext, table: &PinnedTable, split: &Split) -> Result<DataFrame, Failure> {
    ctx.read_table(provider(ctx, table, split).await?).map_err(|error| read_failure(error, table))
}

/// At most `max_rows` rows from the start of the largest file: enough to measure by.
///
/// # Errors
/// As [`scan`].
pub async fn sample(
    ctx: &SessionContext,
    table: &PinnedTable,
    files: &[InputFile],
    max_rows: usize,
) -> Result<DataFrame, Failure> {
    // The largest rather than the first: a folder's first file is as often as not a remainder.
    let largest = files.iter().rev().max_by_key(|file| file.bytes).map(std::slice::from_ref).unwrap_or_default();
    let rows = scan(ctx, table, &Split::whole(largest)).await?;
    rows.limit(0, Some(max_rows)).map_err(|error| read_failure(error, table))
}

/// The rows of a split as a table.
pub(crate) async fn provider(
    ctx: &SessionContext,
    table: &PinnedTable,
    split: &Split,
) -> Result<Arc<dyn TableProvider>, Failure> {
    if table.format == TableFormat::Delta {
        return delta::provider(ctx, table, split).await;
    }
    let mut files = Vec::with_capacity(split.slices.len());
    for slice in &split.slices {
        files.push(open(slice).await?);
    }
    let store = Location::parse(&table.location)?.register(ctx)?;
    Ok(Arc::new(Slices { format: table.format, schema: Arc::clone(&table.schema), store, files }))
}

/// Looks whether the file is still the one that was pinned, as far as its size tells.
async fn open(slice: &FileSlice) -> Result<PartitionedFile, Failure> {
    let meta = Location::parse(&slice.path)?.head().await?;
    if meta.size != slice.file_bytes {
        return Err(Failure::new(
            Reason::TableUnreadable,
            format!("the file had {} bytes when the job was planned and has {} now", slice.file_bytes, meta.size),
        )
        .file(&slice.path)
        .next("run the job again when nobody writes to the table, or read a Delta table, whose versions stay"));
    }
    let file = PartitionedFile::new_from_meta(meta);
    if slice.is_whole() {
        return Ok(file);
    }
    let offset = |byte: u64| {
        i64::try_from(byte)
            .map_err(|_| Failure::new(Reason::TableUnreadable, "the file is too large").file(&slice.path))
    };
    Ok(file.with_range(offset(slice.start)?, offset(slice.end)?))
}

/// Slices of CSV, JSON or Parquet files. DataFusion's own listing table knows whole files only.
#[derive(Debug)]
struct Slices {
    format: TableFormat,
    schema: SchemaRef,
    /// The store that holds the files, as the session knows it.
    store: ObjectStoreUrl,
    files: Vec<PartitionedFile>,
}

impl Slices {
    fn reader(&self, session: &dyn Session) -> Arc<dyn FileFormat> {
        match self.format {
            TableFormat::Csv => Arc::new(CsvFormat::default().with_options(CsvOptions {
                has_header: Some(dialect::HAS_HEADER),
                delimiter: dialect::DELIMITER,
                quote: dialect::QUOTE,
                // Keeps DataFusion from cutting files at bytes.
                newlines_in_values: Some(true),
                ..CsvOptions::default()
            })),
            TableFormat::Ndjson => Arc::new(JsonFormat::default()),
            TableFormat::Parquet | TableFormat::Delta => {
                Arc::new(ParquetFormat::default().with_options(session.default_table_options().parquet))
            }
        }
    }
}

#[async_trait]
impl TableProvider for Slices {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    // Filters stay above the scan, and the physical optimizer hands them down to the Parquet reader for pruning.
    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        if self.files.is_empty() {
            return Ok(Arc::new(EmptyExec::new(project_schema(&self.schema, projection)?)));
        }
        let reader = self.reader(session);
        let source = reader.file_source(Arc::clone(&self.schema).into());
        let groups = FileGroup::new(self.files.clone()).split_files(session.config().target_partitions());
        let config = FileScanConfigBuilder::new(self.store.clone(), source)
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        reader.create_physical_plan(session, config).await
    }
}
