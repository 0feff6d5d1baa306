//! Derivatives of the losses over the rows of one group.

use crate::metrics::median;

use super::loss::{Loss, NumberLoss, logistic, softmax};

/// The target of each row, and what is minimised.
#[derive(Clone, Copy, Debug)]
pub(super) enum Objective<'a> {
    Numbers(NumberLoss, &'a [f64]),
    /// The number of classes and the class of each row.
    Classes(usize, &'a [usize]),
}

impl Objective<'_> {
    pub(super) fn loss(&self) -> Loss {
        match self {
            Self::Numbers(loss, _) => Loss::Number(*loss),
            Self::Classes(classes, _) => Loss::Classes(*classes),
        }
    }

    /// The constant that minimises the loss over some rows, per output.
    pub(super) fn baseline(&self, rows: &[u32]) -> Vec<f64> {
        let count = rows.len() as f64;
        match self {
            Self::Numbers(NumberLoss::AbsoluteError, targets) => {
                let mut values: Vec<f64> = rows.iter().map(|row| targets[*row as usize]).collect();
                vec![median(&mut values).unwrap_or(0.0)]
            }
            Self::Numbers(loss, targets) => {
                // Around the first value, so that a large constant is met exactly.
                let first = rows.first().map_or(0.0, |row| targets[*row as usize]);
                let mean = first + rows.iter().map(|row| targets[*row as usize] - first).sum::<f64>() / count;
                vec![if *loss == NumberLoss::Poisson { mean.max(f64::EPSILON).ln() } else { mean }]
            }
            Self::Classes(classes, of_rows) => {
                let mut shares = vec![0.0; *classes];
                for row in rows {
                    shares[of_rows[*row as usize]] += 1.0 / count;
                }
                // A class that no row has is thought as unlikely as the machine's precision, as in scikit-learn.
                let logs: Vec<f64> =
                    shares.iter().map(|share| share.clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()).collect();
                if *classes == 2 {
                    return vec![logs[1] - logs[0]];
                }
                let mean = logs.iter().sum::<f64>() / logs.len() as f64;
                logs.iter().map(|log| log - mean).collect()
            }
        }
    }

    /// Fills in gradient and hessian per row and output (output-major: `[output * all_rows + row]`) at the sums so far,
    /// which are laid out alike.
    pub(super) fn derivatives(&self, rows: &[u32], sums: &[f64], gradients: &mut [f64], hessians: &mut [f64]) {
        match self {
            Self::Numbers(loss, targets) => {
                for row in rows.iter().map(|row| *row as usize) {
                    (gradients[row], hessians[row]) = match loss {
                        NumberLoss::SquaredError => (sums[row] - targets[row], 1.0),
                        NumberLoss::AbsoluteError => (if sums[row] > targets[row] { 1.0 } else { -1.0 }, 1.0),
                        NumberLoss::Poisson => {
                            let mean = sums[row].exp();
                            (mean - targets[row], mean)
                        }
                    };
                }
            }
            Self::Classes(2, of_rows) => {
                for row in rows.iter().map(|row| *row as usize) {
                    let share = logistic(sums[row]);
                    gradients[row] = share - of_rows[row] as f64;
                    hessians[row] = share * (1.0 - share);
                }
            }
            Self::Classes(classes, of_rows) => {
                let all = of_rows.len();
                let (mut of_row, mut shares) = (vec![0.0; *classes], vec![0.0; *classes]);
                for row in rows.iter().map(|row| *row as usize) {
                    of_row.iter_mut().enumerate().for_each(|(class, sum)| *sum = sums[class * all + row]);
                    softmax(&of_row, &mut shares);
                    for (class, share) in shares.iter().enumerate() {
                        gradients[class * all + row] = share - f64::from(u8::from(of_rows[row] == class));
                        hessians[class * all + row] = share * (1.0 - share);
                    }
                }
            }
        }
    }

    /// The value that a leaf should have rather than the Newton step, where the loss has no curvature to take one by.
    pub(super) fn leaf_value(&self, rows: &[u32], sums: &[f64]) -> Option<f64> {
        let Self::Numbers(NumberLoss::AbsoluteError, targets) = self else { return None };
        let mut residuals: Vec<f64> = rows.iter().map(|row| targets[*row as usize] - sums[*row as usize]).collect();
        median(&mut residuals)
    }

    /// The mean loss over some rows; `NaN` without rows.
    pub(super) fn mean_loss(&self, rows: &[u32], sums: &[f64]) -> f64 {
        let row = |row: &u32| *row as usize;
        let total: f64 = match self {
            Self::Numbers(loss, targets) => rows
                .iter()
                .map(row)
                .map(|row| match loss {
                    NumberLoss::SquaredError => (targets[row] - sums[row]).powi(2) / 2.0,
                    NumberLoss::AbsoluteError => (targets[row] - sums[row]).abs(),
                    NumberLoss::Poisson => sums[row].exp() - targets[row] * sums[row],
                })
                .sum(),
            Self::Classes(2, of_rows) => {
                // ln(1 + exp(−z)), where z is the log-odds of the row's class; its large part is taken out.
                let of_row = |row: usize| if of_rows[row] == 1 { sums[row] } else { -sums[row] };
                rows.iter().map(row).map(of_row).map(|z| (-z.abs()).exp().ln_1p() + (-z).max(0.0)).sum()
            }
            Self::Classes(classes, of_rows) => {
                let all = of_rows.len();
                let of_row = |row: usize| {
                    let largest = (0..*classes).map(|k| sums[k * all + row]).fold(f64::NEG_INFINITY, f64::max);
                    let total: f64 = (0..*classes).map(|k| (sums[k * all + row] - largest).exp()).sum();
                    total.ln() + largest - sums[of_rows[row] * all + row]
                };
                rows.iter().map(row).map(of_row).sum()
            }
        };
        total / rows.len() as f64
    }
}
