use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{above_zero, both, of_variables, supervised};

supervised! {
    of_forest,
    /// A random forest: the mean of many deep trees, each grown on its own sample of the group's rows (Breiman 2001).
    RandomForest {
        /// Whether the target is a `number`, or the `class` of a row, a text for instance, of which the forest gives
        /// probabilities.
        #[serde(default)]
        pub predict: Predicted,
        /// How many trees.
        #[serde(default = "hundred")]
        #[schemars(range(min = 1, max = 10_000))]
        pub trees: u32,
        /// Edges from a tree's root to a leaf at most; no limit where it is absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 1, max = 1_000))]
        pub max_depth: Option<u32>,
        /// Leaves of a tree at most; no limit where it is absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 2, max = 1_000_000))]
        pub max_leaves: Option<u32>,
        /// Rows of a leaf at least.
        #[serde(default = "one")]
        #[schemars(range(min = 1, max = 1_000_000_000))]
        pub min_samples_leaf: u32,
        /// The share of the features that a split may choose from, at least one of them. Where it is absent: the square root
        /// of their number for classes, all of them for numbers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 0.0, max = 1.0))]
        pub features_per_split: Option<f64>,
        /// Whether each tree has a sample of the rows of its own, drawn with repetition, as many as there are.
        #[serde(default = "yes")]
        pub bootstrap: bool,
        /// Bins that the values of a feature are sorted into at most.
        #[serde(default = "bins")]
        #[schemars(range(min = 2, max = 255))]
        pub max_bins: u32,
        /// What all that is drawn at random follows from, together with the group's key.
        #[serde(default)]
        #[schemars(range(min = 0, max = 9_007_199_254_740_991u64))]
        pub seed: u64,
    }
}

supervised! {
    of_boosting,
    /// Gradient boosting: many small trees, each grown on what the ones before it got wrong (Friedman 2001).
    GradientBoosting {
        /// Whether the target is a `number`, or the `class` of a row, a text for instance, of which the model gives
        /// probabilities.
        #[serde(default)]
        pub predict: Predicted,
        /// What is minimised where a number is predicted: `squaredError` predicts the mean, `absoluteError` the median,
        /// `poisson` the mean of counts. `squaredError` where it is absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub loss: Option<BoostingLoss>,
        /// How many rounds at most; each adds a tree (one per class from three classes on).
        #[serde(default = "hundred")]
        #[schemars(range(min = 1, max = 10_000))]
        pub rounds: u32,
        /// The share of each step that is taken.
        #[serde(default = "learning_rate")]
        #[schemars(range(min = 0.0, max = 10.0))]
        pub learning_rate: f64,
        /// Edges from a tree's root to a leaf at most; no limit where it is absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 1, max = 1_000))]
        pub max_depth: Option<u32>,
        /// Leaves of a tree at most.
        #[serde(default = "leaves")]
        #[schemars(range(min = 2, max = 1_000_000))]
        pub max_leaves: u32,
        /// Rows of a leaf at least.
        #[serde(default = "twenty")]
        #[schemars(range(min = 1, max = 1_000_000_000))]
        pub min_samples_leaf: u32,
        /// What the square of a leaf's value costs.
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 1.0e12))]
        pub l2: f64,
        /// Bins that the values of a feature are sorted into at most.
        #[serde(default = "bins")]
        #[schemars(range(min = 2, max = 255))]
        pub max_bins: u32,
        /// The share of the rows that a round is grown on, drawn without repetition.
        #[serde(default = "whole")]
        #[schemars(range(min = 0.0, max = 1.0))]
        pub subsample: f64,
        /// The share of the features that a tree may use.
        #[serde(default = "whole")]
        #[schemars(range(min = 0.0, max = 1.0))]
        pub column_subsample: f64,
        /// When to stop before the last round; never where it is absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub early_stopping: Option<EarlyStopping>,
        /// What all that is drawn at random follows from, together with the group's key.
        #[serde(default)]
        #[schemars(range(min = 0, max = 9_007_199_254_740_991u64))]
        pub seed: u64,
    }
}

/// When boosting stops before its last round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = above_zero(["validationFraction"])))]
pub struct EarlyStopping {
    /// The share of the group's rows that is kept aside to judge by.
    #[serde(default = "tenth")]
    #[schemars(range(min = 0.0, max = 0.9))]
    pub validation_fraction: f64,
    /// Rounds without improvement after which to stop; the model keeps the rounds up to the best one.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 10_000))]
    pub patience: u32,
    /// How much the mean loss of a kept row has to fall to count as improvement.
    #[serde(default = "improvement")]
    #[schemars(range(min = 0.0, max = 1.0e12))]
    pub tolerance: f64,
}

/// What a model predicts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Predicted {
    #[allow(missing_docs)]
    #[default]
    Number,
    #[allow(missing_docs)]
    Class,
}

/// What boosting minimises where a number is predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum BoostingLoss {
    #[allow(missing_docs)]
    SquaredError,
    #[allow(missing_docs)]
    AbsoluteError,
    #[allow(missing_docs)]
    Poisson,
}

fn of_forest() -> Value {
    both(of_variables(), above_zero(["featuresPerSplit"]))
}

fn of_boosting() -> Value {
    let loss = json!([{
        "rule": "!has(self.loss) || self.predict == 'number'",
        "message": "classes are predicted by their probability: `loss` is for numbers only",
        "fieldPath": ".loss",
    }]);
    both(both(of_variables(), loss), above_zero(["learningRate", "subsample", "columnSubsample"]))
}

fn yes() -> bool {
    true
}

fn one() -> u32 {
    1
}

fn ten() -> u32 {
    10
}

fn twenty() -> u32 {
    20
}

fn leaves() -> u32 {
    31
}

fn hundred() -> u32 {
    100
}

fn bins() -> u32 {
    255
}

fn tenth() -> f64 {
    0.1
}

fn whole() -> f64 {
    1.0
}

fn learning_rate() -> f64 {
    0.1
}

fn improvement() -> f64 {
    1e-7
}
