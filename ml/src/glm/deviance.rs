//! Deviances and likelihoods (P. McCullagh, J. A. Nelder, "Generalized Linear Models", 2nd ed. 1989, chapter 2).

use super::family::Family;

impl Family {
    /// Twice the logarithm by which the likelihood of `y` is below the highest one, at `μ = y`, for a dispersion of 1.
    pub(super) fn deviance(self, y: f64, mu: f64) -> f64 {
        match self {
            Self::Poisson => 2.0 * (relative(y, mu) - (y - mu)),
            Self::Gamma => 2.0 * ((y - mu) / mu - (y / mu).ln()),
            Self::Binomial => 2.0 * (relative(y, mu) + relative(1.0 - y, 1.0 - mu)),
        }
        .max(0.0)
    }

    /// The logarithm of the likelihood of `weight` rows of `y`. That of a share leaves out the binomial coefficient, which
    /// no coefficient depends on: it is that of its tries one by one.
    pub(super) fn log_likelihood(self, y: f64, mu: f64, dispersion: f64, weight: f64) -> f64 {
        match self {
            Self::Poisson => weight * (times_log(y, mu) - mu - libm::lgamma(y + 1.0)),
            Self::Gamma => {
                let shape = 1.0 / dispersion;
                weight * (shape * (shape * y / mu).ln() - shape * y / mu - libm::lgamma(shape) - y.ln())
            }
            Self::Binomial => weight * (times_log(y, mu) + times_log(1.0 - y, 1.0 - mu)),
        }
    }
}

/// `y ln(y / mu)`, 0 for no `y`.
fn relative(y: f64, mu: f64) -> f64 {
    if y == 0.0 { 0.0 } else { y * (y / mu).ln() }
}

/// `y ln mu`, 0 for no `y`.
fn times_log(y: f64, mu: f64) -> f64 {
    if y == 0.0 { 0.0 } else { y * mu.ln() }
}
