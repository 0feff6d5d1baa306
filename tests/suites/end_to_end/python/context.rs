//! What a function asks about its call, and what it counts.

use serde_json::json;
use shoal_tests::cluster::{Head, Worker};
use shoal_tests::oracle::read_delta;
use shoal_tests::table::by_key;
use shoal_tests::{job as jobs, slots};

use super::{FIRMS, YEARS, firms, job, member, run_here};
use crate::place::Place;

/// A function that counts rows and groups, and then does something in firm 7.
fn counting(line: &str) -> String {
    format!(
        "import os\nfrom shoal import context\n\ndef fit(group, key):\n    context().counter('rows_seen').add(len(group))\n    \
         context().counter('groups_seen').add()\n    if key.firm == 'firm 7':\n        {line}\n    return {{'n': 1}}\n"
    )
}

#[test]
fn what_is_counted_is_in_the_report_and_in_the_workers_metrics() {
    let _slots = slots::take(3);
    let place = Place::new();
    // It raises: its group has ended all the same.
    let job = job("counted", &firms(&place), &counting("raise ValueError"), &place.join("out"));
    let head = Head::start(&place.join("state"), &[]);
    let worker = Worker::start(&head, "only", 2, &place.join("scratch"), &[]);
    let status = head.submit(&place.job(&job), &["--wait"]).succeeded();
    let expected = json!({"rows_seen": FIRMS * YEARS, "groups_seen": FIRMS});
    let counted = |status: &serde_json::Value| status["report"]["counters"]["functionCounters"].clone();
    assert_eq!(counted(&status), expected, "{status:#}");
    let shown = head.ask(&["show", "counted"]).succeeded();
    assert_eq!(counted(&shown), expected, "{shown:#}");
    let metrics = worker.metrics();
    let line = format!("shoal_function_counter_total{{job=\"counted\",name=\"rows_seen\"}} {}", FIRMS * YEARS);
    assert!(metrics.contains(&line), "{metrics}");
}

#[test]
fn groups_that_are_called_again_count_once_and_one_that_costs_its_process_not_at_all() {
    let _slots = slots::take(2);
    let place = Place::new();
    let job = job("again", &firms(&place), &counting("os._exit(3)"), &place.join("out"));
    let status = run_here(&place, &job, &[]).succeeded();
    let counters = &status["report"]["counters"];
    let ended = FIRMS - 1;
    assert_eq!((&counters["groupsOk"], &counters["groupsFailed"]), (&json!(ended), &json!(1)), "{counters:#}");
    assert_eq!(counters["functionCounters"], json!({"rows_seen": ended * YEARS, "groups_seen": ended}), "{counters:#}");
}

#[test]
fn a_function_knows_its_job_and_its_key() {
    let _slots = slots::take(2);
    let place = Place::new();
    let code = "from shoal import context\n\ndef fit(group):\n    call = context()\n    \
                return {'n': call.attempt, 'job': call.job_id, 'key': call.key.firm}\n";
    let output = place.join("out");
    let text = |name: &str| json!({"name": name, "type": "string"});
    let returns = json!([{"name": "n", "type": "int64"}, text("job"), text("key")]);
    let job = jobs::with(job("asking", &firms(&place), code, &output), &member("returns"), returns);
    let status = run_here(&place, &job, &[]).succeeded();
    assert!(status["report"]["counters"].get("functionCounters").is_none(), "nothing is counted");
    let rows = by_key(&read_delta(&output), &["firm"]);
    for firm in 0..FIRMS {
        let row = &rows[&format!("[\"firm {firm}\"]")];
        assert_eq!((&row["n"], &row["key"]), (&json!(1), &json!(format!("firm {firm}"))));
        assert_eq!(row["job"], status["uid"], "{status:#}");
    }
}
