//! A whole worker against a head and a runner that the tests play.

#![allow(clippy::unwrap_used, missing_docs)]

mod attempts;
mod drain;
mod exchange;
mod head;
mod membership;
mod runner;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use head::{FakeHead, Link};
use runner::FakeRunner;
use shoal_core::WorkerId;
use shoal_core::functions::NoFunctions;
use shoal_wire::Token;
use shoal_worker::{FixedHeads, Worker, WorkerConfig};
use tempfile::TempDir;

/// What takes longer than this has gone wrong.
const DEADLINE: Duration = Duration::from_secs(30);

async fn within<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("{what} takes too long"))
}

/// A worker that belongs to a cluster, and the other ends of all that it is connected to.
struct Setup {
    head: FakeHead,
    link: Link,
    runner: Arc<FakeRunner>,
    worker: Worker,
    scratch: TempDir,
}

fn config(head: &FakeHead, runner: &Arc<FakeRunner>, scratch: &TempDir) -> WorkerConfig {
    WorkerConfig {
        name: WorkerId("w".into()),
        heads: FixedHeads::one(head.url.as_str()),
        head_gone_max: shoal_core::limits::HEAD_GONE_DEFAULT,
        listen: [127, 0, 0, 1].into(),
        flight_port: 0,
        http_port: 0,
        advertise: None,
        slots: 2,
        memory_bytes: 64 << 20,
        scratch: scratch.path().to_owned(),
        token: None,
        tls: None,
        runner: runner.clone(),
        functions: Arc::new(NoFunctions),
    }
}

async fn setup(change: impl FnOnce(&mut WorkerConfig)) -> Setup {
    let scratch = tempfile::tempdir().unwrap();
    let runner = Arc::new(FakeRunner::default());
    let mut head = FakeHead::start(None).await;
    let mut config = config(&head, &runner, &scratch);
    change(&mut config);
    let worker = shoal_worker::start(config).await.unwrap();
    let link = head.accept().await;
    link.welcome(1).await;
    Setup { head, link, runner, worker, scratch }
}

fn token() -> Token {
    Token::new("a-token-for-these-tests").unwrap()
}

/// The value of a metric without labels, or of the one with exactly these.
fn metric(worker: &Worker, name: &str, labels: &[(&str, &str)]) -> f64 {
    let families = worker.metrics().gather();
    let family = families.iter().find(|family| family.name() == name);
    let found = family.into_iter().flat_map(|family| family.get_metric()).find(|metric| {
        let mut own: Vec<(&str, &str)> = metric.get_label().iter().map(|pair| (pair.name(), pair.value())).collect();
        own.sort_unstable();
        own == labels
    });
    found.map_or(0.0, |metric| metric.get_counter().get_value() + metric.get_gauge().get_value())
}
