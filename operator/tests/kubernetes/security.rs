//! Who a cluster's processes are to each other, and who may connect to them.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use shoal_testkit::{eventually, free_ports};

use crate::api::Namespace;
use crate::clusters::{cluster, get_ready};
use crate::jobs::job;
use crate::operator::{Operator, Settings};
use crate::processes::Process;

/// Writes the entries of a Secret or a ConfigMap into a folder, as the kubelet does.
pub(crate) fn mount(namespace: &Namespace, object: &str, folder: &Path) {
    let decode = if object.starts_with("secret/") { " | base64decode" } else { "" };
    for name in namespace.get(object)["data"].as_object().unwrap().keys() {
        let template = format!("--output=go-template={{{{index .data \"{name}\"{decode}}}}}");
        std::fs::write(folder.join(name), namespace.kubectl(&["get", object, &template])).unwrap();
    }
}

/// What the head's REST says, inside TLS, to whoever trusts the cluster's authority and shows the token.
fn ask(url: &str, folder: &Path) -> Option<Value> {
    let authority = reqwest::Certificate::from_pem(&std::fs::read(folder.join("ca.crt")).unwrap()).unwrap();
    let token = std::fs::read_to_string(folder.join("token")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().tls_certs_only([authority]).no_proxy().build().unwrap();
        let answer = client.get(format!("{url}/api/v1/cluster")).bearer_auth(token).send().await.ok()?;
        serde_json::from_slice(&answer.bytes().await.ok()?).ok()
    })
}

#[test]
fn heads_workers_and_the_operator_know_each_other_by_certificates() {
    let namespace = Namespace::new();
    let [rest, workers] = free_ports(2)[..] else { panic!("two ports are expected") };
    let head_url = format!("{{scheme}}://127.0.0.1:{workers}");
    let metrics_url = format!("{{scheme}}://127.0.0.1:{rest}/metrics");
    let _operator = Operator::start_with(&namespace, Settings { head_url, metrics_url, ..Settings::default() });
    let spec = json!({"head": {"state": {"ephemeral": {}}}});
    namespace.apply(&cluster(&spec));
    namespace.until_names("pods", &["a-cpu-0", "a-cpu-1", "a-head-0"]);
    let made = namespace.until("shoalcluster/a", "it says so", |cluster| cluster["status"]["tls"] == true);
    let endpoint = format!("https://a-head.{}.svc.cluster.local:7370", namespace.name());
    assert_eq!(made["status"]["endpoint"], json!(endpoint));

    let folder = tempfile::tempdir().unwrap();
    mount(&namespace, "secret/a-tls", folder.path());
    mount(&namespace, "secret/a-token", folder.path());
    let published = namespace
        .until("shoalcluster/a", "its authority is told", |cluster| cluster["status"]["authority"].is_string());
    let trusted = std::fs::read_to_string(folder.path().join("ca.crt")).unwrap();
    assert_eq!(published["status"]["authority"], json!(trusted), "clients trust what processes trust");
    let in_folder = |value: &str| {
        let name = Path::new(value).file_name().unwrap();
        Some(folder.path().join(name).display().to_string())
    };
    let adapt = |option: &str, value: &str| match option {
        "--listen" if value.contains(':') => Some(format!("127.0.0.1:{rest}")),
        "--listen" | "--advertise" => Some("127.0.0.1".to_owned()),
        "--workers-listen" => Some(format!("127.0.0.1:{workers}")),
        "--head" => Some(format!("https://localhost:{rest}")),
        "--flight-port" | "--http-port" => Some("0".to_owned()),
        "--token-file" | "--tls-cert" | "--tls-key" | "--tls-ca" | "--state-dir" | "--scratch" => in_folder(value),
        _ => None,
    };
    let head = Process::of(&namespace.get("pod/a-head-0"), adapt);
    assert_eq!(head.url(), format!("https://127.0.0.1:{rest}"));
    let worker = Process::of(&namespace.get("pod/a-cpu-0"), adapt);
    assert!(worker.first_line.contains("https://127.0.0.1:"), "Flight, too: {}", worker.first_line);
    eventually("the worker has joined", || {
        let workers = ask(head.url(), folder.path())?["workers"].as_array()?.clone();
        workers.iter().any(|worker| worker["name"] == "a-cpu-0").then_some(())
    });
    assert!(ask(&head.url().replace("https", "http"), folder.path()).is_none(), "nothing is said in the clear");

    // The operator, too, shows the cluster's certificate.
    get_ready(&namespace, &["a-cpu-0", "a-cpu-1"]);
    // It is told what work there is by a head that is known by its own, and every metric that it asks for is there.
    let mut scaled = spec;
    scaled["autoscaling"] = json!({"mode": "Internal"});
    scaled["workerGroups"] = json!([{"name": "cpu", "replicas": 2, "minReplicas": 2, "maxReplicas": 2}]);
    namespace.apply(&cluster(&scaled));
    namespace.until_condition("shoalcluster/a", "MetricsAvailable", "True", "Complete");
    let inputs = namespace.get("shoalcluster/a")["status"]["autoscaling"]["inputs"].clone();
    assert_eq!(inputs["queuedTasks"], 0, "{inputs}");
    namespace.apply(&job(&json!({})));
    namespace.until("shoaljob/grunfeld", "the head has it", |job| {
        let accepted = shoal_testkit::kubernetes::condition(job, "Accepted");
        job["status"]["submissionId"].is_string() && accepted["message"] == "the head has taken it"
    });
}

