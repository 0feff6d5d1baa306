//! A job with a cluster of its own: that is gone after it, and what is known of the job is in the bucket.

use serde_json::{Value, json};
use shoal_tests::workspace;

use crate::place::Place;
use crate::world::{ask, example, url};

/// The job of the example.
const NAME: &str = "grunfeld-own-cluster";

#[test]
fn a_cluster_of_its_own_leaves_results_report_and_log_and_nothing_else() {
    let place = Place::new();
    let job = format!("shoaljob/{NAME}");
    place.apply(&workspace::read(&example(&format!("{NAME}.yaml"))));
    let stored = place.until(&job, "it has ended, and its copy is stored", |job| {
        assert_ne!(job["status"]["phase"], "Failed", "{job:#}");
        job["status"]["logsUri"].is_string()
    });
    assert_eq!(stored["status"]["phase"], "Succeeded");
    let logs_uri = stored["status"]["logsUri"].as_str().unwrap();
    let folder = url(&format!("clusters/jobs/{}/{NAME}/", place.name()));
    assert!(logs_uri.starts_with(&folder), "{logs_uri}");
    place.until_condition(&job, "Archived", "True", "Stored");
    for kind in ["shoalclusters", "shoalworkergroups", "statefulsets", "services", "pods"] {
        place.until_names(kind, &[]);
    }

    let shown: Value = serde_json::from_str(&ask(&["job", "show", "--from", logs_uri, "--output", "json"])).unwrap();
    assert_eq!((&shown["status"]["name"], &shown["status"]["phase"]), (&json!(NAME), &json!("Succeeded")));
    let models = url(&format!("clusters/results/{}/{NAME}/models", place.name()));
    let output = &shown["status"]["outputs"][0];
    assert_eq!((&output["table"], &output["rows"]), (&json!(models), &json!(11)), "{shown:#}");
    assert_eq!(stored["status"]["outputs"][0]["table"], json!(models));
    let log = ask(&["job", "logs", "--from", logs_uri]);
    assert!(log.contains(" head: accepted") && log.contains(" head: succeeded"), "{log}");
    // The worker's pod, by its name.
    assert!(log.contains("-cpu-0 train/0 attempt 1: "), "{log}");
    let attempts = ask(&["job", "show", "--attempts", "--from", logs_uri]);
    assert!(attempts.lines().count() > 1 && attempts.contains("-cpu-0"), "{attempts}");
    let told = place.list("events").iter().any(|event| {
        event["reason"] == "Stored" && event["message"].as_str().is_some_and(|message| message.contains(logs_uri))
    });
    assert!(told, "an event says where they are");

    let rows = ask(&["sql", "--output", "json", &format!("SELECT * FROM '{models}'")]);
    let rows: Value = serde_json::from_str(&rows).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 11);
}
