//! What the chart says of things that the code has, and how large it is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use shoal_core::autoscaling::signal::METRICS;
use shoal_tests::workspace;

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Names of a kind that stand between two characters that none of them has.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("shoal_")).map(str::to_owned).collect()
}

/// Names that the processes register metrics under; of a histogram those that Prometheus makes of it as well.
fn registered() -> BTreeSet<String> {
    registered_in(&["coordinator", "worker", "operator", "wire", "api"])
}

/// Those that these packages do.
fn registered_in(packages: &[&str]) -> BTreeSet<String> {
    let mut registered = BTreeSet::new();
    for package in packages {
        for file in files(&workspace::root().join(package).join("src")) {
            let text = workspace::read(&file);
            // A name is a text of its own, the first of its metric's.
            for literal in text.split('"').skip(1).step_by(2).filter(|literal| literal.starts_with("shoal_")) {
                if names(literal).contains(literal) {
                    registered.extend(["", "_bucket", "_sum", "_count"].map(|part| format!("{literal}{part}")));
                }
            }
        }
    }
    registered
}

#[test]
fn rules_and_the_dashboard_ask_for_metrics_that_there_are() {
    let chart = workspace::root().join("charts/shoal");
    let dashboard: Value = serde_json::from_str(&workspace::read(&chart.join("dashboards/shoal.json"))).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let mut asked: BTreeSet<String> = targets.flat_map(|target| names(target["expr"].as_str().unwrap())).collect();
    asked.extend(names(&dashboard["templating"].to_string()));
    asked.extend(names(&workspace::read(&chart.join("templates/prometheusrule.yaml"))));
    // Prometheus writes pods' labels so: they are of no metric.
    asked.retain(|name| !name.starts_with("shoal_dev_"));
    assert!(asked.len() >= 15, "{asked:?}");
    let registered = registered();
    let unknown: Vec<&String> = asked.difference(&registered).collect();
    assert!(unknown.is_empty(), "nothing registers {unknown:?}");
}

/// Most that Helm's record of a release may have: a Secret holds 1 MiB.
const RELEASE_BYTES_MAX: usize = 512 * 1024;

#[test]
fn a_release_fits_into_its_secret() {
    // The record has every file of the chart in base64 and what was rendered of them, which is about as much again; Helm
    // compresses it, and writes it in base64. The suite `kubernetes` measures a real one.
    let record =
        "{ tar --create shoal | base64 --wrap 0; tar --create shoal; } | gzip --best | base64 --wrap 0 | wc --bytes";
    let folder = workspace::root().join("charts");
    let counted = Command::new("bash").args(["-o", "pipefail", "-c", record]).current_dir(folder).output().unwrap();
    let bytes: usize = String::from_utf8(counted.stdout).unwrap().trim().parse().unwrap();
    assert!(counted.status.success() && bytes > 10_000, "{bytes} bytes are no chart");
    assert!(bytes < RELEASE_BYTES_MAX, "{bytes} bytes");
}

#[test]
fn heads_register_what_autoscaling_asks_them_for() {
    let registered = registered_in(&["coordinator"]);
    let unknown: Vec<_> = METRICS.iter().filter(|metric| !registered.contains(**metric)).collect();
    assert!(unknown.is_empty(), "no head registers {unknown:?}");
}
