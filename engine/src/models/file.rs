use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::{Stream, StreamExt};
use parquet::arrow::AsyncArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use shoal_core::Failure;
use shoal_core::task::FileMeta;

use super::statistics::FileStatistics;
use crate::storage::{Location, NewFile, write_failure};

/// Rows of a row group: about 20 MB of models with some ten features, which is what the writer holds in memory.
const ROW_GROUP_ROWS: usize = 1 << 16;

/// A Parquet file that is being written into a table's folder.
///
/// Where it is dropped before [`ParquetFile::finish`] gave its result, it is deleted: a failed attempt leaves nothing.
pub struct ParquetFile {
    writer: AsyncArrowWriter<NewFile>,
    statistics: FileStatistics,
    place: Location,
}

impl ParquetFile {
    /// Creates the file, and the folder where it is not there. `key_columns` leading columns get statistics. Has to be
    /// called within a runtime.
    ///
    /// # Errors
    /// What the file system says; a file of that name is never written over.
    pub fn create(table: &Location, name: &str, schema: SchemaRef, key_columns: usize) -> Result<Self, Failure> {
        let place = table.child(name);
        let file = NewFile::create(&place)?;
        let statistics = FileStatistics::new(schema.fields().iter().take(key_columns).map(AsRef::as_ref));
        let properties = properties(&schema, key_columns);
        let writer =
            AsyncArrowWriter::try_new(file, schema, Some(properties)).map_err(|error| write_failure(&place, &error))?;
        Ok(Self { writer, statistics, place })
    }

    /// Adds rows.
    ///
    /// # Errors
    /// What the file system or the object store says.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        self.writer.write(batch).await.map_err(|error| write_failure(&self.place, &error))?;
        self.statistics.update(batch);
        Ok(())
    }

    /// Ends the file and brings it to the disk or into the bucket. It may be committed then.
    ///
    /// # Errors
    /// What the file system or the object store says.
    pub async fn finish(mut self) -> Result<FileMeta, Failure> {
        let metadata = self.writer.finish().await.map_err(|error| write_failure(&self.place, &error))?;
        let rows = u64::try_from(metadata.file_metadata().num_rows()).unwrap_or_default();
        let bytes = self.writer.into_inner().bytes();
        let path = self.place.file_name().to_owned();
        Ok(FileMeta { path, bytes, rows, statistics: Some(self.statistics.to_json()) })
    }
}

fn properties(schema: &SchemaRef, key_columns: usize) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        // Estimates hardly ever repeat; a dictionary of them would be built and thrown away.
        .set_dictionary_enabled(false);
    let keys = schema.fields().iter().take(key_columns).map(|field| field.name().as_str());
    for name in keys.chain(["status", "message"]) {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(name), true);
    }
    properties.build()
}

/// Writes a stream of batches into a file of a table's folder.
///
/// # Errors
/// The first error of the stream or of the file system; the file is deleted then, and also where the future is dropped.
pub async fn write_parquet(
    table: &Location,
    name: &str,
    schema: SchemaRef,
    key_columns: usize,
    batches: impl Stream<Item = Result<RecordBatch, Failure>>,
) -> Result<FileMeta, Failure> {
    let mut file = ParquetFile::create(table, name, schema, key_columns)?;
    let mut batches = std::pin::pin!(batches);
    while let Some(batch) = batches.next().await {
        file.write(&batch?).await?;
    }
    file.finish().await
}
