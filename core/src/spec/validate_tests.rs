#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;

fn minimal() -> Value {
    json!({
        "apiVersion": "shoal.dev/v1alpha1",
        "kind": "ShoalJob",
        "metadata": {"name": "grunfeld"},
        "spec": {"groupedTraining": {
            "input": {"table": "data.csv"},
            "groupBy": ["firm"],
            "model": {"ols": {"target": "invest", "features": ["value"]}},
            "output": {"table": "out"},
        }},
    })
}

/// The minimal job with another value at one place; null takes the member away.
fn with(pointer: &str, new: Value) -> Value {
    let mut job = minimal();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = job.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    if new.is_null() {
        parent.remove(name)
    } else {
        parent.insert(name.to_owned(), new)
    };
    job
}

fn told(mut job: Value) -> Vec<(String, String)> {
    check(&mut job).into_iter().map(|problem| (problem.path.to_string(), problem.message)).collect()
}

fn one(job: Value) -> (Reason, String, String, String) {
    let mut job = job;
    let problems = check(&mut job);
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    let next = problem.next.clone().unwrap_or_default();
    (problem.reason, problem.path.to_string(), problem.message.clone(), next)
}

#[test]
fn the_minimal_job_has_no_problem_and_its_defaults() {
    let mut job = minimal();
    assert_eq!(check(&mut job), []);
    assert_eq!(job["spec"]["groupedTraining"]["output"]["mode"], "error");
    assert_eq!(job["spec"]["failurePolicy"]["maxTaskAttempts"], 4);
}

#[test]
fn a_mistyped_field_is_unknown_and_not_missing_too() {
    let mut job = with("/spec/groupedTraining/groupBy", Value::Null);
    job["spec"]["groupedTraining"]["groupBY"] = json!(["firm"]);
    let expected = (
        Reason::UnknownField,
        "spec.groupedTraining.groupBY".into(),
        "unknown field `groupBY`; did you mean `groupBy`?".into(),
        "write `groupBy`".into(),
    );
    assert_eq!(one(job), expected);
}

#[test]
fn a_field_at_the_wrong_place_is_sent_home() {
    let (_, path, message, next) = one(with("/spec/onMissing", json!("fail")));
    assert_eq!((path.as_str(), message.as_str()), ("spec.onMissing", "unknown field `onMissing`"));
    assert_eq!(next, "move it to `spec.groupedTraining`");
    let (.., next) = one(with("/spec/apiVersion", json!("shoal.dev/v1alpha1")));
    assert_eq!(next, "move it to the top of the file");
    let (.., next) = one(with("/spec/colour", json!("red")));
    assert_eq!(
        next,
        "known here: `activeDeadlineSeconds`, `cluster`, `clusterRef`, `failurePolicy`, `groupedScoring`, `groupedTraining`, `managedBy`, `priority`, `suspend`, `ttlSecondsAfterFinished`"
    );
}

#[test]
fn what_kubectl_puts_into_metadata_is_left_alone() {
    let metadata = json!({
        "name": "a", "namespace": "b", "labels": {"app.kubernetes.io/name": "c"}, "annotations": {"d": "e"}, "uid": "f",
    });
    assert_eq!(told(with("/metadata", metadata)), []);
    let told = told(with("/metadata", json!({"name": "a", "labels": {"b.c/d": 5}, "colour": "red"})));
    let paths: Vec<&str> = told.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["metadata.labels[b.c/d]", "metadata.colour"]);
}

#[test]
fn messages_name_the_field_what_is_expected_and_what_is_there() {
    let training = "/spec/groupedTraining";
    for (pointer, value, path, message) in [
        ("/onMissing", json!("dorp"), "onMissing", "`onMissing` cannot be `dorp`; did you mean `drop`?"),
        ("/onMissing", json!(5), "onMissing", "`onMissing` must be a text, and is the number 5"),
        ("/groupBy", json!([]), "groupBy", "`groupBy` has no entry; at least one is expected"),
        ("/groupBy", json!(["a", ""]), "groupBy[1]", "`groupBy[1]` is empty"),
        ("/groupBy", json!(["a", 5]), "groupBy[1]", "`groupBy[1]` must be a text, and is the number 5"),
        ("/groupBy", json!("firm"), "groupBy", "`groupBy` must be a list, and is the text `firm`"),
        ("/strategy", json!({}), "strategy", "`strategy` names nothing; exactly one is expected"),
        (
            "/strategy",
            json!({"auto": {}, "bucket": {}}),
            "strategy",
            "`strategy` names `auto`, `bucket`; exactly one is expected",
        ),
        ("/strategy", json!({"auto": null}), "strategy", "`strategy` names nothing; exactly one is expected"),
        (
            "/strategy",
            json!({"bucket": {"buckets": 0}}),
            "strategy.bucket.buckets",
            "`buckets` is 0; at least 1 is expected",
        ),
        (
            "/model",
            json!({}),
            "model",
            "exactly one model is expected: ols, ridge, lasso, elasticNet, logistic, glm, randomForest, gradientBoosting, mean, python",
        ),
    ] {
        let (reason, at, said, _) = one(with(&format!("{training}{pointer}"), value));
        assert_eq!((at.as_str(), said.as_str()), (format!("spec.groupedTraining.{path}").as_str(), message));
        assert_eq!(reason, Reason::InvalidValue);
    }
}

#[test]
fn a_number_of_groups_or_a_share_is_expected() {
    for good in [json!(0), json!(7), json!("0%"), json!("100%")] {
        assert_eq!(told(with("/spec/failurePolicy", json!({"maxFailed": good}))), []);
    }
    for bad in [json!(-1), json!("500%"), json!("5"), json!("05.5%"), json!(1.5), json!(true), json!(5_000_000_000u64)]
    {
        let (reason, path, ..) = one(with("/spec/failurePolicy", json!({"maxFailed": bad})));
        assert_eq!((reason, path.as_str()), (Reason::InvalidValue, "spec.failurePolicy.maxFailed"), "{bad}");
    }
}

#[test]
fn another_kind_of_resource_is_told_once() {
    let mut job = with("/kind", json!("Deployment"));
    job["spec"] = json!({"replicas": 3});
    let (reason, path, message, next) = one(job);
    assert_eq!((reason, path.as_str()), (Reason::UnknownKind, "kind"));
    assert_eq!((message.as_str(), next.as_str()), ("unknown `kind` `Deployment`", "this build knows `ShoalJob`"));
    assert_eq!(one(with("/kind", json!("shoaljob"))).2, "unknown `kind` `shoaljob`; did you mean `ShoalJob`?");
}

#[test]
fn a_document_that_is_no_object_has_a_problem_too() {
    for value in [json!([]), json!("text"), json!(5), json!({})] {
        assert_ne!(told(value), []);
    }
}
