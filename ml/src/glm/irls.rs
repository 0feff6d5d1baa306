//! Iteratively reweighted least squares.

use crate::design::{Design, dot};
use crate::positive_definite::{factorise, solve};
use crate::rows::Rows;
use crate::status::FitStatus;

use super::family::{Family, GlmOptions, Link, inverse_mills};
use super::inference;
use super::separation;

/// The share of a diagonal entry of `ZᵀWZ` that has to be left once the parameters before it are taken out.
const SINGULAR_BELOW: f64 = 1e-13;
/// How often a step that does not lower the deviance is halved before it is given up.
const HALVINGS: usize = 40;
/// The share of the promised fall that a step has to make: a step twice as long as it should be makes none of it, and would
/// be followed by one back.
const SUFFICIENT_FALL: f64 = 0.2;
/// What rounding may raise a deviance by, as a share of it.
const ROUNDING: f64 = 1e-12;

/// One group's iterations.
pub(super) struct Iteration<'a> {
    rows: Rows<'a>,
    design: &'a Design,
    family: Family,
    link: Link,
    pub(super) parameters: Vec<f64>,
    eta: Vec<f64>,
    pub(super) mu: Vec<f64>,
    /// `dμ/dη` of each row.
    slope: Vec<f64>,
    /// The weights of the least squares fit, and what they are multiplied with.
    weights: Vec<f64>,
    scratch: Vec<f64>,
}

impl<'a> Iteration<'a> {
    pub(super) fn new(rows: Rows<'a>, design: &'a Design, family: Family, link: Link) -> Self {
        let zeros = || vec![0.0; rows.len()];
        let mut iteration = Self {
            rows,
            design,
            family,
            link,
            parameters: vec![0.0; design.width()],
            eta: zeros(),
            mu: zeros(),
            slope: zeros(),
            weights: zeros(),
            scratch: zeros(),
        };
        let mean = mean(rows);
        for i in 0..rows.len() {
            iteration.eta[i] = link.of(family.start(rows.target()[i], mean));
        }
        iteration
    }

    /// Whether it converged, after how many steps.
    pub(super) fn run(&mut self, options: &GlmOptions) -> Result<(bool, usize), FitStatus> {
        // The first step is from the target itself, not from parameters.
        let mut deviance = f64::INFINITY;
        self.expect_at_eta();
        for iteration in 1..=options.max_iterations {
            self.weigh();
            if deviance.is_finite() {
                self.bend();
            }
            let mut information = self.information();
            let from = self.parameters.clone();
            let mut to = vec![0.0; from.len()];
            for i in 0..self.eta.len() {
                self.scratch[i] = self.weights[i] * self.eta[i] + self.score(i);
            }
            self.design.transposed(&self.scratch, &mut to);
            let whole = information.clone();
            if !factorise(&mut information, to.len(), SINGULAR_BELOW) {
                return Err(if separation::is_complete(self.rows, self.family, &self.mu) {
                    FitStatus::Separated
                } else {
                    FitStatus::IllConditioned
                });
            }
            solve(&information, to.len(), &mut to);

            let first = deviance.is_infinite();
            let length = |v: &[f64]| {
                whole.chunks_exact(v.len().max(1)).zip(v).map(|(line, a)| a * dot(line, v)).sum::<f64>().max(0.0)
            };
            let promised = length(&to.iter().zip(&from).map(|(to, from)| to - from).collect::<Vec<_>>());
            let reached = self.move_towards(&from, &to, deviance, promised, options.intercept)?;
            let step: Vec<f64> = self.parameters.iter().zip(&from).map(|(to, from)| to - from).collect();
            self.design.predict(&step, &mut self.scratch);
            if !first && separation::falls_forever(self.rows, self.family, &self.scratch) {
                return Err(FitStatus::Separated);
            }
            let dispersion = if self.family.has_dispersion() { self.dispersion() } else { 1.0 };
            let moved = length(&step);
            // Or where it is all rounding, for a target that is fitted exactly.
            let small = options.tolerance * options.tolerance * dispersion;
            if !first && moved <= small.max(f64::EPSILON * f64::EPSILON * length(&self.parameters)) {
                return Ok((true, iteration));
            }
            deviance = reached;
        }
        Ok((false, options.max_iterations))
    }

