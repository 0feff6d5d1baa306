//! How fits behave under changes of the data that should not matter, and at the edges.

use proptest::prelude::*;
use shoal_ml::{FitStatus, Moments, OlsFit, fit_ols};

use crate::support::{THROUGH_ORIGIN, WITH_INTERCEPT, assert_close, assert_relative, fit};

/// Rows of two features and a target that they explain in part.
fn rows() -> impl Strategy<Value = Vec<[f64; 3]>> {
    let row = (-1.0..1.0, -1.0..1.0, -1.0..1.0).prop_map(|(a, b, noise)| [a, b, 1.0 + 2.0 * a - 3.0 * b + noise]);
    prop::collection::vec(row, 12..60)
}

/// Everything in the fit that is there, with NaN for what is missing.
fn values(fit: &OlsFit) -> Vec<f64> {
    [&fit.coefficients, &fit.std_errors, &fit.t_values, &fit.p_values]
        .into_iter()
        .flatten()
        .chain([&fit.r2, &fit.adj_r2, &fit.sigma, &fit.f_value, &fit.f_p_value])
        .chain([&fit.log_likelihood, &fit.aic, &fit.bic])
        .map(|value| value.unwrap_or(f64::NAN))
        .collect()
}

proptest! {
    #[test]
    fn a_feature_in_other_units_changes_only_its_own_slope(
        rows in rows(), factor in 1e-3..1e3, shift in -100.0..100.0,
    ) {
        let original = fit(&rows, &WITH_INTERCEPT);
        let changed: Vec<_> = rows.iter().map(|[a, b, y]| [factor * a + shift, *b, *y]).collect();
        let changed = fit(&changed, &WITH_INTERCEPT);
        let (t, changed_t) = (original.t_values[1].unwrap(), changed.t_values[1].unwrap());
        assert_close(changed_t, t, 1.0, 1e-8);
        let slope = original.coefficients[1].unwrap();
        let error = original.std_errors[1].unwrap();
        assert_close(factor * changed.coefficients[1].unwrap(), slope, error, 1e-8);
        assert_close(changed.coefficients[2].unwrap(), original.coefficients[2].unwrap(), 1.0, 1e-8);
        assert_relative(changed.sigma, original.sigma.unwrap(), 1e-8);
        assert_relative(changed.log_likelihood, original.log_likelihood.unwrap(), 1e-6);
    }

    #[test]
    fn slopes_survive_a_large_offset(rows in rows()) {
        let original = fit(&rows, &WITH_INTERCEPT);
        let shifted: Vec<_> = rows.iter().map(|row| row.map(|v| v + 1e6)).collect();
        let shifted = fit(&shifted, &WITH_INTERCEPT);
        // The shifted values themselves are rounded to 1e-10.
        for term in 1..3 {
            assert_close(shifted.coefficients[term].unwrap(), original.coefficients[term].unwrap(), 1.0, 1e-8);
            assert_relative(shifted.std_errors[term], original.std_errors[term].unwrap(), 1e-8);
        }
    }

    #[test]
    fn a_dependent_column_is_dropped_and_the_rest_fits_as_without_it(
        rows in rows(), scale in prop_oneof![Just(1.0), 0.01..100.0], shift in prop_oneof![Just(0.0), -1e3..1e3],
    ) {
        let mut expected = values(&fit(&rows, &WITH_INTERCEPT));
        let doubled: Vec<_> = rows.iter().map(|[a, b, y]| [*a, scale * a + shift, *b, *y]).collect();
        let doubled = fit(&doubled, &WITH_INTERCEPT);
        prop_assert_eq!(doubled.status, FitStatus::RankDeficient);
        prop_assert_eq!(&doubled.dropped, &[1]);
        // The dropped feature's four statistics are the only ones missing.
        for statistic in 0..4 {
            expected.insert(4 * statistic + 2, f64::NAN);
        }
        let actual = values(&doubled);
        for (actual, expected) in actual.iter().zip(&expected) {
            prop_assert!(actual == expected || actual.is_nan() && expected.is_nan(), "{actual} {expected}");
        }
        prop_assert!(fit(&rows, &WITH_INTERCEPT).df_residual == doubled.df_residual);
    }

    #[test]
    fn whatever_is_present_is_finite(
        exponents in prop::collection::vec(prop::array::uniform3(-320..308i32), 1..9),
        intercept in any::<bool>(),
    ) {
        let rows: Vec<_> = exponents.iter().map(|row| row.map(|e| 10f64.powi(e))).collect();
        let fit = fit(&rows, &shoal_ml::OlsOptions { intercept });
        prop_assert!(values(&fit).iter().all(|value| !value.is_infinite()));
        prop_assert_eq!(fit.coefficients.len(), 2 + usize::from(intercept));
    }
}

#[test]
fn a_constant_column_is_dropped_beside_an_intercept_and_takes_its_place_without() {
    let noise = |i: u32| f64::from(i * i % 7);
    let rows: Vec<_> = (0..20).map(|i| [0.1, f64::from(i), 2.0 * f64::from(i) + noise(i)]).collect();
    let with = fit(&rows, &WITH_INTERCEPT);
    assert_eq!(with.status, FitStatus::RankDeficient);
    assert_eq!(with.dropped, [0]);
    let without = fit(&rows, &THROUGH_ORIGIN);
    assert_eq!(without.status, FitStatus::Ok);
    assert_relative(without.coefficients[0].map(|c| 0.1 * c), with.coefficients[0].unwrap(), 1e-12);
    assert_relative(without.coefficients[1], with.coefficients[2].unwrap(), 1e-12);
    assert_relative(without.sigma, with.sigma.unwrap(), 1e-12);
}

