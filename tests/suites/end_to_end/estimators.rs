//! Every estimator, from a job file to a table: numbers and stored models are those of statsmodels and scikit-learn.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use shoal_testkit::Numbers;
use shoal_tests::oracle::{models, read_delta};
use shoal_tests::table::{ByKey, assert_agrees_within, by_key};
use shoal_tests::{job, slots};

use crate::place::Place;

const GROUPS: usize = 6;
const ROWS: usize = 90;

/// How far iterations may end apart.
const ITERATED: f64 = 1e-6;

/// Groups `g` of equally many rows: features `a`, `b`, weights `w`, and targets of each kind.
fn table(place: &Place) -> PathBuf {
    let mut numbers = Numbers::new(11);
    let mut text = "g,a,b,w,y,bought,kind,visits,amount,share,day,color,answer,fruit\n".to_owned();
    for row in 0..GROUPS * ROWS {
        let (a, b) = (numbers.between(-2.0, 2.0), numbers.between(0.0, 3.0));
        let y = 1.0 + 2.0 * a - b + numbers.between(-1.0, 1.0) * (1.0 + b);
        let bought = u8::from(0.8 * a - 0.5 * b + numbers.between(-2.0, 2.0) > 0.0);
        let kind = u8::from(a + numbers.between(-1.5, 1.5) > 0.0) + u8::from(b + numbers.between(-1.5, 1.5) > 1.5);
        let visits = ((0.4 * a + 0.3 * b).exp() * numbers.between(0.0, 3.0)).floor();
        let amount = (0.3 * a + 0.2 * b).exp() * numbers.between(0.2, 3.0);
        let share = 1.0 / (1.0 + (-a + numbers.between(-1.0, 1.0)).exp());
        let w = numbers.below(4) + 1;
        let (group, day) = (row % GROUPS, row / GROUPS * 37 % ROWS);
        let color = ["red", "green", "blue"][numbers.below(3) as usize];
        let day = format!("2026-{:02}-{:02}", 1 + day / 28, 1 + day % 28);
        // The same classes as texts, whose order is another one.
        let (answer, fruit) = (["sure", "no"][usize::from(bought)], ["plum", "fig", "kiwi"][usize::from(kind)]);
        write!(text, "store {group},{a},{b},{w},{y},{bought},{kind},{visits},{amount},{share},{day},").unwrap();
        writeln!(text, "{color},{answer},{fruit}").unwrap();
    }
    let file = place.join("rows.csv");
    std::fs::write(&file, text).unwrap();
    file
}

fn job_of(name: &str, model: &Value, input: &Path, output: &Path) -> Value {
    let job = job::training(name, input, "g", &[], "", output);
    job::with(job, "/groupedTraining/model", model.clone())
}

/// A model to train, under a name.
struct Case {
    name: &'static str,
    model: Value,
    /// How it is tested, or null.
    evaluate: Value,
    strategy: &'static str,
}

fn case(name: &'static str, model: Value) -> Case {
    Case { name, model, evaluate: Value::Null, strategy: "auto" }
}

/// Trains a model per group.
fn train(place: &Place, name: &str, case: &Case) -> PathBuf {
    let (input, output) = (table(place), place.join(name));
    let mut job = job::with_strategy(job_of(name, &case.model, &input, &output), case.strategy);
    if !case.evaluate.is_null() {
        job = job::with(job, "/groupedTraining/evaluate", case.evaluate.clone());
    }
    let status = place.run(&job).succeeded();
    assert_eq!(status["report"]["counters"]["groupsOk"], GROUPS, "{name}: {status:#}");
    output
}

/// Trains models, and gives of each its name, the table that it made, and what others say.
fn train_all(place: &Place, cases: &[Case]) -> Vec<(&'static str, ByKey, ByKey)> {
    let made: Vec<_> =
        cases.iter().map(|case| (train(place, case.name, case), case.model.clone(), case.evaluate.clone())).collect();
    let theirs = models(&table(place), "g", &made);
    let tables = made.iter().map(|(table, ..)| by_key(&read_delta(table), &["g"]));
    let said = theirs.iter().map(|rows| by_key(rows, &["g"]));
    cases.iter().zip(tables.zip(said)).map(|(case, (ours, theirs))| (case.name, ours, theirs)).collect()
}

