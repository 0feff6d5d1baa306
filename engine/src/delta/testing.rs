//! Jobs that write tables, and stores that do not do what they are asked.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use async_trait::async_trait;
use datafusion::prelude::SessionContext;
use futures::stream::BoxStream;
use object_store::path::Path as ObjectPath;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result as StoreResult,
};
use shoal_core::publish::CommitIntent;
use shoal_core::spec::v1alpha1::{OutputMode, OutputTable};
use shoal_core::{AttemptId, JobUid, TaskId};
use tokio::sync::oneshot;

use super::open::open;
use super::{attempt_file_name, schema_json};
use crate::models::ParquetFile;
use crate::storage::Location;

/// The location of a folder.
pub(super) fn place(folder: &Path) -> Location {
    Location::parse(folder.to_str().unwrap()).unwrap()
}

/// A job that writes tables.
pub(super) struct TestJob {
    pub(super) uid: JobUid,
    pub(super) place: Location,
    files: u32,
}

impl TestJob {
    pub(super) fn new(number: u128, folder: &Path) -> Self {
        Self::at(number, place(folder))
    }

    pub(super) fn at(number: u128, place: Location) -> Self {
        Self { uid: JobUid(uuid::Uuid::from_u128(number)), place, files: 0 }
    }

    /// The name of the next attempt's file.
    fn next_file(&mut self) -> String {
        self.files += 1;
        attempt_file_name(&AttemptId { task: TaskId { job: self.uid, stage: 1, index: self.files }, number: 1 })
    }

    /// Writes a file and gives the intent to commit it.
    pub(super) async fn write(&mut self, mode: OutputMode, batch: &RecordBatch) -> CommitIntent {
        let name = self.next_file();
        let mut file = ParquetFile::create(&self.place, &name, batch.schema(), 1).unwrap();
        file.write(batch).await.unwrap();
        CommitIntent {
            job: self.uid,
            job_name: "test".into(),
            output: "models".into(),
            table: self.place.to_string(),
            mode,
            schema: schema_json(&batch.schema()).unwrap(),
            files: vec![file.finish().await.unwrap()],
        }
    }

    pub(super) fn output(&self, mode: OutputMode) -> OutputTable {
        OutputTable { table: self.place.to_string(), mode }
    }
}

pub(super) fn numbers(values: &[i64]) -> RecordBatch {
    let column: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
    RecordBatch::try_from_iter_with_nullable([("number", column, true)]).unwrap()
}

pub(super) fn words(values: &[&str]) -> RecordBatch {
    let column: ArrayRef = Arc::new(StringArray::from(values.to_vec()));
    RecordBatch::try_from_iter_with_nullable([("word", column, true)]).unwrap()
}

/// What a reader finds in the table.
pub(super) async fn read(place: &Location) -> Vec<RecordBatch> {
    let table = open(place).await.unwrap().unwrap();
    let context = SessionContext::new();
    place.register(&context).unwrap();
    let provider = table.table_provider().await.unwrap();
    context.read_table(provider).unwrap().collect().await.unwrap()
}

pub(super) async fn read_numbers(place: &Location) -> Vec<i64> {
    let batches = read(place).await;
    let mut numbers: Vec<i64> =
        batches.iter().flat_map(|batch| batch["number"].as_primitive::<Int64Type>().values().to_vec()).collect();
    numbers.sort();
    numbers
}

/// What happens to the first commit that is written through a [`Meddler`].
pub(super) enum Fault {
    /// It is written, and the answer is lost.
    AnswerLost,
    /// It is not written, and the answer is an error.
    Refused,
    /// The writer is paused in front of it.
    Paused(Pause),
    /// The writer is told that it failed, and it lands later.
    LandsLate(Pause),
}

/// Two ends of a pause: told when it is reached, told when it is over.
pub(super) struct Pause {
    reached: oneshot::Sender<()>,
    over: oneshot::Receiver<()>,
}

impl Pause {
    pub(super) fn new() -> (Self, oneshot::Receiver<()>, oneshot::Sender<()>) {
        let (reached, is_reached) = oneshot::channel();
        let (end, over) = oneshot::channel();
        (Self { reached, over }, is_reached, end)
    }
}

/// A store that does something else with the first commit.
pub(super) struct Meddler {
    inner: Arc<dyn ObjectStore>,
    fault: Mutex<Option<Fault>>,
}

impl Meddler {
    /// The same place, through such a store.
    pub(super) fn before(place: &Location, fault: Fault) -> Location {
        place.through(Arc::new(Self { inner: Arc::clone(place.store()), fault: Mutex::new(Some(fault)) }))
    }
}

fn lost() -> object_store::Error {
    object_store::Error::Generic { store: "S3", source: "503 Slow Down".into() }
}

#[async_trait]
impl ObjectStore for Meddler {
    async fn put_opts(&self, path: &ObjectPath, payload: PutPayload, options: PutOptions) -> StoreResult<PutResult> {
        let is_commit = path.as_ref().contains("_delta_log") && path.extension() == Some("json");
        let fault = if is_commit { self.fault.lock().unwrap().take() } else { None };
        match fault {
            None => self.inner.put_opts(path, payload, options).await,
            Some(Fault::AnswerLost) => {
                self.inner.put_opts(path, payload, options).await?;
                Err(lost())
            }
            Some(Fault::Refused) => Err(lost()),
            Some(Fault::Paused(pause)) => {
                pause.reached.send(()).unwrap();
                pause.over.await.unwrap();
                self.inner.put_opts(path, payload, options).await
            }
            Some(Fault::LandsLate(pause)) => {
                let (inner, path) = (Arc::clone(&self.inner), path.clone());
                tokio::spawn(async move {
                    pause.over.await.unwrap();
                    let landed = inner.put_opts(&path, payload, options).await;
                    assert!(matches!(landed, Err(object_store::Error::AlreadyExists { .. })), "{landed:?}");
                    pause.reached.send(()).unwrap();
                });
                Err(lost())
            }
        }
    }

    async fn put_multipart_opts(
        &self,
        path: &ObjectPath,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &ObjectPath, options: GetOptions) -> StoreResult<GetResult> {
        self.inner.get_opts(path, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, StoreResult<ObjectPath>>,
    ) -> BoxStream<'static, StoreResult<ObjectPath>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&ObjectPath>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&ObjectPath>) -> StoreResult<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &ObjectPath, to: &ObjectPath, options: CopyOptions) -> StoreResult<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

impl fmt::Display for Meddler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with faults", self.inner)
    }
}

impl fmt::Debug for Meddler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
