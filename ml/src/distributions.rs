//! Tail probabilities of the distributions that regression tests refer to.
//!
//! Each is computed as the tail itself, never as one minus the other side, so a p-value of 1e-200 has
//! as many correct digits as one of 0.2.

use crate::incomplete_beta::regularized_beta;

/// `P(|T| > |t|)` for Student's t with `df > 0` degrees of freedom.
///
/// It is `I_x(df/2, 1/2)` with `x = df / (df + t²)` (Abramowitz and Stegun 26.7.1).
pub fn student_t_two_sided(t: f64, df: f64) -> f64 {
    f_upper_tail(t * t, 1.0, df)
}

/// `P(F > f)` for the F distribution with `d1 > 0` and `d2 > 0` degrees of freedom.
///
/// It is `I_x(d2/2, d1/2)` with `x = d2 / (d2 + d1 f)` (Abramowitz and Stegun 26.6.2).
pub fn f_upper_tail(f: f64, d1: f64, d2: f64) -> f64 {
    if f.is_nan() {
        return f64::NAN;
    }
    let odds = (d1 * f / d2).max(0.0);
    if odds.is_infinite() {
        return 0.0;
    }
    regularized_beta(d2 / 2.0, d1 / 2.0, 1.0 / (1.0 + odds), odds / (1.0 + odds))
}
