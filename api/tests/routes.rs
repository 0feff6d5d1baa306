//! Every route against a real head on loopback, whose one kind of job finds its facts and then waits for a worker.

#![allow(clippy::unwrap_used)]

mod fake;
mod support;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use shoal_api::ApiConfig;
use shoal_core::{Failure, Reason};
use support::{Server, job};

const TOKEN: &str = "0123456789abcdef";

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
            match response.status().as_u16() {
                // No worker is there; the route is.
                404 => assert_eq!(refused(response, 404).await.reason, Reason::WorkerNotFound, "{method} {path}"),
                status => assert_ne!(status, 405, "{method} {path}"),
            }
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
    let open = ApiConfig {
        listen: ([0, 0, 0, 0], 0).into(),
        token: None,
        callers: None,
        tls: None,
        head: server.head.clone(),
    };
    assert_eq!(shoal_api::start(open).await.err().unwrap().reason, Reason::InvalidValue);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_changed_and_only_as_it_can_be() {
    let server = Server::start(None).await;
    server.post("/api/v1/jobs", &job("a", "x", "/data/in.csv")).await;
    let change = |name: &'static str, body: &'static str| {
        server.request(Method::PATCH, &format!("/api/v1/jobs/{name}")).body(body).send()
    };
    let suspended = described(change("a", r#"{"suspend": true}"#).await.unwrap(), "JobStatus").await;
    assert_eq!(suspended["phase"], "Suspended");
    let goes_on = described(change("a", r#"{"suspend": false, "priority": 7}"#).await.unwrap(), "JobStatus").await;
    assert_ne!(goes_on["phase"], "Suspended");
    described(change("a", "{}").await.unwrap(), "JobStatus").await;
    for wrong in [r#"{"suspended": true}"#, r#"{"priority": 1001}"#, r#"{"priority": "high"}"#, "no", ""] {
        assert_eq!(refused(change("a", wrong).await.unwrap(), 422).await.reason, Reason::InvalidValue, "{wrong}");
    }
    assert_eq!(refused(change("b", "{}").await.unwrap(), 404).await.reason, Reason::JobNotFound);
    server.post("/api/v1/jobs/a/cancel", "").await;
    let ended = loop {
        let ended = change("a", r#"{"suspend": true}"#).await.unwrap();
        if ended.status() != 200 {
            break refused(ended, 409).await;
        }
    };
    assert!(ended.reason == Reason::NotPossible && ended.next.unwrap().contains("rerun"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jobs_spec_attempts_and_log_are_there_also_after_a_restart() {
    let server = Server::start(None).await;
    server.post("/api/v1/jobs", &job("a", "x", "/data/in.csv")).await;
    server.post("/api/v1/jobs/a/cancel", "").await;
    let mut logs = Vec::new();
    while !logs.iter().any(|line: &Value| line["text"].as_str().unwrap().starts_with("failed: Cancelled")) {
        let log = described(server.get("/api/v1/jobs/a/logs").await, "JobLog").await;
        logs = log["lines"].as_array().unwrap().clone();
    }
    assert_eq!(logs[0]["text"], "accepted");
    let spec = described(server.get("/api/v1/jobs/a/spec").await, "ShoalJob").await;
    assert_eq!(spec["spec"]["groupedTraining"]["input"]["table"], "/data/in.csv");

    let server = server.restart().await;
    assert_eq!(server.get("/api/v1/jobs/a/spec").await.json::<Value>().await.unwrap(), spec);
    let log = described(server.get("/api/v1/jobs/a/logs").await, "JobLog").await;
    assert_eq!(log["lines"].as_array().unwrap(), &logs);
    assert_eq!((&log["phase"], &log["leftOut"]), (&json!("Failed"), &json!(0)));
    let attempts = described(server.get("/api/v1/jobs/a/attempts").await, "JobAttempts").await;
    assert_eq!((&attempts["attempts"], &attempts["leftOut"]), (&json!([]), &json!(0)));

    let after = format!("/api/v1/jobs/a/logs?after={}", logs[0]["seq"]);
    assert_eq!(server.get(&after).await.json::<Value>().await.unwrap()["lines"].as_array().unwrap(), &logs[1..]);
    let of_task = server.get("/api/v1/jobs/a/logs?task=map/0").await.json::<Value>().await.unwrap();
    assert_eq!(of_task["lines"], json!([]));
    for wrong in ["task=/1", "task=map/x", "after=now", "tail=3"] {
        let refusal = refused(server.get(&format!("/api/v1/jobs/a/logs?{wrong}")).await, 422).await;
        assert!(refusal.reason == Reason::InvalidValue && refusal.next.is_some(), "{wrong}");
    }
    for what in ["spec", "attempts", "logs"] {
        assert_eq!(refused(server.get(&format!("/api/v1/jobs/b/{what}")).await, 404).await.reason, Reason::JobNotFound);
    }
    server.stop().await;
}
