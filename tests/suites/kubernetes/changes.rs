//! What users change of clusters and jobs that run.

use serde_json::{Value, json};

use crate::place::Place;
use crate::world::{OTHER_IMAGE, WORLD, try_ask};

#[test]
fn a_new_image_waits_for_the_job_and_then_rolls_through_all_pods() {
    let place = Place::with_workers(2);
    let images = || {
        let mut images: Vec<Value> =
            place.pods().iter().map(|pod| pod["spec"]["containers"][0]["image"].clone()).collect();
        images.dedup();
        images
    };
    let before = images();
    assert_eq!(before.len(), 1, "{before:?}");
    place.train_shops(&json!({}));
    place.until_in_the_middle();
    place.patch("shoalcluster/shared", &json!({"image": OTHER_IMAGE}));
    place.until_condition("shoalworkergroup/shared-cpu", "Progressing", "True", "WaitingForJobs");
    place.until_condition("shoalcluster/shared", "Progressing", "True", "HeadWaits");
    assert_eq!(images(), before, "a job stays on the build that it began with");
    place.succeeded();
    place.eventually("all pods have the new image", || (images() == [json!(OTHER_IMAGE)]).then_some(()));
    place.until_workers(2);
    for pod in place.names("pods --selector=shoal.dev/worker-group=cpu") {
        let log = place.kubectl(&["logs", &pod]);
        assert!(log.contains("joined the cluster"), "{pod}: {log}");
    }
    WORLD.shops.assert_models(&place.models());
}

#[test]
fn a_suspended_job_waits_and_goes_on() {
    let place = Place::with_workers(1);
    place.train_shops(&json!({}));
    place.until_in_the_middle();
    place.patch("shoaljob/shops", &json!({"suspend": true}));
    let suspended = place.until_condition("shoaljob/shops", "Suspended", "True", "Suspended");
    assert!(suspended["message"].as_str().is_some_and(|message| !message.is_empty()), "{suspended}");
    let row = place.kubectl(&["get", "shoaljob", "shops", "--no-headers"]);
    assert!(row.contains("Suspended"), "{row}");
    place.patch("shoaljob/shops", &json!({"suspend": false}));
    place.until_condition("shoaljob/shops", "Suspended", "False", "Running");
    place.succeeded();
    let log = place.kubectl(&["logs", "shared-head-0"]);
    assert_eq!(log.matches("job updated").count(), 2, "suspended and resumed: {log}");
    WORLD.shops.assert_models(&place.models());
}

#[test]
fn a_job_that_is_deleted_or_late_leaves_no_table_and_one_that_is_done_goes_in_time() {
    let place = Place::with_workers(1);
    place.train_shops(&json!({}));
    place.until_in_the_middle();
    place.kubectl(&["delete", "shoaljob", "shops", "--timeout=60s"]);
    let log = place.kubectl(&["logs", "shared-head-0"]);
    assert!(log.contains("cancel"), "{log}");
    assert_no_table(&place);

    place.train_shops(&json!({"activeDeadlineSeconds": 3}));
    let job = place.ended();
    assert_eq!(
        (&job["status"]["phase"], &job["status"]["failure"]["reason"]),
        (&json!("Failed"), &json!("DeadlineExceeded"))
    );
    let log = place.kubectl(&["logs", "shared-head-0"]);
    assert!(log.contains("reason=DeadlineExceeded"), "{log}");
    assert_no_table(&place);
    place.kubectl(&["delete", "shoaljob", "shops", "--timeout=60s"]);

    place.train_shops(&json!({"ttlSecondsAfterFinished": 1}));
    place.until_names("shoaljobs", &["shops"]);
    let ended = |job: &Value| job.is_null() || job["status"]["phase"] == "Succeeded";
    place.until("shoaljob/shops", "it is done", ended);
    place.until_names("shoaljobs", &[]);
    WORLD.shops.assert_models(&place.models());
}

/// Nothing was written where the job's models are to be.
pub(crate) fn assert_no_table(place: &Place) {
    let read = try_ask(&["sql", "--output", "json", &format!("SELECT * FROM '{}'", place.models())]);
    assert_ne!(read.code, 0, "{read:#?}");
    assert!(read.stderr.contains("TableNotFound") || read.stdout.contains("TableNotFound"), "{read:#?}");
}