#[test]
fn a_sum_of_two_features_is_dropped_far_from_the_origin_too() {
    for offset in [0.0, 1e3, 1e6, 1e9] {
        let rows: Vec<_> = (0..20)
            .map(|i: i32| {
                let (a, b) = (offset + f64::from(i), offset + f64::from(i * i % 11));
                [a, b, 0.3 * a - 1.7 * b, f64::from(i * 5 % 13)]
            })
            .collect();
        let fit = fit(&rows, &WITH_INTERCEPT);
        assert_eq!(fit.dropped, [2], "offset {offset}");
        assert_eq!(fit.df_residual, Some(17));
    }
}

#[test]
fn fewer_rows_than_terms_estimate_nothing() {
    assert_eq!(fit_ols(Moments::new(2).as_ref(), &WITH_INTERCEPT).status, FitStatus::TooFewRows);
    let fit = fit(&[[1.0, 2.0]], &WITH_INTERCEPT);
    assert_eq!(fit.status, FitStatus::TooFewRows);
    assert!(values(&fit).iter().all(|value| value.is_nan()));
    assert_eq!(fit.df_residual, None);
}

#[test]
fn as_many_rows_as_terms_keep_coefficients_and_r2() {
    let fit = fit(&[[1.0, 2.0], [2.0, 5.0]], &WITH_INTERCEPT);
    assert_eq!(fit.status, FitStatus::TooFewRows);
    assert_relative(fit.coefficients[0], -1.0, 1e-14);
    assert_relative(fit.coefficients[1], 3.0, 1e-14);
    assert_eq!((fit.r2, fit.df_residual), (Some(1.0), Some(0)));
    assert_eq!((fit.sigma, fit.std_errors), (None, vec![None, None]));
}

#[test]
fn a_constant_target_has_nothing_to_explain() {
    let rows: Vec<_> = (0..9).map(|i| [f64::from(i), 0.7]).collect();
    let fit = fit(&rows, &WITH_INTERCEPT);
    assert_eq!(fit.status, FitStatus::Ok);
    assert_eq!(fit.coefficients, [Some(0.7), Some(0.0)]);
    assert_eq!((fit.r2, fit.adj_r2, fit.f_value), (None, None, None));
    assert_eq!(fit.sigma, Some(0.0));
}

#[test]
fn an_exact_fit_has_no_error_and_no_likelihood() {
    for offset in [0.0, 1e6] {
        let rows: Vec<_> = (0..50).map(|i| [offset + f64::from(i), 0.1 * f64::from(i) - 7.0]).collect();
        let fit = fit(&rows, &WITH_INTERCEPT);
        assert_eq!(fit.status, FitStatus::Ok);
        assert_relative(fit.coefficients[1], 0.1, 1e-12);
        assert_eq!((fit.r2, fit.sigma), (Some(1.0), Some(0.0)));
        assert_eq!((fit.f_value, fit.log_likelihood, fit.bic), (None, None, None));
        assert_eq!(fit.t_values, [None, None]);
    }
}

#[test]
fn a_model_of_the_mean_alone_has_no_f() {
    let fit = fit(&[[1.0], [2.0], [6.0]], &WITH_INTERCEPT);
    assert_eq!(fit.status, FitStatus::Ok);
    assert_eq!(fit.coefficients, [Some(3.0)]);
    assert_eq!((fit.r2, fit.f_value, fit.f_p_value), (Some(0.0), None, None));
    assert_relative(fit.sigma, 7f64.sqrt(), 1e-15);
    assert_relative(fit.std_errors[0], (7f64 / 3.0).sqrt(), 1e-15);
}

#[test]
fn information_criteria_count_the_coefficients() {
    let fit = fit(&[[1.0, 1.0], [2.0, 3.0], [3.0, 2.0], [4.0, 5.0]], &WITH_INTERCEPT);
    // Residuals of y = 1.1 x: −0.1, 0.8, −1.3, 0.6.
    let likelihood = -2.0 * ((2.0 * std::f64::consts::PI).ln() + (2.7f64 / 4.0).ln() + 1.0);
    assert_relative(fit.log_likelihood, likelihood, 1e-13);
    assert_relative(fit.aic, -2.0 * likelihood + 4.0, 1e-13);
    assert_relative(fit.bic, -2.0 * likelihood + 2.0 * 4f64.ln(), 1e-13);
    assert_relative(fit.adj_r2, 1.0 - 2.7 / 8.75 * 3.0 / 2.0, 1e-13);
}

#[test]
fn values_beyond_the_range_of_a_float_are_reported_not_propagated() {
    for bad in [f64::INFINITY, f64::NAN, 1e300] {
        let rows = [[1.0, 1.0], [2.0, bad], [3.0, 2.0], [4.0, 4.0]];
        for options in [WITH_INTERCEPT, THROUGH_ORIGIN] {
            let fit = fit(&rows, &options);
            assert_eq!(fit.status, FitStatus::NonFinite);
            assert!(values(&fit).iter().all(|value| value.is_nan()));
        }
    }
}
