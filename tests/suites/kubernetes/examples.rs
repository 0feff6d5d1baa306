//! The examples of the README.

use serde_json::Value;
use shoal_tests::oracle::{Fit, statsmodels};
use shoal_tests::table::{assert_agrees, by_key};
use shoal_tests::workspace;

use crate::door::ask_about_the_example;
use crate::place::{Place, is_over};
use crate::python::regressions;
use crate::world::{ask, example, import_python_images, url};

/// The table that the example's job writes, in the order of its keys.
fn models() -> String {
    format!("SELECT * FROM '{}' ORDER BY firm", url("models"))
}

#[test]
fn the_examples_run_in_pods_and_give_what_the_same_job_file_gives_on_a_laptop() {
    let place = Place::new();
    place.apply(&workspace::read(&example("cluster.yaml")));
    place.apply(&workspace::read(&example("grunfeld.yaml")));
    let job = place.until("shoaljob/grunfeld", "it ends", is_over);
    assert_eq!(job["status"]["phase"], "Succeeded", "{}", place.kubectl(&["describe", "shoaljob", "grunfeld"]));
    let row = place.kubectl(&["get", "shoaljob", "grunfeld", "--no-headers"]);
    let columns: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(columns[..5], ["grunfeld", "Succeeded", "11", "11", "0"], "{row}");
    assert_eq!(job["status"]["outputs"][0]["rows"], 11);
    let log = place.kubectl(&["logs", "shared-head-0"]);
    assert!(log.contains("a worker joined"), "{log}");

    ask_about_the_example(&place);

    let in_pods = ask(&["sql", "--output", "json", &models()]);
    ask(&["run", example("grunfeld.yaml").to_str().unwrap(), "--output", "json"]);
    assert!(in_pods.contains("General Motors"), "{in_pods}");
    let rows: Vec<Value> = serde_json::from_str(&in_pods).unwrap();
    let table = workspace::root().join("examples/data/grunfeld.csv");
    let fit = Fit { table: &table, keys: &["firm"], features: &["value", "capital"], target: "invest", every: 1 };
    let expected = by_key(&statsmodels(&fit), &["firm"]);
    assert_eq!((rows.len(), expected.len()), (11, 11));
    assert_agrees(&by_key(&rows, &["firm"]), &expected);
    assert_eq!(ask(&["sql", "--output", "json", &models()]), in_pods, "row by row, bit by bit");

    // What was made for the cluster goes with it.
    place.kubectl(&["delete", "shoaljob", "grunfeld", "--timeout=60s"]);
    place.kubectl(&["delete", "shoalcluster", "shared", "--timeout=60s"]);
    place.eventually("nothing of the cluster is left", || {
        let kinds = "pods,statefulsets,services,secrets,shoalworkergroups";
        let of_cluster = ["get", kinds, "--selector=shoal.dev/cluster=shared", "--output=name"];
        let volumes = ["get", "persistentvolumeclaims", "--output=name"];
        [&of_cluster[..], &volumes].iter().all(|list| place.kubectl(list).trim().is_empty()).then_some(())
    });
}

#[test]
fn the_python_example_runs_in_pods_of_an_image_with_python() {
    import_python_images();
    let place = Place::new();
    place.apply(&workspace::read(&example("python-cluster.yaml")));
    place.apply(&workspace::read(&example("python.yaml")));
    let job = place.until("shoaljob/python", "it ends", is_over);
    assert_eq!(job["status"]["phase"], "Succeeded", "{}", place.kubectl(&["describe", "shoaljob", "python"]));
    let rows = ask(&["sql", "--output", "json", &format!("SELECT * FROM '{}'", url("python-models"))]);
    let rows: Vec<Value> = serde_json::from_str(&rows).unwrap();
    let expected = regressions();
    assert_eq!((rows.len(), expected.len()), (11, 11));
    assert_agrees(&by_key(&rows, &["firm"]), &by_key(&expected, &["firm"]));
}
