//! What goes wrong in Kubernetes, and what users see of it.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::json;
use shoal_testkit::kubernetes::condition;

use crate::changes::assert_no_table;
use crate::place::{LONG_PARTS, Place, cluster};
use crate::world::{OTHER_IMAGE, WORLD};

#[test]
fn a_full_quota_is_told_and_more_room_mends_it() {
    let place = Place::new();
    place.kubectl(&["create", "quota", "few", "--hard=pods=2"]);
    // The head has its place before workers ask for theirs: any of them may be the one that is refused.
    place.apply(&cluster(0).to_string());
    place.until_workers(0);
    place.kubectl(&["scale", "shoalworkergroup", "shared-cpu", "--replicas=2"]);
    let failed = place.until_condition("shoalworkergroup/shared-cpu", "ReplicaFailure", "True", "QuotaExceeded");
    assert!(failed["message"].as_str().unwrap().contains("exceeded quota: few"), "{failed}");
    place.kubectl(&["delete", "quota", "few"]);
    place.until_workers(2);
}

#[test]
fn an_image_that_does_not_exist_is_told_and_another_mends_it() {
    let place = Place::new();
    let mut broken = cluster(1);
    broken["spec"]["image"] = json!("registry.invalid/x");
    place.apply(&broken.to_string());
    let ready = place.until_condition("shoalcluster/shared", "Ready", "False", "ImageNotPulled");
    assert!(ready["message"].as_str().unwrap().contains("registry.invalid/x"), "{ready}");
    // A job waits there and says why; nothing was submitted, so it goes at once.
    place.train_shops(&json!({}));
    place.until_condition("shoaljob/shops", "ClusterReady", "False", "ImageNotPulled");
    place.kubectl(&["delete", "shoaljob", "shops", "--timeout=30s"]);

    place.patch("shoalcluster/shared", &json!({"image": OTHER_IMAGE}));
    place.until_workers(1);
}

#[test]
fn a_head_that_never_gets_ready_is_told_and_its_job_can_go() {
    let place = Place::new();
    let mut broken = cluster(1);
    broken["spec"]["head"]["state"] = json!({"volume": {"size": "1Gi", "storageClassName": "nowhere"}});
    place.apply(&broken.to_string());
    place.train_shops(&json!({}));
    let ready = place.until_condition("shoalcluster/shared", "Ready", "False", "Unschedulable");
    assert!(ready["message"].as_str().is_some_and(|message| !message.is_empty()), "{ready}");
    place.until_condition("shoaljob/shops", "ClusterReady", "False", "Unschedulable");
    place.kubectl(&["delete", "shoaljob", "shops", "--timeout=30s"]);
}

#[test]
fn a_deleted_job_whose_head_is_gone_says_what_lets_it_go() {
    let place = Place::with_workers(1);
    place.train(&WORLD.many_shops, LONG_PARTS, &json!({}));
    place.until_in_the_middle();
    // No other head comes.
    place.kubectl(&["create", "quota", "none", "--hard=pods=0"]);
    place.kubectl(&["delete", "pod", "shared-head-0", "--grace-period=0", "--force"]);
    place.until("shoaljob/shops", "it misses its head", |job| condition(job, "ClusterReady")["status"] == "False");
    place.kubectl(&["delete", "shoaljob", "shops", "--wait=false"]);
    place.until("shoaljob/shops", "it says what lets it go", |job| {
        let waits = condition(job, "ClusterReady");
        waits["reason"] == "HeadUnreachable" && waits["message"].as_str().unwrap().contains("shoal.dev/force-delete")
    });
    place.kubectl(&["annotate", "shoaljob", "shops", "shoal.dev/force-delete=true"]);
    place.until_names("shoaljobs", &[]);
    // The next head hears of the cancel that its cluster has kept, and sweeps what the job had written.
    place.kubectl(&["delete", "quota", "none"]);
    let files = || WORLD.store.keys(&format!("{}/models", place.name()));
    let annotations = || place.get("shoalcluster/shared")["metadata"]["annotations"].to_string();
    place.eventually("the cancel is told", || (!annotations().contains("cancel.shoal.dev/")).then_some(()));
    place.eventually("no file of the job is left", || files().is_empty().then_some(()));
    assert_no_table(&place);
}

