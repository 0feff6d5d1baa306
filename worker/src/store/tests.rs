//! What is appended is read back, from memory and from disk.

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringViewArray};
use arrow::datatypes::Int64Type;
use futures::TryStreamExt;
use prometheus::Registry;
use proptest::prelude::*;
use shoal_core::TaskId;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;

/// A row of the tests' tables.
pub(crate) type Row = (Option<i64>, Option<String>);

/// A store with a folder of its own.
pub(crate) struct TestStore {
    pub(crate) store: Arc<Store>,
    pub(crate) metrics: StoreMetrics,
    pub(crate) folder: TempDir,
}

pub(crate) fn store(name: &str, memory_bytes: u64, token: Option<Token>) -> TestStore {
    let folder = tempfile::tempdir().unwrap();
    let metrics = StoreMetrics::new(&Registry::new()).unwrap();
    let partitions = folder.path().join("partitions");
    let store = Store::new(WorkerId(name.into()), partitions, memory_bytes, token, None, metrics.clone());
    TestStore { store, metrics, folder }
}

pub(crate) fn attempt(index: u32) -> AttemptId {
    AttemptId { task: TaskId { job: JobUid(Uuid::from_u128(1)), stage: 0, index }, number: 1 }
}

pub(crate) fn batch(rows: &[Row]) -> RecordBatch {
    let numbers: Int64Array = rows.iter().map(|row| row.0).collect();
    let texts: StringViewArray = rows.iter().map(|row| row.1.as_deref()).collect();
    let columns = [("n", Arc::new(numbers) as ArrayRef, true), ("t", Arc::new(texts) as ArrayRef, true)];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

pub(crate) fn rows(batches: &[RecordBatch]) -> Vec<Row> {
    let rows_of = |batch: &RecordBatch| {
        let numbers = batch.column(0).as_primitive::<Int64Type>().clone();
        let texts = batch.column(1).as_string_view().clone();
        let row = move |i| {
            let number = numbers.is_valid(i).then(|| numbers.value(i));
            (number, texts.is_valid(i).then(|| texts.value(i).to_owned()))
        };
        (0..batch.num_rows()).map(row).collect::<Vec<Row>>()
    };
    batches.iter().flat_map(rows_of).collect()
}

impl TestStore {
    /// Writes rows of an attempt and seals it.
    pub(crate) async fn write(&self, attempt: AttemptId, writes: &[(u32, Vec<Row>)]) -> Vec<PartitionMeta> {
        self.store.open(attempt);
        for (bucket, rows) in writes {
            self.store.append(attempt, *bucket, batch(rows)).await.unwrap();
        }
        self.store.seal(attempt).await.unwrap()
    }

    pub(crate) fn source(&self, attempt: AttemptId, flight_url: &str, partition: &PartitionMeta) -> PartitionSource {
        let worker = self.store.name.clone();
        PartitionSource { attempt, worker, flight_url: flight_url.to_owned(), partition: partition.clone() }
    }

    pub(crate) async fn read(&self, sources: Vec<PartitionSource>) -> Result<Vec<Row>, Failure> {
        let batches: Vec<RecordBatch> = self.store.read(sources).await?.batches.try_collect().await?;
        Ok(rows(&batches))
    }
}

/// Rows enough to be cut into several messages.
pub(crate) fn many_rows(count: i64) -> Vec<Row> {
    (0..count).map(|n| (Some(n), Some(format!("the text of row number {n}, longer than a view holds")))).collect()
}

fn any_writes() -> impl Strategy<Value = Vec<(u32, Vec<Row>)>> {
    let row = (any::<Option<i64>>(), proptest::option::of("[a-zü]{0,20}"));
    proptest::collection::vec((0_u32..4, proptest::collection::vec(row, 0..40)), 0..24)
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_appended_is_read_back(writes in any_writes(), memory in prop::sample::select(vec![0, 700, 1 << 20])) {
        run(async {
            let test = store("w", memory, None);
            let metas = test.write(attempt(0), &writes).await;
            let mut expected = BTreeMap::<u32, Vec<Row>>::new();
            for (bucket, rows) in writes.iter().filter(|(_, rows)| !rows.is_empty()) {
                expected.entry(*bucket).or_default().extend(rows.clone());
            }
            let written: Vec<(u32, u64)> = metas.iter().map(|meta| (meta.bucket, meta.rows)).collect();
            let counted: Vec<(u32, u64)> = expected.iter().map(|(bucket, rows)| (*bucket, rows.len() as u64)).collect();
            prop_assert_eq!(written, counted);
            prop_assert_eq!(test.store.held_bytes(), metas.iter().map(|meta| meta.bytes).sum::<u64>());

            let sources: Vec<_> = metas.iter().map(|meta| test.source(attempt(0), "", meta)).collect();
            let read = test.read(sources).await.unwrap();
            prop_assert_eq!(read, expected.into_values().flatten().collect::<Vec<Row>>());

            test.store.release(attempt(0).task.job);
            prop_assert_eq!(test.store.held_bytes(), 0);
            let left = std::fs::read_dir(test.folder.path().join("partitions")).map_or(0, |entries| entries.count());
            prop_assert_eq!(left, 0);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn many_rows_become_few_messages_in_memory_and_on_disk() {
    let test = store("w", 1 << 20, None);
    let rows = many_rows(60_000);
    test.store.open(attempt(0));
    let whole = batch(&rows);
    for first in (0..60_000).step_by(100) {
        test.store.append(attempt(0), 3, whole.slice(first, 100)).await.unwrap();
    }
    let metas = test.store.seal(attempt(0)).await.unwrap();
    let partition = test.store.partition(attempt(0), 3).unwrap();
    assert!((6..12).contains(&partition.len()), "{} messages", partition.len());
    assert!(test.metrics.memory_bytes.get() > 0 && test.metrics.disk_bytes.get() > 0);
    let reader = test.store.read(vec![test.source(attempt(0), "", &metas[0])]).await.unwrap();
    assert_eq!((reader.bytes_local, reader.bytes_remote), (metas[0].bytes, 0));
    let batches: Vec<RecordBatch> = reader.batches.try_collect().await.unwrap();
    assert_eq!(super::tests::rows(&batches), rows);
}

#[tokio::test]
async fn a_large_batch_is_cut_and_waiting_rows_are_bounded() {
    let test = store("w", 0, None);
    test.store.open(attempt(0));
    let rows = many_rows(50_000);
    test.store.append(attempt(0), 0, batch(&rows)).await.unwrap();
    // More buckets than may wait at the same time: the fullest are written out.
    let long: Vec<Row> = (0..10).map(|n| (Some(n), Some("x".repeat(60_000)))).collect();
    for bucket in 1..60 {
        test.store.append(attempt(0), bucket, batch(&long)).await.unwrap();
    }
    assert!(test.store.held_bytes() > 59 * 600_000 - crate::limits::ATTEMPT_BYTES_PENDING as u64);
    let metas = test.store.seal(attempt(0)).await.unwrap();
    assert!(test.store.partition(attempt(0), 0).unwrap().len() >= 3);
    let sources = metas.iter().map(|meta| test.source(attempt(0), "", meta)).collect();
    assert_eq!(test.read(sources).await.unwrap().len(), 50_000 + 590);
}

#[tokio::test]
async fn nothing_is_read_before_it_is_sealed_and_nothing_written_after() {
    let test = store("w", 1 << 20, None);
    let write = async || test.store.append(attempt(0), 0, batch(&many_rows(1))).await;
    assert_eq!(write().await.unwrap_err().reason, Reason::Cancelled, "never opened");
    test.store.open(attempt(0));
    write().await.unwrap();
    let unsealed = test.store.partition(attempt(0), 0).err().unwrap();
    assert_eq!((unsealed.reason, unsealed.location.attempt), (Reason::PartitionLost, Some(attempt(0))));
    let other = RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
    assert_eq!(test.store.append(attempt(0), 1, other).await.unwrap_err().reason, Reason::Internal);

    let metas = test.store.seal(attempt(0)).await.unwrap();
    assert_eq!(write().await.unwrap_err().reason, Reason::Internal);
    let sources = vec![test.source(attempt(0), "", &metas[0])];
    assert_eq!(test.read(sources.clone()).await.unwrap(), many_rows(1));

    test.store.discard(attempt(0));
    assert_eq!(write().await.unwrap_err().reason, Reason::Cancelled);
    assert_eq!(test.store.seal(attempt(0)).await.unwrap_err().reason, Reason::Cancelled);
    let lost = test.read(sources).await.unwrap_err();
    assert_eq!((lost.reason, lost.location.worker.as_deref()), (Reason::PartitionLost, Some("w")));
    assert_eq!(test.store.held_bytes(), 0);
}

#[tokio::test]
async fn an_attempt_without_rows_has_no_partitions() {
    let test = store("w", 1 << 20, None);
    assert_eq!(test.write(attempt(0), &[]).await, []);
    assert_eq!(test.write(attempt(1), &[(0, vec![])]).await, []);
    assert_eq!(test.read(vec![]).await.unwrap(), []);
}

#[tokio::test]
async fn a_job_that_is_released_leaves_other_jobs_and_present_readers_alone() {
    let test = store("w", 0, None);
    let mut other = attempt(0);
    other.task.job = JobUid(Uuid::from_u128(2));
    let metas = test.write(attempt(0), &[(0, many_rows(20_000))]).await;
    let others = test.write(other, &[(0, many_rows(3))]).await;
    let mut reader = test.store.read(vec![test.source(attempt(0), "", &metas[0])]).await.unwrap().batches;
    let first = reader.try_next().await.unwrap().unwrap();
    test.store.release(attempt(0).task.job);
    let rest: Vec<RecordBatch> = reader.try_collect().await.unwrap();
    assert_eq!(first.num_rows() + rest.iter().map(RecordBatch::num_rows).sum::<usize>(), 20_000);
    assert_eq!(test.store.held_bytes(), others[0].bytes);
    assert_eq!(test.read(vec![test.source(other, "", &others[0])]).await.unwrap(), many_rows(3));
}

#[tokio::test]
async fn damage_on_disk_is_found() {
    let test = store("w", 0, None);
    let metas = test.write(attempt(0), &[(0, many_rows(1_000))]).await;
    flip_a_byte(&test, attempt(0), 0);
    let failure = test.read(vec![test.source(attempt(0), "", &metas[0])]).await.unwrap_err();
    assert_eq!((failure.reason, failure.location.attempt), (Reason::PartitionCorrupt, Some(attempt(0))));
    std::fs::remove_file(file_of(&test, attempt(0), 0)).unwrap();
    let failure = test.read(vec![test.source(attempt(0), "", &metas[0])]).await.unwrap_err();
    assert_eq!((failure.reason, failure.location.attempt), (Reason::PartitionLost, Some(attempt(0))));
}

pub(crate) fn file_of(test: &TestStore, attempt: AttemptId, bucket: u32) -> PathBuf {
    let task = attempt.task;
    let folder = format!("partitions/{}/{}-{}-{}", task.job, task.stage, task.index, attempt.number);
    test.folder.path().join(folder).join(format!("{bucket}.messages"))
}

pub(crate) fn flip_a_byte(test: &TestStore, attempt: AttemptId, bucket: u32) {
    let file = file_of(test, attempt, bucket);
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
}
