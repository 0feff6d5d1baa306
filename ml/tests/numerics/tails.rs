//! Tail probabilities against closed forms, and against an implementation of other making.

use std::f64::consts::PI;

use proptest::prelude::*;
use shoal_ml::distributions::{f_upper_tail, student_t_two_sided};

use crate::support::assert_relative;

/// From the middle of the distribution to where most implementations return zero.
const STATISTICS: [f64; 12] = [1e-3, 0.1, 0.5, 1.0, 1.5, 2.0, 3.0, 6.0, 30.0, 1e3, 1e8, 1e20];

#[test]
fn one_degree_of_freedom_is_the_cauchy_distribution() {
    for t in STATISTICS {
        let expected = 2.0 / PI * (1.0 / t).atan();
        assert_relative(Some(student_t_two_sided(t, 1.0)), expected, 1e-13);
    }
}

#[test]
fn two_degrees_of_freedom_have_a_closed_form() {
    for t in STATISTICS {
        // 1 − t / √(2 + t²) with the subtraction taken out.
        let root = (2.0 + t * t).sqrt();
        let expected = 2.0 / (root * (root + t));
        assert_relative(Some(student_t_two_sided(t, 2.0)), expected, 1e-13);
    }
}

#[test]
fn two_numerator_degrees_have_a_closed_form() {
    for d2 in [1.0, 2.0, 3.0, 9.0, 34.0, 1e3, 1e5, 1e7, 1e9] {
        for f in STATISTICS {
            let exponent = -d2 / 2.0 * (2.0 * f / d2).ln_1p();
            if exponent > -690.0 {
                assert_relative(Some(f_upper_tail(f, 2.0, d2)), exponent.exp(), 1e-12);
            }
        }
    }
}

#[test]
fn two_denominator_degrees_have_a_closed_form() {
    for d1 in [1.0, 2.0, 3.0, 9.0, 100.0] {
        for f in STATISTICS {
            // 1 − (d1 f / (2 + d1 f))^(d1 / 2)
            let expected = -(-d1 / 2.0 * (2.0 / (d1 * f)).ln_1p()).exp_m1();
            assert_relative(Some(f_upper_tail(f, d1, 2.0)), expected, 1e-12);
        }
    }
}

#[test]
fn many_degrees_of_freedom_are_the_normal_distribution() {
    // P(Z <= z) to the fifteen decimals of Abramowitz and Stegun, table 26.1.
    for (z, below) in [(1.0, 0.841_344_746_068_543), (2.0, 0.977_249_868_051_821), (3.0, 0.998_650_101_968_370)] {
        let expected = 2.0 * (1.0 - below);
        assert_relative(Some(student_t_two_sided(z, 1e12)), expected, 1e-10);
    }
}

#[test]
fn statistics_without_a_finite_tail() {
    assert_eq!(student_t_two_sided(0.0, 5.0), 1.0);
    assert_eq!(student_t_two_sided(f64::INFINITY, 5.0), 0.0);
    assert_eq!(f_upper_tail(0.0, 3.0, 5.0), 1.0);
    assert_eq!(f_upper_tail(f64::INFINITY, 3.0, 5.0), 0.0);
    assert!(f_upper_tail(f64::NAN, 3.0, 5.0).is_nan());
}

proptest! {
    #[test]
    fn t_squared_is_f_with_one_numerator_degree(t in -40.0..40.0, df in 1u32..100_000) {
        let df = f64::from(df);
        prop_assert_eq!(student_t_two_sided(t, df), f_upper_tail(t * t, 1.0, df));
        prop_assert_eq!(student_t_two_sided(t, df), student_t_two_sided(-t, df));
    }

    #[test]
    fn swapping_the_degrees_gives_the_complement(f in 0.01..100.0, d1 in 1u32..200, d2 in 1u32..200) {
        let (d1, d2) = (f64::from(d1), f64::from(d2));
        let whole = f_upper_tail(f, d1, d2) + f_upper_tail(1.0 / f, d2, d1);
        prop_assert!((whole - 1.0).abs() < 1e-12, "{whole}");
    }

    #[test]
    fn agrees_with_statrs_where_that_is_accurate(f in 0.01..30.0, d1 in 1u32..50, d2 in 1u32..200) {
        let (d1, d2) = (f64::from(d1), f64::from(d2));
        let expected = statrs::function::beta::beta_reg(d2 / 2.0, d1 / 2.0, d2 / (d2 + d1 * f));
        assert_relative(Some(f_upper_tail(f, d1, d2)), expected, 1e-10);
    }
}
