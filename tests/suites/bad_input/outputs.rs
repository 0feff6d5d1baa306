//! Outputs that are there already, and do not fit.

use serde_json::json;
use shoal_tests::job::with;

use crate::case::{Expected, Place, good_job};

const OUTPUT: &str = "/groupedTraining/output";

#[test]
fn an_output_that_exists_is_left_alone() {
    let place = Place::new();
    place.accepts(&good_job());
    let expected = Expected { file: Some("/out"), next: "overwrite", ..Expected::new("OutputExists") };
    let mut again = good_job();
    again["metadata"]["name"] = json!("again");
    place.refuses(&again, &expected);
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    let place = Place::new();
    place.write("out/letter.txt", "dear");
    for mode in ["error", "overwrite", "append"] {
        let mut job = with(good_job(), OUTPUT, json!({"table": "out", "mode": mode}));
        job["metadata"]["name"] = json!(mode);
        place.refuses(&job, &Expected { file: Some("/out"), ..Expected::new("OutputExists") });
    }
}

#[test]
fn another_schema_is_not_appended() {
    let place = Place::new();
    place.accepts(&good_job());
    let mut other = with(good_job(), "/groupedTraining/model/ols/features", json!(["value"]));
    other["metadata"]["name"] = json!("other");
    let other = with(other, OUTPUT, json!({"table": "out", "mode": "append"}));
    let expected = Expected { file: Some("/out"), next: "overwrite", ..Expected::new("SchemaMismatch") };
    place.refuses(&other, &expected);
    let mut same = with(good_job(), OUTPUT, json!({"table": "out", "mode": "append"}));
    same["metadata"]["name"] = json!("same");
    place.accepts(&same);
}
