//! Quantiles that prediction intervals are made with.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::distributions::student_t_two_sided;

/// Quantiles that a thread remembers: groups of one size share theirs, and all sizes of most tables fit.
const REMEMBERED_MAX: usize = 4096;

thread_local! {
    static REMEMBERED: RefCell<HashMap<(u64, u64), f64>> = RefCell::default();
}

/// [`quantile`], computed once where many small groups ask for the same.
pub(super) fn critical_value(level: f64, df: f64) -> f64 {
    REMEMBERED.with_borrow_mut(|remembered| {
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        *remembered.entry((level.to_bits(), df.to_bits())).or_insert_with(|| quantile(level, df))
    })
}

/// The `t` with `P(|T| <= t) = level` for Student's t with `df > 0` degrees of freedom; NaN unless `0 < level < 1`.
///
/// By bisection on the tail, which is exact to the last few digits: the interval is halved until its ends are neighbours or
/// equal to 1e-14.
fn quantile(level: f64, df: f64) -> f64 {
    if !(level > 0.0 && level < 1.0 && df > 0.0) {
        return f64::NAN;
    }
    let tail = 1.0 - level;
    let mut high = 1.0;
    // With one degree of freedom the quantile grows as 1 / tail, and the smallest tail is 1e-16.
    while student_t_two_sided(high, df) > tail && high < 1e300 {
        high *= 2.0;
    }
    let mut low = 0.0;
    while high - low > 1e-14 * high {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            break;
        }
        if student_t_two_sided(middle, df) > tail {
            low = middle;
        } else {
            high = middle;
        }
    }
    low + (high - low) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_inverse_of_the_tail() {
        // Known values: tan(π/2 · 0.95) for one degree of freedom, the normal's 1.96 for many.
        let known = [(0.95, 1.0, 12.706_204_736_174_7), (0.95, 10.0, 2.228_138_851_986_27), (0.5, 1.0, 1.0)];
        for (level, df, expected) in known {
            assert!((critical_value(level, df) / expected - 1.0).abs() < 1e-12, "{level} {df}");
        }
        assert!((critical_value(0.95, 1e9) - 1.959_963_984_540_05).abs() < 1e-8);
        assert!(critical_value(1.0, 5.0).is_nan() && critical_value(0.9, 0.0).is_nan());
    }
}
