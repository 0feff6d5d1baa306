//! Two heads on one etcd, as clients and workers see them: one leads, the other says so.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shoal_api::{Api, ApiConfig};
use shoal_coordinator::{EtcdConfig, Head, HeadConfig, LocalPaths, StateConfig};
use shoal_core::Reason;
use shoal_core::limits::NO_WORKER_DEFAULT;
use shoal_testkit::Etcd;
use shoal_wire::failure::from_status;
use shoal_wire::proto::membership_client::MembershipClient;
use shoal_wire::proto::{Register, WorkerMessage, worker_message};

mod fake;

/// For what takes seconds at most.
const PATIENCE: Duration = Duration::from_secs(60);

/// Enough that no lease runs out on a busy machine while a test is about something else.
const LEASE: Duration = Duration::from_secs(30);

struct Node {
    head: Head,
    api: Api,
    url: String,
    client: reqwest::Client,
}

struct Answer {
    status: u16,
    location: Option<String>,
    has_retry_after: bool,
    body: Value,
}

impl Node {
    /// Doors open, and no journal yet.
    async fn open() -> Self {
        let listen = ([127, 0, 0, 1], 0).into();
        let config = HeadConfig {
            listen,
            kinds: fake::kinds(),
            publisher: fake::publisher(),
            token: None,
            tls: None,
            local_paths: LocalPaths::Any,
            no_worker_max: NO_WORKER_DEFAULT,
            archive: None,
            blobs: fake::blobs(),
            traces: None,
        };
        let head = Head::open(config).await.unwrap();
        let api = shoal_api::start(ApiConfig { listen, token: None, callers: None, tls: None, head: head.clone() })
            .await
            .unwrap();
        let url = format!("http://{}", api.address());
        Self { head, api, url, client: reqwest::Client::new() }
    }

    async fn lead(&self, etcd: &Etcd) {
        let config =
            EtcdConfig { advertise: Some(self.url.clone()), lease_ttl: LEASE, ..EtcdConfig::new(etcd.endpoints()) };
        self.head.lead(StateConfig::Etcd(config)).await.unwrap();
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Answer {
        let answer = request.send().await.unwrap();
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (location, has_retry_after) = (header("location"), header("retry-after").is_some());
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        Answer { status, location, has_retry_after, body: serde_json::from_str(&text).unwrap_or_default() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(self.client.get(format!("{}{path}", self.url))).await
    }

    async fn submit(&self, name: &str) -> Answer {
        let job = json!({
            "apiVersion": "shoal.dev/v1alpha1",
            "kind": "ShoalJob",
            "metadata": {"name": name},
            "spec": {"groupedTraining": {
                "input": {"table": "/data/in.csv"},
                "groupBy": ["g"],
                "model": {"ols": {"target": "y", "features": ["x"]}},
                "output": {"table": "/data/out"},
            }},
        });
        self.ask(self.client.post(format!("{}/api/v1/jobs", self.url)).body(job.to_string())).await
    }

    async fn until_ready(&self) {
        let since = Instant::now();
        while self.get("/readyz").await.status != 200 {
            assert!(since.elapsed() < PATIENCE, "the head never leads");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How a worker that wants to join is answered: with the failure that sends it away.
    async fn join(&self) -> shoal_core::Failure {
        let url = format!("http://{}", self.head.workers_address());
        let mut client = MembershipClient::connect(url).await.unwrap();
        let register =
            Register { wire_version: shoal_wire::WIRE_VERSION, worker_id: "w".into(), ..Register::default() };
        let message = WorkerMessage { message: Some(worker_message::Message::Register(register)) };
        from_status(&client.join(tokio_stream::iter([message])).await.unwrap_err())
    }

    async fn shutdown(self) {
        self.api.shutdown().await;
        self.head.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_does_not_lead_sends_everybody_to_the_one_that_does() {
    let etcd = Etcd::start(1);
    let (first, second) = (Node::open().await, Node::open().await);
    // Doors are open before anything is known of the journal.
    assert_eq!((first.get("/healthz").await.status, first.get("/readyz").await.status), (200, 503));
    assert_eq!(first.submit("early").await.body["reason"], "NotLeading");
    first.lead(&etcd).await;
    first.until_ready().await;
    assert_eq!(first.submit("job").await.status, 200);

    second.lead(&etcd).await;
    let since = Instant::now();
    while second.head.leader().await.is_none() {
        assert!(since.elapsed() < PATIENCE, "it never learns who leads");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((second.get("/healthz").await.status, second.get("/readyz").await.status), (200, 503));
    for refused in
        [second.submit("other").await, second.get("/api/v1/jobs").await, second.get("/api/v1/jobs/job").await]
    {
        assert_eq!((refused.status, &refused.body["reason"]), (503, &json!("NotLeading")));
        assert_eq!(refused.location.as_deref(), Some(first.url.as_str()));
        assert!(refused.has_retry_after && refused.body["next"].as_str().unwrap().contains(&first.url));
    }
    let cluster = second.get("/api/v1/cluster").await;
    assert_eq!(
        (cluster.status, &cluster.body["leads"], &cluster.body["leader"]),
        (200, &json!(false), &json!(first.url))
    );
    assert_eq!(second.get("/metrics").await.status, 200);
    assert_eq!(second.join().await.reason, Reason::NotLeading);

    // Shut down, it hands over long before its lease runs out; what it had accepted is there.
    let since = Instant::now();
    first.shutdown().await;
    second.until_ready().await;
    assert!(since.elapsed() < LEASE / 2, "it took {:?}", since.elapsed());
    let jobs = second.get("/api/v1/jobs").await.body;
    assert_eq!((jobs["jobs"].as_array().unwrap().len(), &jobs["jobs"][0]["name"]), (1, &json!("job")));
    assert_eq!(second.get("/api/v1/cluster").await.body["leads"], true);
    second.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_loses_its_lead_goes_on_as_another_term() {
    let etcd = Etcd::start(1);
    let node = Node::open().await;
    node.lead(&etcd).await;
    node.until_ready().await;
    assert_eq!(node.submit("one").await.status, 200);
    // An operator takes the lead away.
    let term = || etcd.ctl(&["get", "/shoal/leader", "--write-out", "json"]);
    let before = term();
    etcd.ctl(&["del", "/shoal/leader"]);
    let since = Instant::now();
    loop {
        let now = term();
        if now != before && now.contains("create_revision") && node.get("/readyz").await.status == 200 {
            break;
        }
        assert!(since.elapsed() < PATIENCE, "it never leads again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let answer = node.submit("two").await;
    assert!(matches!(answer.status, 200 | 503), "{}", answer.body);
    node.until_ready().await;
    assert_eq!(node.submit("two").await.status, 200);
    assert_eq!(node.get("/api/v1/jobs").await.body["jobs"].as_array().unwrap().len(), 2);
    node.shutdown().await;
}
