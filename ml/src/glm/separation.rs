//! Whether the likelihood rises without end, so that there are no most likely coefficients.
//!
//! It does along a direction that moves rows only towards expectations that no finite sum reaches: zeros of a count, zeros
//! and ones of a share (A. Albert, J. A. Anderson, "On the existence of maximum likelihood estimates in logistic regression
//! models", Biometrika 71, 1984; for counts J. M. C. Santos Silva, S. Tenreyro, "On the existence of the maximum
//! likelihood estimates in Poisson regression", Economics Letters 107, 2010).

use crate::rows::Rows;

use super::family::Family;

/// How far a row may move the wrong way for it to count as rounding, as a share of the furthest move.
const ROUNDED_LOSS: f64 = 1e-7;
/// The furthest move below which a step says nothing: steps this short are those of a maximum that is reached.
const SHORTEST_WIN: f64 = 0.05;

/// Which way the linear sum of a row goes on for ever to a higher likelihood: up, down, or neither.
fn bound(family: Family, y: f64) -> Option<f64> {
    match family {
        Family::Poisson | Family::Binomial if y == 0.0 => Some(-1.0),
        Family::Binomial if y == 1.0 => Some(1.0),
        Family::Poisson | Family::Binomial | Family::Gamma => None,
    }
}

/// Whether a step that moves the linear sums by `moves` can be repeated for ever.
pub(super) fn falls_forever(rows: Rows<'_>, family: Family, moves: &[f64]) -> bool {
    let (mut least, mut most) = (0.0_f64, 0.0_f64);
    for (i, moved) in moves.iter().enumerate().filter(|(i, _)| rows.weight(*i) > 0.0) {
        match bound(family, rows.target()[i]) {
            None => least = least.min(-moved.abs()),
            Some(bound) => {
                least = least.min(bound * moved);
                most = most.max(bound * moved);
            }
        }
    }
    most > SHORTEST_WIN && least >= -ROUNDED_LOSS * most
}

/// Whether every row that counts is at its bound to rounding.
pub(super) fn is_complete(rows: Rows<'_>, family: Family, mu: &[f64]) -> bool {
    mu.iter().enumerate().filter(|(i, _)| rows.weight(*i) > 0.0).all(|(i, mu)| {
        let y = rows.target()[i];
        bound(family, y).is_some() && (mu - y).abs() < f64::EPSILON.sqrt()
    })
}
