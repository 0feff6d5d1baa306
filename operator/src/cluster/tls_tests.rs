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
fn a_certificate_has_all_names_that_its_processes_are_reached_by() {
    let names = names_of("a", "n", "cluster.local");
    assert_eq!(names[0], "a.n.shoal");
    for expected in ["a-head", "a-head.n.svc", "a-head-2.a-heads", "a-head.n.svc.cluster.local", "127.0.0.1"] {
        assert!(names.iter().any(|name| name == expected), "{expected}: {names:?}");
    }
}

#[test]
fn only_what_the_operator_keeps_is_made_by_it() {
    let facts = TlsFacts { names: names_of("a", "n", "cluster.local"), ..TlsFacts::default() };
    let made = renewal::kept(None, &facts.names, Timestamp::now()).unwrap();
    assert!(matches!(changes(&Mode::Operator, "a", &made), Some(Change::Create(_))));
    for (mode, facts) in [(Mode::Off, &made), (Mode::User("mine".into()), &made), (Mode::Operator, &facts)] {
        assert_eq!(changes(&mode, "a", facts), None, "{mode:?}");
    }
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
