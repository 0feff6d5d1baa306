use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::*;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use shoal_core::spec::v1alpha1::InputTable;

use super::*;
use crate::keys::logical_type;
use crate::table::testing::append_delta;
use crate::table::{pin, scan};

/// Writes a file with row groups of so many rows.
fn write(
    path: &Path,
    columns: &[(&str, ArrayRef)],
    rows: usize,
    set: fn(WriterPropertiesBuilder) -> WriterPropertiesBuilder,
) {
    let columns = columns.iter().map(|(name, column)| (*name, Arc::clone(column), true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let properties = set(WriterProperties::builder().set_max_row_group_row_count(Some(rows))).build();
    let mut writer =
        ArrowWriter::try_new(std::fs::File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn plain(properties: WriterPropertiesBuilder) -> WriterPropertiesBuilder {
    properties
}

/// The rows of each cluster of a folder, by a key.
async fn rows_of_clusters(folder: &Path, key: &str) -> Vec<u64> {
    found(folder, &[key]).await.1.iter().map(|cluster| cluster.rows).collect()
}

async fn found(folder: &Path, keys: &[&str]) -> (PinnedTable, Vec<Cluster>) {
    let input = InputTable { table: folder.to_str().unwrap().to_owned(), format: None, version: None, filter: None };
    let (table, files) = pin(&input, "spec.groupedTraining.input").await.unwrap();
    let key = |name: &&str| {
        let data_type = logical_type(table.schema.field_with_name(name).unwrap().data_type()).unwrap();
        KeyColumn { name: (*name).to_owned(), data_type }
    };
    let keys: Vec<KeyColumn> = keys.iter().map(key).collect();
    let found = proven_keys(&table, &files, &keys).await.unwrap().clusters;
    (table, found)
}

async fn by_row_groups_of_two(key: ArrayRef) -> Vec<u64> {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("a.parquet"), &[("k", key)], 2, plain);
    rows_of_clusters(folder.path(), "k").await
}

#[tokio::test]
async fn row_groups_of_sorted_keys_are_clusters_and_one_that_goes_on_is_in_one() {
    assert_eq!(by_row_groups_of_two(Arc::new(Int32Array::from(vec![1, 1, 2, 2, 3]))).await, [2, 2, 1]);
    assert_eq!(by_row_groups_of_two(Arc::new(Int32Array::from(vec![1, 1, 2, 3, 3]))).await, [2, 3]);
    assert_eq!(by_row_groups_of_two(Arc::new(Int32Array::from(vec![1, 2, 3, 1]))).await, [0; 0]);
    let words = StringViewArray::from(vec!["a", "b", "c", "d", "e"]);
    assert_eq!(by_row_groups_of_two(Arc::new(words)).await, [2, 2, 1]);
    let unsigned = UInt32Array::from(vec![1, 2, u32::MAX - 1, u32::MAX]);
    assert_eq!(by_row_groups_of_two(Arc::new(unsigned)).await, [2, 2]);
    let days = Date32Array::from(vec![-3, -2, -1, 0]);
    assert_eq!(by_row_groups_of_two(Arc::new(days)).await, [2, 2]);
    let decimals = Decimal128Array::from(vec![-5, 7, 70, 71]).with_precision_and_scale(9, 2).unwrap();
    assert_eq!(by_row_groups_of_two(Arc::new(decimals)).await, [2, 2]);
}

#[tokio::test]
async fn keys_that_become_one_are_one() {
    // Keys have microseconds: the second row group ends where the next begins.
    let times = |nanos: [i64; 6]| Arc::new(TimestampNanosecondArray::from(nanos.to_vec())) as ArrayRef;
    assert_eq!(by_row_groups_of_two(times([0, 1000, 2000, 3000, 3999, 5000])).await, [2, 4]);
    assert_eq!(by_row_groups_of_two(times([0, 1000, 2000, 3000, 4000, 5000])).await, [2, 2, 2]);
}

#[tokio::test]
async fn a_missing_key_is_in_one_cluster() {
    let keys = Int64Array::from(vec![None, Some(1), Some(2), Some(3), None, Some(4)]);
    assert_eq!(by_row_groups_of_two(Arc::new(keys)).await, [4, 2]);
    let keys = Int64Array::from(vec![None, None, Some(2), Some(3), None, None]);
    assert_eq!(by_row_groups_of_two(Arc::new(keys)).await, [4, 2]);
}

#[tokio::test]
async fn what_statistics_leave_out_proves_nothing() {
    // NaN is a key, and it is in no statistics; nor do these tell one zero from the other.
    let floats = Float64Array::from(vec![f64::NAN, 1.0, 2.0, 3.0, 4.0, f64::NAN]);
    assert_eq!(by_row_groups_of_two(Arc::new(floats)).await, [0; 0]);
    let folder = tempfile::tempdir().unwrap();
    let keys: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3, 4]));
    write(&folder.path().join("a.parquet"), &[("k", keys)], 2, |it| it.set_statistics_enabled(EnabledStatistics::None));
    assert_eq!(rows_of_clusters(folder.path(), "k").await, [0; 0]);
}

