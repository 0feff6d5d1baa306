//! Memory that somebody named is divided, and enough also where it is little.

use shoal_testkit::eventually;
use shoal_tests::data::{SKEWED_FEATURES, SKEWED_GROUPS, skewed};
use shoal_tests::process::Process;
use shoal_tests::{job, slots};

use crate::place::Place;

#[test]
fn workers_of_a_run_share_what_it_may_use() {
    let _slots = slots::take(3);
    let place = Place::new();
    let made = skewed(&place.join("data"));
    let job = job::training("little", &place.join("data"), "store", &SKEWED_FEATURES, "sales", &place.join("models"));
    let file = place.job(&job::with_strategy(job, "bucket"));
    let run = Process::start(place.run_command(&file).args(["--memory", "32Mi"]));
    let each = (16 << 20).to_string();
    eventually("both workers are started with a half", || {
        let arguments = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let is_told = |text: &String| text.contains(&format!("\0--memory\0{each}\0"));
        (run.children().iter().map(arguments).filter(is_told).count() == 2).then_some(())
    });
    let status = run.finish().succeeded();
    assert_eq!(status["report"]["stages"][0]["counters"]["rowsIn"], made.rows, "{status:#}");
    let counters = &status["report"]["counters"];
    let groups = counters["groupsOk"].as_u64().unwrap() + counters["groupsFailed"].as_u64().unwrap();
    assert!(groups >= SKEWED_GROUPS as u64, "{status:#}");
}
