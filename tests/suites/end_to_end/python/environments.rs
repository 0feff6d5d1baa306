//! Environments that are made of requirements: built once, found later, and refused with what the installer says.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use shoal_testkit::{eventually, python};
use shoal_tests::cluster::{Head, Worker};
use shoal_tests::process::{Finished, Process, is_alive};
use shoal_tests::{job as jobs, shoal, slots, workspace};

use super::{firms, job, member, with_packages};
use crate::agreement::copy_examples;
use crate::place::{Place, query};
use crate::scoring::{scoring, with};

/// Uses a package of its environment, and looks for what it is not to see.
const CODE: &str = "import os, greeter\n\nSEEN = [name for name in os.environ if name.startswith(('PIP_', 'UV_', 'AWS_'))]\n\n\
                    def fit(group):\n    return {'n': greeter.ANSWER + len(SEEN)}\n";

/// Who installs.
#[derive(Clone, Copy, Debug, PartialEq)]
enum By {
    Uv,
    Pip,
    /// What the test itself calls `uv`.
    Script(&'static str),
}

/// A folder of wheels, with two versions of a package of the tests and what every environment needs.
pub(super) fn wheels(place: &Place) -> PathBuf {
    wheels_of(place, "pyarrow")
}

/// The same with packages that are installed here.
fn wheels_of(place: &Place, installed: &str) -> PathBuf {
    let folder = place.join("wheels");
    let made = Command::new(python())
        .arg(workspace::root().join("tests/oracle/make_wheels.py"))
        .args([Path::new(env!("CARGO_TARGET_TMPDIR")).join("wheels").as_path(), &folder])
        .arg(installed)
        .args(["greeter", "1.0", "ANSWER = 41\n", "greeter", "2.0", "ANSWER = 42\n"])
        .status();
    assert!(made.unwrap().success());
    folder
}

/// A job whose function runs in such an environment.
pub(super) fn job_in(place: &Place, name: &str, environment: Value) -> Value {
    let job = job(name, &firms(place), CODE, &place.join(name));
    let job = jobs::with(job, &member("frame"), json!("arrow"));
    jobs::with(job, &member("environment"), environment)
}

/// A job whose environment is made of a file with that text, and wheels.
pub(super) fn job_with(place: &Place, name: &str, requirements: &str) -> Value {
    std::fs::write(place.join("requirements.txt"), requirements).unwrap();
    let environment = json!({"interpreter": python(), "requirements": "requirements.txt", "wheels": "wheels"});
    job_in(place, name, environment)
}

/// `shoal run` of a job on a machine whose path has that installer and nothing else.
fn command(place: &Place, job: &Value, by: By) -> Command {
    let name = job["metadata"]["name"].as_str().unwrap();
    let path = place.join(&format!("path of {name}"));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir(&path).unwrap();
    let uv = path.join("uv");
    match by {
        By::Uv => std::os::unix::fs::symlink(python().with_file_name("uv"), uv).unwrap(),
        By::Pip => {}
        By::Script(text) => script(&uv, text),
    }
    let mut command = shoal::command(["run", "--workers", "2", "--output", "json"]);
    command
        .arg(place.job(job))
        .arg("--state-dir")
        .arg(place.join(&format!("state of {name}")))
        .env("PATH", path)
        .env("UV_CACHE_DIR", place.join("cache of uv"))
        .env("PIP_NO_CACHE_DIR", "1")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .arg("--environments")
        .arg(place.join("environments"));
    command
}

pub(super) fn script(file: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(file, text).unwrap();
    std::fs::set_permissions(file, PermissionsExt::from_mode(0o755)).unwrap();
}

fn run(place: &Place, job: &Value, by: By) -> Finished {
    Process::start(&mut command(place, job, by)).finish()
}

/// What the report says of the environment.
pub(super) fn note(status: &Value) -> String {
    let stages = status["report"]["stages"].as_array().unwrap();
    assert!(stages[0]["name"] == "environment" && stages[1]["name"] == "load", "{status:#}");
    let notes = status["report"]["notes"].as_array().unwrap();
    let found = notes.iter().filter_map(Value::as_str).find(|note| note.starts_with("the environment of"));
    found.unwrap_or_else(|| panic!("{notes:#?}")).to_owned()
}

/// Files of the environments' folder that have that ending.
fn files(place: &Place, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(place.join("environments")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.to_str().unwrap().ends_with(ending)).collect()
}

/// How many folders are there.
fn folders(place: &Place) -> usize {
    files(place, "").into_iter().filter(|path| path.is_dir()).count()
}

/// What the function returned, for all firms alike.
pub(super) fn answer(place: &Place, table: &str) -> Value {
    let sql = format!("SELECT DISTINCT status, message, n FROM '{}'", place.join(table).display());
    let rows = query(&sql);
    assert!(rows.len() == 1 && rows[0]["status"] == "ok", "{rows:#?}");
    rows[0]["n"].clone()
}

/// Builds an environment with one job, on two workers of one machine, finds it with the next, and builds another one.
fn built_once(by: By, name: &str) {
    let _slots = slots::take(3);
    let place = Place::new();
    wheels(&place);
    let first = run(&place, &job_with(&place, "first", "# what it needs\ngreeter==1.0\n"), by).succeeded();
    let said = note(&first);
    assert!(said.contains(&format!("`requirements.txt` was built by {name} in ")), "once, by {name}: {said}");
    assert_eq!(answer(&place, "first"), 41, "the function sees none of the installer's variables");
    let second = run(&place, &job_with(&place, "second", "# what it needs\ngreeter==1.0\n"), by).succeeded();
    assert!(note(&second).ends_with("was there from before"), "{}", note(&second));
    assert_eq!((answer(&place, "second"), files(&place, ".json").len()), (json!(41), 1));
    // As if the last job with it had run a month ago.
    for lock in files(&place, ".lock") {
        let month_ago = SystemTime::now() - Duration::from_secs(31 * 24 * 3_600);
        File::options().append(true).open(lock).unwrap().set_modified(month_ago).unwrap();
    }
    let third = run(&place, &job_with(&place, "third", "greeter>1\n"), by).succeeded();
    assert!(note(&third).contains("was built"), "{}", note(&third));
    assert_eq!(answer(&place, "third"), 42);
    assert_eq!(files(&place, ".json").len(), 1, "the old one is deleted");
    assert_eq!(folders(&place), 1);
}

#[test]
fn requirements_are_installed_once_by_pip() {
    built_once(By::Pip, "pip");
}

#[test]
fn requirements_are_installed_once_by_uv() {
    built_once(By::Uv, "uv");
}

#[test]
fn what_the_installer_says_is_in_the_jobs_log() {
    let _slots = slots::take(3);
    let place = Place::new();
    let wheels = wheels(&place);
    let job = job_in(&place, "said", json!({"interpreter": python(), "packages": ["greeter"], "wheels": wheels}));
    let head = Head::start(&place.join("state"), &[]);
    let scratch = place.join("scratch");
    let _worker = Worker::start(&head, "only", 1, &scratch, &[]);
    head.submit(&place.job(&job), &["--wait"]).succeeded();
    let log = head.ask(&["logs", "said"]).succeeded().to_string();
    // `uv` and pip both name it so.
    assert!(log.contains("greeter") && log.contains("the environment is ready"), "{log}");
    let notes = head.ask(&["show", "said"]).succeeded()["report"]["notes"].to_string();
    assert!(notes.contains("the environment of `packages` was built by "), "{notes}");
    assert!(scratch.join(".environments").is_dir(), "it stays beside what the worker deletes at its end");
}

#[test]
fn wheels_and_requirements_travel_to_workers_that_do_not_see_them() {
    let _slots = slots::take(3);
    let place = Place::new();
    let wheels = wheels(&place);
    let head = Head::start(&place.join("state"), &[]);
    let job = job_with(&place, "far", "greeter==1.0\n");
    head.submit(&place.job(&job), &[]).succeeded();
    for gone in [wheels.clone(), place.join("requirements.txt")] {
        std::fs::rename(&gone, place.join("gone").with_extension(gone.extension().unwrap_or_default())).unwrap();
    }
    let _worker = Worker::start(&head, "only", 1, &place.join("scratch"), &[]);
    head.ask(&["wait", "far"]).succeeded();
    assert_eq!(answer(&place, "far"), 41);
    // The same wheels from somewhere else make the same environment.
    std::fs::rename(place.join("gone"), place.join("moved")).unwrap();
    let environment = json!({"interpreter": python(), "requirements": "gone.txt", "wheels": "moved"});
    let job = job_in(&place, "moved-job", environment);
    head.submit(&place.job(&job), &["--wait"]).succeeded();
    let notes = head.ask(&["show", "moved-job"]).succeeded()["report"]["notes"].to_string();
    assert!(notes.contains("was there from before"), "{notes}");
}

/// What a run says that is refused for its environment.
fn refused(place: &Place, job: &Value, by: By, field: &str) -> Value {
    let failure = run(place, job, by).failed(2);
    assert_eq!(failure["reason"], "InvalidEnvironment", "{failure:#}");
    let expected = format!("spec.groupedTraining.model.python.environment{field}");
    assert_eq!(failure["location"]["fieldPath"], expected, "{failure:#}");
    assert!(failure["next"].is_string() && failure["actor"] == "User", "{failure:#}");
    failure
}

fn says(value: &Value, text: &str) -> bool {
    value.to_string().contains(text)
}

#[test]
fn what_cannot_be_installed_is_refused_with_the_installers_last_words() {
    let _slots = slots::take(3);
    let place = Place::new();
    wheels(&place);
    for by in [By::Pip, By::Uv] {
        let command = if by == By::Pip { "`pip install`" } else { "`uv pip install`" };
        for (requirements, words, next) in [
            ("greeter\nno-such-package-here\n", "no-such-package-here", "into the folder of `wheels`"),
            ("greeter==7.5\n", "greeter==7.5", "into the folder of `wheels`"),
            ("greeter\ngree ter==\n", "gree ter==", "mend the line"),
        ] {
            let failure = refused(&place, &job_with(&place, "wrong", requirements), by, ".requirements");
            assert!(says(&failure["message"], command), "{failure:#}");
            assert!(
                says(&failure["causes"], words) && says(&failure["next"], next),
                "{by:?} {requirements}: {failure:#}"
            );
            assert_eq!(failure["location"]["file"], "requirements.txt");
        }
        // Nobody listens there.
        let packages =
            json!({"interpreter": python(), "packages": ["greeter"], "indexUrl": "http://127.0.0.1:9/simple"});
        let job = jobs::with(job_in(&place, "nowhere", packages), "/failurePolicy/maxTaskAttempts", json!(2));
        // It is not the user's, and is tried again.
        let failure = Process::start(&mut command_with_few_retries(&place, &job, by)).finish().failed(3);
        assert!(says(&failure["next"], "reach the package index"), "{failure:#}");
        assert_eq!((&failure["reason"], &failure["actor"]), (&json!("Io"), &json!("Platform")), "{failure:#}");
        let message =
            "of stage `environment` failed 2 times, the last time because the package index cannot be reached";
        assert!(says(&failure["message"], message), "{failure:#}");
        assert!(says(&failure["causes"], "127.0.0.1:9") && !says(&failure, "secret"), "{failure:#}");
    }
    assert_eq!(files(&place, ".json"), Vec::<PathBuf>::new(), "none of them counts as built");
    assert!(!place.join("wrong").exists(), "nothing is published");
}

#[test]
fn a_function_predicts_in_the_environment_that_its_models_were_made_in() {
    let _slots = slots::take(3);
    let place = Place::new();
    wheels(&place);
    let training = job_with(&place, "first", "greeter==1.0\n");
    run(&place, &training, By::Uv).succeeded();
    let job = scoring("predictions", &place.join("first"), &place.join("firms.csv"), &place.join("predictions"));
    let code = "import greeter\n\ndef predict(model, group):\n    \
                return [float(model['n'] + greeter.ANSWER)] * group.num_rows\n";
    let environment = training["spec"]["groupedTraining"]["model"]["python"]["environment"].clone();
    let function = json!({"code": code, "frame": "arrow", "environment": environment});
    let status = run(&place, &with(job, "python", function), By::Uv).succeeded();
    assert!(note(&status).ends_with("was there from before"), "{}", note(&status));
    let rows = query(&format!("SELECT DISTINCT reason, prediction FROM '{}'", place.join("predictions").display()));
    assert_eq!(rows, [json!({"reason": null, "prediction": 82.0})]);
}

/// As [`command`]; an index that does not answer is asked twice.
fn command_with_few_retries(place: &Place, job: &Value, by: By) -> Command {
    let mut command = command(place, job, by);
    command.env("PIP_RETRIES", "1").env("UV_HTTP_RETRIES", "1");
    command
}

#[test]
fn what_does_not_travel_is_refused_before_anything_runs() {
    let _slots = slots::take(3);
    let place = Place::new();
    wheels(&place);
    let job = job_with(&place, "early", "");
    for (text, line, message) in [
        (None, None, "there is no such file"),
        (Some("numpy\n-r base.txt\n"), Some(2), "`-r base.txt` names another file"),
        (Some("-i https://me:secret@host/simple\n"), Some(1), "a URL has a password in it"),
        (Some("numpy==2.0 --hash=sha256:00\n"), None, "`pyarrow` is not there"),
    ] {
        let file = place.join("requirements.txt");
        match text {
            Some(text) => std::fs::write(&file, text).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        let failure = refused(&place, &job, By::Pip, ".requirements");
        assert!(says(&failure["message"], message) && !says(&failure, "secret"), "{failure:#}");
        assert_eq!(failure["location"]["line"].as_u64(), line, "{failure:#}");
        assert!(failure["location"]["attempt"].is_null(), "no task has run: {failure:#}");
        assert!(says(&failure["location"]["file"], "requirements.txt"), "{failure:#}");
    }
}

#[test]
fn a_machine_that_cannot_build_says_what_it_lacks() {
    let _slots = slots::take(3);
    let place = Place::new();
    // As Debian's Python is without `python3-venv`.
    std::fs::write(place.join("ensurepip.py"), "raise ImportError('not installed')\n").unwrap();
    let without_pip = place.join("without-pip");
    let (folder, python) = (place.path().display(), python());
    script(&without_pip, &format!("#!/bin/sh\nPYTHONPATH='{folder}' exec '{}' \"$@\"\n", python.display()));
    let old = place.join("old");
    script(&old, "#!/bin/sh\necho 'Python 3.8' >&2\nexit 97\n");
    let packages = |interpreter: &Path| json!({"interpreter": interpreter, "packages": ["greeter"]});
    for (environment, field, message, next) in [
        (packages(&without_pip), ".packages", "the worker has no `uv`", "python3-venv"),
        (packages(&old), "", "Python 3.8 is too old: 3.10 or newer is needed", "interpreter"),
        (packages(&place.join("none")), "", "there is no `", "interpreter"),
        // A relative one travels, and an absolute one is the workers'.
        (
            json!({"interpreter": python, "packages": ["a"], "wheels": "none"}),
            ".wheels",
            "no such folder",
            "relative to the job file",
        ),
        (
            json!({"interpreter": python, "packages": ["a"], "wheels": place.join("none")}),
            ".wheels",
            "no such folder",
            "every worker",
        ),
    ] {
        let failure = refused(&place, &job_in(&place, "lacking", environment), By::Pip, field);
        assert!(says(&failure["message"], message) && says(&failure["next"], next), "{failure:#}");
    }
    // With `uv` nobody misses what that Python lacks: it is asked, and says that there is no such package.
    wheels(&place);
    let environment = json!({"interpreter": without_pip, "packages": ["no-such"], "wheels": "wheels"});
    let failure = refused(&place, &job_in(&place, "lacking", environment), By::Uv, ".packages");
    assert!(says(&failure["message"], "`uv pip install`"), "{failure:#}");
}

#[test]
fn a_folder_that_cannot_be_written_to_is_named() {
    let _slots = slots::take(3);
    let place = Place::new();
    wheels(&place);
    // A file is no folder, for root neither.
    std::fs::write(place.join("environments"), "").unwrap();
    let failure = run(&place, &job_with(&place, "homeless", "greeter\n"), By::Pip).failed(3);
    assert!(failure["reason"] == "Io" && failure["actor"] == "Platform", "{failure:#}");
    assert!(says(&failure["location"]["file"], "/environments"), "{failure:#}");
    assert!(says(&failure["next"], "`--environments DIR`"), "{failure:#}");
}

#[test]
fn what_is_missing_in_an_environment_is_to_be_added_to_it() {
    let _slots = slots::take(3);
    let place = Place::new();
    wheels(&place);
    let job = jobs::with(job_with(&place, "lacks", ""), &member("code"), json!("import greeter\n"));
    let failure = refused(&place, &job, By::Uv, "");
    assert!(says(&failure["message"], "there is no package `greeter`"), "{failure:#}");
    assert!(says(&failure["next"], "add it to what is installed"), "{failure:#}");
}

/// An installer that makes what looks like an environment, and then neither ends nor goes on.
const HANGS: &str = "#!/bin/sh\nif [ \"$1\" = venv ]; then\n  /bin/mkdir -p \"$5/bin\"\n  /bin/ln -s \"$3\" \"$5/bin/python\"\nelse\n  \
                     /bin/sleep 1000 &\n  echo $! >sleeper\n  /bin/mv sleeper ../../sleeper\n  wait\nfi\n";

#[test]
fn a_job_that_is_cancelled_ends_its_installer() {
    let _slots = slots::take(3);
    let place = Place::new();
    let wheels = wheels(&place);
    let job = job_in(&place, "given-up", json!({"interpreter": python(), "packages": ["greeter"], "wheels": wheels}));
    let head = Head::start(&place.join("state"), &[]);
    script(&place.join("uv"), HANGS);
    let scratch = place.join("scratch");
    let path = format!("{}:{}", place.path().display(), std::env::var("PATH").unwrap());
    let _worker = Worker::start_in(&head, "only", 1, &scratch, vec![("PATH", path)]);
    head.submit(&place.job(&job), &[]).succeeded();
    let sleeper = scratch.join(".environments/sleeper");
    let sleeper: u32 =
        eventually("the installer hangs", || std::fs::read_to_string(&sleeper).ok()?.trim().parse().ok());
    head.ask(&["cancel", "given-up"]).succeeded();
    eventually("what the installer has started ends", || (!is_alive(sleeper)).then_some(()));
    eventually("the job is cancelled", || (head.job("given-up")["failure"]["reason"] == "Cancelled").then_some(()));
}

#[test]
fn an_interrupted_build_ends_with_its_worker_and_nobody_uses_it() {
    let _slots = slots::take(4);
    let place = Place::new();
    wheels(&place);
    let job = job_with(&place, "broken-off", "greeter==1.0\n");
    let mut building = Process::start(&mut command(&place, &job, By::Script(HANGS)));
    let sleeper = place.join("environments/sleeper");
    let sleeper: u32 =
        eventually("the installer hangs", || std::fs::read_to_string(&sleeper).ok()?.trim().parse().ok());
    let job = job_with(&place, "waits", "greeter==1.0\n");
    let mut waiting = Process::start(command(&place, &job, By::Uv).env("RUST_LOG", "info"));
    waiting.wait_for_output("another job waits for it", |said| said.contains("waiting for it").then_some(()));
    assert!(files(&place, ".json").is_empty() && folders(&place) == 1, "of which nobody says that it is complete");
    building.kill();
    eventually("what the installer has started ends", || (!is_alive(sleeper)).then_some(()));
    let status = waiting.finish().succeeded();
    assert!(note(&status).contains("was built by uv in "), "{}", note(&status));
    assert_eq!((answer(&place, "waits"), folders(&place)), (json!(41), 1), "what was left is deleted");
}

/// The median of the slopes between any two points.
fn median_slope(points: &[(f64, f64)]) -> f64 {
    let pairs = points.iter().enumerate().flat_map(|(at, one)| points[at + 1..].iter().map(move |two| (one, two)));
    let mut slopes: Vec<f64> = pairs.map(|(one, two)| (two.1 - one.1) / (two.0 - one.0)).collect();
    slopes.sort_by(f64::total_cmp);
    let middle = slopes.len() / 2;
    if slopes.len() % 2 == 1 { slopes[middle] } else { (slopes[middle - 1] + slopes[middle]) / 2.0 }
}

#[test]
fn the_example_runs_as_it_stands_where_packages_are_to_be_had() {
    let _slots = slots::take(3);
    let place = Place::new();
    copy_examples(&place);
    // The worker's own settings say where packages come from, as they would name an index.
    let wheels = wheels_of(&place, "pyarrow,numpy,scipy");
    let mut example = place.run_command(&place.join("examples/python/trend.yaml"));
    with_packages(&mut example)
        .env("UV_OFFLINE", "1")
        .env("UV_FIND_LINKS", wheels)
        .env("UV_CACHE_DIR", place.join("cache of uv"))
        .env("SHOAL_ENVIRONMENTS", place.join("environments"));
    let status = Process::start(&mut example).finish().succeeded();
    assert!(note(&status).starts_with("the environment of `requirements.txt` was built by uv"), "{}", note(&status));
    let rows = query(&format!("SELECT * FROM '{}'", place.join("target/demo/python-trend").display()));
    assert_eq!(rows.len(), 11);
    let table = query(&format!("SELECT firm, year, invest FROM '{}'", jobs::grunfeld_csv().display()));
    for row in rows {
        let of_firm = table.iter().filter(|other| other["firm"] == row["firm"]);
        let number = |value: &Value| value.as_f64().unwrap();
        let points: Vec<(f64, f64)> = of_firm.map(|it| (number(&it["year"]), number(&it["invest"]))).collect();
        let (slope, expected) = (number(&row["slope"]), median_slope(&points));
        assert!(points.len() == 20 && (slope - expected).abs() < 1e-9, "{row:#}: {expected}");
        assert!(number(&row["low"]) <= slope && slope <= number(&row["high"]), "{row:#}");
    }
}
