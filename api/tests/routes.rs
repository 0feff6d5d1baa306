//! Every route against a real head on loopback, whose one kind of job finds its facts and then waits for a worker.

#![allow(clippy::unwrap_used)]

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use shoal_api::{Api, ApiConfig};
use shoal_coordinator::{Head, HeadConfig, LocalPaths, StateConfig};
use shoal_core::{Failure, Reason};
use shoal_wire::Token;
use tempfile::TempDir;

mod fake;

const TOKEN: &str = "0123456789abcdef";

struct Server {
    api: Api,
    head: Head,
    token: Option<Token>,
    client: reqwest::Client,
    _state: TempDir,
}

impl Server {
    async fn start(token: Option<&str>) -> Self {
        let state = tempfile::tempdir().unwrap();
        let token = token.map(|token| Token::new(token).unwrap());
        let config = HeadConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            kinds: fake::kinds(),
            publisher: fake::publisher(),
            token: token.clone(),
            tls: None,
            local_paths: LocalPaths::Under(vec!["/data".into()]),
        };
        let head = Head::start(config, StateConfig::Folder(state.path().to_owned())).await.unwrap();
        let listen = ([127, 0, 0, 1], 0).into();
        let api =
            shoal_api::start(ApiConfig { listen, token: token.clone(), tls: None, head: head.clone() }).await.unwrap();
        Self { api, head, token, client: reqwest::Client::new(), _state: state }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.api.address()))
    }

    async fn get(&self, path: &str) -> Response {
        let request = self.request(Method::GET, path);
        let request = match &self.token {
            Some(token) => request.header("authorization", token.header()),
            None => request,
        };
        request.send().await.unwrap()
    }

    async fn post(&self, path: &str, body: &str) -> Response {
        self.request(Method::POST, path).body(body.to_owned()).send().await.unwrap()
    }

    async fn stop(self) {
        drop(self.client);
        self.api.shutdown().await;
        self.head.shutdown().await;
    }
}

fn job(name: &str, feature: &str, input: &str) -> String {
    format!(
        "apiVersion: shoal.dev/v1alpha1\nkind: ShoalJob\nmetadata: {{name: {name}}}\nspec:\n  groupedTraining:\n    \
         input: {{table: {input}}}\n    groupBy: [firm]\n    model: {{ols: {{target: y, features: [{feature}]}}}}\n    \
         output: {{table: /data/out}}\n"
    )
}

async fn refused(response: Response, status: u16) -> Failure {
    assert_eq!(response.status().as_u16(), status);
    response.json().await.unwrap()
}

