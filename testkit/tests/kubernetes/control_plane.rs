//! Clusters without a node.

use shoal_testkit::eventually;
use shoal_testkit::kubernetes::{Cluster, Layer, Options};

use crate::leftovers::Traces;
use crate::start;

#[test]
fn an_api_server_alone_stores_and_validates() {
    let cluster = start(Layer::ApiServer);
    let traces = Traces::of(&cluster);

    cluster.kubectl(&["create", "configmap", "kept", "--from-literal=a=b"]).unwrap();
    let refused = cluster.kubectl(&["create", "configmap", "Not_A_Name"]).unwrap_err().to_string();
    assert!(refused.contains("metadata.name"), "{refused}");

    cluster.restart("kube-apiserver").unwrap();
    cluster.wait_until_ready().unwrap();
    assert_eq!(cluster.kubectl(&["get", "configmap", "kept", "--output=jsonpath={.data.a}"]).unwrap(), "b");

    drop(cluster);
    assert_eq!(traces.found(), [""; 0]);
}

#[test]
fn controllers_make_what_follows_from_a_resource() {
    let cluster = start(Layer::ControlPlane);

    cluster.kubectl(&["create", "deployment", "web", "--image=registry.invalid/x", "--replicas=2"]).unwrap();

    eventually("the deployment has its pods, for which there is no node", || {
        let reasons = "--output=jsonpath={.items[*].status.conditions[?(@.type=='PodScheduled')].reason}";
        let pods = cluster.kubectl(&["get", "pods", reasons]).unwrap();
        (pods == "Unschedulable Unschedulable").then_some(())
    });
}

#[test]
fn a_process_that_does_not_start_is_named_with_its_log() {
    let options = Options::new(Layer::ApiServer).api_server_flags(&["--no-such-flag"]);

    let trouble = Cluster::start_own(options).err().unwrap().to_string();

    assert!(trouble.starts_with("kube-apiserver ended"), "{trouble}");
    assert!(trouble.contains("unknown flag: --no-such-flag"), "{trouble}");
}
