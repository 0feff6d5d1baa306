//! What is shown of an installer while it works, and what it has installed for other machines.

use std::path::PathBuf;

use serde_json::{Value, json};
use shoal_testkit::{eventually, python};
use shoal_tests::cluster::{Head, Worker};
use shoal_tests::{job as jobs, slots};

use super::environments::{answer, job_in, job_with, note, script, wheels};
use crate::place::Place;

/// An installer that says what it does and waits to be let go on.
const WAITS: &str = "#!/bin/sh
if [ \"$1\" = venv ]; then
  exec \"$UV\" \"$@\"
fi
echo 'Resolving: something that takes long'
while [ ! -e \"$PIP_GO_ON\" ]; do /bin/sleep 0.05; done
exec \"$UV\" \"$@\"
";

#[test]
fn what_the_installer_says_is_shown_while_it_works() {
    let _slots = slots::take(3);
    let place = Place::new();
    let wheels = wheels(&place);
    let environment = json!({"interpreter": python(), "packages": ["greeter"], "wheels": wheels});
    let job = job_in(&place, "slow", environment);
    let head = Head::start(&place.join("state"), &[]);
    let tools = place.join("tools");
    std::fs::create_dir(&tools).unwrap();
    let uv = python().with_file_name("uv");
    script(&tools.join("uv"), &WAITS.replace("$UV", uv.to_str().unwrap()));
    let go_on = place.join("go-on");
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let environment = vec![("PATH", path), ("PIP_GO_ON", go_on.display().to_string())];
    let _worker = Worker::start_in(&head, "only", 1, &place.join("scratch"), environment);
    head.submit(&place.job(&job), &[]).succeeded();
    let lines = || {
        let log = head.ask(&["logs", "slow"]).succeeded();
        let lines = log["lines"].as_array().unwrap().iter();
        lines.map(|line| line["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let line = "Resolving: something that takes long";
    eventually("what it says is in the log", || lines().iter().any(|said| said == line).then_some(()));
    assert_eq!(head.job("slow")["phase"], "Running");
    std::fs::write(go_on, "").unwrap();
    head.ask(&["wait", "slow"]).succeeded();
    assert_eq!(answer(&place, "slow"), 42);
    let lines = lines();
    assert_eq!(lines.iter().filter(|said| *said == line).count(), 1, "once: {lines:#?}");
    let place_of =
        |said: &str| lines.iter().position(|line| line.contains(said)).unwrap_or_else(|| panic!("{lines:#?}"));
    assert!(place_of("the environment is built") < place_of(line), "{lines:#?}");
    assert!(place_of(line) < place_of("the environment is ready"), "{lines:#?}");
}

/// An installer that installs once, whoever asks.
const ONCE: &str = "#!/bin/sh
if [ \"$1\" != venv ]; then
  /bin/mkdir \"$PIP_ONCE\" || exit 7
fi
exec \"$UV\" \"$@\"
";

#[test]
fn what_one_worker_has_installed_others_fetch_from_the_storage() {
    let _slots = slots::take(4);
    let place = Place::new();
    wheels(&place);
    let (tools, once) = (place.join("tools"), place.join("once"));
    std::fs::create_dir(&tools).unwrap();
    script(&tools.join("uv"), &ONCE.replace("$UV", python().with_file_name("uv").to_str().unwrap()));
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let storage = place.join("storage");
    let head = Head::start(&place.join("state"), &["--storage".as_ref(), &storage]);
    let start = |name: &str| {
        let environment = vec![("PATH", path.clone()), ("PIP_ONCE", once.display().to_string())];
        Worker::start_in(&head, name, 1, &place.join(name), environment)
    };
    let workers = ["one", "two"].map(start);
    head.wait_for_workers(2);
    let requirements = "greeter==1.0\n";
    let bucket = json!({"bucket": {"buckets": 4}});
    let job =
        |name: &str| jobs::with(job_with(&place, name, requirements), "/groupedTraining/strategy", bucket.clone());
    let status = head.submit(&place.job(&job("first")), &["--wait"]).succeeded();
    assert_eq!(answer(&place, "first"), 41);
    assert!(note(&status).contains("was built by uv in "), "{}", note(&status));
    assert_eq!(status["report"]["stages"][0]["tasks"], 1, "{status:#}");
    let log = head.ask(&["logs", "first"]).succeeded().to_string();
    assert!(says_once(&log, "the environment is packed for other workers"), "{log}");
    assert!(says_once(&log, "the environment is fetched from the storage"), "{log}");
    let blobs = || std::fs::read_dir(storage.join("blobs")).unwrap().map(|entry| entry.unwrap().path());
    let shared: Vec<PathBuf> = blobs().filter(|path| path.extension().is_some_and(|it| it == "shared")).collect();
    let [shared] = &shared[..] else { panic!("one environment: {shared:?}") };

    // One that comes later fetches it before anything else.
    workers.into_iter().for_each(|mut worker| worker.process().kill());
    let _third = start("third");
    let status = head.submit(&place.job(&job("second")), &["--wait"]).succeeded();
    assert!(note(&status).contains("was fetched from the cluster's storage in "), "{}", note(&status));
    assert_eq!(answer(&place, "second"), 41);

    // What is packed may be gone, and nothing else: then it is installed again.
    std::fs::remove_dir(&once).unwrap();
    let said: Value = serde_json::from_str(&std::fs::read_to_string(shared).unwrap()).unwrap();
    let digest = said["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    std::fs::write(storage.join("blobs").join(digest), "cut off").unwrap();
    std::fs::remove_dir_all(place.join("third/.environments")).unwrap();
    let status = head.submit(&place.job(&job("third-job")), &["--wait"]).succeeded();
    assert!(note(&status).contains("was built by uv in "), "{}", note(&status));
    assert_eq!(answer(&place, "third-job"), 41);
    let log = head.ask(&["logs", "third-job"]).succeeded().to_string();
    assert!(says_once(&log, "the packed environment cannot be used"), "{log}");
}

fn says_once(log: &str, words: &str) -> bool {
    log.matches(words).count() == 1
}
