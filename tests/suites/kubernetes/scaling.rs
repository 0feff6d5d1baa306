//! Groups whose size the operator decides, with real heads that tell what work there is, and real workers.

use std::cell::Cell;

use serde_json::{Value, json};

use crate::place::{LONG_PARTS, Place, cluster, is_over};
use crate::world::WORLD;

/// A cluster `shared` without workers, of which there may be up to three.
fn scaled() -> Value {
    let mut cluster = cluster(0);
    let spec = cluster["spec"].as_object_mut().unwrap();
    spec.insert("autoscaling".to_owned(), json!({"mode": "Internal", "targetDrainTime": "10s"}));
    let group = spec["workerGroups"][0].as_object_mut().unwrap();
    group.extend(json!({"minReplicas": 0, "maxReplicas": 3, "idleTimeout": "2s"}).as_object().unwrap().clone());
    cluster
}

#[test]
fn workers_come_for_a_job_and_go_when_it_is_done() {
    let place = Place::new();
    place.apply(&scaled().to_string());
    place.until_condition("shoalcluster/shared", "MetricsAvailable", "True", "Complete");
    place.until_names("pods", &["shared-head-0"]);

    place.train(&WORLD.many_shops, 8 * LONG_PARTS, &json!({}));
    let most = Cell::new(0);
    let job = place.until("shoaljob/shops", "it ends", |job| {
        most.set(most.get().max(place.names("pods --selector=shoal.dev/worker-group=cpu").len()));
        is_over(job)
    });
    assert_eq!(job["status"]["phase"], "Succeeded", "{job:#}");
    assert!((2..=3).contains(&most.get()), "so much work takes several workers, of which there may be three: {most:?}");
    assert_eq!(
        (&job["status"]["outputs"][0]["version"], &job["status"]["outputs"][0]["rows"]),
        (&json!(0), &json!(WORLD.many_shops.count)),
        "{job:#}"
    );
    WORLD.many_shops.assert_models(&place.models());

    place.until_names("pods", &["shared-head-0"]);
    let log = place.kubectl(&["logs", "shared-head-0"]);
    assert!(log.contains("a worker leaves in order"), "{log}");
    let said = place.get("shoalcluster/shared")["status"]["autoscaling"].clone();
    assert_eq!(said["groups"][0]["desired"], 0, "{said:#}");
    let events = place.kubectl(&["get", "events", "--field-selector=involvedObject.kind=ShoalCluster"]);
    assert!(events.contains("ScaledUp") && events.contains("ScaledDown"), "{events}");
}
