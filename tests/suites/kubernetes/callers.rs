//! Users with rights of their own, who show a cluster's head what they show to Kubernetes.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use shoal_tests::process::{Finished, Process};
use shoal_tests::{shoal, workspace};

use crate::place::Place;
use crate::world::{POD_LIMIT, WORLD, example, url};

/// A kubeconfig of an account of the namespace, with its token.
fn kubeconfig(place: &Place, folder: &Path, account: &str) -> PathBuf {
    let admin = std::fs::read_to_string(WORLD.cluster.kubeconfig()).unwrap();
    let entry = |name: &str| {
        let value = admin.lines().find_map(|line| line.trim_start().strip_prefix(name));
        value.unwrap_or_else(|| panic!("{name} is not in {admin}")).trim().to_owned()
    };
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "a",
        "clusters": [{"name": "c", "cluster": {
            "server": entry("server:"), "certificate-authority": entry("certificate-authority:"),
        }}],
        "users": [{"name": "u", "user": {"token": place.kubectl(&["create", "token", account]).trim()}}],
        "contexts": [{"name": "a", "context": {"cluster": "c", "user": "u", "namespace": place.name()}}],
    });
    let path = folder.join(account);
    std::fs::write(&path, config.to_string()).unwrap();
    path
}

fn job(kubeconfig: &Path, arguments: &[&str]) -> Finished {
    let arguments = [&["job"], arguments, &["--cluster", "shared", "--output", "json"]].concat();
    Process::start(shoal::command(&arguments).env("KUBECONFIG", kubeconfig)).finish_within(POD_LIMIT)
}

#[test]
fn users_do_on_a_cluster_what_they_may_and_read_no_secret() {
    let place = Place::with_workers(1);
    let folder = tempfile::tempdir().unwrap();
    // What it takes to reach the head: none of these gives away a Secret.
    let reach = ["get=shoalclusters.shoal.dev", "list=pods", "get,create=pods/portforward"];
    let rights = [("reader", "get,list=shoaljobs.shoal.dev"), ("maker", "get,list,create=shoaljobs.shoal.dev")];
    for (account, right) in rights {
        place.kubectl(&["create", "serviceaccount", account]);
        let subject = format!("--serviceaccount={}:{account}", place.name());
        for (number, right) in reach.iter().chain([&right]).enumerate() {
            let (verbs, resource) = right.split_once('=').unwrap();
            let name = format!("{account}-{number}");
            let (verbs, resource) = (format!("--verb={verbs}"), format!("--resource={resource}"));
            place.kubectl(&["create", "role", &name, &verbs, &resource]);
            place.kubectl(&["create", "rolebinding", &name, &format!("--role={name}"), &subject]);
        }
        let refused =
            place.try_kubectl(&["get", "secret", "shared-token", &format!("--as={}", subject_name(&place, account))]);
        assert!(refused.is_err(), "{account} reads no Secret");
    }
    let reader = kubeconfig(&place, folder.path(), "reader");
    let maker = kubeconfig(&place, folder.path(), "maker");
    // The example's own table is the example's.
    let file = folder.path().join("grunfeld.yaml");
    let text = workspace::read(&example("grunfeld.yaml"));
    assert!(text.contains(&url("models")), "{text}");
    std::fs::write(&file, text.replace(&url("models"), &place.models())).unwrap();
    let submit = ["submit", file.to_str().unwrap()];

    let listed = job(&reader, &["list"]);
    assert_eq!(listed.code, 0, "{listed:#?}");
    let failure = job(&reader, &submit).failed(2);
    assert_eq!(failure["reason"], "Forbidden", "{failure}");
    let message =
        format!("`{}` may not create ShoalJobs of namespace {}", subject_name(&place, "reader"), place.name());
    assert_eq!(failure["message"], message, "{failure}");
    assert!(failure["next"].as_str().unwrap().contains("kubectl create rolebinding"), "{failure}");

    let submitted = job(&maker, &submit);
    assert_eq!(submitted.code, 0, "{submitted:#?}");
    let shown: Value = serde_json::from_str(&job(&reader, &["show", "grunfeld"]).stdout).unwrap();
    assert_eq!(shown["status"]["name"], "grunfeld", "{shown:#}");
    let failure = job(&maker, &["cancel", "grunfeld"]).failed(2);
    assert_eq!(failure["reason"], "Forbidden", "{failure}");
}

fn subject_name(place: &Place, account: &str) -> String {
    format!("system:serviceaccount:{}:{account}", place.name())
}
