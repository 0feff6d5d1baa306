//! A cluster whose node runs pods.

use std::path::{Path, PathBuf};
use std::process::Command;

use shoal_testkit::kubernetes::{Cluster, Layer};
use shoal_testkit::{eventually, eventually_within};

use crate::leftovers::Traces;
use crate::start;

/// How long a pod may take on a busy machine to be scheduled, to start and to do a moment's work.
const POD_LIMIT: std::time::Duration = std::time::Duration::from_secs(180);

/// Names the archive of Shoal's image, if it is not where `make image` puts it.
const IMAGE: &str = "SHOAL_IMAGE";

const PODS: &str = include_str!("pods.yaml");

#[test]
fn a_node_runs_pods_and_leaves_nothing_behind() {
    if let Some(why) = Cluster::obstacle_to_nodes() {
        println!("skipped: {why}");
        return;
    }
    let mut cluster = start(Layer::Node);
    let traces = Traces::of(&cluster);
    let place = tempfile::tempdir().unwrap();
    cluster.import_image(&shoal_image()).unwrap();
    cluster.import_image(&server_image(place.path())).unwrap();
    let store = cluster.start_object_store("shoal").unwrap();
    store.put_folder("data", &root().join("examples/data")).unwrap();

    let (namespace, _) = PODS.split_once("---").unwrap();
    cluster.apply(namespace).unwrap();
    // Pods are refused before it is there.
    let account = ["get", "serviceaccount", "default", "--namespace=restricted"];
    eventually("the namespace has its service account", || cluster.kubectl(&account).ok());
    cluster.apply(&PODS.replace("VERSION", env!("CARGO_PKG_VERSION"))).unwrap();
    cluster.apply(&store.secret("restricted", "s3")).unwrap();

    // The image runs under the strictest standard.
    succeeds(&cluster, "version");
    let log = cluster.kubectl(&["logs", "version", "--namespace=restricted"]).unwrap();
    assert_eq!(log.trim(), format!("shoal {}", env!("CARGO_PKG_VERSION")));

    a_service_answers(&cluster);

    // A name is resolved, S3 is reached, and a claimed volume can be written to by a user who is not root.
    succeeds(&cluster, "training");
    let log = cluster.kubectl(&["logs", "training", "--namespace=restricted"]).unwrap();
    assert!(log.contains("groups: 11 done, 0 failed"), "{log}");

    drop(cluster);
    assert_eq!(traces.found(), [""; 0]);
}

#[test]
fn two_clusters_with_nodes_are_side_by_side() {
    if let Some(why) = Cluster::obstacle_to_nodes() {
        println!("skipped: {why}");
        return;
    }
    let clusters = std::thread::scope(|scope| {
        let other = scope.spawn(|| start(Layer::Node));
        [start(Layer::Node), other.join().unwrap()]
    });
    for (cluster, name) in clusters.iter().zip(["one", "other"]) {
        cluster.kubectl(&["create", "namespace", name]).unwrap();
    }
    assert!(clusters[0].kubectl(&["get", "namespace", "other"]).is_err());
    let traces = clusters.each_ref().map(Traces::of);
    let [one, other] = clusters;
    drop(one);
    assert_eq!(traces[0].found(), [""; 0]);
    other.kubectl(&["get", "nodes"]).unwrap();
    drop(other);
    assert_eq!(traces[1].found(), [""; 0]);
}

fn succeeds(cluster: &Cluster, pod: &str) {
    eventually_within(POD_LIMIT, &format!("the pod {pod} succeeds"), || {
        let phase = ["get", "pod", pod, "--namespace=restricted", "--output=jsonpath={.status.phase}"];
        match cluster.kubectl(&phase).unwrap().as_str() {
            "Succeeded" => Some(()),
            "Failed" => {
                let log = cluster.kubectl(&["logs", pod, "--namespace=restricted"]).unwrap();
                panic!("the pod {pod} failed:\n{log}");
            }
            _ => None,
        }
    });
}

fn a_service_answers(cluster: &Cluster) {
    let address = ["get", "service", "server", "--namespace=restricted", "--output=jsonpath={.spec.clusterIP}"];
    let url = format!("http://{}/health", cluster.kubectl(&address).unwrap());
    let answer = eventually_within(POD_LIMIT, "the service answers", || {
        let mut curl = cluster.on_node("curl").unwrap();
        let done = curl.args(["--silent", "--fail", "--max-time", "5", &url]).output().unwrap();
        done.status.success().then(|| String::from_utf8(done.stdout).unwrap())
    });
    assert_eq!(answer, "OK");
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub(crate) fn shoal_image() -> PathBuf {
    let archive = std::env::var_os(IMAGE).map(PathBuf::from).unwrap_or_else(|| root().join("target/image/shoal.tar"));
    assert!(archive.is_file(), "there is no {}: run `make image`, which builds it", archive.display());
    archive
}

/// An image with a program that answers HTTP.
fn server_image(folder: &Path) -> PathBuf {
    let archive = folder.join("server.tar");
    let mut image = Command::new(root().join("scripts/image"));
    image.args(["--bare", "--name", "server", "--version", "1"]);
    image.arg("--program").arg(shoal_testkit::program("coredns")).arg("--output").arg(&archive);
    assert!(image.status().unwrap().success());
    archive
}
