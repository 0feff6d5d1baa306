use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{both, intercept, newton_steps, of_weighted_variables, supervised};

supervised! {
    of_glm,
    /// A generalised linear model, fitted by maximum likelihood.
    Glm {
        weight = "How many rows a row stands for: a column or an aliased expression; 1 where it is absent.",
        /// Whether the linear combination has a constant term.
        #[serde(default = "intercept")]
        pub intercept: bool,
        /// How the target is distributed about what is expected: `poisson` for counts, `gamma` for positive amounts,
        /// `binomial` for shares from 0 to 1.
        pub family: GlmFamily,
        /// What the linear combination is of the expectation: `log` for `poisson`; `inverse` (its default) or `log` for
        /// `gamma`; `logit` (its default) or `probit` for `binomial`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub link: Option<GlmLink>,
        /// How many steps are made at most.
        #[serde(default = "newton_steps")]
        #[schemars(range(min = 1, max = 100_000))]
        pub max_iterations: u32,
        /// How long the last step may be, in standard errors of the coefficients.
        #[serde(default = "step")]
        #[schemars(range(min = 0.0, max = 1.0))]
        pub tolerance: f64,
    }
}

/// How a target is distributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum GlmFamily {
    #[allow(missing_docs)]
    Poisson,
    #[allow(missing_docs)]
    Gamma,
    #[allow(missing_docs)]
    Binomial,
}

/// What a linear combination is of an expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum GlmLink {
    #[allow(missing_docs)]
    Log,
    #[allow(missing_docs)]
    Inverse,
    #[allow(missing_docs)]
    Logit,
    #[allow(missing_docs)]
    Probit,
}

fn of_glm() -> Value {
    let link = json!([{
        "rule": "!has(self.link) || (self.family == 'poisson' ? self.link == 'log' : (self.family == 'gamma' ? \
                 self.link in ['inverse', 'log'] : self.link in ['logit', 'probit']))",
        "message": "the family does not have that link: poisson has log, gamma has inverse and log, binomial has logit and \
                    probit",
        "fieldPath": ".link",
    }]);
    both(of_weighted_variables(), link)
}

fn step() -> f64 {
    1e-8
}
