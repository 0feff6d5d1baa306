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

/// The `t` for which `P(|T| > t)` is `tail`, from 0 to 1, for Student's t with `df > 0` degrees of freedom: the inverse of
/// [`student_t_two_sided`], by bisection.
pub fn student_t_two_sided_quantile(tail: f64, df: f64) -> f64 {
    if tail.is_nan() || tail >= 1.0 {
        return if tail >= 1.0 { 0.0 } else { f64::NAN };
    }
    if tail <= 0.0 {
        return f64::INFINITY;
    }
    let mut below = 0.0;
    let mut above = 1.0;
    while student_t_two_sided(above, df) > tail {
        below = above;
        above *= 2.0;
        if above == f64::INFINITY {
            return above;
        }
    }
    loop {
        let middle = below + (above - below) / 2.0;
        // Until there is no float between them.
        if middle <= below || middle >= above {
            return above;
        }
        if student_t_two_sided(middle, df) > tail {
            below = middle;
        } else {
            above = middle;
        }
    }
}

/// `P(|Z| > |z|)` for the standard normal distribution.
pub fn normal_two_sided(z: f64) -> f64 {
    libm::erfc(z.abs() / std::f64::consts::SQRT_2)
}
