//! The process that holds the partitions.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow::ipc::reader::FileReader;
use prometheus::Registry;
use shoal_benches::BenchResult;
use shoal_core::partition::PartitionStore;
use shoal_core::task::PartitionSource;
use shoal_core::{AttemptId, JobUid, TaskId, WorkerId};
use shoal_worker::{Store, StoreMetrics, serve_partitions};
use tokio::net::TcpListener;

/// What stands before the sources in the line that says that all is held.
pub(crate) const READY: &str = "sources: ";

/// A store that keeps everything in memory.
pub(crate) fn store(name: &str, folder: &Path) -> BenchResult<Arc<Store>> {
    let metrics = StoreMetrics::new(&Registry::new())?;
    Ok(Store::new(WorkerId(name.to_owned()), folder.to_path_buf(), u64::MAX >> 1, None, None, metrics))
}

/// Takes the batches of a file as what an attempt wrote, and hands them out until the process is ended.
pub(crate) async fn hold(file: &Path) -> BenchResult<()> {
    let store = store("holder", &file.with_extension("holder"))?;
    let task = TaskId { job: JobUid(uuid::Uuid::from_u128(1)), stage: 0, index: 0 };
    let attempt = AttemptId { task, number: 1 };
    store.open(attempt);
    for batch in FileReader::try_new(std::fs::File::open(file)?, None)? {
        store.append(attempt, 0, batch?).await?;
    }
    let partitions = store.seal(attempt).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let flight_url = format!("http://{}", listener.local_addr()?);
    let source = |partition| PartitionSource {
        attempt,
        worker: WorkerId("holder".to_owned()),
        flight_url: flight_url.clone(),
        partition,
    };
    let sources: Vec<PartitionSource> = partitions.into_iter().map(source).collect();
    println!("{READY}{}", serde_json::to_string(&sources)?);
    std::io::stdout().flush()?;
    let metrics = StoreMetrics::new(&Registry::new())?;
    Ok(serve_partitions(listener, store, metrics, None, None).await?)
}
