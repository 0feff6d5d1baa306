use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::{Stream, StreamExt};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use shoal_core::Failure;
use shoal_core::task::FileMeta;

use super::statistics::FileStatistics;
use crate::delta::{local_folder, write_failure};

/// Rows of a row group: about 20 MB of models with some ten features, which is what the writer holds in memory.
const ROW_GROUP_ROWS: usize = 1 << 16;

/// A Parquet file that is being written into a table's folder.
///
/// Where it is dropped before [`ParquetFile::finish`] gave its result, it is deleted: a failed attempt leaves nothing.
pub struct ParquetFile {
    writer: ArrowWriter<File>,
    statistics: FileStatistics,
    name: String,
    file: UnfinishedFile,
}

impl ParquetFile {
    /// Creates the file, and the folder where it is not there. `key_columns` leading columns get statistics.
    ///
    /// # Errors
    /// What the file system says; a file of that name is never written over.
    pub fn create(folder: &str, name: &str, schema: SchemaRef, key_columns: usize) -> Result<Self, Failure> {
        let folder = local_folder(folder)?;
        fs::create_dir_all(&folder).map_err(|error| write_failure(&folder, &error))?;
        let path = folder.join(name);
        let handle = File::create_new(&path).map_err(|error| write_failure(&path, &error))?;
        let file = UnfinishedFile(Some(path));
        let statistics = FileStatistics::new(schema.fields().iter().take(key_columns).map(AsRef::as_ref));
        let properties = properties(&schema, key_columns);
        let writer = ArrowWriter::try_new(handle, schema, Some(properties))
            .map_err(|error| write_failure(file.path(), &error))?;
        Ok(Self { writer, statistics, name: name.to_owned(), file })
    }

    /// Adds rows.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), Failure> {
        self.writer.write(batch).map_err(|error| write_failure(self.file.path(), &error))?;
        self.statistics.update(batch);
        Ok(())
    }

    /// Ends the file and brings it to the disk. It may be committed then.
    ///
    /// # Errors
    /// What the file system says.
    pub fn finish(mut self) -> Result<FileMeta, Failure> {
        let failed = |path: &Path, error: &(dyn std::error::Error + 'static)| write_failure(path, error);
        let metadata = self.writer.finish().map_err(|error| failed(self.file.path(), &error))?;
        let handle = self.writer.inner();
        // A commit must not outlive a power cut that its files do not.
        handle.sync_all().map_err(|error| failed(self.file.path(), &error))?;
        let bytes = handle.metadata().map_err(|error| failed(self.file.path(), &error))?.len();
        let rows = u64::try_from(metadata.file_metadata().num_rows()).unwrap_or_default();
        self.file.keep();
        Ok(FileMeta { path: self.name, bytes, rows, statistics: Some(self.statistics.to_json()) })
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

/// Deletes a file that did not get finished.
struct UnfinishedFile(Option<PathBuf>);

impl UnfinishedFile {
    fn path(&self) -> &Path {
        self.0.as_deref().unwrap_or(Path::new(""))
    }

    fn keep(&mut self) {
        self.0 = None;
    }
}

impl Drop for UnfinishedFile {
    fn drop(&mut self) {
        if let Some(path) = &self.0
            && let Err(error) = fs::remove_file(path)
        {
            tracing::warn!(path = %path.display(), %error, "an unfinished file cannot be deleted");
        }
    }
}

/// Writes a stream of batches into a file of a table's folder.
///
/// # Errors
/// The first error of the stream or of the file system; the file is deleted then, and also where the future is dropped.
pub async fn write_parquet(
    folder: &str,
    name: &str,
    schema: SchemaRef,
    key_columns: usize,
    batches: impl Stream<Item = Result<RecordBatch, Failure>>,
) -> Result<FileMeta, Failure> {
    let mut file = ParquetFile::create(folder, name, schema, key_columns)?;
    let mut batches = std::pin::pin!(batches);
    while let Some(batch) = batches.next().await {
        file.write(&batch?)?;
    }
    file.finish()
}
