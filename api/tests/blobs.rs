//! Files that jobs bring along, over the interface: what is kept is what its hash says, and whoever may not submit jobs gets
//! nothing.

#![allow(clippy::unwrap_used)]

mod fake;
mod support;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use shoal_core::blobs::{Digest, Hashing};
use shoal_core::limits::{BLOB_BYTES_MAX, JOB_FILE_BYTES_MAX};
use shoal_core::{Failure, Reason};
use support::Server;

fn digest(content: &[u8]) -> Digest {
    let mut hashing = Hashing::default();
    hashing.add(content).unwrap();
    hashing.digest()
}

async fn put(server: &Server, digest: &str, content: &[u8]) -> Response {
    server.request(Method::PUT, &format!("/api/v1/blobs/{digest}")).body(content.to_vec()).send().await.unwrap()
}

async fn missing(server: &Server, digests: &[&Digest]) -> Value {
    let query = json!({"digests": digests.iter().map(|digest| digest.to_string()).collect::<Vec<_>>()});
    server.post("/api/v1/blobs/missing", &query.to_string()).await.json().await.unwrap()
}

async fn refused(response: Response, status: u16, reason: Reason) -> Failure {
    assert_eq!(response.status().as_u16(), status);
    let failure: Failure = response.json().await.unwrap();
    assert_eq!(failure.reason, reason, "{failure:?}");
    failure
}

/// A job whose function's file was uploaded under that hash.
fn job(name: &str, digest: &Digest) -> String {
    json!({
        "apiVersion": "shoal.dev/v1alpha1", "kind": "ShoalJob", "metadata": {"name": name},
        "spec": {"groupedTraining": {
            "input": {"table": "/data/in.csv"},
            "groupBy": ["firm"],
            "model": {"python": {
                "file": "model.py",
                "uploads": [{"path": "model.py", "sha256": digest.hex(), "bytes": 3}],
                "returns": [{"name": "n", "type": "int64"}],
            }},
            "output": {"table": "/data/out"},
        }},
    })
    .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_uploaded_once_and_a_job_that_names_it_is_taken() {
    let server = Server::start(None).await;
    // Larger than a job may be.
    let content = vec![7; JOB_FILE_BYTES_MAX + 1];
    let (one, other) = (digest(&content), digest(b"other"));
    assert_eq!(missing(&server, &[&one, &one]).await, json!({"missing": [one.to_string()]}));
    let early = refused(server.post("/api/v1/jobs", &job("a", &one)).await, 422, Reason::FileNotUploaded).await;
    assert_eq!(early.location.file.as_deref(), Some("model.py"));
    for _ in 0..2 {
        assert_eq!(put(&server, &one.to_string(), &content).await.status().as_u16(), 204);
    }
    assert_eq!(missing(&server, &[&one, &other]).await, json!({"missing": [other.to_string()]}));
    let downloaded = server.get(&format!("/api/v1/blobs/{one}")).await;
    assert!(downloaded.status().is_success() && downloaded.bytes().await.unwrap() == content);
    let first: Value = server.post("/api/v1/jobs", &job("a", &one)).await.json().await.unwrap();
    let again: Value = server.post("/api/v1/jobs", &job("a", &one)).await.json().await.unwrap();
    assert!(first["uid"].is_string() && first["uid"] == again["uid"]);
    // Another content is another job.
    put(&server, &other.to_string(), b"other").await;
    refused(server.post("/api/v1/jobs", &job("a", &other)).await, 409, Reason::JobConflict).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_what_its_hash_says_is_not_kept() {
    let server = Server::start(None).await;
    let expected = digest(b"abc");
    let failure = refused(put(&server, &expected.to_string(), b"abd").await, 422, Reason::CorruptFile).await;
    assert!(failure.message.contains(&digest(b"abd").to_string()), "{failure:?}");
    assert_eq!(missing(&server, &[&expected]).await["missing"][0], expected.to_string());
    for name in ["sha256:abc", "abc", &format!("md5:{}", expected.hex())] {
        refused(put(&server, name, b"abc").await, 422, Reason::InvalidValue).await;
    }
    refused(server.get(&format!("/api/v1/blobs/{expected}")).await, 404, Reason::FileNotUploaded).await;
    refused(server.post("/api/v1/blobs/missing", "[]").await, 400, Reason::MalformedDocument).await;
    refused(server.post("/api/v1/blobs/missing", r#"{"digests": ["x"]}"#).await, 422, Reason::InvalidValue).await;
    let many = json!({"digests": vec![expected.to_string(); 1_025]}).to_string();
    refused(server.post("/api/v1/blobs/missing", &many).await, 422, Reason::InvalidValue).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused_before_it_is_sent() {
    let server = Server::start(None).await;
    let address = server.address();
    // The body never comes.
    let answer = tokio::task::spawn_blocking(move || {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        let head = format!("PUT /api/v1/blobs/{} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n", digest(b"abc"));
        write!(stream, "{head}content-length: {}\r\n\r\n", BLOB_BYTES_MAX + 1).unwrap();
        let (mut answer, mut piece) = (Vec::new(), [0; 4_096]);
        while !answer.ends_with(b"}") {
            match stream.read(&mut piece).unwrap() {
                0 => break,
                read => answer.extend_from_slice(&piece[..read]),
            }
        }
        String::from_utf8(answer).unwrap()
    });
    let answer = answer.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 422") && answer.contains("too many for a file that travels"), "{answer}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_token_nothing_is_taken_or_given() {
    let server = Server::start(Some("0123456789abcdef")).await;
    let path = format!("/api/v1/blobs/{}", digest(b"abc"));
    for (method, path) in
        [(Method::PUT, path.as_str()), (Method::GET, path.as_str()), (Method::POST, "/api/v1/blobs/missing")]
    {
        let response = server.request(method, path).body("abc").send().await.unwrap();
        refused(response, 401, Reason::Unauthorized).await;
    }
    refused(server.get(&path).await, 404, Reason::FileNotUploaded).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_is_found_where_it_was_packed_for_as_long_as_that_is_there() {
    let server = Server::start(None).await;
    let (name, content) = (digest(b"what it is made of"), digest(b"packed"));
    let route = format!("/api/v1/environments/{name}");
    let packed = json!({"digest": content.to_string(), "bytes": 6});
    let share = async |body: &Value| server.request(Method::PUT, &route).body(body.to_string()).send().await.unwrap();
    refused(server.get(&route).await, 404, Reason::FileNotUploaded).await;
    refused(share(&packed).await, 422, Reason::FileNotUploaded).await;
    put(&server, &content.to_string(), b"packed").await;
    assert_eq!(share(&packed).await.status().as_u16(), 204);
    assert_eq!(server.get(&route).await.json::<Value>().await.unwrap(), packed);
    let wrong = refused(share(&json!({"digest": content.to_string()})).await, 400, Reason::MalformedDocument).await;
    assert!(wrong.next.is_some_and(|next| next.contains("\"bytes\"")));
    refused(share(&json!({"digest": "abc", "bytes": 6})).await, 422, Reason::InvalidValue).await;
    refused(server.get("/api/v1/environments/abc").await, 422, Reason::InvalidValue).await;
    // What nobody has used for long is deleted, and is as good as never packed.
    let other = json!({"digest": digest(b"other").to_string(), "bytes": 5});
    refused(share(&other).await, 422, Reason::FileNotUploaded).await;
    assert_eq!(server.get(&route).await.json::<Value>().await.unwrap(), packed);
    server.stop().await;
}
