#![allow(clippy::unwrap_used)]

use kube::core::Status;
use serde_json::{Value, json};

use super::*;

fn place() -> Place {
    Place { namespace: "team".into(), cluster: "shared".into() }
}

fn pod(name: &str, metadata: &Value, status: &Value) -> Pod {
    let mut pod = json!({"metadata": {"name": name}, "status": status});
    pod["metadata"].as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
    serde_json::from_value(pod).unwrap()
}

fn ready(is_so: &str) -> Value {
    json!({"phase": "Running", "conditions": [{"type": "Ready", "status": is_so}]})
}

fn cluster(metadata: &Value, spec: &Value, status: &Value) -> ShoalCluster {
    let mut cluster = json!({"metadata": {"name": "shared", "namespace": "team"}, "spec": spec, "status": status});
    cluster["metadata"].as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
    serde_json::from_value(cluster).unwrap()
}

#[test]
fn the_head_is_the_pod_that_is_ready_and_stays() {
    let none = json!({});
    let ending = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
    for (pods, expected) in [
        (vec![], None),
        (vec![pod("a", &none, &ready("False"))], None),
        (vec![pod("a", &none, &none)], None),
        (vec![pod("a", &none, &ready("True"))], Some("a")),
        (vec![pod("a", &ending, &ready("True"))], None),
        // One that waits for the lead is not ready.
        (vec![pod("a", &none, &ready("False")), pod("b", &none, &ready("True"))], Some("b")),
        (vec![pod("a", &ending, &ready("True")), pod("b", &none, &ready("True"))], Some("b")),
    ] {
        assert_eq!(head_pod(&pods).as_deref(), expected, "{pods:?}");
    }
}

#[test]
fn a_cluster_without_pods_is_refused_with_what_to_do() {
    let none = json!({});
    has_pods(&place(), &cluster(&none, &none, &none)).unwrap();
    has_pods(&place(), &cluster(&none, &json!({"suspend": false}), &none)).unwrap();
    let suspended = has_pods(&place(), &cluster(&none, &json!({"suspend": true}), &none)).unwrap_err();
    assert_eq!(suspended.reason, Reason::NotPossible);
    assert_eq!(suspended.message, "ShoalCluster team/shared is suspended: it has no pods");
    let patch =
        r#"`kubectl patch shoalcluster shared --namespace team --type=merge --patch='{"spec": {"suspend": false}}'`"#;
    assert!(suspended.next.unwrap().contains(patch));
    let deleted = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
    let deleted = has_pods(&place(), &cluster(&deleted, &none, &none)).unwrap_err();
    assert_eq!(
        (deleted.reason, deleted.message.as_str()),
        (Reason::NotPossible, "ShoalCluster team/shared is being deleted")
    );
}

#[test]
fn why_there_is_no_head_is_told_by_what_knows_most() {
    let none = json!({});
    let quota = json!({"conditions": [{
        "type": "Ready", "status": "False", "reason": "QuotaExceeded", "message": "exceeded quota: q",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }]});
    let no_image = json!({"containerStatuses": [{
        "name": "shoal", "image": "registry.invalid/x", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"waiting": {"reason": "ErrImagePull"}},
    }]});
    for (pods, status, expected) in [
        (vec![], &none, "it has no pod yet"),
        (vec![], &quota, "exceeded quota: q"),
        (vec![pod("a", &none, &ready("False"))], &none, "its pod is starting"),
        (vec![pod("a", &none, &no_image)], &quota, "the image registry.invalid/x cannot be pulled"),
    ] {
        let failure = no_head(&place(), &pods, &cluster(&none, &none, status));
        assert_eq!(failure.reason, Reason::HeadUnreachable);
        let message = format!("the head of ShoalCluster team/shared is not ready: {expected}");
        assert!(failure.message.starts_with(&message), "{}", failure.message);
        assert!(failure.next.unwrap().contains("kubectl describe shoalcluster shared --namespace team"));
    }
}

fn api(code: u16, reason: &str) -> kube::Error {
    kube::Error::Api(Status { code, ..Status::failure("it says so", reason) }.boxed())
}

fn upgrade(code: u16) -> kube::Error {
    let code = code.try_into().unwrap();
    kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(code))
}