/// How many certificates a text holds.
fn certificates(text: &Value) -> usize {
    text.as_str().map_or(0, |text| text.matches("BEGIN CERTIFICATE").count())
}

#[test]
fn a_certificate_is_replaced_in_time_and_its_authority_is_known_before() {
    let namespace = Namespace::new();
    let _operator = Operator::start(&namespace);
    namespace.apply(&cluster(&json!({})));
    get_ready(&namespace, &["a-cpu-0", "a-cpu-1"]);
    let before = namespace
        .until("shoalcluster/a", "its authority is told", |cluster| certificates(&cluster["status"]["authority"]) == 1);
    let first = before["status"]["authority"].as_str().unwrap().to_owned();
    let made = namespace.get("secret/a-tls");
    let entries = |secret: &Value| secret["data"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(entries(&made), ["ca.crt", "tls.crt", "tls.key"], "nobody keeps the authority's key");
    let hour = k8s_openapi::jiff::SignedDuration::from_hours(1);
    let due = (k8s_openapi::jiff::Timestamp::now() - hour).to_string();
    let mut replicas = 2;
    let mut is_due = || {
        namespace.kubectl(&["annotate", "--overwrite", "secret", "a-tls", &format!("shoal.dev/renew-after={due}")]);
        // It looks by itself now and then; a change of the cluster has it look now.
        replicas += 1;
        let groups = json!({"spec": {"workerGroups": [{"name": "cpu", "replicas": replicas}]}});
        namespace.kubectl(&["patch", "shoalcluster", "a", "--type=merge", &format!("--patch={groups}")]);
    };

    is_due();
    let announced =
        namespace.until("secret/a-tls", "another one is announced", |secret| secret["data"]["next.crt"].is_string());
    for entry in ["tls.crt", "tls.key"] {
        assert_eq!(announced["data"][entry], made["data"][entry], "{entry} is shown still");
    }
    let told = namespace.until("shoalcluster/a", "both authorities are told", |cluster| {
        certificates(&cluster["status"]["authority"]) == 2
    });
    assert!(told["status"]["authority"].as_str().unwrap().starts_with(&first));
    assert_ne!(announced["metadata"]["annotations"]["shoal.dev/renew-after"], due);

    is_due();
    let shown =
        namespace.until("secret/a-tls", "it is shown", |secret| secret["data"]["tls.crt"] != made["data"]["tls.crt"]);
    assert_eq!(entries(&shown), ["ca.crt", "tls.crt", "tls.key"]);
    for (now, next) in [("tls.crt", "next.crt"), ("tls.key", "next.key")] {
        assert_eq!(shown["data"][now], announced["data"][next], "{now}");
    }
    assert_eq!(shown["data"]["ca.crt"], announced["data"]["ca.crt"], "whoever shows the old one is known still");
    assert_ne!(shown["metadata"]["annotations"]["shoal.dev/renew-after"], due);

    let refused = namespace.try_kubectl(&[
        "patch",
        "shoalcluster",
        "a",
        "--type=merge",
        r#"--patch={"spec": {"tls": {"disabled": {}}}}"#,
    ]);
    assert!(refused.unwrap_err().contains("make another cluster"), "half of a cluster would not know the other half");
}

#[test]
fn policies_are_made_where_they_are_wanted() {
    let namespace = Namespace::new();
    let _operator = Operator::start_with(&namespace, Settings { network_policies: true, ..Settings::default() });
    namespace.apply(&cluster(&json!({"tls": {"disabled": {}}})));
    namespace.until_names("networkpolicies", &["a-head", "a-worker"]);
    let selectors: BTreeMap<String, Value> = namespace
        .list("networkpolicies")
        .into_iter()
        .map(|one| {
            (one["metadata"]["name"].as_str().unwrap().to_owned(), one["spec"]["podSelector"]["matchLabels"].clone())
        })
        .collect();
    let pod = eventually("a worker is there", || namespace.find("pod/a-cpu-0"));
    for (name, value) in selectors["a-worker"].as_object().unwrap() {
        assert_eq!(pod["metadata"]["labels"][name], *value, "a policy selects the pods that it is for");
    }
    assert!(namespace.find("secret/a-tls").is_none(), "this cluster does without certificates");
    namespace.kubectl(&["delete", "shoalcluster", "a"]);
    namespace.until_names("networkpolicies", &[]);
}

/// As much of cert-manager as is asked of it here: the API server takes its Certificates.
const CERTIFICATES: &str = r#"{
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
    "metadata": {"name": "certificates.cert-manager.io"},
    "spec": {
        "group": "cert-manager.io", "scope": "Namespaced",
        "names": {"plural": "certificates", "singular": "certificate", "kind": "Certificate", "listKind": "CertificateList"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
            "type": "object", "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}
        }}}]
    }
}"#;

