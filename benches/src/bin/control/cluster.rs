//! A head and workers in this process, as they run in processes of their own: gRPC on loopback between them.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use shoal_benches::BenchResult;
use shoal_coordinator::{Head, HeadConfig, LocalPaths, StateConfig};
use shoal_core::blobs::NoBlobs;
use shoal_core::functions::NoFunctions;
use shoal_core::limits::{HEAD_GONE_DEFAULT, NO_WORKER_DEFAULT};
use shoal_core::publish::Publisher;
use shoal_core::report::JobStatus;
use shoal_core::runner::TaskRunner;
use shoal_core::{WorkerId, kind::Kinds};
use shoal_worker::{FixedHeads, Worker, WorkerConfig};

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(2);

/// Memory that each worker is told to have: nothing uses it.
const WORKER_MEMORY_BYTES: u64 = 1 << 30;

/// Starts a head and waits until it leads.
pub(crate) async fn start_head(state: StateConfig, kinds: Kinds, publisher: Arc<dyn Publisher>) -> BenchResult<Head> {
    let config = HeadConfig {
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        kinds,
        publisher,
        token: None,
        tls: None,
        local_paths: LocalPaths::Any,
        no_worker_max: NO_WORKER_DEFAULT,
        archive: None,
        blobs: Arc::new(NoBlobs),
        traces: None,
    };
    let head = Head::start(config, state).await?;
    // With etcd it is elected first.
    while !head.is_leading() {
        tokio::time::sleep(LOOK).await;
    }
    Ok(head)
}

/// Starts a worker and waits until the head knows it.
pub(crate) async fn start_worker(
    head: &Head,
    name: &str,
    slots: u32,
    scratch: &Path,
    runner: Arc<dyn TaskRunner>,
) -> BenchResult<Worker> {
    let worker = shoal_worker::start(WorkerConfig {
        name: WorkerId(name.to_owned()),
        heads: FixedHeads::one(format!("http://{}", head.workers_address())),
        head_gone_max: HEAD_GONE_DEFAULT,
        listen: Ipv4Addr::LOCALHOST.into(),
        flight_port: 0,
        http_port: 0,
        advertise: None,
        slots,
        memory_bytes: WORKER_MEMORY_BYTES,
        scratch: scratch.to_owned(),
        token: None,
        tls: None,
        runner,
        functions: Arc::new(NoFunctions),
    })
    .await?;
    while !head.workers().await?.iter().any(|known| known.name == name) {
        tokio::time::sleep(LOOK).await;
    }
    Ok(worker)
}

/// Waits until a job is as it should be.
pub(crate) async fn wait_for(head: &Head, job: &str, is_there: impl Fn(&JobStatus) -> bool) -> BenchResult<JobStatus> {
    loop {
        let status = head.show(job).await?;
        if is_there(&status) {
            return Ok(status);
        }
        if let Some(failure) = status.failure {
            return Err(failure.into());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until the head has noticed that its workers are gone.
pub(crate) async fn wait_for_no_worker(head: &Head) -> BenchResult<()> {
    while !head.workers().await?.is_empty() {
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}
