//! Users' Python functions in pods, which take nothing but what `restricted` allows.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shoal_tests::oracle::{Fit, decades, statsmodels};
use shoal_tests::table::{assert_agrees, by_key};
use shoal_tests::workspace;

use crate::door::ask_head;
use crate::place::{Place, is_over};
use crate::world::{FUNCTIONS_IMAGE, IMAGE, PYTHON_IMAGE, ask, import_python_images, url};

/// A cluster with one worker, in another image than the cluster's where one is named, and a small head.
fn cluster(image: &str, python_image: Option<&str>) -> Value {
    let mut group = json!({"name": "cpu", "replicas": 1, "resources": {"cpu": "50m", "memory": "1Gi"}});
    if let Some(image) = python_image {
        group["pythonImage"] = image.into();
    }
    json!({
        "apiVersion": "shoal.dev/v1alpha1", "kind": "ShoalCluster", "metadata": {"name": "shared"},
        "spec": {
            "image": image,
            "storage": {"credentialsSecretRef": {"name": "s3"}},
            "head": {"resources": {"cpu": "50m", "memory": "512Mi"}},
            "workerGroups": [group],
        },
    })
}

fn place_with(image: &str, python_image: Option<&str>) -> Place {
    import_python_images();
    let place = Place::new();
    place.apply(&cluster(image, python_image).to_string());
    place.until_workers(1);
    place
}

/// The job's rows once it has succeeded, in the order of its keys.
fn rows_of(place: &Place, job: &str, table: &str) -> Vec<Value> {
    let ended = place.until(&format!("shoaljob/{job}"), "it ends", is_over);
    assert_eq!(ended["status"]["phase"], "Succeeded", "{ended:#}");
    let rows = ask(&["sql", "--output", "json", &format!("SELECT * FROM '{table}' ORDER BY firm")]);
    serde_json::from_str(&rows).unwrap()
}

/// What statsmodels says of the regression that the examples have functions for.
pub(crate) fn regressions() -> Vec<Value> {
    let table = workspace::root().join("examples/data/grunfeld.csv");
    let fit = Fit { table: &table, keys: &["firm"], features: &["value", "capital"], target: "invest", every: 1 };
    let row = |fit: &Value| {
        let of = |term: &str| fit["coefficients"][term].clone();
        json!({
            "firm": fit["firm"], "status": "ok", "rows_used": 20, "r2": fit["r2"],
            "intercept": of("intercept"), "value": of("value"), "capital": of("capital"),
        })
    };
    statsmodels(&fit).iter().map(row).collect()
}