/// Trains models whose numbers must be those of the other libraries, stored predictions included.
fn agree(cases: &[Case]) {
    let _slots = slots::take(3);
    let place = Place::new();
    for (name, ours, mut theirs) in train_all(&place, cases) {
        assert_eq!(theirs.len(), GROUPS);
        for (group, said) in &mut theirs {
            let fields = said.as_object_mut().unwrap();
            let stored = fields.remove("stored").unwrap();
            fields.remove("half");
            // Sums alone do not have it.
            fields.remove("cv_mae").filter(|_| name != "one-hot").map(|mae| fields.insert("cv_mae".to_owned(), mae));
            let difference = stored["difference"].as_f64().unwrap();
            assert!(difference < ITERATED, "{name} {group}: a stored model predicts {difference} off");
            assert!(!fields.is_empty());
        }
        assert_agrees_within(ITERATED, &ours, &theirs);
    }
}

fn variables(target: &str, options: Value) -> Value {
    let mut model = json!({"target": target, "features": ["a", "b"]});
    model.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    model
}

#[test]
fn least_squares_agree_with_weights_robust_errors_and_penalties() {
    agree(&[
        case("ols", json!({"ols": variables("y", json!({}))})),
        case("weighted", json!({"ols": variables("y", json!({"weight": "w"}))})),
        case("hc0", json!({"ols": variables("y", json!({"standardErrors": "hc0"}))})),
        case("hc3", json!({"ols": variables("y", json!({"weight": "w", "standardErrors": "hc3"}))})),
        case("ridge", json!({"ridge": variables("y", json!({"alpha": 3.5}))})),
        case("weighted-ridge", json!({"ridge": variables("y", json!({"alpha": 3.5, "weight": "w"}))})),
        case("lasso", json!({"lasso": variables("y", json!({"alpha": 0.1}))})),
        case("elastic-net", json!({"elasticNet": variables("y", json!({"alpha": 0.2, "l1Ratio": 0.3}))})),
    ]);
}

#[test]
fn classes_counts_and_amounts_agree() {
    agree(&[
        case("logistic", json!({"logistic": variables("bought", json!({}))})),
        case("weighted-logistic", json!({"logistic": variables("bought", json!({"weight": "w"}))})),
        case("logit", json!({"logistic": variables("bought", json!({"penalty": {"none": {}}}))})),
        case(
            "multinomial",
            json!({"logistic": variables("kind", json!({"multinomial": true, "penalty": {"l2": {"c": 0.7}}}))}),
        ),
        case("texts", json!({"logistic": variables("answer", json!({"weight": "w"}))})),
        case("three-texts", json!({"logistic": variables("fruit", json!({"multinomial": true}))})),
        case("poisson", json!({"glm": variables("visits", json!({"family": "poisson"}))})),
        case("gamma", json!({"glm": variables("amount", json!({"family": "gamma", "link": "log"}))})),
        case("probit", json!({"glm": variables("share", json!({"family": "binomial", "link": "probit"}))})),
        case("mean", json!({"mean": {"target": "y"}})),
    ]);
}

#[test]
fn tests_on_other_rows_agree_by_a_column_and_by_time() {
    let by_column = |name, model, strategy| Case { evaluate: json!({"column": "w"}), strategy, ..case(name, model) };
    let by_time = |name, model| Case { evaluate: json!({"time": {"column": "day", "folds": 3}}), ..case(name, model) };
    agree(&[
        by_column("ols", json!({"ols": variables("y", json!({}))}), "bucket"),
        by_column("ridge", json!({"ridge": variables("y", json!({"alpha": 3.5}))}), "bucket"),
        by_column("mean", json!({"mean": {"target": "y"}}), "bucket"),
        by_column("logistic", json!({"logistic": variables("bought", json!({}))}), "auto"),
        by_column("texts", json!({"logistic": variables("answer", json!({}))}), "bucket"),
        by_time("lasso-by-day", json!({"lasso": variables("y", json!({"alpha": 0.1}))})),
        by_time("mean-by-day", json!({"mean": {"target": "y"}})),
        by_time("logistic-by-day", json!({"logistic": variables("bought", json!({}))})),
    ]);
}

