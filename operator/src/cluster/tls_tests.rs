#![allow(clippy::unwrap_used)]

use super::*;

fn spec(tls: &Value) -> ClusterSpec {
    serde_json::from_value(json!({"tls": tls})).unwrap()
}

fn status(image: Option<&str>, tls: Option<bool>) -> ClusterStatus {
    ClusterStatus { image: image.map(str::to_owned), tls, ..ClusterStatus::default() }
}

#[test]
fn a_cluster_stays_as_it_was_made() {
    let made = || status(Some("shoal:1"), Some(true));
    let ca: IssuerRef = serde_json::from_value(json!({"name": "ca"})).unwrap();
    for (case, tls, status, expected, secret) in [
        ("a new one", Value::Null, status(None, None), Mode::Operator, Some("a-tls")),
        ("one that has TLS", Value::Null, made(), Mode::Operator, Some("a-tls")),
        ("one of an operator that knew no TLS", Value::Null, status(Some("shoal:0"), None), Mode::Off, None),
        ("without", json!({"disabled": {}}), status(None, None), Mode::Off, None),
        ("a user's", json!({"secretRef": {"name": "mine"}}), made(), Mode::User("mine".into()), Some("mine")),
        (
            "cert-manager's",
            json!({"certManager": {"issuerRef": {"name": "ca"}}}),
            made(),
            Mode::CertManager(ca.clone()),
            Some("a-tls"),
        ),
    ] {
        let mode = mode(&spec(&tls), &status);
        assert_eq!((&mode, mode.secret("a").as_deref()), (&expected, secret), "{case}");
        assert_eq!(mode.is_on(), secret.is_some(), "{case}");
    }
}

#[test]
fn the_operator_makes_a_secret_once_and_then_replaces_the_certificate() {
    let names = names_of("a", "n", "cluster.local");
    assert_eq!(names[0], "a.n.shoal");
    for expected in ["a-head", "a-head.n.svc", "a-head-2.a-heads", "a-head.n.svc.cluster.local", "127.0.0.1"] {
        assert!(names.iter().any(|name| name == expected), "{expected}: {names:?}");
    }
    let now = Timestamp::now();
    let first = certificates::issue(None, &names, now).unwrap();
    let facts = |secret, issued| TlsFacts { secret, issued, names: names.clone(), ..TlsFacts::default() };
    let made = changes(&Mode::Operator, "a", &facts(Holder::Nobody, Some(first.clone())));
    let Some(Change::Create(made)) = made else { panic!("{made:?}") };
    assert_eq!((&made["metadata"]["name"], &made["type"]), (&json!("a-tls"), &json!("kubernetes.io/tls")));
    let entries: Vec<_> = made["stringData"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(entries.len(), 4, "{entries:?}");
    let renew = made["metadata"]["annotations"][RENEW_ANNOTATION].as_str().unwrap();
    assert!(left(renew, now).unwrap() > Duration::from_secs(59 * 86_400) && left(renew, first.renew_after).is_none());
    assert_eq!(left("soon", now), None, "what cannot be read is replaced");

    assert_eq!(changes(&Mode::Operator, "a", &facts(Holder::Cluster, None)), None);
    let second = certificates::issue(Some(first.authority), &names, now).unwrap();
    let renewed = changes(&Mode::Operator, "a", &facts(Holder::Cluster, Some(second)));
    let Some(Change::Merge(reference, patch)) = renewed else { panic!("{renewed:?}") };
    assert_eq!((reference.kind.as_str(), reference.name.as_str()), ("Secret", "a-tls"));
    let entries: Vec<_> = patch["stringData"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(entries, ["tls.crt", "tls.key"], "the authority stays");
    assert_eq!(changes(&Mode::Off, "a", &facts(Holder::Nobody, None)), None);
}

#[test]
fn cert_manager_is_asked_for_the_same_certificate() {
    let issuer: IssuerRef = serde_json::from_value(json!({"name": "ca", "kind": "ClusterIssuer"})).unwrap();
    let facts = TlsFacts { names: names_of("a", "n", "cluster.local"), ..TlsFacts::default() };
    let mode = Mode::CertManager(issuer);
    let Some(Change::Apply(made)) = changes(&mode, "a", &facts) else { panic!("a Certificate is expected") };
    assert_eq!(made["spec"]["secretName"], "a-tls");
    assert_eq!(made["spec"]["issuerRef"], json!({"name": "ca", "kind": "ClusterIssuer", "group": "cert-manager.io"}));
    assert_eq!(made["spec"]["ipAddresses"], json!(["127.0.0.1"]));
    assert!(made["spec"]["dnsNames"].as_array().unwrap().contains(&json!("a.n.shoal")));
    assert_eq!(changes(&mode, "a", &TlsFacts { certificate: Holder::Cluster, ..facts }), None);
}
