//! The loss of two classes.

use crate::design::Design;
use crate::newton::Loss;

/// How much a row may lose along a direction in which all others win or stay, for it to count as rounding: a share of
/// the largest win.
pub(super) const ROUNDED_LOSS: f64 = 1e-7;
/// The largest win below which a direction says nothing: steps this short are those of a minimum that is reached.
pub(super) const SHORTEST_WIN: f64 = 0.05;

/// `Σ s ln(1 + e^(−m))` with margins `m = ± (Z θ + offset)`, positive where a row is on its class's side.
pub(super) struct BinaryLoss<'a> {
    design: &'a Design,
    /// 1 for rows of the second class, −1 for those of the first.
    signs: &'a [f64],
    /// What each row counts.
    counts: &'a [f64],
    /// What is added to the linear predictor.
    offset: Option<&'a [f64]>,
    eta: Vec<f64>,
    /// `e^(−|m|)` of each row, at the point of the last value.
    small: Vec<f64>,
    scratch: Vec<f64>,
    weights: Vec<f64>,
}

impl<'a> BinaryLoss<'a> {
    pub(super) fn new(design: &'a Design, signs: &'a [f64], counts: &'a [f64], offset: Option<&'a [f64]>) -> Self {
        let zeros = || vec![0.0; design.rows];
        Self { design, signs, counts, offset, eta: zeros(), small: zeros(), scratch: zeros(), weights: zeros() }
    }
}

impl Loss for BinaryLoss<'_> {
    fn value(&mut self, parameters: &[f64]) -> f64 {
        self.design.predict(parameters, &mut self.eta);
        if let Some(offset) = self.offset {
            for (eta, offset) in self.eta.iter_mut().zip(offset) {
                *eta += offset;
            }
        }
        let rows = self.eta.iter().zip(self.signs).zip(self.counts).zip(&mut self.small);
        // In blocks of products, for their logarithm is what costs: each factor is between 1 and 2.
        const BLOCK: usize = 512;
        let (mut sum, mut product, mut factors) = (0.0, 1.0, 0);
        for (((eta, sign), count), cached) in rows {
            let margin = sign * eta;
            sum -= count * margin.min(0.0);
            let small = (-margin.abs()).exp();
            *cached = small;
            if *count == 1.0 && small > f64::EPSILON {
                product *= 1.0 + small;
                factors += 1;
                if factors == BLOCK {
                    sum += f64::ln(product);
                    (product, factors) = (1.0, 0);
                }
            } else {
                sum += count * small.ln_1p();
            }
        }
        sum + f64::ln(product)
    }

    fn derivatives(&mut self, gradient: &mut [f64], hessian: &mut [f64]) {
        for i in 0..self.eta.len() {
            let margin = self.signs[i] * self.eta[i];
            // The probability of the other class, to all its digits however small.
            let small = self.small[i];
            let wrong = if margin > 0.0 { small } else { 1.0 } / (1.0 + small);
            self.scratch[i] = -self.signs[i] * self.counts[i] * wrong;
            self.weights[i] = self.counts[i] * small / ((1.0 + small) * (1.0 + small));
        }
        self.design.transposed(&self.scratch, gradient);
        let width = self.design.width();
        self.design.weighted_gram(&self.weights, &mut self.scratch, hessian, width, (0, 0));
    }

    /// Where every row is on its class's side, moving on lowers all losses; and so does a direction along which no row
    /// loses and some win (A. Albert, J. A. Anderson, "On the existence of maximum likelihood estimates in logistic
    /// regression models", Biometrika 71, 1984: complete and quasi-complete separation).
    fn falls_forever(&mut self, step: &[f64]) -> bool {
        let counted = |values: &[f64]| {
            let rows = values.iter().zip(self.signs).zip(self.counts).filter(|(_, count)| **count > 0.0);
            rows.map(|((value, sign), _)| sign * value)
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), m| (least.min(m), most.max(m)))
        };
        if counted(&self.eta).0 > 0.0 {
            return true;
        }
        self.design.predict(step, &mut self.scratch);
        let (least, most) = counted(&self.scratch);
        most > SHORTEST_WIN && least >= -ROUNDED_LOSS * most
    }
}
