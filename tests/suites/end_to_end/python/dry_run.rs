//! `shoal run --dry-run`: three groups, and nothing is left of them.

use std::path::Path;

use serde_json::{Value, json};
use shoal_testkit::eventually;
use shoal_tests::oracle::read_delta;
use shoal_tests::process::{Finished, Process};
use shoal_tests::table::by_key;
use shoal_tests::{job as jobs, slots};

use super::{FIRMS, YEARS, firms, in_firm_7, job, member, run_here};
use crate::place::Place;

fn dry_run(place: &Place, job: &Value, more: &[&str]) -> Finished {
    let temporary = place.join("tmp");
    std::fs::create_dir_all(&temporary).unwrap();
    let mut command = shoal_tests::shoal::command(["run", "--dry-run"]);
    command.arg(place.job(job)).args(more).env("TMPDIR", &temporary);
    Process::start(&mut command).finish()
}

/// What it says as JSON.
fn of(finished: &Finished) -> Value {
    assert_eq!(finished.code, 0, "{}", finished.stderr);
    serde_json::from_str::<Value>(&finished.stdout).unwrap()["dryRun"].clone()
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn three_groups_show_what_the_job_makes_and_leave_nothing() {
    let _slots = slots::take(2);
    let place = Place::new();
    let pids = place.join("pids");
    let code = format!(
        "import os\nopen({pids:?}, 'a').write(f'{{os.getpid()}}\\n')\n\ndef fit(group, key, params):\n    \
         return {{'n': len(group) + params['more']}}\n"
    );
    let output = place.join("out");
    let job = jobs::with(job("dry", &firms(&place), &code, &output), &member("params"), json!({"more": 1}));
    place.job(&job);
    let before = names_in(place.path());
    let finished = dry_run(&place, &job, &["--output", "json", "--workers", "2"]);
    let tried = of(&finished);
    let mut after = names_in(place.path());
    after.retain(|name| name != "tmp" && name != "pids");
    assert_eq!(after, before, "nothing is written");
    let pid: u32 = std::fs::read_to_string(&pids).unwrap().trim().parse().expect("one process loaded the code");
    eventually("its process ends", || (!Path::new(&format!("/proc/{pid}")).exists()).then_some(()));
    eventually("its folder goes", || names_in(&place.join("tmp")).is_empty().then_some(()));
    let column = |name: &str, kind: &str, key: bool| json!({"name": name, "type": kind, "key": key});
    let columns = tried["schema"].as_array().unwrap();
    assert_eq!(columns[0], column("firm", "string", true));
    assert_eq!(columns.last().unwrap(), &column("n", "int64", false));
    let estimate = &tried["estimate"];
    assert_eq!((&estimate["groups"], &estimate["groupsBy"]), (&json!(FIRMS), &json!("count")), "{tried:#}");
    assert_eq!((&estimate["rows"], &estimate["rowsAreCounted"]), (&json!(FIRMS * YEARS), &json!(true)));
    assert!(estimate["slots"].as_u64().is_some_and(|slots| slots >= 2 && slots % 2 == 0), "{estimate:#}");
    let seconds =
        |value: &Value| value.as_f64().filter(|seconds| *seconds > 0.0).unwrap_or_else(|| panic!("{tried:#}"));
    let rounds = (FIRMS as f64 / estimate["slots"].as_f64().unwrap()).max(1.0);
    let expected = seconds(&estimate["loadSeconds"]) + rounds * seconds(&estimate["secondsPerGroup"]);
    assert!((seconds(&estimate["seconds"]) - expected).abs() < 1e-6, "{tried:#}");
    assert_eq!(tried["sample"]["rows"], FIRMS * YEARS);
    for (group, firm) in tried["groups"].as_array().unwrap().iter().zip(0..3) {
        assert_eq!((&group["key"], &group["rows"]), (&json!(format!("firm=firm {firm}")), &json!(YEARS)), "{group:#}");
        seconds(&group["seconds"]);
    }
    // The job itself says the same of these groups.
    run_here(&place, &job, &[]).succeeded();
    let made = by_key(&read_delta(&output), &["firm"]);
    let rows = tried["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| made[&format!("[{}]", row["firm"])] == *row), "{rows:#?} {made:#?}");
}

#[test]
fn a_group_that_fails_is_told_with_its_lines() {
    let _slots = slots::take(2);
    let place = Place::new();
    // Of the first three firms one raises, and one ends its process.
    let code = "import os\n\ndef fit(group, key):\n    print('looked at')\n    if key.firm == 'firm 0':\n        raise ValueError('too few')\n    \
                if key.firm == 'firm 1':\n        os._exit(3)\n    return {'n': 1}\n";
    let job = job("failing", &firms(&place), code, &place.join("out"));
    let finished = dry_run(&place, &job, &[]);
    let text = finished.stdout.clone();
    assert_eq!(finished.code, 1, "{text}");
    for said in [
        "dry run of job failing: nothing is written",
        "firm=firm 0: raised: ValueError: too few",
        "  inline.py:6 in fit: raise ValueError('too few')",
        "firm=firm 1: process_died: the function's process ended with exit code 3",
        "- the first 3 groups of all 200 rows of ",
        "- estimate: all groups are trained in about ",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    // What is printed is shown at once, with its group.
    let printed = |firm: &str| finished.stderr.lines().any(|line| line.contains("looked at") && line.contains(firm));
    assert!(printed("firm 0") && printed("firm 2"), "{}", finished.stderr);
    assert!(!place.join("out").exists());
}

#[test]
fn what_is_wrong_with_the_job_is_told_as_the_job_would() {
    let _slots = slots::take(2);
    let place = Place::new();
    let bad = job("bad", &firms(&place), "def fitt(group):\n    pass\n", &place.join("out"));
    let failure = dry_run(&place, &bad, &["--output", "json"]).failed(2);
    assert_eq!(
        (&failure["reason"], &failure["location"]["fieldPath"]),
        (&json!("InvalidFunction"), &json!("spec.groupedTraining.model.python.function"))
    );
    let none = jobs::with(
        job("none", &firms(&place), &in_firm_7("pass"), &place.join("out")),
        "/groupedTraining/input/where",
        json!("x > 1e9"),
    );
    let failure = dry_run(&place, &none, &["--output", "json"]).failed(2);
    assert_eq!(failure["reason"], "TableEmpty", "{failure:#}");
    let job = jobs::training("ols", &firms(&place), "firm", &["x"], "year", &place.join("out"));
    let refused = dry_run(&place, &job, &["--fresh"]);
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("--fresh") && refused.stderr.contains("--dry-run"), "{}", refused.stderr);
}

#[test]
fn of_a_large_input_the_first_rows_are_read_and_its_groups_are_told_by_chance() {
    let _slots = slots::take(2);
    let place = Place::new();
    let input = place.join("rows.csv");
    let rows = (0..300_000_u32).map(|row| format!("{},{}.5\n", row % 5_000 * 7_919 % 5_000, row % 10));
    std::fs::write(&input, format!("firm,x\n{}", rows.collect::<String>())).unwrap();
    let job = job("large", &input, "def fit(group):\n    return {'n': len(group)}\n", &place.join("out"));
    let tried = of(&dry_run(&place, &job, &["--output", "json"]));
    assert_eq!((&tried["sample"]["rows"], &tried["sample"]["isWhole"]), (&json!(128 * 1024), &json!(false)));
    let estimate = &tried["estimate"];
    assert_eq!((&estimate["rowsAreCounted"], &estimate["groupsBy"]), (&json!(false), &json!("chance")), "{tried:#}");
    let near = |name: &str, expected: f64| {
        let found = estimate[name].as_f64().unwrap();
        assert!((found / expected - 1.0).abs() < 0.05, "{name}: {found}, not {expected}");
    };
    near("rows", 300_000.0);
    near("groups", 5_000.0);
    // 60 rows are in all of a group, and about 26 of them were read.
    let note = tried["notes"][0].as_str().unwrap_or_default();
    assert!(note.starts_with("groups of the whole input have about "), "{tried:#}");
}

#[test]
fn models_of_our_own_are_tried_too_and_other_kinds_are_refused() {
    let _slots = slots::take(2);
    let place = Place::new();
    let input = place.join("rows.csv");
    let rows =
        (0..60).map(|row| format!("{},{},{}.5,{}\n", row % 3, ["a", "b", "c"][row % 7 % 3], row * row % 17, row));
    std::fs::write(&input, format!("firm,kind,x,y\n{}", rows.collect::<String>())).unwrap();
    let output = place.join("out");
    let job = jobs::training("own", &input, "firm", &["x"], "y", &output);
    let job = jobs::with(job, "/groupedTraining/model/ols/categorical", json!([{"column": "kind"}]));
    let tried = of(&dry_run(&place, &job, &["--output", "json"]));
    assert_eq!(tried["notes"][0], "categories are those of the rows that were read");
    run_here(&place, &job, &[]).succeeded();
    let made = by_key(&read_delta(&output), &["firm"]);
    let rows = tried["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    for row in rows {
        assert_eq!(row["status"], "ok", "{row:#}");
        shoal_tests::table::assert_agrees(
            &by_key(&[json!({"firm": row["firm"], "coefficients": row["coefficients"], "r2": row["r2"]})], &["firm"]),
            &by_key(
                &[
                    json!({"firm": row["firm"], "coefficients": made[&format!("[{}]", row["firm"])]["coefficients"], "r2": made[&format!("[{}]", row["firm"])]["r2"]}),
                ],
                &["firm"],
            ),
        );
    }
    let mut scoring = job.clone();
    scoring["spec"] = json!({"groupedScoring": {"models": {"table": output}, "input": {"table": input}, "output": {"table": place.join("scores")}}});
    let failure = dry_run(&place, &scoring, &["--output", "json"]).failed(2);
    assert_eq!(
        (&failure["reason"], &failure["location"]["fieldPath"]),
        (&json!("InvalidValue"), &json!("spec.groupedScoring"))
    );
}
