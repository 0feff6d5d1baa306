//! What is wrong with a function shows before a row is read.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use shoal_tests::{job as jobs, slots};

use super::{firms, job, member, run_here};
use crate::place::Place;

/// What must be said: the reason, the member of `python` that is to blame, and a part of the message.
fn refused(place: &Place, job: &Value, (reason, field, message): (&str, &str, &str)) -> Value {
    let failure = run_here(place, job, &[]).failed(2);
    assert_eq!(failure["reason"], reason, "{message}: {failure:#}");
    let expected = format!("spec.groupedTraining.model.python.{field}");
    assert_eq!(failure["location"]["fieldPath"], expected, "{failure:#}");
    assert!(failure["message"].as_str().is_some_and(|said| said.contains(message)), "{message}: {failure:#}");
    assert!(failure["next"].is_string() && failure["actor"] == "User", "{failure:#}");
    assert!(!place.join("out").exists(), "nothing is published");
    failure
}

fn good(place: &Place) -> Value {
    job("refused", &firms(place), "def fit(group):\n    return {'n': 1}\n", &place.join("out"))
}

#[test]
fn code_that_does_not_load_is_refused_with_its_line() {
    let _slots = slots::take(2);
    let place = Place::new();
    for (code, line, message) in [
        ("def fit(group):\n    return {'n': 1\n", Some(2), "SyntaxError"),
        ("import os\nx = [1][5]\n", Some(2), "the code raises as it is loaded: IndexError"),
        ("def fitt(group):\n    pass\n", None, "has no function `fit`; did you mean `fitt`?"),
        (
            "\ndef fit(a, b, c, d):\n    pass\n",
            Some(2),
            "`fit(a, b, c, d)` cannot be called as `fit(group, key, params)`",
        ),
        ("import os\nos._exit(5)\n", None, "ended with exit code 5 while it loaded"),
    ] {
        let job = jobs::with(good(&place), &member("code"), json!(code));
        let failure = refused(&place, &job, ("InvalidFunction", "function", message));
        assert_eq!(failure["location"]["line"].as_u64(), line, "{failure:#}");
    }
}

#[test]
fn a_file_is_read_beside_the_job_file_and_one_that_is_not_there_is_named() {
    let _slots = slots::take(2);
    let place = Place::new();
    let mut job = good(&place);
    let python = &mut job["spec"]["groupedTraining"]["model"]["python"];
    python.as_object_mut().unwrap().remove("code");
    python["file"] = json!("train.py");
    let failure = refused(&place, &job, ("InvalidFunction", "file", "there is no such file"));
    assert!(failure["location"]["file"].as_str().is_some_and(|file| file.ends_with("/train.py")), "{failure:#}");
    std::fs::write(place.join("train.py"), b"x = '\xff'\n").unwrap();
    refused(&place, &job, ("InvalidFunction", "file", "no text in UTF-8"));
    std::fs::write(place.join("train.py"), "import os\n\nraise KeyError('a')\n").unwrap();
    let failure = refused(&place, &job, ("InvalidFunction", "function", "KeyError"));
    assert_eq!(
        (failure["location"]["file"].as_str(), failure["location"]["line"].as_u64()),
        (Some("train.py"), Some(3))
    );
    std::fs::write(place.join("train.py"), "def fit(group):\n    return {'n': 1}\n").unwrap();
    run_here(&place, &job, &[]).succeeded();
}

#[test]
fn what_is_not_installed_is_named() {
    let _slots = slots::take(2);
    let place = Place::new();
    let job = jobs::with(good(&place), &member("code"), json!("import no_such_package\n"));
    refused(&place, &job, ("InvalidEnvironment", "environment", "there is no package `no_such_package`"));
    let mut job = good(&place);
    let python = &mut job["spec"]["groupedTraining"]["model"]["python"];
    python.as_object_mut().unwrap().remove("code");
    python["module"] = json!("no_such.module");
    refused(&place, &job, ("InvalidEnvironment", "environment", "there is no module `no_such`"));
}

#[test]
fn an_interpreter_that_cannot_be_used_says_why() {
    let _slots = slots::take(2);
    let place = Place::new();
    let script = |name: &str, text: &str| {
        let file = place.join(name);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
        file
    };
    // As an interpreter that is too old answers, whichever this machine has.
    let old = script("old", "#!/bin/sh\necho 'Python 3.8' >&2\nexit 97\n");
    // One that has nothing but the standard library.
    let bare = script("bare", &format!("#!/bin/sh\nexec '{}' -S \"$@\"\n", shoal_testkit::python().display()));
    for (interpreter, message) in [
        (place.join("none"), "there is no `"),
        (old, "Python 3.8 is too old: 3.10 or newer is needed"),
        (bare, "there is no package `pyarrow`, which every environment needs"),
        (place.join("firms.csv"), "cannot be started"),
    ] {
        let job = jobs::with(good(&place), &member("environment"), json!({"interpreter": interpreter}));
        refused(&place, &job, ("InvalidEnvironment", "environment", message));
    }
}

#[test]
fn names_that_the_output_cannot_have_are_refused() {
    let _slots = slots::take(1);
    let place = Place::new();
    for (name, reason, message) in [
        ("status", "InvalidName", "one of the output's own columns"),
        ("firm", "InvalidName", "that is a key"),
        ("my slope", "InvalidName", "Delta allows no space"),
    ] {
        let returns = json!([{"name": "n", "type": "int64"}, {"name": name, "type": "int64"}]);
        let job = jobs::with(good(&place), &member("returns"), returns);
        refused(&place, &job, (reason, "returns[1].name", message));
    }
    let job = jobs::with(good(&place), &member("columns"), json!(["x", "yaer"]));
    refused(&place, &job, ("ColumnNotFound", "columns[1]", "yaer"));
}
