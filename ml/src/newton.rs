//! Newton's method for smooth convex losses with penalties that need not be smooth.
//!
//! Without absolute penalties a step solves the Newton system. With them it minimises the loss's quadratic model with the
//! penalties as they are, by coordinate descent: J. D. Lee, Y. Sun, M. A. Saunders, "Proximal Newton-type methods for
//! minimizing composite functions", SIAM Journal on Optimization 24 (2014). Both converge quadratically.

use crate::coordinate_descent::Quadratic;
use crate::positive_definite::{factorise, solve};

/// A convex function, with the state of the point where it was last evaluated.
pub(crate) trait Loss {
    /// The value at `parameters`, infinite where the function is not defined.
    fn value(&mut self, parameters: &[f64]) -> f64;
    /// Gradient and Hessian, whole and by rows, at the point of the last value.
    fn derivatives(&mut self, gradient: &mut [f64], hessian: &mut [f64]);
    /// Whether the loss falls without end from the point of the last value on, or along `step`.
    fn falls_forever(&mut self, step: &[f64]) -> bool;
}

/// What parameters cost: `Σ l1_j |θ_j| + ½ Σ l2_j θ_j²`.
pub(crate) struct Penalties {
    pub(crate) l1: Vec<f64>,
    pub(crate) l2: Vec<f64>,
}

impl Penalties {
    fn value(&self, parameters: &[f64]) -> f64 {
        let costs = self.l1.iter().zip(&self.l2).zip(parameters);
        costs.map(|((l1, l2), value)| l1 * value.abs() + 0.5 * l2 * value * value).sum()
    }

    /// Whether the penalties keep every slope from growing without end; the intercept, if there is one, comes first.
    pub(crate) fn are_none(&self) -> bool {
        self.l1.iter().chain(&self.l2).all(|cost| *cost == 0.0)
    }
}

/// How a minimisation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Converged,
    OutOfIterations,
    /// There is no minimum: the loss falls for ever in some direction.
    Unbounded,
    /// The Hessian has lost its digits.
    Singular,
}

/// When a minimisation ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_iterations: usize,
    /// The fall that the last step promises, as a share of the objective.
    pub(crate) tolerance: f64,
}

/// The share of a diagonal entry of the Hessian that has to be left once the parameters before it are taken out.
const SINGULAR_BELOW: f64 = 1e-13;
/// The share of the promised fall that a step has to make (Armijo's condition).
const SUFFICIENT_FALL: f64 = 1e-4;
/// How often a step is halved before it is given up: by then it is below rounding.
const HALVINGS: usize = 40;
/// Steps of which the promised fall is below this share of the objective are within its rounding.
const ROUNDING: f64 = 1e-14;
/// How often the coordinates of a step are gone through, and the share of the first round's step at which they are not.
const SWEEPS: usize = 1000;
const SWEEP_TOLERANCE: f64 = 1e-5;

