//! A runner that does what a task's payload says.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use async_trait::async_trait;
use futures::TryStreamExt;
use serde_json::json;
use shoal_core::runner::{TaskContext, TaskRunner};
use shoal_core::task::{Assignment, TaskOutput};
use shoal_core::{Failure, Reason};
use tokio::sync::{Semaphore, watch};

pub(crate) struct FakeRunner {
    /// A task that waits goes on when it gets one of these.
    pub(crate) gate: Semaphore,
    /// The most tasks that ran at the same time.
    pub(crate) most: AtomicUsize,
    /// Scratch folders that tasks got.
    pub(crate) folders: Mutex<Vec<PathBuf>>,
    /// How many run.
    pub(crate) running: watch::Sender<usize>,
}

impl Default for FakeRunner {
    fn default() -> Self {
        Self {
            gate: Semaphore::new(0),
            most: AtomicUsize::new(0),
            folders: Mutex::default(),
            running: watch::Sender::new(0),
        }
    }
}

struct Leave<'a>(&'a watch::Sender<usize>);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|running| *running -= 1);
    }
}

pub(crate) fn numbers(count: i64) -> RecordBatch {
    let numbers = Arc::new(Int64Array::from_iter_values(0..count)) as ArrayRef;
    RecordBatch::try_from_iter([("n", numbers)]).unwrap()
}

#[async_trait]
impl TaskRunner for FakeRunner {
    async fn run(&self, assignment: Assignment, context: TaskContext) -> Result<TaskOutput, Failure> {
        self.running.send_modify(|running| {
            *running += 1;
            self.most.fetch_max(*running, Ordering::SeqCst);
        });
        let _leave = Leave(&self.running);
        std::fs::create_dir_all(&context.scratch).unwrap();
        std::fs::write(context.scratch.join("file"), "spilled").unwrap();
        self.folders.lock().unwrap().push(context.scratch.clone());
        assert_eq!(std::thread::current().name(), Some("shoal-task"));

        let attempt = assignment.attempt;
        let output = TaskOutput { payload: assignment.payload.clone(), ..TaskOutput::default() };
        let task: serde_json::Value = assignment.payload.read().unwrap();
        match task["do"].as_str().unwrap() {
            "finish" => Ok(output),
            "fail" => {
                context.partitions.append(attempt, 0, numbers(100)).await?;
                context.partitions.seal(attempt).await?;
                Err(Failure::new(Reason::MissingValue, "a value is missing").column("c"))
            }
            "panic" => panic!("the runner panics"),
            "wait" => {
                self.gate.acquire().await.unwrap().forget();
                Ok(output)
            }
            // Never awaits: ends by looking at its flag, or not at all.
            "compute" => loop {
                context.cancelled.check()?;
                std::thread::yield_now();
            },
            "write" => {
                let rows = task["rows"].as_i64().unwrap();
                context.partitions.append(attempt, 0, numbers(rows)).await?;
                Ok(TaskOutput { partitions: context.partitions.seal(attempt).await?, ..output })
            }
            "fill the disk" => {
                // As the kernel says it; a real full disk is in the end to end tests.
                let error = std::io::Error::from_raw_os_error(28);
                Err(Failure::new(Reason::ResourcesExhausted, "no room to spill").because(&error))
            }
            "read" => {
                let reader = context.partitions.read(assignment.sources).await?;
                let (bytes_fetched, bytes_local) = (reader.bytes_remote, reader.bytes_local);
                let batches: Vec<RecordBatch> = reader.batches.try_collect().await?;
                let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
                let payload = json!({ "rows": rows, "fetched": bytes_fetched, "local": bytes_local });
                Ok(TaskOutput { payload: payload.into(), ..output })
            }
            other => panic!("the test says {other}"),
        }
    }
}
