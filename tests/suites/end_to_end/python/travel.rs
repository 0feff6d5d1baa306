//! Functions of several files, which travel to a cluster by what is in them: nobody but whoever submits the job has to see them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::{Value, json};
use shoal_tests::authority::Authority;
use shoal_tests::cluster::{Head, Token, Worker, head_command};
use shoal_tests::object_stores::Service;
use shoal_tests::object_stores::s3::S3;
use shoal_tests::{job as jobs, slots};

use super::{FIRMS, YEARS, firms, member, run_here};
use crate::place::{Place, query};

const MODEL: &str = "import helpers\nfrom package import table\n\n\
                     def fit(group, key):\n    return {'n': helpers.size(group, key) + table.OFFSET}\n";

const HELPERS: &str =
    "def size(group, key):\n    if key.firm == 'firm 7':\n        raise KeyError('seven')\n    return len(group)\n";

const TABLE: &str = "import json, pathlib\n\nOFFSET = json.loads(pathlib.Path(__file__).with_name('table.json').read_text())['offset']\n";

/// A folder with a function of several files, and with them a job file.
fn project(place: &Place) -> PathBuf {
    let folder = place.join("project");
    for (file, text) in [
        ("code/model.py", MODEL),
        ("code/helpers.py", HELPERS),
        ("code/package/__init__.py", ""),
        ("code/package/table.py", TABLE),
        ("code/package/table.json", "{\"offset\": 100}"),
    ] {
        let file = folder.join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    folder
}

/// Files that travel of it.
const FILES: usize = 5;

fn job_of(place: &Place, name: &str) -> Value {
    let function = json!({"python": {
        "file": "code/model.py",
        "files": ["./code/helpers.py", "code/package"],
        "returns": [{"name": "n", "type": "int64"}],
        "environment": {"interpreter": shoal_testkit::python()},
    }});
    let job = jobs::training(name, &firms(place), "firm", &["x"], "year", &place.join(name));
    jobs::with(job, "/groupedTraining/model", function)
}

fn write(folder: &Path, job: &Value) -> PathBuf {
    jobs::write(&folder.join("job.yaml"), job)
}

/// Looks at what the function returned: its groups have as many rows, and its offset.
fn has_trained(place: &Place, table: &str, offset: usize) {
    let path = place.join(table);
    let rows =
        query(&format!("SELECT status, n, count(*) AS firms FROM '{}' GROUP BY status, n ORDER BY n", path.display()));
    assert_eq!(
        rows,
        [
            json!({"status": "ok", "n": YEARS + offset, "firms": FIRMS - 1}),
            json!({"status": "raised", "n": null, "firms": 1}),
        ]
    );
    let failed = query(&format!("SELECT trace FROM '{}' WHERE status <> 'ok'", path.display()));
    let trace = failed[0]["trace"].as_str().unwrap();
    // The user's own lines are those of all of his files.
    assert!(trace.contains("model.py:5 in fit") && trace.contains("helpers.py:3 in size"), "{trace}");
}

/// The contents that a head keeps, and when each was written.
fn kept(place: &Place) -> BTreeMap<PathBuf, SystemTime> {
    let entries = std::fs::read_dir(place.join("state/blobs")).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.path(), entry.metadata().unwrap().modified().unwrap())).collect()
}

/// Submits a job whose files are gone before a worker is there.
fn trains_what_is_gone(place: &Place, head: &Head, worker: impl FnOnce() -> Worker) -> Worker {
    let folder = project(place);
    head.submit(&write(&folder, &job_of(place, "far")), &[]).succeeded();
    std::fs::remove_dir_all(&folder).unwrap();
    let worker = worker();
    head.ask(&["wait", "far"]).succeeded();
    has_trained(place, "far", 100);
    worker
}

#[test]
fn a_function_of_several_files_runs_where_none_of_them_is() {
    let _slots = slots::take(2);
    let place = Place::new();
    let head = Head::start(&place.join("state"), &[]);
    let worker = trains_what_is_gone(&place, &head, || Worker::start(&head, "only", 2, &place.join("scratch"), &[]));
    assert_eq!(kept(&place).len(), FILES);
    // Two processes, and each file came once: what the function's own file has stands in the job's plan.
    let fetched = |name: &str| {
        let log = head.ask(&["logs", name]).succeeded().to_string();
        log.matches("a file of a job is fetched").count()
    };
    assert_eq!(fetched("far"), FILES - 1);

    // The same again is the same job, for which nothing is uploaded; run once more, nothing is fetched.
    let before = kept(&place);
    let file = write(&project(&place), &job_of(&place, "far"));
    let uid = head.job("far")["uid"].clone();
    head.submit(&file, &["--wait"]).succeeded();
    assert_eq!(head.job("far")["uid"], uid);
    let job = write(&project(&place), &job_of(&place, "other"));
    head.submit(&job, &["--wait"]).succeeded();
    has_trained(&place, "other", 100);
    assert_eq!((kept(&place), fetched("other")), (before.clone(), 0));

    // With one file changed it is another job, for which that one is uploaded.
    let folder = project(&place);
    std::fs::write(folder.join("code/package/table.json"), "{\"offset\": 200}").unwrap();
    let job = jobs::with(job_of(&place, "other"), "/groupedTraining/output/mode", json!("overwrite"));
    let job = write(&folder, &job);
    assert_eq!(head.submit(&job, &[]).failed(2)["reason"], "JobConflict");
    head.submit(&job, &["--rerun", "--wait"]).succeeded();
    has_trained(&place, "other", 200);
    let after = kept(&place);
    assert!(after.len() == FILES + 1 && before.iter().all(|(file, time)| after[file] == *time), "{after:?}");
    assert_eq!(fetched("other"), 1);
    drop(worker);
}

