//! A cluster that speaks TLS on every port, and goes on when its certificates are replaced.

use std::path::Path;

use serde_json::json;
use shoal_testkit::eventually;
use shoal_tests::authority::Authority;
use shoal_tests::cluster::{Head, TlsFiles, Token, Worker};
use shoal_tests::http::{certificate, get, get_trusting, metric};
use shoal_tests::process::Process;
use shoal_tests::{job, shoal, slots};
use shoal_wire::proto::WorkerMessage;
use shoal_wire::proto::membership_client::MembershipClient;
use tonic::Request;
use tonic::transport::Endpoint;

use crate::place::Place;

/// A certificate for this machine.
fn sign(authority: &Authority, folder: &Path) -> TlsFiles {
    authority.sign(folder, &["127.0.0.1"])
}

fn start_worker(authority: &Authority, place: &Place, head: &Head, name: &str) -> Worker {
    let files = sign(authority, &place.join(&format!("tls-{name}")));
    Worker::start(head, name, 1, &place.join(name), &files.arguments())
}

/// Whether a gRPC server answers somebody without TLS who has the token, be it with a refusal of its own.
fn answers_in_the_clear(url: &str, token: &Token) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let Ok(channel) = Endpoint::new(url.replace("https://", "http://")).unwrap().connect().await else {
            return false;
        };
        let mut request = Request::new(tokio_stream::empty::<WorkerMessage>());
        request.metadata_mut().insert("authorization", format!("Bearer {}", token.text).parse().unwrap());
        match MembershipClient::new(channel).join(request).await {
            Ok(_) => true,
            // Where it is the connection that failed, there is no answer of a server behind it.
            Err(status) => std::error::Error::source(&status).is_none(),
        }
    })
}

#[test]
fn a_job_runs_over_tls_and_nothing_answers_without_it() {
    let _slots = slots::take(4);
    let place = Place::new();
    let authority = Authority::new();
    let token = Token::write(place.path());
    let files = sign(&authority, &place.join("tls-head"));
    let head = Head::start_with_tls(&place.join("state"), &token, &files);
    let workers = ["one", "two"].map(|name| start_worker(&authority, &place, &head, name));
    head.wait_for_workers(2);
    for url in [head.url(), workers[0].url(), workers[1].flight_url()] {
        assert!(url.starts_with("https://"), "{url}");
    }

    // Several splits, so that both workers have something that the other needs.
    let data = place.join("data");
    std::fs::create_dir(&data).unwrap();
    for part in ["a.csv", "b.csv", "c.csv", "d.csv"] {
        std::fs::copy(job::grunfeld_csv(), data.join(part)).unwrap();
    }
    let training = job::training("secure", &data, "firm", &["value", "capital"], "invest", &place.join("models"));
    let training = job::with(training, "/groupedTraining/output/mode", json!("overwrite"));
    let file = place.job(&job::with_strategy(training, "bucket"));
    head.submit(&file, &[]).succeeded();
    let done = head.ask(&["wait", "secure"]).succeeded();
    assert_eq!((&done["phase"], &done["outputs"][0]["rows"]), (&json!("Succeeded"), &json!(11)), "{done:#}");
    let fetched = || -> f64 {
        workers.iter().map(|worker| metric(&worker.metrics(), "shoal_flight_bytes_fetched_total", &[])).sum()
    };
    assert!(fetched() > 0.0, "nothing was exchanged: {done:#}");

    // Without TLS there is no answer on any port, with the token or without.
    let door = head.get("/api/v1/cluster").json()["workersPort"].as_u64().unwrap();
    let door = format!("https://127.0.0.1:{door}");
    for url in [head.url(), workers[0].url()] {
        let plain = format!("{}/healthz", url.replace("https://", "http://"));
        assert!(get(&plain, Some(&token.text)).is_none(), "{plain}");
    }
    for url in [door.as_str(), workers[0].flight_url()] {
        assert!(!answers_in_the_clear(url, &token), "{url}");
    }
    let listed = |url: &str, more: &[&str]| {
        let mut command = shoal::command(["job", "list", "--output", "json", "--head", url]);
        command.arg("--token-file").arg(&token.file).args(more);
        Process::start(&mut command).finish().failed(if more.is_empty() { 3 } else { 2 })
    };
    let plain = listed(&head.url().replace("https://", "http://"), &[]);
    assert!(plain["next"].as_str().unwrap().contains("https://"), "{plain}");
    let unknown = listed(head.url(), &[]);
    assert!(unknown["message"].as_str().unwrap().contains("not signed by"), "{unknown}");
    let contradiction = listed("http://127.0.0.1:1", &["--tls-ca", files.ca.to_str().unwrap()]);
    assert!(contradiction["message"].as_str().unwrap().contains("without TLS"), "{contradiction}");

    // A process of another authority does not come in, the token notwithstanding; nor does one whose peers would refuse it.
    let join = |files: &TlsFiles, more: &[&str]| {
        let mut command = shoal::command(["worker", "--head", head.url(), "--name", "another"]);
        command.args(files.arguments()).args(more).arg("--token-file").arg(&token.file);
        Process::start(command.arg("--scratch").arg(place.join("another"))).finish()
    };
    let stranger = join(&sign(&Authority::new(), &place.join("tls-stranger")), &[]);
    assert_eq!(stranger.code, 3, "{stranger:#?}");
    assert!(stranger.stderr.contains("not signed by the authority"), "{stranger:#?}");
    let elsewhere = join(&files, &["--advertise", "w.example"]);
    assert_eq!(elsewhere.code, 2, "{elsewhere:#?}");
    assert!(elsewhere.stderr.contains("no certificate for `w.example`"), "{elsewhere:#?}");

    replace_certificates(&authority, &place, &head, &workers, &files);
    let again = head.submit(&file, &["--rerun", "--wait"]).succeeded();
    assert_eq!((&again["phase"], &again["outputs"][0]["rows"]), (&json!("Succeeded"), &json!(11)), "{again:#}");
    assert_eq!(head.workers().len(), 2);
}

