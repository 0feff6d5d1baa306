//! A small model of each estimator, and rows to ask it about.

use shoal_ml::boosting::{BoostingOptions, NumberLoss, fit_boosted_classes, fit_boosted_numbers};
use shoal_ml::encode::{Encoder, Unknown};
use shoal_ml::forest::{ForestOptions, fit_forest_classes, fit_forest_numbers};
use shoal_ml::model::{Estimator, Feature, LinearMethod, LinearModel, Link, MeanModel, Model, Uncertainty};
use shoal_ml::trees::Columns;

pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) model: Model,
    pub(crate) rows: usize,
    pub(crate) columns: Vec<Column>,
    /// Of the interval to ask for.
    pub(crate) level: Option<f64>,
}

pub(crate) enum Column {
    Numbers(Vec<f64>),
    Categories(Vec<Option<String>>),
}

/// One of each estimator's ways to predict.
pub(crate) fn all() -> Vec<Sample> {
    vec![
        least_squares("ols", LinearMethod::Ols, one_hot(), true),
        least_squares_of_expressions("ols-expressions"),
        least_squares("ridge", LinearMethod::Ridge, Encoder::Hash { buckets: 2 }, false),
        least_squares("lasso", LinearMethod::Lasso, one_hot(), false),
        least_squares("elasticNet", LinearMethod::ElasticNet, one_hot(), false),
        generalised("glm", LinearMethod::Glm, Link::Log, &[], vec![0.25, 0.5, -1.5]),
        generalised("logistic", LinearMethod::Logistic, Link::Logit, &["no", "yes"], vec![0.25, 0.5, -1.5]),
        generalised(
            "logistic-multinomial",
            LinearMethod::Logistic,
            Link::Softmax,
            &["low", "middle", "high"],
            vec![0.5, 0.1, 0.2, -1.0, 0.3, 0.4, 0.0, -0.5, 0.6],
        ),
        mean(),
        mean_of_classes(),
        boosted("gradientBoosting"),
        boosted_counts("gradientBoosting-poisson"),
        boosted_classes("gradientBoosting-classes"),
        forest("randomForest"),
        forest_of_classes("randomForest-classes"),
    ]
}

const ROWS: usize = 60;

fn number(row: usize, feature: usize) -> f64 {
    // Not a number now and then, where a model takes that.
    if (row + 3 * feature) % 11 == 10 { f64::NAN } else { ((row * (7 + 6 * feature) + 3) % 41) as f64 / 8.0 }
}

fn region(row: usize) -> Option<String> {
    let known = ["east", "north", "west", "süd"];
    (row % 7 != 6).then(|| known[row % 5 % 4].to_owned())
}

fn target(row: usize) -> f64 {
    let [a, b] = [0, 1].map(|feature| if number(row, feature).is_nan() { 2.0 } else { number(row, feature) });
    a * b + if row % 5 == 1 { 3.0 } else { 0.0 }
}

fn one_hot() -> Encoder {
    let categories = ["east", "north", "west"].map(str::to_owned).to_vec();
    Encoder::OneHot { categories, drop_first: true, unknown: Unknown::Ignore }
}

fn ordinal() -> Encoder {
    let categories = ["east", "north", "süd", "west"].map(str::to_owned).to_vec();
    Encoder::Ordinal { categories, unknown: Unknown::Error }
}

fn features(encoder: Encoder) -> Vec<Feature> {
    vec![Feature::number("age"), Feature::number("income"), Feature::categories("region", encoder)]
}

fn sample(name: &'static str, classes: &[&str], encoder: Encoder, estimator: Estimator) -> Sample {
    let classes = classes.iter().map(|class| (*class).to_owned()).collect();
    let model = Model { target: "y".to_owned(), classes, features: features(encoder), estimator };
    let columns = vec![
        Column::Numbers((0..20).map(|row| number(row, 0)).collect()),
        Column::Numbers((0..20).map(|row| number(row, 1)).collect()),
        Column::Categories((0..20).map(region).collect()),
    ];
    Sample { name, model, rows: 20, columns, level: None }
}

/// Two terms of numbers and two of categories.
fn least_squares(name: &'static str, method: LinearMethod, encoder: Encoder, uncertain: bool) -> Sample {
    let all: Vec<String> = features(encoder.clone()).iter().flat_map(Feature::terms).collect();
    // The first category's coefficient was dropped.
    let terms = vec![all[0].clone(), all[1].clone(), all[3].clone()];
    let inverse_gram = vec![0.5, -0.1, -0.05, 0.02, 0.2, 0.01, 0.0, 0.1, -0.01, 0.4];
    let uncertainty = uncertain.then_some(Uncertainty { sigma: 1.25, df: 17.0, inverse_gram });
    let linear = LinearModel {
        method,
        link: Link::Identity,
        terms,
        intercepts: vec![1.5],
        coefficients: vec![0.1, -2.0, 1e-3],
        uncertainty,
    };
    let level = uncertain.then_some(0.95);
    Sample { level, ..sample(name, &[], encoder, Estimator::Linear(linear)) }
}

