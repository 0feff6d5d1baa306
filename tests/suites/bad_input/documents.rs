//! The job file itself.

use serde_json::json;

use crate::case::{Expected, Place, good_job};

/// As users write them, in blocks; line and position are counted in here.
const GOOD_YAML: &str = "\
apiVersion: shoal.dev/v1alpha1
kind: ShoalJob
metadata: {name: bad}
spec:
  groupedTraining:
    input: {table: data.csv}
    groupBy: [firm]
    model:
      ols: {target: invest, features: [value, capital]}
    output: {table: out}
";

const PATH: &str = "spec.groupedTraining";

#[test]
fn an_unknown_field_is_named_with_its_line_column_and_the_nearest_name() {
    let field = format!("{PATH}.groupBT");
    let expected = Expected {
        field: Some(&field),
        file: Some("job.yaml"),
        line: Some(7),
        position: Some(5),
        next: "groupBy",
        ..Expected::new("UnknownField")
    };
    Place::new().refuses_text(&GOOD_YAML.replace("groupBy", "groupBT"), &expected);
}

#[test]
fn an_unknown_kind_is_named_with_its_line() {
    let expected = Expected {
        field: Some("kind"),
        file: Some("job.yaml"),
        line: Some(2),
        next: "ShoalJob",
        ..Expected::new("UnknownKind")
    };
    Place::new().refuses_text(&GOOD_YAML.replace("ShoalJob", "ShoalJbo"), &expected);
    let expected = Expected { line: Some(5), next: "groupedTraining", ..Expected::new("UnknownField") };
    Place::new().refuses_text(&GOOD_YAML.replace("groupedTraining", "groupedTrainig"), &expected);
}

#[test]
fn what_is_no_yaml_is_named_with_its_line() {
    let expected = Expected { file: Some("job.yaml"), line: Some(7), ..Expected::new("MalformedDocument") };
    Place::new().refuses_text(&GOOD_YAML.replace("    groupBy", "\tgroupBy"), &expected);
}

#[test]
fn a_missing_job_file_is_named() {
    use shoal_tests::{shoal, slots};
    let _slots = slots::take(1);
    let place = Place::new();
    let file = place.path().join("nowhere.yaml");
    let finished = shoal::run(["run".as_ref(), file.as_os_str(), "--output".as_ref(), "json".as_ref()]);
    let failure = finished.failed(2);
    assert!(failure["location"]["file"].as_str().is_some_and(|file| file.ends_with("nowhere.yaml")), "{failure:#}");
}

#[test]
fn a_feature_that_is_the_target_is_refused() {
    let field = format!("{PATH}.model.ols.features");
    let expected = Expected { field: Some(&field), next: "also a feature", ..Expected::new("InvalidValue") };
    Place::new().refuses_with("/groupedTraining/model/ols/features", json!(["value", "invest"]), &expected);
}

#[test]
fn a_feature_or_key_that_comes_twice_is_refused() {
    let place = Place::new();
    let field = format!("{PATH}.model.ols.features[2]");
    let expected = Expected { field: Some(&field), next: "remove one", ..Expected::new("DuplicateName") };
    place.refuses_with("/groupedTraining/model/ols/features", json!(["value", "capital", "value"]), &expected);
    let field = format!("{PATH}.groupBy[1]");
    let expected = Expected { field: Some(&field), next: "remove one", ..Expected::new("DuplicateName") };
    place.refuses_with("/groupedTraining/groupBy", json!(["firm", "firm"]), &expected);
    let field = format!("{PATH}.model.ols.features[1]");
    let expected = Expected { field: Some(&field), next: "AS", ..Expected::new("DuplicateName") };
    place.refuses_with("/groupedTraining/model/ols/features", json!(["value", "2 * capital AS value"]), &expected);
}

#[test]
fn a_value_out_of_its_range_is_named() {
    let field = format!("{PATH}.strategy.bucket.buckets");
    let expected = Expected { field: Some(&field), next: "at least 1 is expected", ..Expected::new("InvalidValue") };
    Place::new().refuses_with("/groupedTraining/strategy", json!({"bucket": {"buckets": 0}}), &expected);
}

#[test]
fn the_job_that_all_others_are_made_of_is_good() {
    let place = Place::new();
    place.accepts(&good_job());
    assert!(place.path().join("out/_delta_log").is_dir(), "the output is beside the job file");
}