/// A port of a pod, and how it is asked for something that only those with the token get.
enum Door {
    /// Whoever asks shows a token.
    Rest(&'static str),
    /// Whoever asks shows a certificate, too.
    Grpc(&'static str),
}

/// What somebody shows who knocks.
#[derive(Clone, Copy, Debug)]
struct Shown<'a> {
    token: Option<&'a str>,
    /// Folder with a certificate of the cluster and its key.
    certificate: Option<&'a Path>,
}

#[test]
fn every_port_refuses_who_has_not_the_token_and_the_certificate() {
    let place = Place::with_workers(1);
    let address = |pod: &str| place.get(&format!("pod/{pod}"))["status"]["podIP"].as_str().unwrap().to_owned();
    let (head, worker) = (address("shared-head-0"), address("shared-cpu-0"));
    let doors = [
        (format!("{head}:7370"), Door::Rest("/api/v1/jobs")),
        (format!("{head}:7370"), Door::Rest("/metrics")),
        (format!("{head}:7371"), Door::Grpc("/shoal.v1.Membership/Join")),
        (format!("{head}:7371"), Door::Grpc("/shoal.v1.Jobs/Cancel")),
        (format!("{worker}:7372"), Door::Grpc("/arrow.flight.protocol.FlightService/DoGet")),
        (format!("{worker}:7373"), Door::Rest("/metrics")),
    ];
    let entry = |secret: &str, name: &str| {
        let template = format!("--output=go-template={{{{index .data \"{name}\" | base64decode}}}}");
        place.kubectl(&["get", "secret", secret, &template])
    };
    let token = entry("shared-token", "token");
    let folder = tempfile::tempdir().unwrap();
    for name in ["tls.crt", "tls.key"] {
        std::fs::write(folder.path().join(name), entry("shared-tls", name)).unwrap();
    }
    let certificate = Some(folder.path());
    for (at, door) in &doors {
        for wrong in [None, Some("nonsense")] {
            let said = knock("https", at, door, Shown { token: wrong, certificate });
            // A refusal that overtakes the message: curl says no more of the stream then than that it was ended.
            let is_cut_off = said.contains("Stream error in the HTTP/2 framing layer");
            assert!(is_refused(door, &said) || is_cut_off, "{at} lets {wrong:?} in: {said}");
        }
        let said = knock("https", at, door, Shown { token: Some(&token), certificate });
        assert!(!is_refused(door, &said) && is_answered(&said), "{at} refuses the right token: {said}");
        let said = knock("https", at, door, Shown { token: Some(&token), certificate: None });
        let takes_no_certificates = matches!(door, Door::Rest(_));
        assert_eq!(is_answered(&said), takes_no_certificates, "{at} without a certificate: {said}");
        let said = knock("http", at, door, Shown { token: Some(&token), certificate: None });
        assert!(!is_answered(&said), "{at} answers in the clear: {said}");
    }
    for at in [format!("{head}:7370"), format!("{worker}:7373")] {
        let said = knock("https", &at, &Door::Rest("/healthz"), Shown { token: None, certificate: None });
        assert!(said.contains(" 200"), "{at}: {said}");
    }
}

/// The heads of what a port answers.
fn knock(scheme: &str, at: &str, door: &Door, shown: Shown<'_>) -> String {
    let mut curl = WORLD.cluster.on_node("curl").unwrap();
    // Whether the certificates that are shown here are right is what the processes themselves look at.
    curl.args(["--silent", "--show-error", "--insecure", "--max-time", "10"]);
    curl.args(["--dump-header", "-", "--output", "/dev/null"]);
    if let Some(token) = shown.token {
        curl.args(["--header", &format!("authorization: Bearer {token}")]);
    }
    if let Some(folder) = shown.certificate {
        curl.arg("--cert").arg(folder.join("tls.crt")).arg("--key").arg(folder.join("tls.key"));
    }
    match door {
        Door::Rest(path) => curl.arg(format!("{scheme}://{at}{path}")),
        Door::Grpc(path) => curl
            .arg(if scheme == "https" { "--http2" } else { "--http2-prior-knowledge" })
            .args(["--header", "content-type: application/grpc", "--header", "te: trailers", "--data-binary", "@-"])
            .arg(format!("{scheme}://{at}{path}")),
    };
    let mut curl = curl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A message without fields. One that is refused early does not read it.
    let _ = curl.stdin.take().unwrap().write_all(&[0; 5]);
    let done = curl.wait_with_output().unwrap();
    String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr)
}

/// Whether it was heard at all: what is said first is a status then.
fn is_answered(said: &str) -> bool {
    said.starts_with("HTTP/")
}

fn is_refused(door: &Door, said: &str) -> bool {
    match door {
        Door::Rest(_) => said.contains(" 401"),
        Door::Grpc(_) => said.contains("grpc-status: 16"),
    }
}
