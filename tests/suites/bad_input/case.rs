//! One thing that is wrong, and what must be said about it.

use std::path::Path;

use serde_json::{Value, json};
use shoal_tests::delta_log::content;
use shoal_tests::{job, shoal, slots};

/// Ten rows of two groups, which fit every job of this suite as they stand.
pub(crate) const GOOD_CSV: &str = "firm,year,value,capital,invest\n\
    a,1,1.0,2.5,3.1\na,2,2.0,1.5,4.2\na,3,3.0,4.5,5.9\na,4,4.5,1.0,8.3\na,5,6.0,2.0,9.9\n\
    b,1,2.0,2.5,1.1\nb,2,3.0,2.5,2.2\nb,3,4.0,3.5,2.9\nb,4,5.5,1.5,4.3\nb,5,7.0,2.5,5.9\n";

/// What must be said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    /// Exit code: 2 where it shows before any task runs, 1 where a task meets it.
    pub(crate) code: i32,
    /// Name of the reason.
    pub(crate) reason: &'a str,
    /// Path of the field, where one is to blame.
    pub(crate) field: Option<&'a str>,
    /// End of the path of the file, where one is to blame.
    pub(crate) file: Option<&'a str>,
    /// Line in that file.
    pub(crate) line: Option<u64>,
    /// Position in that line.
    pub(crate) position: Option<u64>,
    /// Column of the table, where one is to blame.
    pub(crate) column: Option<&'a str>,
    /// A part of what the user is told to do: in `next`, or in the message where that says what is expected.
    pub(crate) next: &'a str,
}

impl Expected<'_> {
    /// Nothing but the reason, and that something is said of the mend; shown before any task runs.
    pub(crate) const fn new(reason: &str) -> Expected<'_> {
        Expected { code: 2, reason, field: None, file: None, line: None, position: None, column: None, next: "" }
    }
}

/// A folder with `data.csv` in it, and where the job's output goes.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        place.write("data.csv", GOOD_CSV);
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let file = self.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    /// Runs a job of that text and compares what is said; the output must be as it was before.
    pub(crate) fn refuses_text(&self, text: &str, expected: &Expected<'_>) {
        let _slots = slots::take(1);
        let file = self.path().join("job.yaml");
        std::fs::write(&file, text).unwrap();
        let output = self.path().join("out");
        let before = content(&output);
        let state = self.path().join("state");
        let finished = shoal::run([
            "run".as_ref(),
            file.as_os_str(),
            "--output".as_ref(),
            "json".as_ref(),
            "--state-dir".as_ref(),
            state.as_os_str(),
        ]);
        let failure = finished.failed(expected.code);
        assert_says(&failure, expected, text);
        assert_eq!(content(&output), before, "the output was touched: {failure:#}");
    }

    pub(crate) fn refuses(&self, job: &Value, expected: &Expected<'_>) {
        self.refuses_text(&serde_json::to_string_pretty(job).unwrap(), expected);
    }

    /// As [`Place::refuses`], for a job with one thing changed.
    pub(crate) fn refuses_with(&self, place: &str, value: Value, expected: &Expected<'_>) {
        self.refuses(&job::with(good_job(), place, value), expected);
    }

    /// Runs a job that must succeed.
    pub(crate) fn accepts(&self, job: &Value) {
        let _slots = slots::take(1);
        let file = job::write(&self.path().join("good.yaml"), job);
        let state = self.path().join("state");
        let arguments = [
            "run".as_ref(),
            file.as_os_str(),
            "--output".as_ref(),
            "json".as_ref(),
            "--state-dir".as_ref(),
            state.as_os_str(),
        ];
        shoal::run(arguments).succeeded();
    }
}

/// A job over `data.csv` that has nothing wrong, with paths relative to its file.
pub(crate) fn good_job() -> Value {
    job::training("bad", Path::new("data.csv"), "firm", &["value", "capital"], "invest", Path::new("out"))
}

/// Compares a failure with what must be said.
pub(crate) fn assert_says(failure: &Value, expected: &Expected<'_>, about: &str) {
    let Expected { code: _, reason, field, file, line, position, column, next } = *expected;
    let location = &failure["location"];
    let said = |name: &str| location[name].as_str();
    let mut wrong = Vec::new();
    let mut check = |holds: bool, what: String| {
        if !holds {
            wrong.push(what);
        }
    };
    check(failure["reason"] == reason, format!("reason {reason}"));
    check(field.is_none() || said("fieldPath") == field, format!("field {field:?}"));
    check(file.is_none_or(|file| said("file").is_some_and(|said| said.ends_with(file))), format!("file {file:?}"));
    check(line.is_none() || location["line"].as_u64() == line, format!("line {line:?}"));
    check(position.is_none() || location["position"].as_u64() == position, format!("position {position:?}"));
    check(column.is_none() || said("column") == column, format!("column {column:?}"));
    let mend = failure["next"].as_str().unwrap_or_default();
    let message = failure["message"].as_str().unwrap_or_default();
    let is_said = if next.is_empty() { !mend.is_empty() } else { mend.contains(next) || message.contains(next) };
    check(is_said, format!("the mend {next:?}"));
    check(json!(["User", "Data"]).as_array().unwrap().contains(&failure["actor"]), "actor User or Data".to_owned());
    assert!(wrong.is_empty(), "expected {}\nof {about}\nfound {failure:#}", wrong.join(", "));
}