#[tokio::test]
async fn cut_texts_are_bounds_and_no_keys() {
    let cut = |it: WriterPropertiesBuilder| it.set_statistics_truncate_length(Some(4));
    let folder = tempfile::tempdir().unwrap();
    let of = async |words: Vec<&str>| {
        write(&folder.path().join("a.parquet"), &[("k", Arc::new(StringArray::from(words)))], 2, cut);
        rows_of_clusters(folder.path(), "k").await
    };
    assert_eq!(of(vec!["firm 1", "firm 2", "firm 3", "firm 4"]).await, [0; 0]);
    assert_eq!(of(vec!["alpha", "alphabet", "beta", "betamax"]).await, [2, 2]);
}

#[tokio::test]
async fn files_of_other_types_and_without_the_key_are_told_by_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, columns: &[(&str, ArrayRef)]| write(&folder.path().join(name), columns, 2, plain);
    file("a.parquet", &[("k", Arc::new(Int32Array::from(vec![1, 2])))]);
    file("b.parquet", &[("k", Arc::new(Int64Array::from(vec![5, 6, 6])))]);
    file("c.parquet", &[("x", Arc::new(Int64Array::from(vec![5])))]);
    file("d.parquet", &[("k", Arc::new(Int64Array::from(vec![None, Some(9)])))]);
    // The third file's key is missing, as one of the fourth's is.
    assert_eq!(rows_of_clusters(folder.path(), "k").await, [2, 3, 3]);
    // With floats beside them, all keys are floats.
    file("e.parquet", &[("k", Arc::new(Float64Array::from(vec![20.0])))]);
    assert_eq!(rows_of_clusters(folder.path(), "k").await, [0; 0]);
}

#[tokio::test]
async fn a_table_is_clustered_by_what_it_is_partitioned_by() {
    let folder = tempfile::tempdir().unwrap();
    let of = async |name: &str, firm: ArrayRef, partitions: &[&str]| {
        let path = folder.path().join(name);
        let rows: ArrayRef = Arc::new(Int64Array::from_iter_values(0..firm.len() as i64));
        let batch = RecordBatch::try_from_iter_with_nullable([("firm", firm, true), ("row", rows, true)]).unwrap();
        append_delta(path.to_str().unwrap(), batch.clone(), partitions).await;
        append_delta(path.to_str().unwrap(), batch, partitions).await;
        let (table, found) = found(&path, &["firm"]).await;
        let mut rows: Vec<u64> = found.iter().map(|cluster| cluster.rows).collect();
        rows.sort_unstable();
        (table, found, rows)
    };
    let words = || Arc::new(StringArray::from(vec![Some("a/b"), Some("c d"), None, Some("a/b")])) as ArrayRef;
    let (table, clusters, rows) = of("texts", words(), &["firm"]).await;
    assert_eq!(rows, [2, 2, 4], "of both versions");
    let ctx = crate::session::query_session();
    for cluster in clusters {
        let rows = scan(&ctx, &table, &cluster.split).await.unwrap().count().await.unwrap();
        assert_eq!(rows as u64, cluster.rows);
    }
    assert_eq!(of("numbers", Arc::new(Int64Array::from(vec![3, -3, 3])), &["firm"]).await.2, [2, 4]);
    assert_eq!(of("days", Arc::new(Date32Array::from(vec![1, 2])), &["firm"]).await.2, [2, 2]);
    assert_eq!(of("unpartitioned", words(), &[]).await.2, [0; 0]);
}

#[tokio::test]
async fn a_cluster_reads_its_rows_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let firms: Vec<i64> = (0..1000).map(|row| row / 70).collect();
    let rows: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1000));
    let columns = [("firm", Arc::new(Int64Array::from(firms.clone())) as ArrayRef), ("row", rows)];
    write(&folder.path().join("a.parquet"), &columns, 100, plain);
    let later: ArrayRef = Arc::new(Int64Array::from_iter_values(2000..2100));
    let columns = [("firm", Arc::new(Int64Array::from(vec![3; 100])) as ArrayRef), ("row", later)];
    write(&folder.path().join("b.parquet"), &columns, 100, plain);
    // A row group of 100 rows ends within a firm of 70 but after seven firms of ten, so there is a cut after 700 rows.
    let (table, found) = found(folder.path(), &["firm"]).await;
    assert_eq!(found.iter().map(|cluster| cluster.rows).collect::<Vec<_>>(), [800, 300]);
    let ctx = crate::session::query_session();
    for (cluster, expected) in
        found.iter().zip([(0..700).chain(2000..2100).collect::<Vec<i64>>(), (700..1000).collect()])
    {
        let batches = scan(&ctx, &table, &cluster.split).await.unwrap().collect().await.unwrap();
        let mut read: Vec<i64> = batches
            .iter()
            .flat_map(|batch| batch["row"].as_primitive::<datafusion::arrow::datatypes::Int64Type>().values().to_vec())
            .collect();
        read.sort_unstable();
        assert_eq!(read, expected);
    }
}