/// The answer, which must be what the interface's own description says.
async fn described(response: Response, schema: &str) -> Value {
    assert_eq!(response.status().as_u16(), 200);
    let answer: Value = response.json().await.unwrap();
    let document = shoal_api::openapi();
    let schema = json!({"$ref": format!("#/components/schemas/{schema}"), "components": document["components"]});
    let problems: Vec<String> =
        jsonschema::validator_for(&schema).unwrap().iter_errors(&answer).map(|error| error.to_string()).collect();
    assert!(problems.is_empty(), "{problems:?} in {answer:#}");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_submitted_listed_shown_and_cancelled() {
    let server = Server::start(None).await;
    let text = job("a", "x", "/data/in.csv");
    let submitted = described(server.post("/api/v1/jobs", &text).await, "JobStatus").await;
    assert!(submitted["name"] == "a" && submitted["kind"] == "groupedTraining");

    let again = described(server.post("/api/v1/jobs?rerun=false", &text).await, "JobStatus").await;
    assert_eq!(again["uid"], submitted["uid"]);
    let conflict = refused(server.post("/api/v1/jobs", &job("a", "z", "/data/in.csv")).await, 409).await;
    assert_eq!(conflict.reason, Reason::JobConflict);

    let listed = described(server.get("/api/v1/jobs").await, "JobList").await;
    assert_eq!(listed["jobs"][0]["uid"], submitted["uid"]);
    assert_eq!(described(server.get("/api/v1/jobs/a").await, "JobStatus").await["name"], "a");
    let cancelled = described(server.post("/api/v1/jobs/a/cancel", "").await, "JobStatus").await;
    assert_eq!(cancelled["failure"]["reason"], "Cancelled");

    for missing in [server.get("/api/v1/jobs/b").await, server.post("/api/v1/jobs/b/cancel", "").await] {
        assert_eq!(refused(missing, 404).await.reason, Reason::JobNotFound);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_request_is_said_with_its_place() {
    let server = Server::start(None).await;
    let unknown = refused(server.post("/api/v1/jobs", &job("a", "x", "{}")).await, 422).await;
    assert_eq!(unknown.location.field_path.as_deref(), Some("spec.groupedTraining.input.table"));
    assert_eq!(unknown.location.line, Some(6));
    assert_eq!(refused(server.post("/api/v1/jobs", "a: [").await, 400).await.reason, Reason::MalformedDocument);
    let elsewhere = refused(server.post("/api/v1/jobs", &job("a", "x", "/etc/passwd")).await, 403).await;
    assert_eq!(elsewhere.reason, Reason::LocalPathRefused);
    let large = "#".repeat(shoal_core::limits::JOB_FILE_BYTES_MAX + 1);
    assert_eq!(refused(server.post("/api/v1/jobs", &large).await, 400).await.reason, Reason::MalformedDocument);
    let query = refused(server.post("/api/v1/jobs?force=true", "").await, 422).await;
    assert!(query.next.unwrap().contains("rerun"));
    let nowhere = refused(server.get("/api/v2").await, 404).await;
    assert!(nowhere.message.contains("/api/v2"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_as_good_as_yaml() {
    let server = Server::start(None).await;
    let spec = json!({
        "apiVersion": "shoal.dev/v1alpha1", "kind": "ShoalJob", "metadata": {"name": "j"},
        "spec": {"groupedTraining": {
            "input": {"table": "/data/in.csv"}, "groupBy": ["firm"], "output": {"table": "/data/out"},
            "model": {"ols": {"target": "y", "features": ["x"]}},
        }},
    });
    described(server.post("/api/v1/jobs", &spec.to_string()).await, "JobStatus").await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_asked_for_everywhere_but_at_the_probes() {
    let server = Server::start(Some(TOKEN)).await;
    for path in ["/api/v1/jobs", "/api/v1/cluster", "/api/v1/openapi.json", "/metrics", "/nowhere", "/healthz/x"] {
        let response = server.request(Method::GET, path).send().await.unwrap();
        assert!(response.headers().contains_key("www-authenticate"), "{path}");
        assert_eq!(refused(response, 401).await.reason, Reason::Unauthorized, "{path}");
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(server.request(Method::GET, path).send().await.unwrap().status().as_u16(), 200, "{path}");
    }
    assert_eq!(server.get("/api/v1/jobs").await.status().as_u16(), 200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_described_path_is_answered() {
    let server = Server::start(None).await;
    server.post("/api/v1/jobs", &job("a", "x", "/data/in.csv")).await;
    let document: Value = server.get("/api/v1/openapi.json").await.json().await.unwrap();
    assert_eq!(document, shoal_api::openapi());
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let path = path.replace("{name}", "a");
            let response = server.request(method.clone(), &path).send().await.unwrap();
            assert!(![404, 405].contains(&response.status().as_u16()), "{method} {path}");
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_and_cluster_say_how_things_are_now() {
    let server = Server::start(None).await;
    let cluster = described(server.get("/api/v1/cluster").await, "ClusterStatus").await;
    assert_eq!(cluster["workersPort"], server.head.workers_address().port());
    assert_eq!(cluster["workers"], json!([]));
    server.post("/api/v1/jobs", &job("a", "x", "/data/in.csv")).await;
    let metrics = server.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("shoal_jobs{kind=\"groupedTraining\""), "{metrics}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_loopback_it_takes_a_token() {
    let server = Server::start(None).await;
    let open = ApiConfig { listen: ([0, 0, 0, 0], 0).into(), token: None, tls: None, head: server.head.clone() };
    assert_eq!(shoal_api::start(open).await.err().unwrap().reason, Reason::InvalidValue);
    server.stop().await;
}
