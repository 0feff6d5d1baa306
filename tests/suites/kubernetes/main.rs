//! Shoal on a real Kubernetes with real pods, as a user installs and uses it. It needs root, Kubernetes' programs and the
//! image: `make test-kubernetes` builds them and runs it.

#![allow(clippy::unwrap_used, missing_docs)]

use std::process::Command;
use std::time::Duration;

use shoal_testkit::eventually_within;
use shoal_testkit::kubernetes::{Cluster, Layer, ObjectStore, Options};
use shoal_tests::process::Process;
use shoal_tests::{shoal, workspace};

/// How long pods may take on a busy machine to be scheduled and to start, and a small job to run.
const POD_LIMIT: Duration = Duration::from_secs(240);

/// The table that the example's job writes, in the order of its keys.
const MODELS: &str = "SELECT * FROM 's3://shoal/models' ORDER BY firm";

#[test]
fn the_examples_run_in_pods_and_give_what_the_same_job_file_gives_on_a_laptop() {
    if let Some(why) = Cluster::obstacle_to_nodes() {
        panic!("{why}");
    }
    let mut cluster = Cluster::start_own(Options::new(Layer::Node)).unwrap();
    let store = cluster.start_object_store("shoal").unwrap();
    store.put_folder("data", &workspace::root().join("examples/data")).unwrap();
    cluster.apply(&store.secret("default", "s3")).unwrap();
    cluster.import_image(&workspace::root().join("target/image/shoal.tar")).unwrap();
    cluster.install_chart(&workspace::root().join("charts/shoal")).unwrap();

    apply_example(&cluster, "cluster.yaml");
    apply_example(&cluster, "grunfeld.yaml");
    let phase = eventually_within(POD_LIMIT, "the job ends", || {
        let phase = field(&cluster, "shoaljob/grunfeld", ".status.phase");
        ["Succeeded", "Failed"].contains(&phase.as_str()).then_some(phase)
    });
    assert_eq!(phase, "Succeeded", "{}", cluster.kubectl(&["describe", "shoaljob", "grunfeld"]).unwrap());
    let row = cluster.kubectl(&["get", "shoaljob", "grunfeld", "--no-headers"]).unwrap();
    let columns: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(columns[..5], ["grunfeld", "Succeeded", "11", "11", "0"], "{row}");
    assert_eq!(field(&cluster, "shoaljob/grunfeld", ".status.outputs[0].version"), "0");

    let in_pods = ask(&store, &["sql", "--output", "json", MODELS]);
    let file = workspace::root().join("examples/kubernetes/grunfeld.yaml");
    ask(&store, &["run", file.to_str().unwrap(), "--output", "json"]);
    assert!(in_pods.contains("General Motors"), "{in_pods}");
    assert_eq!(ask(&store, &["sql", "--output", "json", MODELS]), in_pods, "row by row, bit by bit");

    // What was made for the cluster goes with it.
    cluster.kubectl(&["delete", "shoaljob", "grunfeld", "--timeout=60s"]).unwrap();
    cluster.kubectl(&["delete", "shoalcluster", "shared", "--timeout=60s"]).unwrap();
    eventually_within(POD_LIMIT, "nothing of the cluster is left", || {
        let kinds = "pods,statefulsets,services,secrets,shoalworkergroups";
        let of_cluster = ["get", kinds, "--selector=shoal.dev/cluster=shared", "--output=name"];
        let volumes = ["get", "persistentvolumeclaims", "--output=name"];
        [&of_cluster[..], &volumes].iter().all(|list| cluster.kubectl(list).unwrap().trim().is_empty()).then_some(())
    });
}

fn apply_example(cluster: &Cluster, name: &str) {
    let file = workspace::root().join("examples/kubernetes").join(name);
    cluster.apply(&workspace::read(&file)).unwrap();
}

fn field(cluster: &Cluster, resource: &str, path: &str) -> String {
    cluster.kubectl(&["get", resource, &format!("--output=jsonpath={{{path}}}")]).unwrap()
}

/// What a command of this machine says that finds the object store as pods do.
fn ask(store: &ObjectStore, arguments: &[&str]) -> String {
    let mut command: Command = shoal::command(arguments);
    command.envs(store.environment()).env("AWS_ENDPOINT_URL", store.endpoint());
    let finished = Process::start(&mut command).finish_within(POD_LIMIT);
    assert_eq!(finished.code, 0, "{finished:#?}");
    finished.stdout
}
