//! Every way of dying costs the group that it is in, and no other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use shoal_tests::cluster::{Head, Worker};
use shoal_tests::oracle::read_delta;
use shoal_tests::process::{Process, is_alive};
use shoal_tests::{job as jobs, slots};

use super::{FIRMS, YEARS, firms, in_firm_7, job, member, run_here};
use crate::place::Place;

/// Runs a function that does that in one firm, and gives the firm's row. All others must be there, and right.
fn costs_one_group(place: &Place, line: &str, changes: &[(&str, Value)]) -> Value {
    let output = place.join("out");
    let mut job = job("dying", &firms(place), &in_firm_7(line), &output);
    job = jobs::with(job, "/groupedTraining/output/mode", json!("overwrite"));
    for (name, value) in changes {
        job = jobs::with(job, &member(name), value.clone());
    }
    let status = run_here(place, &job, &[]).succeeded();
    let counters = &status["report"]["counters"];
    assert_eq!(
        (&counters["groupsOk"], &counters["groupsFailed"]),
        (&json!(FIRMS - 1), &json!(1)),
        "{line}: {status:#}"
    );
    let rows: BTreeMap<String, Value> =
        read_delta(&output).into_iter().map(|row| (row["firm"].as_str().unwrap().to_owned(), row)).collect();
    assert_eq!(rows.len(), FIRMS, "{line}");
    let (failed, good): (Vec<&Value>, Vec<&Value>) = rows.values().partition(|row| row["firm"] == "firm 7");
    assert!(good.iter().all(|row| row["status"] == "ok" && row["n"] == YEARS), "{line}: {good:#?}");
    let failed = failed[0].clone();
    assert!(failed["n"].is_null() && failed["rows_used"] == YEARS, "{line}: {failed:#}");
    failed
}

fn assert_died(row: &Value, status: &str, message: &str) {
    assert_eq!(row["status"], status, "{row:#}");
    assert!(row["message"].as_str().is_some_and(|said| said.contains(message)), "{message}: {row:#}");
}

#[test]
fn a_group_that_raises_has_the_exception_and_the_users_lines() {
    let _slots = slots::take(2);
    let row = costs_one_group(&Place::new(), "raise ValueError('no such firm')", &[]);
    assert_died(&row, "raised", "ValueError: no such firm");
    assert_eq!(row["error_type"], "ValueError", "{row:#}");
    assert_eq!(row["trace"], "inline.py:5 in fit: raise ValueError('no such firm')", "{row:#}");
}

#[test]
fn a_group_that_returns_something_else_says_what() {
    let _slots = slots::take(2);
    let place = Place::new();
    for (line, message) in [
        ("return {'n': float('nan')}", "`n` is declared as int64: Float value nan"),
        ("return {'m': 1}", "does not return `n`, which `returns` declares and returns `m`"),
        ("return 5", "returns a int, where a dict, a Series or a DataFrame is expected"),
        ("return", "the function returns nothing: is a `return` missing?"),
    ] {
        assert_died(&costs_one_group(&place, line, &[]), "wrong_return", message);
    }
}

#[test]
fn a_process_that_is_ended_in_a_group_costs_that_group() {
    let _slots = slots::take(2);
    let place = Place::new();
    for (line, message) in [
        ("os._exit(7)", "ended with exit code 7"),
        ("os._exit(0)", "ended with exit code 0"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "was ended by SIGKILL"),
        // The guardian, and with it the process.
        ("os.kill(os.getppid(), signal.SIGKILL); time.sleep(600)", "was ended by SIGKILL"),
    ] {
        assert_died(&costs_one_group(&place, line, &[]), "process_died", message);
    }
}

#[test]
fn native_code_that_crashes_is_told_with_the_users_lines() {
    let _slots = slots::take(2);
    let row = costs_one_group(&Place::new(), "import ctypes; ctypes.string_at(0)", &[]);
    assert_died(&row, "process_died", "was ended by SIGSEGV");
    assert!(row["trace"].as_str().is_some_and(|trace| trace.contains("\"inline.py\", line 5 in fit")), "{row:#}");
}

#[test]
fn a_group_that_hangs_is_ended_at_its_limit() {
    let _slots = slots::take(2);
    let place = Place::new();
    // Also where no signal reaches Python.
    for line in ["time.sleep(600)", "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65)); time.sleep(600)"] {
        let row = costs_one_group(&place, line, &[("groupTimeout", json!("1s"))]);
        assert_died(&row, "timed_out", "took longer than the 1 s of `groupTimeout`");
    }
}

#[test]
fn a_group_that_eats_memory_is_ended_at_its_limit() {
    let _slots = slots::take(2);
    let place = Place::new();
    let limit = ("processMemoryLimit", json!("300Mi"));
    let row = costs_one_group(&place, "eaten = b'x' * (500 << 20); time.sleep(600)", std::slice::from_ref(&limit));
    assert_died(&row, "out_of_memory", "more than the 300 MiB of `processMemoryLimit`");
    // What the function has started counts as well, and ends with it.
    let started = place.join("started");
    let line = format!(
        "open('{}', 'w').write(str(os.spawnv(os.P_NOWAIT, sys.executable, ['python', '-c', 'x = bytearray(500 << 20); \
         import time; time.sleep(600)']))); time.sleep(600)",
        started.display()
    );
    assert_died(&costs_one_group(&place, &line, &[limit]), "out_of_memory", "more than the 300 MiB");
    let pid = std::fs::read_to_string(&started).unwrap().parse().unwrap();
    shoal_testkit::eventually("what it has started ends", || (!is_alive(pid)).then_some(()));
}

