//! Tables for tests.

use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StructArray};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::WriterProperties;
use deltalake::DeltaTable;
use deltalake::protocol::SaveMode;
use url::Url;

/// Line of [`late_misfit`] that does not fit.
pub(crate) const LATE_MISFIT_LINE: u64 = 12_002;

/// Writes a text file and returns its path.
pub(crate) fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A CSV file whose column `x` is of whole numbers for as long as anybody looks, and then is not.
pub(crate) fn late_misfit() -> String {
    format!("id,x\n{}1,oops\n", "1,2\n".repeat(LATE_MISFIT_LINE as usize - 2))
}

/// A batch with one column.
pub(crate) fn column(name: &str, values: impl Into<ArrayRef>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable([(name, values.into(), true)]).unwrap()
}

/// A batch with the column `id`.
pub(crate) fn ids(values: impl IntoIterator<Item = i64>) -> RecordBatch {
    column("id", Arc::new(Int64Array::from_iter_values(values)) as ArrayRef)
}

/// A batch with a column `coefficients` of structs.
pub(crate) fn nested() -> RecordBatch {
    let value: ArrayRef = Arc::new(Float64Array::from(vec![0.5]));
    let field = Arc::new(Field::new("value", DataType::Float64, true));
    column("coefficients", Arc::new(StructArray::from(vec![(field, value)])) as ArrayRef)
}

/// Writes a Parquet file with row groups of 100 rows.
pub(crate) fn write_parquet(path: &str, batch: &RecordBatch) {
    std::fs::create_dir_all(Path::new(path).parent().unwrap()).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(100)).build();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// Writes a Delta table with one version per list of ids.
pub(crate) async fn write_delta(path: &str, versions: &[&[i64]]) {
    for version in versions {
        append_delta(path, ids(version.iter().copied()), &[]).await;
    }
}

/// Adds a version to a Delta table, and makes the table where there is none.
pub(crate) async fn append_delta(path: &str, batch: RecordBatch, partitions: &[&str]) {
    std::fs::create_dir_all(path).unwrap();
    let table = DeltaTable::try_from_url(Url::from_directory_path(path).unwrap()).await.unwrap();
    let write = table.write(vec![batch]).with_save_mode(SaveMode::Append);
    write.with_partition_columns(partitions.iter().copied()).await.unwrap();
}
