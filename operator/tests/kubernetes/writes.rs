//! How little the operator writes: each write is one that the API server has to store and to tell all who watch.

use std::collections::BTreeMap;

use serde_json::json;

use crate::api::Namespace;
use crate::clusters::get_ready;
use crate::fault_proxy::{Fate, FaultProxy, Request};
use crate::operator::{Operator, Settings};
use crate::room::Room;

/// What a cluster of four workers consists of, pods included: so many writes it takes at the least.
const OBJECTS: [(&str, usize); 6] = [
    ("PATCH services", 1),
    ("PATCH shoalworkergroups", 1),
    ("PATCH statefulsets", 1),
    ("POST poddisruptionbudgets", 1),
    ("POST pods", 4),
    // Its token and its certificate.
    ("POST secrets", 2),
];

/// Writes beside these until it says that all of it is ready: a status of the group and two of the cluster, of which the
/// second is saved where head and workers are ready within the same two seconds.
const STATUSES_MAX: usize = 3;

/// One that takes longer than a few seconds to start says so meanwhile, as it should: on a busy machine one of these starts
/// in time.
const TRIES: u32 = 4;

type Counts = BTreeMap<String, usize>;

fn counted(proxy: &FaultProxy) -> Counts {
    let mut kinds = BTreeMap::new();
    for request in proxy.seen().iter().filter(|request| request.is_write() && !request.kind().contains("leases")) {
        *kinds.entry(Request::kind(request)).or_default() += 1;
    }
    kinds
}

/// What is written for a cluster from its `apply` until all of it is ready; nothing is for its end.
fn writes_of_a_cluster() -> Counts {
    let (namespace, proxy) = (Namespace::new(), FaultProxy::start(|_| Fate::Passes));
    let room = Room::new(&namespace);
    let _operator = Operator::start_with(&namespace, Settings { api_url: Some(proxy.url()), ..Settings::default() });
    let cluster = json!({
        "apiVersion": "shoal.dev/v1alpha1", "kind": "ShoalCluster", "metadata": {"name": "a"},
        "spec": {
            "head": {"state": {"ephemeral": {}}, "template": room.template()},
            "workerGroups": [{"name": "cpu", "replicas": 4, "template": room.template()}],
        },
    });
    namespace.apply(&cluster.to_string());
    get_ready(&namespace, &["a-cpu-0", "a-cpu-1", "a-cpu-2", "a-cpu-3"]);
    namespace.until_condition("shoalcluster/a", "Progressing", "False", "Settled");
    namespace.until_condition("shoalworkergroup/a-cpu", "Ready", "True", "Ready");
    let writes = counted(&proxy);
    namespace.kubectl(&["delete", "shoalcluster", "a"]);
    namespace.until_names("pods", &[]);
    assert_eq!(counted(&proxy), writes, "what it owns goes without the operator's help");
    writes
}

#[test]
fn a_cluster_of_four_takes_few_writes() {
    let mut tries = 0;
    loop {
        tries += 1;
        let mut writes = writes_of_a_cluster();
        println!("{} writes: {writes:?}", writes.values().sum::<usize>());
        for (kind, count) in OBJECTS {
            assert_eq!(writes.remove(kind), Some(count), "{kind}");
        }
        if writes.values().sum::<usize>() <= STATUSES_MAX {
            return;
        }
        assert!(tries < TRIES, "beside its objects it takes these writes: {writes:?}");
    }
}