#[test]
fn cert_manager_is_asked_for_a_certificate() {
    let namespace = Namespace::new();
    namespace.apply(CERTIFICATES);
    namespace.until("customresourcedefinition/certificates.cert-manager.io", "it is served", |definition| {
        shoal_testkit::kubernetes::condition(definition, "Established")["status"] == "True"
    });
    let _operator = Operator::start(&namespace);
    namespace.apply(&cluster(&json!({"tls": {"certManager": {"issuerRef": {"name": "ca"}}}})));
    let made = namespace.until("certificate/a-tls", "it is asked for", |certificate| certificate["spec"].is_object());
    assert_eq!(made["spec"]["issuerRef"], json!({"name": "ca", "kind": "Issuer", "group": "cert-manager.io"}));
    assert_eq!(made["spec"]["commonName"], json!(format!("a.{}.shoal", namespace.name())));
    let volumes = namespace.get("pod/a-cpu-0")["spec"]["volumes"].clone();
    let secret = volumes.as_array().unwrap().iter().find(|volume| volume["name"] == "tls").unwrap().clone();
    assert_eq!(secret["secret"]["secretName"], "a-tls");
    assert!(namespace.find("secret/a-tls").is_none(), "that is cert-manager's to make");
    namespace.kubectl(&["delete", "customresourcedefinition", "certificates.cert-manager.io"]);
}
