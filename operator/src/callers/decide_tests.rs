#![allow(clippy::unwrap_used)]

use kube::core::Status;
use serde_json::{Value, json};
use shoal_wire::callers::Verb;

use super::*;

fn ours() -> Ours {
    Ours { namespace: "team".into(), cluster: "shared".into() }
}

const CREATE: Action = Action { verb: Verb::Create, resource: Resource::Jobs };
const DRAIN: Action = Action { verb: Verb::Patch, resource: Resource::Cluster };

fn user(name: &str, groups: &[&str]) -> SelfSubjectReview {
    serde_json::from_value(json!({"status": {"userInfo": {"username": name, "groups": groups}}})).unwrap()
}

fn may(status: &Value) -> SelfSubjectAccessReview {
    serde_json::from_value(json!({"spec": {}, "status": status})).unwrap()
}

#[test]
fn the_right_is_asked_for_where_the_cluster_is() {
    let asked = |action| serde_json::to_value(question(&ours(), action)).unwrap()["spec"]["resourceAttributes"].clone();
    assert_eq!(
        asked(CREATE),
        json!({"group": "shoal.dev", "resource": "shoaljobs", "verb": "create", "namespace": "team"})
    );
    assert_eq!(
        asked(DRAIN),
        json!({"group": "shoal.dev", "resource": "shoalclusters", "verb": "patch", "namespace": "team", "name": "shared"})
    );
}

#[test]
fn only_a_clear_yes_to_somebody_who_is_known_lets_in() {
    let anna = || user("anna", &["system:authenticated"]);
    for (who, status, expected) in [
        (anna(), json!({"allowed": true}), None),
        (anna(), json!({"allowed": false}), Some(Reason::Forbidden)),
        (anna(), json!({"allowed": true, "denied": true}), Some(Reason::Forbidden)),
        (anna(), Value::Null, Some(Reason::Forbidden)),
        (user("system:anonymous", &["system:unauthenticated"]), json!({"allowed": true}), Some(Reason::Unauthorized)),
        (user("", &[]), json!({"allowed": true}), Some(Reason::Unauthorized)),
        (SelfSubjectReview::default(), json!({"allowed": true}), Some(Reason::Unauthorized)),
    ] {
        let answer = answer(&ours(), CREATE, &who, &may(&status));
        assert_eq!(answer.err().map(|failure| failure.reason), expected, "{who:?} {status}");
    }
}

#[test]
fn who_lacks_a_right_hears_how_it_is_given() {
    let refused = |action, name: &str| {
        let no = json!({"allowed": false, "reason": "RBAC: nothing binds it"});
        answer(&ours(), action, &user(name, &[]), &may(&no)).unwrap_err()
    };
    let anna = refused(CREATE, "anna");
    assert_eq!(anna.message, "`anna` may not create ShoalJobs of namespace team");
    assert_eq!(anna.causes, ["RBAC: nothing binds it"]);
    let next = anna.next.unwrap();
    for command in [
        "`kubectl create role shoaljobs-create --verb=create --resource=shoaljobs.shoal.dev --namespace=team`",
        "`kubectl create rolebinding shoaljobs-create --role=shoaljobs-create --user=anna --namespace=team`",
    ] {
        assert!(next.contains(command), "{next}");
    }
    let account = refused(DRAIN, "system:serviceaccount:ci:runner");
    assert_eq!(account.message, "`system:serviceaccount:ci:runner` may not patch ShoalCluster team/shared");
    let next = account.next.unwrap();
    assert!(next.contains("--resource=shoalclusters.shoal.dev --resource-name=shared --namespace=team"), "{next}");
    assert!(next.contains("--serviceaccount=ci:runner --namespace=team"), "{next}");
    let odd = refused(CREATE, "o'neil; rm -rf").next.unwrap();
    assert!(odd.contains(r"--user='o'\''neil; rm -rf' "), "{odd}");
}

#[test]
fn what_keeps_the_api_server_from_an_answer_lets_nobody_in() {
    let api = |code| kube::Error::Api(Status { code, ..Status::failure("it says so", "why") }.boxed());
    for (error, reason, status_is_kept) in [
        (api(401), Reason::Unauthorized, true),
        (api(403), Reason::Forbidden, true),
        (api(429), Reason::Io, false),
        (api(500), Reason::Io, false),
        (api(503), Reason::Io, false),
        (kube::Error::LinesCodecMaxLineLengthExceeded, Reason::Io, false),
    ] {
        let failure = refused(&error);
        assert_eq!((failure.reason, failure.is_transient()), (reason, !status_is_kept), "{error}");
        assert!(failure.next.is_some() && !failure.causes.is_empty(), "{error}");
    }
}

#[test]
fn an_address_is_written_as_a_url() {
    assert_eq!(url("10.96.0.1", "443"), "https://10.96.0.1:443");
    assert_eq!(url("fd00::1", "443"), "https://[fd00::1]:443");
}