/// Moves `parameters` to the minimum; gives how it ended and after how many steps.
pub(crate) fn minimise(
    loss: &mut impl Loss,
    penalties: &Penalties,
    parameters: &mut [f64],
    limits: Limits,
) -> (End, usize) {
    let width = parameters.len();
    let mut work = Work::new(width);
    let selects = penalties.l1.iter().any(|cost| *cost > 0.0);
    let unpenalised = penalties.are_none();
    let mut value = loss.value(parameters) + penalties.value(parameters);
    for iteration in 1..=limits.max_iterations {
        loss.derivatives(&mut work.gradient, &mut work.hessian);
        let fall = if selects {
            work.descend(penalties, parameters)
        } else if let Some(fall) = work.newton_step(penalties, parameters) {
            fall
        } else {
            let end = if unpenalised && loss.falls_forever(&work.step) { End::Unbounded } else { End::Singular };
            return (end, iteration);
        };
        if !fall.is_finite() {
            return (End::Singular, iteration);
        }

        let negligible = fall <= ROUNDING * value.abs();
        let mut length = 1.0;
        let mut moved = false;
        for _ in 0..HALVINGS {
            for ((trial, from), step) in work.trial.iter_mut().zip(&*parameters).zip(&work.step) {
                *trial = length * step + from;
            }
            let reached = loss.value(&work.trial) + penalties.value(&work.trial);
            if reached <= value - SUFFICIENT_FALL * length * fall || negligible && reached.is_finite() {
                value = reached;
                moved = true;
                break;
            }
            length /= 2.0;
        }
        if moved {
            parameters.copy_from_slice(&work.trial);
        } else {
            // The loss no longer falls along a direction in which it should: what is left is rounding.
            loss.value(parameters);
        }
        // Before convergence: what falls forever does so ever more slowly.
        if unpenalised && loss.falls_forever(&work.step) {
            return (End::Unbounded, iteration);
        }
        if fall <= limits.tolerance * value.abs() || fall == 0.0 {
            return (End::Converged, iteration);
        }
        if !moved {
            return (End::OutOfIterations, iteration);
        }
    }
    (End::OutOfIterations, limits.max_iterations)
}

/// What steps are computed in, allocated once.
struct Work {
    gradient: Vec<f64>,
    hessian: Vec<f64>,
    step: Vec<f64>,
    trial: Vec<f64>,
    linear: Vec<f64>,
    slope: Vec<f64>,
}

impl Work {
    fn new(width: usize) -> Self {
        let zeros = || vec![0.0; width];
        Self {
            gradient: zeros(),
            hessian: vec![0.0; width * width],
            step: zeros(),
            trial: zeros(),
            linear: zeros(),
            slope: zeros(),
        }
    }

    /// Sets the step to `−(H + l2)⁻¹ (g + l2 θ)`; gives the fall it promises, twice that of the quadratic model.
    fn newton_step(&mut self, penalties: &Penalties, parameters: &[f64]) -> Option<f64> {
        let width = parameters.len();
        for (j, (l2, value)) in penalties.l2.iter().zip(parameters).enumerate() {
            self.gradient[j] += l2 * value;
            self.hessian[j * width + j] += l2;
            self.step[j] = -self.gradient[j];
        }
        if !factorise(&mut self.hessian, width, SINGULAR_BELOW) {
            return None;
        }
        solve(&self.hessian, width, &mut self.step);
        Some(-self.gradient.iter().zip(&self.step).map(|(g, d)| g * d).sum::<f64>())
    }

    /// Sets the step to where the quadratic model with the penalties is least; gives the fall it promises.
    fn descend(&mut self, penalties: &Penalties, parameters: &[f64]) -> f64 {
        let width = parameters.len();
        // The model is ½ uᵀHu − (Hθ − g)ᵀu in u = θ + step.
        for (j, row) in self.hessian.chunks_exact(width).enumerate() {
            self.linear[j] = row.iter().zip(parameters).map(|(h, v)| h * v).sum::<f64>() - self.gradient[j];
        }
        let Penalties { l1, l2 } = penalties;
        let quadratic = Quadratic { matrix: &self.hessian, linear: &self.linear, l1, l2 };
        self.step.copy_from_slice(parameters);
        quadratic.slope(&self.step, &mut self.slope);
        let mut first = 0.0;
        for _ in 0..SWEEPS {
            let moved = quadratic.sweep(&mut self.step, &mut self.slope);
            if first == 0.0 {
                first = moved.step;
            }
            if moved.step <= SWEEP_TOLERANCE * first {
                break;
            }
        }
        let mut fall = 0.0;
        for (j, old) in parameters.iter().enumerate() {
            let new = self.step[j];
            self.step[j] = new - old;
            fall -= (self.gradient[j] + l2[j] * old) * self.step[j] + l1[j] * (new.abs() - old.abs());
        }
        fall.max(0.0)
    }
}