#[test]
fn each_refusal_has_a_reason_names_the_resource_and_says_what_to_do() {
    use Reason::*;
    let silence = || kube::Error::LinesCodecMaxLineLengthExceeded;
    for (error, asked, reason, message, next) in [
        (silence(), Asked::Cluster, HeadUnreachable, "API server cannot be asked", "kubectl cluster-info"),
        (api(401, "Unauthorized"), Asked::Cluster, Unauthorized, "kubeconfig's credentials", "--context"),
        (
            api(403, "Forbidden"),
            Asked::Cluster,
            Unauthorized,
            "look at ShoalCluster team/shared",
            "get shoalclusters.shoal.dev/shared --namespace team",
        ),
        (
            api(403, "Forbidden"),
            Asked::Token("shared-token"),
            Unauthorized,
            "read the Secret team/shared-token",
            "pass the token with `--token-file`, or sign in",
        ),
        (
            api(403, "Forbidden"),
            Asked::Token("shared-token"),
            Unauthorized,
            "read the Secret team/shared-token",
            "get secret/shared-token --namespace team",
        ),
        (
            api(403, "Forbidden"),
            Asked::Pods,
            Unauthorized,
            "list the pods of namespace team",
            "list pods --namespace team",
        ),
        (
            upgrade(403),
            Asked::Forward,
            Unauthorized,
            "forward ports of pods of namespace team",
            "create pods/portforward",
        ),
        (api(403, "Forbidden"), Asked::Authority("own"), Unauthorized, "read the Secret team/own", "--tls-ca"),
        (api(404, "NotFound"), Asked::Authority("own"), HeadUnreachable, "Secret team/own", "unless it is yours"),
        (api(404, "NotFound"), Asked::Cluster, ClusterNotFound, "no ShoalCluster team/shared", "--all-namespaces"),
        (api(404, "Failed to parse error data"), Asked::Cluster, NotPossible, "Shoal is not installed", "--context"),
        (
            api(404, "NotFound"),
            Asked::Token("shared-token"),
            HeadUnreachable,
            "Secret team/shared-token",
            "kubectl describe shoalcluster shared",
        ),
        (
            upgrade(404),
            Asked::Forward,
            HeadUnreachable,
            "pod of the head of ShoalCluster team/shared is gone",
            "ask again",
        ),
        (api(429, "TooManyRequests"), Asked::Pods, HeadUnreachable, "refuses (429)", "--namespace team"),
        (upgrade(500), Asked::Forward, HeadUnreachable, "refuses (500)", "--namespace team"),
    ] {
        let failure = refused(&place(), asked, &error);
        assert_eq!(failure.reason, reason, "{error} {asked:?}");
        assert!(failure.message.contains(message), "{}", failure.message);
        assert!(failure.next.as_ref().unwrap().contains(next), "{:?}", failure.next);
        assert!(!failure.causes.is_empty(), "{error} {asked:?}");
    }
}

#[test]
fn a_head_that_ends_meanwhile_is_named_with_what_to_do() {
    for (failure, message) in [
        (cut_off(&place(), Some("shared-head-0")), "(pod shared-head-0) has ended the connection without an answer"),
        (cut_off(&place(), None), "the head of ShoalCluster team/shared has ended the connection"),
        (refused_by_pod(&place(), "shared-head-0", "connection refused\n"), "(pod shared-head-0) takes no connection"),
    ] {
        assert_eq!(failure.reason, Reason::HeadUnreachable);
        assert!(failure.message.contains(message), "{}", failure.message);
        let selector = "kubectl get pods --namespace team --selector shoal.dev/cluster=shared,shoal.dev/component=head";
        assert!(failure.next.unwrap().contains(selector));
    }
}

#[test]
fn a_secret_without_a_token_is_named() {
    let secret: Secret = serde_json::from_value(json!({"metadata": {"name": "shared-token"}})).unwrap();
    let failure = token(&place(), &secret).unwrap_err();
    assert_eq!(failure.reason, Reason::Unauthorized);
    assert!(failure.message.starts_with("the Secret team/shared-token holds no token"), "{}", failure.message);
    assert!(failure.next.unwrap().contains("--token-file"));
}

#[test]
fn a_head_is_known_by_the_clusters_name_and_its_authority() {
    let with = |data: &Value| -> Secret {
        serde_json::from_value(json!({"metadata": {"name": "own"}, "data": data})).unwrap()
    };
    let none = json!({});
    assert_eq!(published(&cluster(&none, &none, &none)), None);
    assert_eq!(published(&cluster(&none, &none, &json!({"authority": "PEM"}))), Some(b"PEM".to_vec()));
    let pem = certificate(&place(), "own", &with(&json!({"ca.crt": "UEVN"}))).unwrap();
    let expected = Authority { host: "shared.team.shoal".into(), pem: Some(b"PEM".to_vec()) };
    assert_eq!(authority(&place(), Some(pem)), expected);
    let failure = certificate(&place(), "own", &with(&json!({"tls.crt": "UEVN"}))).unwrap_err();
    assert_eq!(failure.reason, Reason::Unauthorized);
    assert!(failure.message.contains("Secret team/own has no entry `ca.crt`"), "{}", failure.message);
    assert!(failure.next.unwrap().contains("--tls-ca"));
}
