//! The models that can be trained, and their options.

mod categorical;
mod glm;
mod linear;
mod logistic;
mod mean;
mod python;
mod trees;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use categorical::{Categorical, Encode};
pub use glm::{Glm, GlmFamily, GlmLink};
pub use linear::{AlphaPath, Alphas, ElasticNet, Lasso, Ols, Ridge, StandardErrors};
pub use logistic::{CostOfBoth, CostOfCoefficients, Logistic, LogisticPenalty};
pub use mean::Mean;
pub use python::{ConfigMapKeyRef, Environment, Frame, Params, Python, Returned, ReturnedType, Upload, Variable};
pub(super) use python::{NO_SOURCE, ONE_SOURCE};
pub use trees::{BoostingLoss, EarlyStopping, GradientBoosting, Predicted, RandomForest};

/// The model to train: exactly one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = exactly_one()))]
pub struct Model {
    /// Ordinary or weighted least squares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ols: Option<Ols>,
    /// Least squares in which squared coefficients cost something: they shrink, and dependent features are no trouble.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ridge: Option<Ridge>,
    /// Least squares in which absolute coefficients cost something: those that are worth little become zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasso: Option<Lasso>,
    /// Both of `ridge` and `lasso`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elastic_net: Option<ElasticNet>,
    /// The probability of each value of the target, its classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logistic: Option<Logistic>,
    /// A generalised linear model: counts, positive amounts, shares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glm: Option<Glm>,
    /// The mean of many deep trees, each grown on a sample of the group's rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random_forest: Option<RandomForest>,
    /// Many small trees, each of which mends what the ones before it got wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gradient_boosting: Option<GradientBoosting>,
    /// The mean of the target: what any other model has to beat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<Mean>,
    /// A Python function of yours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python: Option<Box<Python>>,
}

/// The members of [`Model`].
const MODELS: [&str; 10] =
    ["ols", "ridge", "lasso", "elasticNet", "logistic", "glm", "randomForest", "gradientBoosting", "mean", "python"];

fn exactly_one() -> Value {
    let members = MODELS.map(|name| format!("has(self.{name})")).join(", ");
    json!([{
        "rule": format!("[{members}].filter(model, model).size() == 1"),
        "message": format!("exactly one model is expected: {}", MODELS.join(", ")),
    }])
}

/// What holds for every model with features.
fn of_variables() -> Value {
    json!([
        {
            "rule": "!(self.target in self.features)",
            "message": "the target is also a feature: a model that knows the answer learns nothing",
            "fieldPath": ".features",
        },
        {
            "rule": "!('intercept' in self.features)",
            "message": "a feature cannot be called `intercept`: the constant term of the output has that name; give it \
                        another with `AS`, as `intercept AS intercept_column`",
            "fieldPath": ".features",
        },
        {
            "rule": "size(self.features) + (has(self.categorical) ? size(self.categorical) : 0) > 0",
            "message": "at least one feature is expected",
            "fieldPath": ".features",
        },
        {
            "rule": "!has(self.categorical) || self.categorical.all(it, it.column != self.target && !(it.column in \
                     self.features))",
            "message": "a categorical column is also the target or a feature",
            "fieldPath": ".categorical",
        },
    ])
}

/// As [`of_variables`], for models whose rows may weigh differently.
fn of_weighted_variables() -> Value {
    let weight = json!([{
        "rule": "!has(self.weight) || self.weight != self.target",
        "message": "the target cannot be what its rows weigh",
        "fieldPath": ".weight",
    }]);
    both(of_variables(), weight)
}

/// What holds for numbers that are above zero. A `minimum` between zero and one does not do: of a number without a fraction
/// the API server compares the whole part.
fn above_zero<const N: usize>(fields: [&str; N]) -> Value {
    let rule = |field: &str| {
        json!({
            "rule": format!("!has(self.{field}) || double(self.{field}) > 0.0"),
            "message": format!("`{field}` must be above zero"),
            "fieldPath": format!(".{field}"),
        })
    };
    fields.map(rule).to_vec().into()
}

/// Rules of both.
fn both(rules: Value, others: Value) -> Value {
    match (rules, others) {
        (Value::Array(mut rules), Value::Array(others)) => {
            rules.extend(others);
            rules.into()
        }
        (rules, _) => rules,
    }
}

/// A model that explains a target by features. Every field of the resource stands where the user writes it, so the ones
/// that such models have in common are written once here: flattening a type in would cost the errors of unknown fields.
///
/// `weight = "..."` says what a column of weights means to a model that takes one.
macro_rules! supervised {
    ($rules:path, $(#[$about:meta])* $name:ident { weight = $weight:literal, $($own:tt)* }) => {
        supervised! {
            $rules,
            $(#[$about])*
            $name {
                #[doc = $weight]
                #[serde(default, skip_serializing_if = "Option::is_none")]
                #[schemars(length(min = 1, max = 1024))]
                pub weight: Option<String>,
                $($own)*
            }
        }
    };
    ($rules:path, $(#[$about:meta])* $name:ident { $($own:tt)* }) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        #[schemars(extend("x-kubernetes-validations" = $rules()))]
        pub struct $name {
            /// What the model explains: the exact name of a column, or a SQL expression with an alias, as
            /// `ln(sales) AS log_sales`.
            #[schemars(length(min = 1, max = 1024))]
            pub target: String,
            /// What it is explained by: exact names of columns, or SQL expressions with an alias, as
            /// `ln(capital) AS log_capital`. The name becomes a term of the output.
            #[serde(default)]
            #[schemars(length(max = 512), inner(length(min = 1, max = 1024)))]
            #[schemars(extend("x-kubernetes-list-type" = "set"))]
            pub features: Vec<String>,
            /// Further features: columns whose values are names, and what becomes of them.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            #[schemars(length(max = 16))]
            #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["column"]))]
            pub categorical: Vec<$crate::spec::v1alpha1::Categorical>,
            $($own)*
        }
    };
}
use supervised;

fn intercept() -> bool {
    true
}

fn iterations() -> u32 {
    1000
}

fn newton_steps() -> u32 {
    100
}

fn tolerance() -> f64 {
    1e-10
}