/// Of features that are no columns of the table that was trained on, one of which has the name of a column.
fn least_squares_of_expressions(name: &'static str) -> Sample {
    let mut sample = least_squares(name, LinearMethod::Ols, one_hot(), true);
    let expressions = ["ln(age) AS age", "income - rent AS income", "lower(region) AS region"];
    for (feature, expression) in sample.model.features.iter_mut().zip(expressions) {
        feature.expression = Some(expression.to_owned());
    }
    sample
}

fn generalised(
    name: &'static str,
    method: LinearMethod,
    link: Link,
    classes: &[&str],
    coefficients: Vec<f64>,
) -> Sample {
    let outputs = if link == Link::Softmax { classes.len() } else { 1 };
    let linear = LinearModel {
        method,
        link,
        terms: vec!["age".to_owned(), "income".to_owned(), "region=north".to_owned()],
        // One of them has no constant.
        intercepts: if link == Link::Log { Vec::new() } else { (0..outputs).map(|k| k as f64 / 4.0).collect() },
        coefficients,
        uncertainty: None,
    };
    sample(name, classes, one_hot(), Estimator::Linear(linear))
}

fn mean() -> Sample {
    let mean = MeanModel { values: vec![3.5], rows: 12, sigma: Some(2.25) };
    Sample { level: Some(0.9), ..sample("mean", &[], one_hot(), Estimator::Mean(mean)) }
}

fn mean_of_classes() -> Sample {
    let mean = MeanModel { values: vec![0.25, 0.75], rows: 12, sigma: None };
    sample("mean-classes", &["no", "yes"], one_hot(), Estimator::Mean(mean))
}

/// The rows to learn from, as terms; with categories in their order.
fn terms() -> Vec<Vec<f64>> {
    let regions: Vec<Option<String>> = (0..ROWS).map(region).collect();
    let regions: Vec<Option<&str>> = regions.iter().map(Option::as_deref).collect();
    let mut terms: Vec<Vec<f64>> = [0, 1].map(|feature| (0..ROWS).map(|row| number(row, feature)).collect()).to_vec();
    terms.extend(ordinal().encode(&regions).expect("each region is known"));
    terms
}

fn with_columns<T>(fit: impl Fn(&Columns<'_>) -> Option<T>) -> T {
    let terms = terms();
    let terms: Vec<&[f64]> = terms.iter().map(Vec::as_slice).collect();
    fit(&Columns::new(ROWS, &terms)).expect("the rows can be fitted")
}

fn targets() -> Vec<f64> {
    (0..ROWS).map(target).collect()
}

fn classes() -> Vec<usize> {
    targets().iter().map(|y| usize::from(*y > 3.0) + usize::from(*y > 9.0)).collect()
}

fn small() -> BoostingOptions {
    BoostingOptions { rounds: 6, max_leaves: Some(5), min_samples_leaf: 4, subsample: 0.8, ..Default::default() }
}

fn boosted(name: &'static str) -> Sample {
    let fit =
        |columns: &Columns<'_>| fit_boosted_numbers(columns, &targets(), NumberLoss::SquaredError, &small()).model;
    sample(name, &[], ordinal(), Estimator::Boosting(with_columns(fit)))
}

fn boosted_counts(name: &'static str) -> Sample {
    let fit = |columns: &Columns<'_>| fit_boosted_numbers(columns, &targets(), NumberLoss::Poisson, &small()).model;
    sample(name, &[], ordinal(), Estimator::Boosting(with_columns(fit)))
}

fn boosted_classes(name: &'static str) -> Sample {
    let fit = |columns: &Columns<'_>| fit_boosted_classes(columns, 3, &classes(), &small()).model;
    sample(name, &["low", "middle", "high"], ordinal(), Estimator::Boosting(with_columns(fit)))
}

fn forest(name: &'static str) -> Sample {
    let options = ForestOptions { trees: 4, max_depth: Some(4), ..Default::default() };
    let fit = |columns: &Columns<'_>| fit_forest_numbers(columns, &targets(), &options).model;
    sample(name, &[], ordinal(), Estimator::Forest(with_columns(fit)))
}

fn forest_of_classes(name: &'static str) -> Sample {
    let options = ForestOptions { trees: 4, max_depth: Some(4), ..Default::default() };
    let fit = |columns: &Columns<'_>| fit_forest_classes(columns, 3, &classes(), &options).model;
    sample(name, &["low", "middle", "high"], ordinal(), Estimator::Forest(with_columns(fit)))
}