#[test]
fn each_group_takes_the_alpha_that_its_folds_choose() {
    let of = |name, model, evaluate, strategy| Case { evaluate, strategy, ..case(name, model) };
    let column = || json!({"column": "w"});
    let path = || json!({"path": {"count": 30, "smallest": 0.01}});
    let values = json!({"alphas": {"values": [0.03, 1, 0.1, 0.3, 0.01]}});
    agree(&[
        of("lasso", json!({"lasso": variables("y", json!({"alphas": path()}))}), column(), "bucket"),
        of("values", json!({"lasso": variables("y", values)}), column(), "bucket"),
        of(
            "elastic-net",
            json!({"elasticNet": variables("y", json!({"alphas": path(), "l1Ratio": 0.4}))}),
            json!({"time": {"column": "day", "folds": 4}}),
            "auto",
        ),
        of("weighted", json!({"lasso": variables("y", json!({"alphas": path(), "weight": "b"}))}), column(), "auto"),
    ]);
}

#[test]
fn tests_are_the_same_from_sums_and_from_rows() {
    let _slots = slots::take(3);
    let place = Place::new();
    for (name, model) in [
        ("ols", json!({"ols": variables("y", json!({}))})),
        ("lasso", json!({"lasso": variables("y", json!({"alpha": 0.1}))})),
        ("chosen", json!({"elasticNet": variables("y", json!({"alphas": {"path": {"count": 20}}}))})),
        ("mean", json!({"mean": {"target": "y"}})),
    ] {
        for (way, evaluate) in [("hashed", json!({"folds": 4})), ("by-column", json!({"column": "w"}))] {
            let rows = |strategy| {
                let case = Case { evaluate: evaluate.clone(), strategy, ..case("", model.clone()) };
                read_delta(&train(&place, &format!("{name}-{way}-{strategy}"), &case))
            };
            let (mut sums, rows) = (rows("aggregate"), rows("bucket"));
            for row in &mut sums {
                // The mean of absolute errors takes the rows.
                assert_eq!(row.as_object_mut().unwrap().remove("cv_mae"), Some(Value::Null));
                // The model has the last bits of the sums, and so has what is left of rounding.
                row.as_object_mut().unwrap().retain(|name, _| name != "model" && name != "duality_gap");
                assert_eq!(row["cv_rows"], ROWS);
            }
            assert_agrees_within(1e-9, &by_key(&rows, &["g"]), &by_key(&sums, &["g"]));
        }
    }
}

#[test]
fn categories_are_learned_once_and_stored_with_the_models() {
    let with_color = |target: &str, options: Value, color: Value| {
        let mut color = color;
        color["column"] = json!("color");
        let mut model = variables(target, options);
        model["categorical"] = json!([color]);
        model
    };
    let tested = |name, model| Case { evaluate: json!({"column": "w"}), ..case(name, model) };
    agree(&[
        tested("one-hot", json!({"ols": with_color("y", json!({}), json!({}))})),
        case("every-color", json!({"ridge": with_color("y", json!({"alpha": 2.0}), json!({"dropFirst": false}))})),
        case("ordinal", json!({"logistic": with_color("bought", json!({}), json!({"encode": "ordinal"}))})),
        case("colors-alone", json!({"ols": {"target": "y", "categorical": [{"column": "color"}]}})),
    ]);
}

