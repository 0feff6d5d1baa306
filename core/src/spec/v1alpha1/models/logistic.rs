use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::Chosen;
use super::{above_zero, intercept, newton_steps, of_weighted_variables, supervised, tolerance};

supervised! {
    of_weighted_variables,
    /// Logistic regression: the probability of each value of the target, numbers or texts, from a linear combination of the
    /// features.
    Logistic {
        weight = "How many rows a row stands for: a column or an aliased expression; 1 where it is absent.",
        /// Whether the model has a constant term, which costs nothing.
        #[serde(default = "intercept")]
        pub intercept: bool,
        /// Whether the target may have more than two values. The output then has a list of terms, each with its class.
        #[serde(default)]
        pub multinomial: bool,
        /// What coefficients cost.
        #[serde(default)]
        pub penalty: LogisticPenalty,
        /// How many steps are made at most.
        #[serde(default = "newton_steps")]
        #[schemars(range(min = 1, max = 100_000))]
        pub max_iterations: u32,
        /// The fall of the objective at which the steps end, as a share of it.
        #[serde(default = "tolerance")]
        #[schemars(range(min = 0.0, max = 1.0))]
        pub tolerance: f64,
    }
}

/// What coefficients cost, beside `c` times the negative log likelihood: exactly one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct LogisticPenalty {
    /// Nothing: the most likely coefficients, with standard errors. Where the features tell the classes perfectly there are
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub none: Option<Chosen>,
    /// Half the squares of the coefficients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l2: Option<CostOfCoefficients>,
    /// The absolute values of the coefficients: those that are worth little become zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l1: Option<CostOfCoefficients>,
    /// Both their absolute values and half their squares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elastic_net: Option<CostOfBoth>,
}

impl Default for LogisticPenalty {
    fn default() -> Self {
        Self { none: None, l2: Some(CostOfCoefficients { c: c() }), l1: None, elastic_net: None }
    }
}

/// A cost of either squares or absolute values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = above_zero(["c"])))]
pub struct CostOfCoefficients {
    /// What the negative log likelihood is multiplied by: the smaller, the smaller the coefficients.
    #[serde(default = "c")]
    #[schemars(range(min = 0.0, max = 1.0e12))]
    pub c: f64,
}

/// A cost of both squares and absolute values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = above_zero(["c"])))]
pub struct CostOfBoth {
    /// What the negative log likelihood is multiplied by: the smaller, the smaller the coefficients.
    #[serde(default = "c")]
    #[schemars(range(min = 0.0, max = 1.0e12))]
    pub c: f64,
    /// The share of the cost that is on absolute coefficients; the rest is on half their squares.
    #[serde(default = "l1_ratio")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub l1_ratio: f64,
}

fn c() -> f64 {
    1.0
}

fn l1_ratio() -> f64 {
    0.5
}
