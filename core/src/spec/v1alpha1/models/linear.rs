use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::is_default;
use super::{above_zero, both, intercept, iterations, of_weighted_variables, supervised, tolerance};

supervised! {
    of_weighted_variables,
    /// Ordinary least squares: the linear model with the smallest sum of squared residuals.
    Ols {
        weight = "How precise each row is: the variance of its error is in inverse proportion to this column or aliased \
                  expression. All rows are equally precise where it is absent. A row of weight zero is left out.",
        /// Whether the model has a constant term.
        #[serde(default = "intercept")]
        pub intercept: bool,
        /// How the standard errors are estimated: `classical` takes all errors for equally large, the others do not (White
        /// 1980; MacKinnon and White 1985), of which `hc3` is the most careful with few rows.
        // Specs that were stored before there was a choice stay as they were.
        #[serde(default, skip_serializing_if = "is_default")]
        #[schemars(extend("default" = "classical"))]
        pub standard_errors: StandardErrors,
    }
}

/// How the standard errors of least squares are estimated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum StandardErrors {
    #[allow(missing_docs)]
    #[default]
    Classical,
    #[allow(missing_docs)]
    Hc0,
    #[allow(missing_docs)]
    Hc1,
    #[allow(missing_docs)]
    Hc2,
    #[allow(missing_docs)]
    Hc3,
}

supervised! {
    of_weighted_variables,
    /// Least squares with a penalty on squared coefficients: minimises `sum (y - b - x'w)^2 + alpha sum w^2`.
    Ridge {
        weight = "What each row's squared residual is multiplied by: a column or an aliased expression; 1 where it is absent.",
        /// Whether the model has a constant term, which costs nothing.
        #[serde(default = "intercept")]
        pub intercept: bool,
        /// What a squared coefficient costs. The sum of squares grows with the rows, so it means less the more there are.
        #[serde(default = "alpha")]
        #[schemars(range(min = 0.0, max = 1.0e12))]
        pub alpha: f64,
    }
}

supervised! {
    of_lasso,
    /// Least squares with a penalty on absolute coefficients: minimises `sum (y - b - x'w)^2 / 2n + alpha sum |w|`.
    Lasso {
        weight = "What each row's squared residual is multiplied by: a column or an aliased expression; 1 where it is absent.",
        /// Whether the model has a constant term, which costs nothing.
        #[serde(default = "intercept")]
        pub intercept: bool,
        /// What an absolute coefficient costs, beside the mean of the squared residuals; 1 where neither it nor `alphas` is
        /// there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 0.0, max = 1.0e12))]
        pub alpha: Option<f64>,
        /// Alphas of which each group takes the one whose models of other folds predict its rows best, by the folds of
        /// `evaluate`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub alphas: Option<Alphas>,
        /// How often all coefficients are gone through at most.
        #[serde(default = "iterations")]
        #[schemars(range(min = 1, max = 1_000_000))]
        pub max_iterations: u32,
        /// How far the result may be from the best one, as a share of the sum of squares of the target.
        #[serde(default = "tolerance")]
        #[schemars(range(min = 0.0, max = 1.0))]
        pub tolerance: f64,
    }
}

supervised! {
    of_elastic_net,
    /// Least squares with both penalties: minimises
    /// `sum (y - b - x'w)^2 / 2n + alpha (l1Ratio sum |w| + (1 - l1Ratio) sum w^2 / 2)`.
    ElasticNet {
        weight = "What each row's squared residual is multiplied by: a column or an aliased expression; 1 where it is absent.",
        /// Whether the model has a constant term, which costs nothing.
        #[serde(default = "intercept")]
        pub intercept: bool,
        /// What coefficients cost, beside the mean of the squared residuals; 1 where neither it nor `alphas` is there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 0.0, max = 1.0e12))]
        pub alpha: Option<f64>,
        /// Alphas of which each group takes the one whose models of other folds predict its rows best, by the folds of
        /// `evaluate`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub alphas: Option<Alphas>,
        /// The share of the penalty that is on absolute coefficients; the rest is on squares.
        #[serde(default = "l1_ratio")]
        #[schemars(range(min = 0.0, max = 1.0))]
        pub l1_ratio: f64,
        /// How often all coefficients are gone through at most.
        #[serde(default = "iterations")]
        #[schemars(range(min = 1, max = 1_000_000))]
        pub max_iterations: u32,
        /// How far the result may be from the best one, as a share of the sum of squares of the target.
        #[serde(default = "tolerance")]
        #[schemars(range(min = 0.0, max = 1.0))]
        pub tolerance: f64,
    }
}

/// Alphas to choose from: exactly one way to name them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct Alphas {
    /// These, in any order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000), inner(range(min = 0.0, max = 1.0e12)))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub values: Option<Vec<f64>>,
    /// Those of a path of the group's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<AlphaPath>,
}

/// Alphas in equal ratios, from the smallest one that leaves a group no slope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = of_path()))]
pub struct AlphaPath {
    /// How many alphas.
    #[serde(default = "hundred")]
    #[schemars(range(min = 2, max = 1000))]
    pub count: u32,
    /// The share of the first alpha that the last one is.
    #[serde(default = "thousandth")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub smallest: f64,
}

fn of_lasso() -> Value {
    let one = json!([{
        "rule": "!has(self.alpha) || !has(self.alphas)",
        "message": "either `alpha` is said, or `alphas` to choose from",
        "fieldPath": ".alphas",
    }]);
    both(of_weighted_variables(), one)
}

fn of_elastic_net() -> Value {
    let path = json!([{
        "rule": "!has(self.alphas) || !has(self.alphas.path) || double(self.l1Ratio) > 0.0",
        "message": "where no absolute coefficient costs anything no alpha leaves no slope: name the `values`",
        "fieldPath": ".alphas.path",
    }]);
    both(of_lasso(), path)
}

fn of_path() -> Value {
    let share = json!([{
        "rule": "double(self.smallest) < 1.0",
        "message": "`smallest` must be below one",
        "fieldPath": ".smallest",
    }]);
    both(above_zero(["smallest"]), share)
}

fn hundred() -> u32 {
    100
}

fn thousandth() -> f64 {
    1e-3
}

fn alpha() -> f64 {
    1.0
}

fn l1_ratio() -> f64 {
    0.5
}