#[test]
fn trees_fit_as_well_as_those_of_others_and_the_same_again() {
    let _slots = slots::take(3);
    let place = Place::new();
    let cases = [
        case("forest", json!({"randomForest": variables("y", json!({}))})),
        case("classes", json!({"randomForest": variables("kind", json!({"predict": "class"}))})),
        case("boosting", json!({"gradientBoosting": variables("y", json!({}))})),
        case("boosted-classes", json!({"gradientBoosting": variables("kind", json!({"predict": "class"}))})),
        case("texts", json!({"randomForest": variables("fruit", json!({"predict": "class"}))})),
        case("boosted-texts", json!({"gradientBoosting": variables("fruit", json!({"predict": "class"}))})),
    ];
    let again = cases.each_ref().map(|case| read_delta(&train(&place, &format!("{}-again", case.name), case)));
    for ((name, ours, theirs), again) in train_all(&place, &cases).into_iter().zip(again) {
        for (group, said) in &theirs {
            let (fit, peer) = (said["stored"]["fit"].as_f64().unwrap(), said["stored"]["peer_fit"].as_f64().unwrap());
            assert!((fit - peer).abs() < 0.05, "{name} {group}: {fit}, and {peer} of scikit-learn's");
        }
        assert_eq!(by_key(&again, &["g"]), ours, "{name}: another run draws the same");
    }
}

#[test]
fn what_a_group_cannot_be_is_said_in_its_row() {
    let _slots = slots::take(3);
    let place = Place::new();
    let input = table(&place);
    let status_of = |name: &str, model: Value| {
        let output = place.join(name);
        let job = job_of(name, &model, &input, &output);
        assert_eq!(place.run(&job).succeeded()["report"]["counters"]["groupsFailed"], GROUPS, "{name}");
        let row = read_delta(&output).swap_remove(0);
        assert_eq!(row["model"], Value::Null);
        (row["status"].as_str().unwrap().to_owned(), row["message"].as_str().unwrap().to_owned())
    };
    let (status, message) = status_of("third", json!({"logistic": variables("kind", json!({}))}));
    assert!(status == "invalid_target" && message.contains("multinomial: true"), "{status}: {message}");
    let (status, _) = status_of("below-zero", json!({"glm": variables("y", json!({"family": "poisson"}))}));
    assert_eq!(status, "invalid_target");
    let (status, message) = status_of("third-text", json!({"logistic": variables("fruit", json!({}))}));
    assert!(status == "invalid_target" && message.contains("multinomial: true"), "{status}: {message}");
    let one = json!({"logistic": variables("CASE WHEN a > 9 THEN 1 ELSE 0 END AS never", json!({}))});
    assert_eq!(status_of("one-class", one).0, "single_class");
}

#[test]
fn coefficients_alone_are_those_of_the_full_table() {
    let _slots = slots::take(3);
    let place = Place::new();
    let input = table(&place);
    for (name, model, stored) in [
        ("ols", json!({"ols": variables("y", json!({}))}), false),
        ("lasso", json!({"lasso": variables("y", json!({"alpha": 0.1}))}), false),
        ("poisson", json!({"glm": variables("visits", json!({"family": "poisson"}))}), true),
    ] {
        let rows = |statistics: &str| {
            let output = place.join(&format!("{name}-{statistics}"));
            let job = job_of(&format!("{name}-{statistics}"), &model, &input, &output);
            let job = job::with(job, "/groupedTraining/statistics", json!(statistics));
            place.run(&job).succeeded();
            read_delta(&output)
        };
        let (full, coefficients) = (rows("full"), rows("coefficients"));
        let mut columns = vec!["g", "status", "message", "rows_used", "rows_dropped", "coefficients"];
        columns.extend(stored.then_some("model"));
        let mut found: Vec<&String> = coefficients[0].as_object().unwrap().keys().collect();
        found.sort();
        columns.sort_unstable();
        assert_eq!(found, columns, "{name}");
        assert!(full[0].as_object().unwrap().len() > columns.len());
        assert_agrees_within(1e-12, &by_key(&full, &["g"]), &by_key(&coefficients, &["g"]));
    }
}