/// An example as a job for pods: its tables are in the bucket, and its function is in it, as a pod finds no file.
fn in_the_bucket(name: &str, output: &str) -> String {
    let folder = workspace::root().join("examples/python");
    let text = workspace::read(&folder.join(format!("{name}.yaml")));
    let line = |line: &str| match line.trim().split_once(": ") {
        Some(("table", path)) => {
            let table = if path.starts_with("../data/") { url("data/grunfeld.csv") } else { output.to_owned() };
            line.replace(path, &table)
        }
        Some(("file", file)) => {
            let code = workspace::read(&folder.join(file));
            let code: String = code.lines().map(|line| format!("\n          {line}")).collect();
            format!("        code: |{code}")
        }
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_examples_run_in_an_image_of_the_users() {
    let place = place_with(IMAGE, Some(FUNCTIONS_IMAGE));
    let table = |name: &str| url(&format!("{}/{name}", place.name()));
    for name in ["ols", "pipeline", "growth", "decades"] {
        place.apply(&in_the_bucket(name, &table(name)));
    }
    let rows = |name: &str| rows_of(&place, &format!("python-{name}"), &table(name));

    let (ols, expected) = (rows("ols"), regressions());
    assert_eq!((ols.len(), expected.len()), (11, 11));
    assert_agrees(&by_key(&ols, &["firm"]), &by_key(&expected, &["firm"]));

    let pipelines = rows("pipeline");
    assert_eq!(pipelines.len(), 11);
    for row in pipelines {
        assert!(row["status"] == "ok" && row["score"].as_f64().is_some_and(|score| score > 0.1), "{row:#}");
    }

    let growth = rows("growth");
    assert_eq!(growth.len(), 11 * 19);
    let of_1936 = growth.iter().find(|row| row["firm"] == "General Motors" && row["year"] == 1936).unwrap();
    let share = of_1936["growth"].as_f64().unwrap();
    assert!((share - (52.6 - 2.8) / 2.8).abs() < 1e-12, "{share}");

    let expected = decades(&workspace::root().join("examples/data/grunfeld.csv"), 6);
    assert_eq!(expected.len(), 11);
    assert_agrees(&by_key(&rows("decades"), &["firm", "decade"]), &by_key(&expected, &["firm", "decade"]));
}

/// Does in each firm what `params` says of it.
const ISOLATION: &str = r#"
import os, time

def fit(group, key, params):
    what = params.get(key.firm)
    if what == "raise":
        raise ValueError("no such firm")
    if what == "print":
        print("said in a pod")
    if what == "exit":
        os._exit(7)
    if what == "crash":
        import ctypes
        ctypes.string_at(0)
    if what == "eat":
        eaten = b"x" * (500 << 20)
        time.sleep(600)
    if what == "hang":
        time.sleep(600)
    if what == "look":
        look()
    return {"rows": len(group["year"])}

def look():
    assert os.getuid() == 65532, os.getuid()
    told = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines())
    assert int(told["CapEff"], 16) == 0 and told["NoNewPrivs"] == "1", told
    foreign = [name for name in os.environ if name.startswith(("AWS_", "SHOAL_", "POD_"))]
    assert not foreign, foreign
    for folder in ["/", "/tmp", "/usr/local/bin"]:
        try:
            open(folder + "/x", "w")
        except OSError:
            continue
        raise AssertionError(folder + " can be written to")
    with open(os.path.expanduser("~/x"), "w") as kept:
        kept.write("x")
"#;

#[test]
fn each_way_of_dying_in_a_pod_costs_its_own_group() {
    let place = place_with(PYTHON_IMAGE, None);
    let worker = place.uid("pod/shared-cpu-0");
    let output = url(&format!("{}/isolation", place.name()));
    let what = json!({
        "General Motors": "raise", "US Steel": "print", "General Electric": "exit", "Chrysler": "crash",
        "Atlantic Refining": "eat", "IBM": "hang", "Union Oil": "look",
    });
    let job = json!({
        "apiVersion": "shoal.dev/v1alpha1", "kind": "ShoalJob", "metadata": {"name": "isolation"},
        "spec": {"groupedTraining": {
            "input": {"table": url("data/grunfeld.csv")}, "groupBy": ["firm"],
            "model": {"python": {
                "code": ISOLATION, "frame": "numpy", "params": what, "returns": [{"name": "rows", "type": "int64"}],
                "groupTimeout": "2s", "processMemoryLimit": "300Mi",
            }},
            "output": {"table": output},
        }},
    });
    place.apply(&job.to_string());
    let rows = rows_of(&place, "isolation", &output);
    assert_eq!(rows.len(), 11);
    let of: BTreeMap<&str, &Value> = rows.iter().map(|row| (row["firm"].as_str().unwrap(), row)).collect();
    let failed = [
        ("General Motors", "raised", "no such firm"),
        ("General Electric", "process_died", "exit code 7"),
        ("Chrysler", "process_died", "SIGSEGV"),
        ("Atlantic Refining", "out_of_memory", "more than the 300 MiB of `processMemoryLimit`"),
        ("IBM", "timed_out", "the 2 s of `groupTimeout`"),
    ];
    for (firm, status, message) in failed {
        let row = of[firm];
        assert_eq!(row["status"], status, "{row:#}");
        assert!(row["message"].as_str().is_some_and(|said| said.contains(message)), "{message}: {row:#}");
        assert!(row["rows"].is_null(), "{row:#}");
    }
    for (firm, row) in &of {
        let is_failed = failed.iter().any(|(of, ..)| of == firm);
        assert!(is_failed || (row["status"] == "ok" && row["rows"] == 20), "{row:#}");
    }

    let log = ask_head(&place, &["logs", "isolation"]);
    let said = log.lines().find(|line| line.contains("said in a pod")).unwrap_or_else(|| panic!("{log}"));
    assert!(said.contains("group=\"US Steel\""), "{said}");
    // The worker has outlived all of it.
    let pod = place.get("pod/shared-cpu-0");
    assert_eq!(pod["metadata"]["uid"], worker.as_str());
    assert_eq!(pod["status"]["containerStatuses"][0]["restartCount"], 0, "{pod:#}");
}

#[test]
fn an_image_without_python_is_told_and_another_mends_it() {
    import_python_images();
    let place = Place::new();
    place.apply(&cluster(IMAGE, Some(IMAGE)).to_string());
    // A job waits there and says why.
    place.train_shops(&json!({}));
    for (object, condition) in [("shoalworkergroup/shared-cpu", "Ready"), ("shoaljob/shops", "ClusterReady")] {
        let told = place.until_condition(object, condition, "False", "PythonImageUnusable");
        let message = told["message"].as_str().unwrap();
        assert!(message.contains(IMAGE) && message.contains("there is no `python3` in the path"), "{told}");
    }
    place.kubectl(&["delete", "shoaljob", "shops", "--timeout=30s"]);

    let spec = &cluster(IMAGE, Some(FUNCTIONS_IMAGE))["spec"];
    place.patch("shoalcluster/shared", &json!({"workerGroups": spec["workerGroups"]}));
    place.until_workers(1);
}