    /// Moves to the parameters `to`, or as far towards them from `from` as lowers the deviance by enough of what the step
    /// promises; gives what it then is.
    fn move_towards(
        &mut self,
        from: &[f64],
        to: &[f64],
        deviance: f64,
        promised: f64,
        intercept: bool,
    ) -> Result<f64, FitStatus> {
        let mut share = 1.0;
        for _ in 0..HALVINGS {
            for ((parameter, from), to) in self.parameters.iter_mut().zip(from).zip(to) {
                *parameter = (to - from) * share + from;
            }
            if let Some(reached) = self.evaluate()
                && (deviance.is_infinite()
                    || reached <= deviance - SUFFICIENT_FALL * share * promised + ROUNDING * deviance.abs())
            {
                return Ok(reached);
            }
            if deviance.is_infinite() {
                break;
            }
            share /= 2.0;
        }
        if deviance.is_finite() {
            self.parameters.copy_from_slice(from);
        } else {
            // The first step left where the link is defined: begin again at the mean.
            self.parameters.fill(0.0);
            if intercept {
                self.parameters[0] = self.link.of(mean(self.rows));
            }
        }
        self.evaluate().ok_or(FitStatus::NotConverged)
    }

    /// Expectations and deviance at the parameters, `None` where there are none.
    fn evaluate(&mut self) -> Option<f64> {
        self.design.predict(&self.parameters, &mut self.eta);
        if !self.expect_at_eta() {
            return None;
        }
        let terms = (0..self.mu.len())
            .filter(|&i| self.rows.weight(i) > 0.0)
            .map(|i| self.rows.weight(i) * self.family.deviance(self.rows.target()[i], self.mu[i]));
        Some(terms.sum::<f64>()).filter(|deviance| deviance.is_finite())
    }

    fn expect_at_eta(&mut self) -> bool {
        for i in 0..self.eta.len() {
            let Some((mu, slope)) = self.link.inverse(self.eta[i]) else {
                return false;
            };
            (self.mu[i], self.slope[i]) = (mu, slope);
        }
        true
    }

    pub(super) fn weigh(&mut self) {
        for i in 0..self.mu.len() {
            let weight = self.rows.weight(i) * self.slope[i] * self.slope[i] / self.family.variance(self.mu[i]);
            self.weights[i] = if weight.is_finite() { weight } else { 0.0 };
        }
    }

    /// Makes the weights those of the likelihood's own curvature where the link is not the canonical one: with the expected
    /// ones, steps far from a good fit converge slowly or not at all. Every link here has a concave likelihood.
    fn bend(&mut self) {
        for i in 0..self.mu.len() {
            let (y, eta) = (self.rows.target()[i], self.eta[i]);
            let own = match (self.family, self.link) {
                (Family::Gamma, Link::Log) => y / self.mu[i],
                (Family::Binomial, Link::Probit) => {
                    let (up, down) = (inverse_mills(eta), inverse_mills(-eta));
                    y * up * (up + eta) + (1.0 - y) * down * (down - eta)
                }
                _ => continue,
            };
            self.weights[i] = if own.is_finite() { self.rows.weight(i) * own } else { 0.0 };
        }
    }

    /// How the logarithm of the likelihood of row `i` rises with its linear sum.
    fn score(&self, i: usize) -> f64 {
        let rise = (self.rows.target()[i] - self.mu[i]) * self.slope[i] / self.family.variance(self.mu[i]);
        if rise.is_finite() { self.rows.weight(i) * rise } else { 0.0 }
    }

    /// `ZᵀWZ`.
    pub(super) fn information(&mut self) -> Vec<f64> {
        let width = self.design.width();
        let mut information = vec![0.0; width * width];
        self.design.weighted_gram(&self.weights, &mut self.scratch, &mut information, width, (0, 0));
        information
    }

    fn dispersion(&self) -> f64 {
        let df = (0..self.mu.len()).map(|i| self.rows.weight(i)).sum::<f64>() - self.parameters.len() as f64;
        inference::pearson(self.rows, self.family, &self.mu) / df.max(1.0)
    }
}

/// The weighted mean of the target.
fn mean(rows: Rows<'_>) -> f64 {
    let (sum, weight) = (0..rows.len())
        .fold((0.0, 0.0), |(sum, weight), i| (sum + rows.weight(i) * rows.target()[i], weight + rows.weight(i)));
    sum / weight
}
