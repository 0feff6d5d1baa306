//! `make cluster-up` and `make cluster-down`, as a user runs them.

use std::path::Path;
use std::process::{Command, Stdio};

use shoal_testkit::eventually;
use shoal_testkit::kubernetes::Cluster;

use crate::leftovers::Traces;
use crate::node::{root, shoal_image};

fn cluster(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cluster"));
    command.current_dir(root()).env("SHOAL_CLUSTER_DIR", folder);
    command
}

fn output(command: &mut Command) -> String {
    let done = command.output().unwrap();
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{text}\n{}", String::from_utf8_lossy(&done.stderr));
    text
}

#[test]
fn a_cluster_outlives_the_command_until_it_is_told_to_end() {
    if let Some(why) = Cluster::obstacle_to_nodes() {
        println!("skipped: {why}");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("cluster");

    let said = output(cluster(&folder).arg("up").arg(shoal_image()));
    let traces = Traces::of_folder(&folder);
    let kubeconfig = format!("export KUBECONFIG={}", folder.join("kubeconfig").display());
    assert!(said.contains("starting a node") && said.contains(&kubeconfig), "{said}");
    let nodes = output(
        Command::new(shoal_testkit::program("kubectl"))
            .args(["get", "nodes", "--kubeconfig"])
            .arg(folder.join("kubeconfig"))
            .env("NO_PROXY", "*"),
    );
    assert!(nodes.contains(" Ready "), "{nodes}");

    let again = output(cluster(&folder).arg("up").arg(shoal_image()));
    assert!(again.contains("it runs already") && again.contains(&kubeconfig), "{again}");

    output(cluster(&folder).arg("down"));
    assert_eq!(traces.found(), [""; 0]);
    assert!(output(cluster(&folder).arg("down")).contains("there is none"));
}

#[test]
fn a_start_that_is_killed_leaves_nothing_behind() {
    if let Some(why) = Cluster::obstacle_to_nodes() {
        println!("skipped: {why}");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("cluster");
    let mut command = cluster(&folder);
    let mut starting = command.arg("up").arg(shoal_image()).stdout(Stdio::null()).spawn().unwrap();
    eventually("the API server is started", || folder.join("processes/kube-apiserver").exists().then_some(()));
    let traces = Traces::of_folder(&folder);

    starting.kill().unwrap();
    starting.wait().unwrap();

    eventually("nothing is left", || traces.found().is_empty().then_some(()));
}
