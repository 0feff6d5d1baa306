//! Jobs sent to a head that may not read this machine's files as it likes.

use std::path::Path;

use shoal_tests::cluster::Head;
use shoal_tests::{http, job, shoal, slots};

use crate::case::{Expected, Place, assert_says, good_job};

#[test]
fn a_local_path_that_the_head_may_not_read_is_refused() {
    let _slots = slots::take(2);
    let (place, allowed) = (Place::new(), tempfile::tempdir().unwrap());
    let head = Head::start(&place.path().join("state"), &["--allow-local".as_ref(), allowed.path()]);
    let file = job::write(&place.path().join("job.yaml"), &good_job());
    let expected = Expected {
        field: Some("spec.groupedTraining.input.table"),
        file: Some("/data.csv"),
        next: "--allow-local",
        ..Expected::new("LocalPathRefused")
    };
    let arguments: [&Path; 7] = [
        "job".as_ref(),
        "submit".as_ref(),
        &file,
        "--head".as_ref(),
        head.url().as_ref(),
        "--output".as_ref(),
        "json".as_ref(),
    ];
    let finished = shoal::run(arguments);
    assert_says(&finished.failed(2), &expected, "a job whose table lies beside it");
    // Whose folder a relative path starts at, only the client knows; and this one did not say.
    let posted = http::post(&format!("{}/api/v1/jobs", head.url()), None, good_job().to_string()).unwrap();
    assert_eq!(posted.status, 403, "{posted:?}");
    assert_says(&posted.json(), &Expected { next: "absolute", file: None, ..expected }, "a job with relative paths");
    assert_eq!(head.jobs().len(), 0, "a refused job is not there");
    assert!(!place.path().join("out").exists());
}
