//! Processes that die all over a cluster, and groups that take their worker along.

use std::path::Path;

use serde_json::{Value, json};
use shoal_tests::cluster::{Head, Worker};
use shoal_tests::{job as jobs, slots};

use super::{FIRMS, firms, job};
use crate::place::Place;

/// A job in four tasks, under which a process dies for every fourth firm.
fn dying(place: &Place, name: &str, deaths_max: u32) -> Value {
    let code = "import os\n\ndef fit(group, key):\n    if int(key.firm.split()[1]) % 4 == 0:\n        os._exit(9)\n    \
                return {'n': len(group)}\n";
    let job = job(name, &firms(place), code, &place.join(name));
    let job = jobs::with(job, "/groupedTraining/strategy", json!({"bucket": {"buckets": 4}}));
    jobs::with(job, "/failurePolicy", json!({"maxProcessDeaths": deaths_max}))
}

#[test]
fn processes_that_die_are_counted_over_all_workers() {
    let _slots = slots::take(3);
    let place = Place::new();
    let head = Head::start(&place.join("state"), &[]);
    let _workers = ["one", "two"].map(|name| Worker::start(&head, name, 1, &place.join(name), &[]));
    head.wait_for_workers(2);
    let as_many_as_may = head.submit(&place.job(&dying(&place, "enough", 10)), &["--wait"]).succeeded();
    let counters = &as_many_as_may["report"]["counters"];
    assert_eq!((&counters["processDeaths"], &counters["groupsFailed"]), (&json!(10), &json!(10)), "{as_many_as_may:#}");
    assert_eq!(counters["groupsOk"], json!(FIRMS - 10));

    let failure = head.submit(&place.job(&dying(&place, "one-too-many", 9)), &["--wait"]).failed(2);
    assert_eq!(failure["reason"], "ProcessesKeepDying", "{failure:#}");
    assert_eq!(failure["location"]["fieldPath"], "spec.failurePolicy.maxProcessDeaths", "{failure:#}");
    assert_eq!(failure["message"], "10 processes of the function died; 9 may in the whole job", "{failure:#}");
    let causes = failure["causes"].as_array().unwrap();
    let says = |cause: &Value| {
        let cause = cause.as_str().unwrap();
        cause.starts_with("with `firm=firm ") && cause.ends_with("` a process ended with exit code 9")
    };
    assert!(causes.len() == 5 && causes.iter().all(says), "{failure:#}");
    let status = head.job("one-too-many");
    assert_eq!(status["report"]["failedAttempts"], json!([]), "no task alone costs so many: {status:#}");
    assert!(!place.join("one-too-many/_delta_log").exists(), "nothing is published");
}

/// A function that ends its worker with all that is in it, as a kernel does that ends containers as a whole.
const ENDS_WORKER: &str = "import os, signal, time

def parent(pid):
    return int(open(f'/proc/{pid}/status').read().split('PPid:')[1].split()[0])

def fit(group, key):
    if key.firm == 'firm 7':
        worker = parent(os.getppid())
        time.sleep(1.5)  # what it takes to use up the memory
        os.kill(worker, signal.SIGKILL)
        time.sleep(600)
    return {'n': len(group)}
";

/// Lets a job run on a worker that is started again whenever it has ended.
fn fails_on(place: &Place, job: &Value) -> (Value, Value) {
    let head = Head::start(&place.join("state"), &[]);
    let name = job["metadata"]["name"].as_str().unwrap();
    let mut worker = Worker::start(&head, "again", 1, &place.join("scratch"), &[]);
    head.submit(&place.job(job), &[]).succeeded();
    let mut starts = 1;
    let status = loop {
        let ended = shoal_testkit::eventually("the worker or the job ends", || {
            let status = head.job(name);
            (status["phase"] == "Failed" || !worker.process().is_running()).then_some(status)
        });
        if ended["phase"] == "Failed" {
            break ended;
        }
        starts += 1;
        worker = Worker::start(&head, "again", 1, &scratch(place, starts), &[]);
    };
    (status["failure"].clone(), status["report"]["failedAttempts"].clone())
}

fn scratch(place: &Place, start: usize) -> std::path::PathBuf {
    place.join(Path::new("scratch").with_extension(start.to_string()).to_str().unwrap())
}

#[test]
fn a_group_that_takes_its_worker_along_again_and_again_is_named() {
    let _slots = slots::take(3);
    let place = Place::new();
    let job = job("poison", &firms(&place), ENDS_WORKER, &place.join("out"));
    let (failure, attempts) = fails_on(&place, &job);
    assert_eq!(failure["reason"], "TaskKillsWorkers", "{failure:#}");
    assert_eq!(failure["location"]["group"], "firm=firm 7", "{failure:#}");
    let message = failure["message"].as_str().unwrap();
    assert!(
        message.contains("the last of them while it ran nothing else but the function for `firm=firm 7`"),
        "{message}"
    );
    let field = "spec.groupedTraining.model.python.processMemoryLimit";
    assert_eq!(failure["location"]["fieldPath"], field, "{failure:#}");
    assert!(failure["next"].as_str().unwrap().contains("this group takes more memory"), "{failure:#}");
    let attempts = attempts.as_array().unwrap();
    assert_eq!(attempts.len(), 3, "{attempts:#?}");
    assert!(attempts.iter().all(|attempt| attempt["failure"]["reason"] == "WorkerLost"), "{attempts:#?}");
    // Of the first loss the last heartbeat may know nothing; a second run is told of more often.
    for attempt in &attempts[1..] {
        assert_eq!(attempt["failure"]["location"]["group"], "firm=firm 7", "{attempts:#?}");
    }
}

#[test]
fn a_job_that_may_try_twice_names_the_group_as_well() {
    let _slots = slots::take(3);
    let place = Place::new();
    let job = job("twice", &firms(&place), ENDS_WORKER, &place.join("out"));
    let job = jobs::with(job, "/failurePolicy", json!({"maxTaskAttempts": 2}));
    let (failure, _) = fails_on(&place, &job);
    assert_eq!((&failure["reason"], &failure["location"]["group"]), (&json!("WorkerLost"), &json!("firm=firm 7")));
    let message = failure["message"].as_str().unwrap();
    assert!(message.contains("failed 2 times") && message.contains("the function runs for `firm=firm 7`"), "{message}");
}
