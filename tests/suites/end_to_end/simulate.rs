//! `shoal simulate`: autoscalers side by side, from a trace to a table and a page.

use std::path::Path;

use serde_json::Value;
use shoal_tests::{shoal, slots, workspace};

use crate::place::Place;

const HEAD: &str = r#"{"trace": {"name": "mine", "seed": 1, "end": 600}}
{"group": {"name": "w", "slots": 2, "maxWorkers": 4, "startSeconds": 10}}
"#;
const JOB: &str = r#"{"job": {"at": 5, "name": "a", "tasks": 8, "taskSeconds": 5, "deadline": 300}}"#;

#[test]
fn a_trace_of_ones_own_runs_under_every_policy() {
    let _slots = slots::take(1);
    let place = Place::new();
    let file = place.join("mine.jsonl");
    std::fs::write(&file, format!("{HEAD}{JOB}\n")).unwrap();
    let trace = file.display().to_string();
    let run = shoal::run(["simulate", "scaling", "--trace", &trace, "--output", "json"]);
    assert_eq!(run.code, 0, "{run:#?}");
    let result: Value = serde_json::from_str(&run.stdout).unwrap();
    let policies = result["traces"][0]["policies"].as_array().unwrap();
    let named =
        |name: &str| policies.iter().find(|it| it["policy"] == name).unwrap_or_else(|| panic!("{name}: {result:#}"));
    assert_eq!(policies.len(), 11, "{result:#}");
    // Four workers of two slots, a second until they are asked for, ten until they are there; the job came after 5 s.
    assert_eq!(named("fixed")["latencyP50Seconds"], 11.0, "{result:#}");
    assert!((named("fixed")["workerHours"].as_f64().unwrap() - 4.0 * 599.0 / 3_600.0).abs() < 1e-9, "{result:#}");
    assert!(named("hpa")["besideShoalByP50"].is_string() && named("shoal")["besideShoalByP50"].is_null(), "{result:#}");
    for it in policies {
        assert!(it["latencyP95Seconds"].as_f64().unwrap() >= 11.0, "{it:#}");
        assert_eq!((&it["deadlines"], &it["missedDeadlines"]), (&1.into(), &0.into()), "{it:#}");
    }
    let table =
        shoal::run(["simulate", "scaling", "--trace", &trace, "--policy", "fixed,ray", "--settings", "default"]);
    let first: Vec<&str> = table.stdout.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(first, ["mine:", "policy", "ray", "fixed"], "{}", table.stdout);
}

#[test]
fn a_written_trace_comes_to_what_the_made_up_one_does_and_a_page_has_it() {
    let _slots = slots::take(1);
    let place = Place::new();
    let written = shoal::run(["simulate", "trace", "bursts", "--seed", "9"]);
    let (file, folder) = (place.join("bursts.jsonl"), place.join("report"));
    std::fs::write(&file, &written.stdout).unwrap();
    let (trace, report) = (file.display().to_string(), folder.display().to_string());
    let of_file = shoal::run(["simulate", "scaling", "--trace", &trace, "--write", &report]);
    let made_up = shoal::run(["simulate", "scaling", "--generated", "bursts", "--seed", "9"]);
    assert_eq!((of_file.code, made_up.code), (0, 0), "{of_file:#?}");
    assert_eq!(of_file.stdout, made_up.stdout);
    for (name, holds) in [
        ("scaling.md", "## bursts"),
        ("scaling.html", "<h2>bursts</h2>"),
        ("scaling.svg", "</svg>"),
        ("scaling-workers.svg", "<polyline"),
    ] {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        assert!(text.contains(holds), "{name}: {text}");
    }
}

#[test]
fn what_is_wrong_with_a_trace_is_told_with_file_and_line() {
    let _slots = slots::take(1);
    let place = Place::new();
    let early = JOB.replace("\"at\": 5", "\"at\": 4").replace("\"a\"", "\"b\"");
    for (name, lines, reason, line) in [
        ("broken", "{\"job\"".to_owned(), "MalformedDocument", 3),
        ("negative", JOB.replace("\"taskSeconds\": 5", "\"taskSeconds\": -5"), "InvalidValue", 3),
        ("unsorted", format!("{JOB}\n{early}"), "InvalidValue", 4),
        ("twice", format!("{JOB}\n{JOB}"), "DuplicateName", 4),
        ("misspelt", JOB.replace("deadline", "dedline"), "InvalidValue", 3),
    ] {
        let file = place.join(&format!("{name}.jsonl"));
        std::fs::write(&file, format!("{HEAD}{lines}\n")).unwrap();
        let trace = file.display().to_string();
        let failure = shoal::run(["simulate", "scaling", "--trace", &trace, "--output", "json"]).failed(2);
        assert_eq!(failure["reason"], reason, "{name}: {failure:#}");
        assert_eq!(
            (&failure["location"]["file"], &failure["location"]["line"]),
            (&trace.into(), &line.into()),
            "{name}"
        );
        assert!(failure["next"].is_string() && failure["actor"] == "User", "{name}: {failure:#}");
    }
    let nowhere = shoal::run(["simulate", "scaling", "--trace", "/nowhere/t.jsonl", "--output", "json"]).failed(2);
    assert_eq!(
        (&nowhere["reason"], &nowhere["location"]["file"]),
        (&"InvalidValue".into(), &"/nowhere/t.jsonl".into())
    );
    let unknown = shoal::run(["simulate", "scaling", "--generated", "bursts", "--policy", "spark"]);
    assert_eq!(unknown.code, 2, "{unknown:#?}");
    assert!(unknown.stderr.contains("shoal") && unknown.stderr.contains("keda"), "{}", unknown.stderr);
}

#[test]
fn the_page_in_docs_is_what_this_build_comes_to() {
    let _slots = slots::take(1);
    let place = Place::new();
    let folder = place.join("docs");
    let run = shoal::run(["simulate", "scaling", "--generated", "all", "--write", &folder.display().to_string()]);
    assert_eq!(run.code, 0, "{run:#?}");
    let committed = workspace::read(Path::new("docs/scaling.md"));
    let made = std::fs::read_to_string(folder.join("scaling.md")).unwrap();
    let differs = made.lines().zip(committed.lines()).find(|(made, committed)| made != committed);
    assert!(made == committed, "docs/scaling.md is another one: run `make simulate-scaling`; first of all {differs:?}");
}