#[test]
fn files_travel_over_tls_with_the_token() {
    let _slots = slots::take(2);
    let place = Place::new();
    let authority = Authority::new();
    let token = Token::write(place.path());
    let files = authority.sign(&place.join("tls-head"), &["127.0.0.1"]);
    let head = Head::start_with_tls(&place.join("state"), &token, &files);
    let of_worker = authority.sign(&place.join("tls-worker"), &["127.0.0.1"]);
    let start = || Worker::start(&head, "one", 1, &place.join("scratch"), &of_worker.arguments());
    let _worker = trains_what_is_gone(&place, &head, start);
}

#[test]
fn files_lie_in_the_storage_of_a_cluster_that_has_one() {
    let _slots = slots::take(3);
    let s3 = S3::start();
    let place = Place::new();
    let storage = s3.url("cluster");
    let mut command = head_command(&place.join("state"), &[Path::new("--storage"), Path::new(&storage)]);
    let head = Head::start_command(command.envs(s3.environment()));
    let _worker = trains_what_is_gone(&place, &head, || Worker::start(&head, "one", 1, &place.join("scratch"), &[]));
    let keys = s3.keys("cluster");
    assert_eq!(keys.iter().filter(|key| key.starts_with("blobs/")).count(), FILES, "{keys:?}");
    assert!(!place.join("state/blobs").exists());
}

#[test]
fn a_file_that_is_lost_fails_the_job_and_names_it() {
    let _slots = slots::take(1);
    let place = Place::new();
    let folder = project(&place);
    let head = Head::start(&place.join("state"), &[]);
    head.submit(&write(&folder, &job_of(&place, "lost")), &[]).succeeded();
    for file in kept(&place).keys() {
        std::fs::remove_file(file).unwrap();
    }
    let _worker = Worker::start(&head, "one", 1, &place.join("scratch"), &[]);
    let failure = head.ask(&["wait", "lost"]).failed(2);
    assert_eq!(failure["reason"], "FileNotUploaded", "{failure:#}");
    assert!(failure["next"].as_str().unwrap().contains("shoal job submit"), "{failure:#}");
    // Submitted anew, what is lost is uploaded again.
    head.submit(&write(&folder, &job_of(&place, "lost")), &["--rerun", "--wait"]).succeeded();
    has_trained(&place, "lost", 100);
}

#[test]
fn one_machine_goes_the_same_way() {
    let _slots = slots::take(2);
    let place = Place::new();
    let folder = project(&place);
    let job = job_of(&place, "here");
    let file = write(&folder, &job);
    let run = |more: &[&str]| {
        let mut command = shoal_tests::shoal::command(["run", "--output", "json"]);
        command.arg(&file).args(more);
        shoal_tests::process::Process::start(&mut command).finish()
    };
    let tried = run(&["--dry-run"]);
    assert!(tried.stdout.contains(&(YEARS + 100).to_string()), "{tried:#?}");
    let state = place.join("state");
    run(&["--state-dir", state.to_str().unwrap()]).succeeded();
    has_trained(&place, "here", 100);
    assert_eq!(kept(&place).len(), FILES);
}

#[test]
fn what_is_wrong_with_files_is_said_before_anything_runs() {
    let _slots = slots::take(1);
    let place = Place::new();
    let code = |text: &str, files: Value| {
        let job = super::job("wrong", &firms(&place), text, &place.join("out"));
        jobs::with(job, &member("files"), files)
    };
    let good = "def fit(group):\n    return {'n': 1}\n";
    std::fs::write(place.join("broken.py"), "x = (\n").unwrap();
    std::fs::create_dir(place.join("deep")).unwrap();
    for (job, code, reason, field, message) in [
        (code(good, json!(["none.py"])), 2, "InvalidFunction", "files[0]", "there is no such file"),
        (code(good, json!(["broken.py", "../x.py"])), 2, "InvalidValue", "files[1]", "does not lie in the folder"),
        (
            code(good, json!(["broken.py", shoal_tests::job::grunfeld_csv()])),
            2,
            "InvalidValue",
            "files[1]",
            "does not lie in the folder of the job file",
        ),
        (code(good, json!(["deep"])), 2, "FileNotUploaded", "files[0]", "nothing was uploaded of `deep`"),
        (code("import broken\n", json!(["broken.py"])), 2, "InvalidFunction", "function", "SyntaxError"),
        (code("import helpers\n", json!(["broken.py"])), 2, "InvalidEnvironment", "environment", "`helpers`"),
        (
            jobs::with(
                code(good, json!(["broken.py"])),
                &member("configMapKeyRef"),
                json!({"name": "models", "key": "train.py"}),
            ),
            2,
            "InvalidValue",
            "configMapKeyRef",
            "on Kubernetes only",
        ),
    ] {
        let mut job = job;
        if field == "configMapKeyRef" {
            job["spec"]["groupedTraining"]["model"]["python"].as_object_mut().unwrap().remove("code");
        }
        let failure = run_here(&place, &job, &[]).failed(code);
        assert_eq!(failure["reason"], reason, "{message}: {failure:#}");
        assert_eq!(
            failure["location"]["fieldPath"],
            format!("spec.groupedTraining.model.python.{field}"),
            "{failure:#}"
        );
        assert!(failure["message"].as_str().unwrap().contains(message) && failure["next"].is_string(), "{failure:#}");
        assert!(!place.join("out").exists());
    }
}
