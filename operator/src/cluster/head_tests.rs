#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;

const CLUSTER: Named<'static> = Named { namespace: "n", name: "a", uid: "u" };

fn made(head: &Value) -> Value {
    let spec: ClusterSpec = serde_json::from_value(json!({"head": head})).unwrap();
    stateful_set(CLUSTER, &spec, "shoal:1", None)
}

fn arguments(set: &Value) -> Vec<&str> {
    set["spec"]["template"]["spec"]["containers"][0]["args"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one.as_str().unwrap())
        .collect()
}

#[test]
fn a_head_keeps_its_state_where_its_spec_says() {
    let volume = made(&json!({"state": {"volume": {"size": "3Gi", "storageClassName": "fast"}}}));
    assert!(arguments(&volume).contains(&"--state-dir=/var/lib/shoal/state"));
    let claim = &volume["spec"]["volumeClaimTemplates"][0]["spec"];
    assert_eq!(
        (&claim["resources"]["requests"]["storage"], &claim["storageClassName"]),
        (&json!("3Gi"), &json!("fast"))
    );
    let mounts = |set: &Value| set["spec"]["template"]["spec"]["containers"][0]["volumeMounts"].clone();
    assert_eq!(mounts(&volume)[2], json!({"name": "state", "mountPath": "/var/lib/shoal"}));
    assert_eq!((&volume["spec"]["serviceName"], &volume["spec"]["replicas"]), (&json!("a-head"), &json!(1)));
    assert!(volume["spec"]["updateStrategy"].is_null());

    let ephemeral = made(&json!({"state": {"ephemeral": {}}}));
    assert!(arguments(&ephemeral).contains(&"--state-dir=/scratch/state"));
    assert_eq!(ephemeral["spec"]["volumeClaimTemplates"], json!([]));
}

#[test]
fn a_head_with_tls_asks_kubernetes_who_calls_and_has_no_account() {
    let spec: ClusterSpec = serde_json::from_value(json!({})).unwrap();
    let with = stateful_set(CLUSTER, &spec, "shoal:1", Some("a-tls"));
    for expected in ["--kubernetes-callers=n/a", "--kubernetes-ca=/etc/shoal/kubernetes/ca.crt"] {
        assert!(arguments(&with).contains(&expected), "{expected}: {:?}", arguments(&with));
    }
    let pod = &with["spec"]["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], false);
    let volume = pod["volumes"].as_array().unwrap().iter().find(|one| one["name"] == "kubernetes").unwrap();
    assert_eq!(
        (&volume["configMap"]["name"], &volume["configMap"]["optional"]),
        (&json!("kube-root-ca.crt"), &json!(true))
    );
    let without = stateful_set(CLUSTER, &spec, "shoal:1", None);
    assert!(!arguments(&without).iter().any(|one| one.starts_with("--kubernetes")), "nobody's token goes in the clear");
}

#[test]
fn several_heads_share_an_etcd_and_have_a_name_each() {
    let set = made(&json!({"replicas": 3, "state": {"etcd": {
        "endpoints": ["https://e-0:2379", "https://e-1:2379"],
        "tlsSecretRef": {"name": "etcd-client"}, "credentialsSecretRef": {"name": "etcd-user"},
    }}}));
    for expected in [
        "--etcd=https://e-0:2379,https://e-1:2379",
        "--etcd-prefix=/shoal/n/a/u/",
        "--advertise-url=http://$(POD_NAME).a-heads:7370",
        "--etcd-ca=/etc/shoal/etcd/ca.crt",
        "--etcd-cert=/etc/shoal/etcd/tls.crt",
        "--etcd-key=/etc/shoal/etcd/tls.key",
        "--etcd-user=$(SHOAL_ETCD_USER)",
    ] {
        assert!(arguments(&set).contains(&expected), "{expected}: {:?}", arguments(&set));
    }
    assert!(!arguments(&set).iter().any(|one| one.starts_with("--state-dir")));
    assert_eq!((&set["spec"]["replicas"], &set["spec"]["serviceName"]), (&json!(3), &json!("a-heads")));
    assert_eq!(set["spec"]["volumeClaimTemplates"], json!([]));
    let pod = &set["spec"]["template"]["spec"];
    assert!(pod["volumes"].as_array().unwrap().iter().any(|one| one["secret"]["secretName"] == "etcd-client"));
    let env = pod["containers"][0]["env"].as_array().unwrap();
    let password = env.iter().find(|one| one["name"] == "SHOAL_ETCD_PASSWORD").unwrap();
    assert_eq!(password["valueFrom"]["secretKeyRef"], json!({"name": "etcd-user", "key": "password"}));

    let named = made(&json!({"state": {"etcd": {"endpoints": ["http://e:2379"], "prefix": "/mine/"}}}));
    assert!(arguments(&named).contains(&"--etcd-prefix=/mine/"));
    assert!(!arguments(&named).iter().any(|one| one.starts_with("--etcd-ca") || one.starts_with("--etcd-user")));
}

#[test]
fn the_service_leads_to_the_head_that_leads() {
    let state = |state: Value| serde_json::from_value::<HeadState>(state).unwrap();
    let alone = service("a", &state(json!({})));
    assert_eq!(
        (&alone["metadata"]["name"], &alone["spec"]["publishNotReadyAddresses"]),
        (&json!("a-head"), &json!(true))
    );
    let of_several = service("a", &state(json!({"etcd": {"endpoints": ["http://e:2379"]}})));
    assert_eq!(of_several["spec"]["publishNotReadyAddresses"], false, "those that stand by are not ready");
    let each = heads_service("a");
    assert_eq!(
        (&each["metadata"]["name"], &each["spec"]["publishNotReadyAddresses"]),
        (&json!("a-heads"), &json!(true))
    );
}

#[test]
fn how_many_heads_there_are_restarts_none() {
    let hash_of = |head: Value| hash(&serde_json::from_value(json!({"head": head})).unwrap(), "shoal:1");
    let etcd = json!({"etcd": {"endpoints": ["http://e:2379"]}});
    assert_eq!(hash_of(json!({"state": etcd})), hash_of(json!({"replicas": 2, "state": etcd})));
    assert_ne!(hash_of(json!({"state": etcd})), hash_of(json!({})));
    // Frozen: another value would restart the head of every cluster that a newer operator finds.
    assert_eq!(hash_of(json!({})), "1-fc47c5583c58753a");
}
