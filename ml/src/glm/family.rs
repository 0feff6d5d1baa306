//! What the user chooses about a generalised linear model.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use serde::{Deserialize, Serialize};

use crate::needs::Needs;
use crate::option_error::{OptionError, require};

/// The distribution of the target about its expectation `μ`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Counts: zero or more, of variance `μ`.
    Poisson,
    /// Amounts: above zero, of variance `dispersion · μ²`.
    Gamma,
    /// Shares: from 0 to 1, of variance `μ (1 − μ)`. A target of zeros and ones is that of a logistic regression; a share
    /// of several tries takes their number for its weight.
    Binomial,
}

/// What the linear sum is of the expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// `ln μ`.
    Log,
    /// `1 / μ`.
    Inverse,
    /// `ln(μ / (1 − μ))`.
    Logit,
    /// `Φ⁻¹(μ)` of the standard normal distribution.
    Probit,
}

impl Family {
    /// The link that is taken if none is named: the canonical one.
    pub const fn canonical_link(self) -> Link {
        match self {
            Self::Poisson => Link::Log,
            Self::Gamma => Link::Inverse,
            Self::Binomial => Link::Logit,
        }
    }

    const fn allows(self, link: Link) -> bool {
        match self {
            Self::Poisson => matches!(link, Link::Log),
            Self::Gamma => matches!(link, Link::Inverse | Link::Log),
            Self::Binomial => matches!(link, Link::Logit | Link::Probit),
        }
    }

    /// Whether the family gives `y` a likelihood.
    pub(super) fn has(self, y: f64) -> bool {
        match self {
            Self::Poisson => y >= 0.0,
            Self::Gamma => y > 0.0,
            Self::Binomial => (0.0..=1.0).contains(&y),
        }
    }

    /// The variance of the target where its expectation is `mu`, for a dispersion of 1.
    pub(super) fn variance(self, mu: f64) -> f64 {
        match self {
            Self::Poisson => mu,
            Self::Gamma => mu * mu,
            Self::Binomial => mu * (1.0 - mu),
        }
    }

    /// Where the iterations begin: the target, moved to where a link is defined.
    pub(super) fn start(self, y: f64, mean: f64) -> f64 {
        match self {
            Self::Poisson | Self::Gamma => (y + mean) / 2.0,
            Self::Binomial => (y + 0.5) / 2.0,
        }
    }

    /// Whether the variance has a factor that is estimated.
    pub(super) const fn has_dispersion(self) -> bool {
        matches!(self, Self::Gamma)
    }
}

impl Link {
    /// The linear sum of an expectation.
    pub(super) fn of(self, mu: f64) -> f64 {
        match self {
            Self::Log => mu.ln(),
            Self::Inverse => 1.0 / mu,
            Self::Logit => (mu / (1.0 - mu)).ln(),
            Self::Probit => probit(mu),
        }
    }

    /// The expectation of a linear sum, and its derivative. `None` where there is none.
    pub(super) fn inverse(self, eta: f64) -> Option<(f64, f64)> {
        match self {
            Self::Log => Some((eta.exp(), eta.exp())),
            Self::Inverse => (eta > 0.0).then(|| (1.0 / eta, -1.0 / (eta * eta))),
            Self::Logit => {
                let small = (-eta.abs()).exp();
                let mu = if eta > 0.0 { 1.0 } else { small } / (1.0 + small);
                Some((mu, small / ((1.0 + small) * (1.0 + small))))
            }
            Self::Probit => {
                let density = (-eta * eta / 2.0).exp() / (2.0 * PI).sqrt();
                Some((libm::erfc(-eta * FRAC_1_SQRT_2) / 2.0, density))
            }
        }
        .filter(|(mu, slope)| mu.is_finite() && slope.is_finite())
    }
}

/// `Φ⁻¹(p)` for a starting point, by bisection: between −9 and 9 is all that a float below 1 leaves.
fn probit(p: f64) -> f64 {
    let (mut below, mut above) = (-9.0, 9.0);
    // Halving 18 so often leaves 1e-8.
    for _ in 0..31 {
        let middle = (below + above) / 2.0;
        if libm::erfc(-middle * FRAC_1_SQRT_2) / 2.0 < p { below = middle } else { above = middle }
    }
    (below + above) / 2.0
}

/// `φ(η) / Φ(η)` of the standard normal distribution.
pub(super) fn inverse_mills(eta: f64) -> f64 {
    // Where both are about to underflow, their ratio is this to three digits.
    const UNDERFLOW: f64 = -35.0;
    if eta < UNDERFLOW {
        return -eta;
    }
    let density = (-eta * eta / 2.0).exp() / (2.0 * PI).sqrt();
    density / (libm::erfc(-eta * FRAC_1_SQRT_2) / 2.0)
}

/// What the user chooses about a generalised linear model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GlmOptions {
    /// The distribution of the target.
    pub family: Family,
    /// The link; by default the family's canonical one. Poisson allows the logarithm, gamma the inverse and the
    /// logarithm, binomial logit and probit.
    #[serde(default)]
    pub link: Option<Link>,
    /// Whether the linear sum has a constant term.
    pub intercept: bool,
    /// How many steps are made at most.
    #[serde(default = "max_iterations")]
    pub max_iterations: usize,
    /// The length of the last step in standard errors of the coefficients.
    #[serde(default = "tolerance")]
    pub tolerance: f64,
}

const fn max_iterations() -> usize {
    100
}

const fn tolerance() -> f64 {
    1e-8
}

impl GlmOptions {
    /// What the fit is made from.
    pub const NEEDS: Needs = Needs::Rows;

    /// The defaults of a family.
    pub const fn new(family: Family) -> Self {
        Self { family, link: None, intercept: true, max_iterations: max_iterations(), tolerance: tolerance() }
    }

    /// The link that is fitted with.
    pub fn effective_link(&self) -> Link {
        self.link.unwrap_or(self.family.canonical_link())
    }

    /// # Errors
    ///
    /// If an option is outside its range, or the family does not allow the link.
    pub fn check(&self) -> Result<(), OptionError> {
        require(self.family.allows(self.effective_link()), "link", "must be one that the family allows")?;
        require(self.max_iterations > 0, "max_iterations", "must be one or more")?;
        require(self.tolerance >= 0.0 && self.tolerance.is_finite(), "tolerance", "must be zero or more")
    }
}