/// Gives every process a new certificate and waits until it shows it; workers keep their streams meanwhile.
fn replace_certificates(authority: &Authority, place: &Place, head: &Head, workers: &[Worker], files: &TlsFiles) {
    let processes = [(head.url(), "tls-head"), (workers[0].url(), "tls-one"), (workers[1].url(), "tls-two")];
    for (url, folder) in processes {
        let probe = format!("{url}/healthz");
        let before = certificate(&probe, &files.ca).unwrap();
        sign(authority, &place.join(folder));
        eventually(&format!("{folder} shows its new certificate"), || {
            certificate(&probe, &files.ca).filter(|shown| *shown != before)
        });
    }
    // Broken files change nothing, and are told of.
    std::fs::write(&files.cert, "no certificate").unwrap();
    eventually("the head says that its files are broken", || {
        assert!(get_trusting(&format!("{}/healthz", head.url()), None, Some(&files.ca)).is_some());
        head.output().contains("cannot be used").then_some(())
    });
    sign(authority, &place.join("tls-head"));
}

#[test]
fn the_same_questions_are_answered_where_there_is_no_tls() {
    let _slots = slots::take(1);
    let place = Place::new();
    let token = Token::write(place.path());
    let head = Head::start_with_token(&place.join("state"), &token);
    let door = head.get("/api/v1/cluster").json()["workersPort"].as_u64().unwrap();
    assert!(answers_in_the_clear(&format!("https://127.0.0.1:{door}"), &token));
    assert!(get(&format!("{}/healthz", head.url()), Some(&token.text)).is_some());
}

#[test]
fn files_that_cannot_be_used_are_refused_by_name() {
    let _slots = slots::take(1);
    let place = Place::new();
    let files = sign(&Authority::new(), &place.join("tls"));
    let refused = |arguments: &[&str]| {
        let refused = Process::start(shoal::command(arguments).current_dir(place.path())).finish();
        assert_eq!(refused.code, 2, "{arguments:?}: {refused:#?}");
        refused.stderr
    };
    let head = ["head", "--listen", "127.0.0.1:0", "--workers-listen", "127.0.0.1:0"];
    let worker = ["worker", "--head", "https://127.0.0.1:1"];
    let other = sign(&Authority::new(), &place.join("other"));
    let mixed = TlsFiles { key: other.key.clone(), ..files.clone() };
    let missing = TlsFiles { cert: place.join("none.pem"), ..files.clone() };
    for process in [&head[..], &worker] {
        let told = refused(&[process, &mixed.arguments()].concat());
        assert!(told.contains(mixed.key.to_str().unwrap()) && told.contains("is not the key"), "{told}");
        let told = refused(&[process, &missing.arguments()].concat());
        assert!(told.contains("none.pem"), "{told}");
        let told = refused(&[process, &files.arguments()[..2]].concat());
        assert!(told.contains("--tls-key") && told.contains("--tls-ca"), "{told}");
    }
}
