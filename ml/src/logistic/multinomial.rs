//! The loss of more than two classes.

use crate::design::Design;
use crate::newton::Loss;

use super::binary::{ROUNDED_LOSS, SHORTEST_WIN};

/// `Σ s (ln Σ_k e^(η_k) − η_class)` with `η_k = Z θ_k`: parameters are those of the first class, then the second's, and
/// so on.
///
/// Adding the same to a parameter of every class changes no probability. Where no penalty decides, the parameters with
/// the sum of zero are wanted, so the square of the sum is added, which is zero there.
pub(super) struct MultinomialLoss<'a> {
    design: &'a Design,
    /// The number of each row's class.
    class_of: &'a [usize],
    classes: usize,
    /// What each row counts.
    counts: &'a [f64],
    /// Of the parameters of a class, how many from the first on no penalty decides.
    free: usize,
    /// What half of the square of a sum costs.
    anchor: f64,
    /// By class, then by row: `η`, and the probabilities of the point last evaluated.
    eta: Vec<f64>,
    probabilities: Vec<f64>,
    scratch: Vec<f64>,
    weights: Vec<f64>,
}

impl<'a> MultinomialLoss<'a> {
    /// `penalised` says whether something decides the slopes.
    pub(super) fn new(
        design: &'a Design,
        class_of: &'a [usize],
        classes: usize,
        counts: &'a [f64],
        penalised: bool,
    ) -> Self {
        let zeros = || vec![0.0; design.rows];
        let all = || vec![0.0; design.rows * classes];
        let free = if penalised { usize::from(design.intercept) } else { design.width() };
        // About the size of the Hessian's entries.
        let anchor = counts.iter().sum::<f64>() / (classes * classes) as f64;
        Self {
            design,
            class_of,
            classes,
            counts,
            free,
            anchor,
            eta: all(),
            probabilities: all(),
            scratch: zeros(),
            weights: zeros(),
        }
    }

    fn predict(&self, parameters: &[f64], eta: &mut [f64]) {
        let each = parameters.chunks_exact(self.design.width()).zip(eta.chunks_exact_mut(self.design.rows));
        each.for_each(|(parameters, eta)| self.design.predict(parameters, eta));
    }

    /// By how much each row's own class exceeds the highest of the others: the least and the most of all rows.
    fn margins(&self, eta: &[f64]) -> (f64, f64) {
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        for (i, &own) in self.class_of.iter().enumerate().filter(|(i, _)| self.counts[*i] > 0.0) {
            let others = (0..self.classes).filter(|&k| k != own).map(|k| eta[k * self.design.rows + i]);
            let mine = eta[own * self.design.rows + i];
            for other in others {
                least = least.min(mine - other);
                most = most.max(mine - other);
            }
        }
        (least, most)
    }
}

impl Loss for MultinomialLoss<'_> {
    fn value(&mut self, parameters: &[f64]) -> f64 {
        let mut eta = std::mem::take(&mut self.eta);
        self.predict(parameters, &mut eta);
        self.eta = eta;
        let rows = self.design.rows;
        let mut sum = 0.0;
        for i in 0..rows {
            let at = |k: usize| k * rows + i;
            let highest = (0..self.classes).map(|k| self.eta[at(k)]).fold(f64::NEG_INFINITY, f64::max);
            let mut total = 0.0;
            for k in 0..self.classes {
                let odds = (self.eta[at(k)] - highest).exp();
                self.probabilities[at(k)] = odds;
                total += odds;
            }
            for k in 0..self.classes {
                self.probabilities[at(k)] /= total;
            }
            sum += self.counts[i] * (total.ln() + highest - self.eta[at(self.class_of[i])]);
        }
        let width = self.design.width();
        for j in 0..self.free {
            let over: f64 = parameters.iter().skip(j).step_by(width).sum();
            sum += 0.5 * self.anchor * over * over;
        }
        // For the gradient of the sums, which only the parameters have.
        self.scratch.clear();
        self.scratch.extend((0..self.free).map(|j| parameters.iter().skip(j).step_by(width).sum::<f64>()));
        sum
    }

    fn derivatives(&mut self, gradient: &mut [f64], hessian: &mut [f64]) {
        let (rows, width) = (self.design.rows, self.design.width());
        let stride = width * self.classes;
        let over = self.scratch.clone();
        self.scratch.resize(rows, 0.0);
        for k in 0..self.classes {
            let mine = &self.probabilities[k * rows..(k + 1) * rows];
            for (i, weight) in self.weights.iter_mut().enumerate() {
                let is = f64::from(u8::from(self.class_of[i] == k));
                *weight = self.counts[i] * (mine[i] - is);
            }
            let part = &mut gradient[k * width..(k + 1) * width];
            self.design.transposed(&self.weights, part);
            for (g, over) in part.iter_mut().zip(&over) {
                *g += self.anchor * over;
            }
            for l in 0..=k {
                let theirs = &self.probabilities[l * rows..(l + 1) * rows];
                let is = f64::from(u8::from(k == l));
                for (i, weight) in self.weights.iter_mut().enumerate() {
                    *weight = self.counts[i] * mine[i] * (is - theirs[i]);
                }
                let corner = (k * width, l * width);
                self.design.weighted_gram(&self.weights, &mut self.scratch, hessian, stride, corner);
                for j in 0..self.free {
                    hessian[(corner.0 + j) * stride + corner.1 + j] += self.anchor;
                }
                if l < k {
                    for a in 0..width {
                        for b in 0..width {
                            hessian[(corner.1 + b) * stride + corner.0 + a] =
                                hessian[(corner.0 + a) * stride + corner.1 + b];
                        }
                    }
                }
            }
        }
    }

    /// As with two classes, for each row's own class against every other.
    fn falls_forever(&mut self, step: &[f64]) -> bool {
        if self.margins(&self.eta).0 > 0.0 {
            return true;
        }
        let mut moved = vec![0.0; self.eta.len()];
        self.predict(step, &mut moved);
        let (least, most) = self.margins(&moved);
        most > SHORTEST_WIN && least >= -ROUNDED_LOSS * most
    }
}
