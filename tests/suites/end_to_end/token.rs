//! Whoever has no token gets nothing, on any port.

use arrow_flight::Ticket;
use arrow_flight::flight_service_client::FlightServiceClient;
use shoal_tests::cluster::{Head, Token, Worker};
use shoal_tests::process::Process;
use shoal_tests::{http, job, shoal, slots};
use shoal_wire::proto::WorkerMessage;
use shoal_wire::proto::membership_client::MembershipClient;
use tonic::metadata::MetadataValue;
use tonic::transport::Endpoint;
use tonic::{Code, Request};

use crate::place::Place;

/// A request that shows the token, or none.
fn showing<T>(message: T, token: Option<&str>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", MetadataValue::try_from(format!("Bearer {token}")).unwrap());
    }
    request
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// How a head's port for workers answers somebody who wants to join and says nothing.
fn join(url: &str, token: Option<&str>) -> Code {
    block_on(async {
        let channel = Endpoint::new(url.to_owned()).unwrap().connect().await.unwrap();
        let mut client = MembershipClient::new(channel);
        match client.join(showing(tokio_stream::empty::<WorkerMessage>(), token)).await {
            Ok(_) => Code::Ok,
            Err(status) => status.code(),
        }
    })
}

/// How a worker's Flight server answers somebody who asks for nothing that it has.
fn fetch(url: &str, token: Option<&str>) -> Code {
    block_on(async {
        let channel = Endpoint::new(url.to_owned()).unwrap().connect().await.unwrap();
        let mut client = FlightServiceClient::new(channel);
        let ticket = Ticket { ticket: Default::default() };
        match client.do_get(showing(ticket, token)).await {
            Ok(_) => Code::Ok,
            Err(status) => status.code(),
        }
    })
}

#[test]
fn every_port_refuses_requests_without_the_token() {
    let _slots = slots::take(3);
    let place = Place::new();
    let token = Token::write(place.path());
    let head = Head::start_with_token(&place.join("state"), &token);
    let worker = Worker::start(&head, "only", 1, &place.join("scratch"), &[]);
    let port = head.get("/api/v1/cluster").json()["workersPort"].as_u64().unwrap();
    let workers_url = format!("http://127.0.0.1:{port}");

    for wrong in [None, Some("0123456789abcdef-other")] {
        for path in ["/api/v1/jobs", "/api/v1/jobs/any", "/api/v1/cluster", "/api/v1/openapi.json", "/metrics", "/x"] {
            let answer = http::get(&format!("{}{path}", head.url()), wrong).unwrap();
            assert_eq!(answer.status, 401, "{path} with {wrong:?}: {answer:?}");
            assert_eq!(answer.json()["reason"], "Unauthorized");
        }
        let posted = http::post(&format!("{}/api/v1/jobs", head.url()), wrong, "{}".to_owned()).unwrap();
        assert_eq!(posted.status, 401, "submitting with {wrong:?}");
        let metrics = http::get(&format!("{}/metrics", worker.url()), wrong).unwrap();
        assert_eq!(metrics.status, 401, "the worker's metrics with {wrong:?}");
        assert_eq!(join(&workers_url, wrong), Code::Unauthenticated, "joining with {wrong:?}");
        assert_eq!(fetch(worker.flight_url(), wrong), Code::Unauthenticated, "fetching with {wrong:?}");
    }
    for url in [head.url(), worker.url()] {
        assert_eq!(http::get(&format!("{url}/healthz"), None).unwrap().status, 200, "probes have no token");
    }
    // With the token the same calls get further than that.
    assert_ne!(fetch(worker.flight_url(), Some(&token.text)), Code::Unauthenticated);
    assert_ne!(join(&workers_url, Some(&token.text)), Code::Unauthenticated);
    let file = place.job(&job::grunfeld("guarded", &place.join("models")));
    assert_eq!(head.submit(&file, &["--wait"]).succeeded()["phase"], "Succeeded");
}

#[test]
fn commands_without_the_token_say_so() {
    let _slots = slots::take(2);
    let place = Place::new();
    let token = Token::write(place.path());
    let head = Head::start_with_token(&place.join("state"), &token);
    let listed = shoal::run(["job", "list", "--head", head.url(), "--output", "json"]);
    assert_eq!(listed.failed(2)["reason"], "Unauthorized");
    let mut worker = shoal::command(["worker", "--head", head.url(), "--scratch"]);
    let worker = Process::start(worker.arg(place.join("scratch"))).finish();
    assert_eq!(worker.code, 2, "{worker:#?}");
    assert!(worker.stderr.contains("--token-file"), "{worker:#?}");
    assert_eq!(head.workers().len(), 0);
}

#[test]
fn nothing_listens_for_others_without_a_token() {
    let _slots = slots::take(2);
    let place = Place::new();
    let head = Head::start(&place.join("state"), &[]);
    for arguments in [
        &["head", "--listen", "0.0.0.0:0", "--workers-listen", "127.0.0.1:0"][..],
        &["head", "--listen", "127.0.0.1:0", "--workers-listen", "0.0.0.0:0"],
        &["worker", "--head", head.url(), "--listen", "0.0.0.0", "--advertise", "127.0.0.1"],
    ] {
        let mut command = shoal::command(arguments);
        let refused = Process::start(command.current_dir(place.path())).finish();
        assert_eq!(refused.code, 2, "{arguments:?}: {refused:#?}");
        assert!(refused.stderr.contains("--token-file"), "{arguments:?}: {refused:#?}");
        assert_eq!(refused.stdout, "", "it says that it listens");
    }
    assert_eq!(head.workers().len(), 0);
    assert!(!place.join(".shoal").exists(), "not even a state folder is made");
}