#[test]
fn standard_input_is_empty_and_forked_children_end_with_their_group() {
    let _slots = slots::take(2);
    let place = Place::new();
    assert_died(&costs_one_group(&place, "input()", &[]), "raised", "EOFError");
    // A parent that ends while its child goes on.
    let row = costs_one_group(&place, "os.fork() and os._exit(3) or time.sleep(600)", &[]);
    assert_died(&row, "process_died", "ended with exit code 3");
}

#[test]
fn a_group_that_breaks_what_comes_after_it_is_found_among_its_neighbours() {
    let _slots = slots::take(2);
    // The results of the whole message cannot be sent any more.
    let row = costs_one_group(&Place::new(), "os.closerange(3, 100)", &[]);
    assert_died(&row, "process_died", "ended with exit code 1");
}

#[test]
fn a_job_that_is_cancelled_takes_its_processes_with_it() {
    let _slots = slots::take(2);
    let place = Place::new();
    let marks = place.join("pids");
    let code = format!(
        "import os, time\n\ndef fit(group, key):\n    open('{}', 'w').write(str(os.getpid()))\n    time.sleep(600)\n",
        marks.display()
    );
    let job = job("cancelled", &firms(&place), &code, &place.join("out"));
    let head = Head::start(&place.join("state"), &[]);
    let _worker = Worker::start(&head, "only", 1, &place.join("scratch"), &[]);
    assert_eq!(head.submit(&place.job(&job), &[]).code, 0);
    let pid: u32 = shoal_testkit::eventually("a group runs", || std::fs::read_to_string(&marks).ok()?.parse().ok());
    assert_eq!(head.ask(&["cancel", "cancelled"]).code, 0);
    shoal_testkit::eventually("its process ends", || (!is_alive(pid)).then_some(()));
    // The worker goes on.
    let code = "def fit(group):\n    return {'n': 1}\n";
    let next = super::job("next", &firms(&place), code, &place.join("next"));
    head.submit(&place.job(&next), &["--wait"]).succeeded();
}

#[test]
fn a_process_serves_all_tasks_of_its_job() {
    let _slots = slots::take(2);
    let place = Place::new();
    let code = "import os\n\ndef fit(group):\n    return {'n': os.getpid()}\n";
    let output = place.join("out");
    let job = job("reused", &firms(&place), code, &output);
    let job = jobs::with(job, "/groupedTraining/strategy", json!({"bucket": {"buckets": 4}}));
    let head = Head::start(&place.join("state"), &[]);
    let _worker = Worker::start(&head, "only", 1, &place.join("scratch"), &[]);
    let status = head.submit(&place.job(&job), &["--wait"]).succeeded();
    let tasks = status["report"]["stages"].as_array().unwrap().iter().find(|stage| stage["name"] == "reduce").unwrap();
    assert_eq!(tasks["tasks"], 4, "{status:#}");
    let pids: BTreeSet<u64> = read_delta(&output).iter().map(|row| row["n"].as_u64().unwrap()).collect();
    assert_eq!(pids.len(), 1, "{pids:?}");
}

#[test]
fn a_job_whose_processes_keep_dying_is_given_up() {
    let _slots = slots::take(2);
    let place = Place::new();
    let code = "import os\n\ndef fit(group, key):\n    os._exit(9)\n";
    let output = place.join("out");
    let job = job("dying", &firms(&place), code, &output);
    let job = jobs::with(job, "/failurePolicy", json!({"maxProcessDeaths": 3}));
    let failure = run_here(&place, &job, &[]).failed(2);
    assert_eq!(failure["reason"], "ProcessesKeepDying", "{failure:#}");
    assert_eq!(failure["location"]["fieldPath"], "spec.failurePolicy.maxProcessDeaths", "{failure:#}");
    assert!(failure["location"]["group"].as_str().is_some_and(|group| group.starts_with("firm=firm ")), "{failure:#}");
    assert!(failure["causes"].to_string().contains("ended with exit code 9"), "{failure:#}");
    assert!(!output.join("_delta_log").exists(), "nothing is published");
}

#[test]
fn nothing_that_a_function_has_started_outlives_its_job() {
    let _slots = slots::take(2);
    let place = Place::new();
    let code = "import os, subprocess\n\ndef fit(group, key):\n    child = subprocess.Popen(['sleep', '600'], \
                start_new_session=True)\n    return {'n': child.pid}\n";
    let output = place.join("out");
    run_here(&place, &job("leaving", &firms(&place), code, &output), &[]).succeeded();
    let started: Vec<u32> = read_delta(&output).iter().map(|row| row["n"].as_u64().unwrap() as u32).collect();
    assert_eq!(started.len(), FIRMS);
    shoal_testkit::eventually("all of them end", || started.iter().all(|pid| !is_alive(*pid)).then_some(()));
}

#[test]
fn a_worker_that_is_killed_leaves_no_process_behind() {
    let _slots = slots::take(2);
    let place = Place::new();
    let marks = place.join("pids");
    // It hangs where nothing but a signal of the kernel ends it.
    let code = format!(
        "import os, signal, time\n\ndef fit(group, key):\n    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n    \
         open('{}', 'w').write(str(os.getpid()))\n    time.sleep(600)\n",
        marks.display()
    );
    let job = job("killed", &firms(&place), &code, &place.join("out"));
    let mut command = shoal_tests::shoal::command(["run"]);
    command.arg(place.job(&job)).arg("--state-dir").arg(place.join("state"));
    let mut process = Process::start(&mut command);
    let pid: u32 = shoal_testkit::eventually("a group runs", || std::fs::read_to_string(&marks).ok()?.parse().ok());
    assert!(is_alive(pid));
    process.kill();
    shoal_testkit::eventually("its process ends", || (!is_alive(pid)).then_some(()));
}
