//! Moments do not depend on how the rows were spread or in which order they were put together.

use proptest::prelude::*;
use shoal_ml::{Moments, OlsFit, fit_ols};

use crate::support::{WITH_INTERCEPT, assert_close, moments_of};

const TOLERANCE: f64 = 1e-9;

/// Rows of two features and a target: offset, wide and narrow columns.
fn rows() -> impl Strategy<Value = Vec<[f64; 3]>> {
    let row = (-1.0..1.0, -1e3..1e3, -5.0..5.0).prop_map(|(a, b, noise)| [1e3 + a, b, 3.0 * a - 0.2 * b + noise]);
    prop::collection::vec(row, 8..120)
}

/// Each entry against the other state's, relative to the spread of the two variables it is about.
fn assert_same_moments(left: &Moments, right: &Moments) {
    let variables = left.mean.len();
    assert_eq!(left.count, right.count);
    let mut k = 0;
    let mut spread = Vec::new();
    for i in 0..variables {
        spread.push(right.comoment[k].sqrt());
        k += variables - i;
    }
    k = 0;
    for i in 0..variables {
        assert_close(left.mean[i], right.mean[i], spread[i], TOLERANCE);
        for j in i..variables {
            let scale = spread[i] * spread[j];
            assert_close(left.comoment[k], right.comoment[k], scale, TOLERANCE);
            k += 1;
        }
    }
}

fn assert_same_fit(left: &OlsFit, right: &OlsFit) {
    assert_eq!(left.status, right.status);
    assert_eq!(left.dropped, right.dropped);
    let values = |fit: &OlsFit| {
        let mut values = fit.std_errors.clone();
        values.extend([fit.sigma, fit.r2, fit.log_likelihood, fit.aic, fit.bic]);
        values
    };
    for (left, right) in values(left).into_iter().zip(values(right)) {
        assert_close(left.unwrap(), right.unwrap(), 1e-3, TOLERANCE);
    }
    for (term, error) in right.std_errors.iter().enumerate() {
        let (left, right) = (left.coefficients[term], right.coefficients[term]);
        assert_close(left.unwrap(), right.unwrap(), error.unwrap(), TOLERANCE);
    }
}

fn check(left: &Moments, right: &Moments) {
    assert_same_moments(left, right);
    assert_same_fit(&fit_ols(left.as_ref(), &WITH_INTERCEPT), &fit_ols(right.as_ref(), &WITH_INTERCEPT));
}

proptest! {
    #[test]
    fn any_split_merged_in_any_order_is_the_whole(
        rows in rows(),
        owners in prop::collection::vec(0..7usize, 120),
        picks in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 6),
    ) {
        let mut parts = vec![Moments::new(3); 7];
        for (row, owner) in rows.iter().zip(owners) {
            parts[owner].as_mut().push(row);
        }
        // Any binary tree over the parts, some of them empty.
        for (from, into) in picks {
            let part = parts.swap_remove(from.index(parts.len()));
            let into = into.index(parts.len());
            parts[into].as_mut().merge(part.as_ref());
        }
        prop_assert_eq!(parts.len(), 1);
        check(&parts[0], &moments_of(&rows));
    }

    #[test]
    fn the_order_of_the_rows_does_not_matter(
        (sorted, shuffled) in rows().prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
    ) {
        check(&moments_of(&shuffled), &moments_of(&sorted));
    }

    #[test]
    fn merging_with_no_rows_changes_no_bit(rows in rows()) {
        let whole = moments_of(&rows);
        let mut empty = Moments::new(3);
        empty.as_mut().merge(whole.as_ref());
        prop_assert_eq!(&empty, &whole);
        empty.as_mut().merge(Moments::new(3).as_ref());
        prop_assert_eq!(&empty, &whole);
    }

    #[test]
    fn a_window_of_flat_arrays_is_updated_as_an_owned_state(rows in rows()) {
        let mut counts = [0.0; 2];
        let mut means = [0.0; 6];
        let mut comoments = [0.0; 12];
        for row in &rows {
            shoal_ml::MomentsMut {
                count: &mut counts[1],
                mean: &mut means[3..],
                comoment: &mut comoments[6..],
            }
            .push(row);
        }
        let whole = moments_of(&rows);
        prop_assert_eq!((counts[1], &means[3..], &comoments[6..]), (whole.count, &whole.mean[..], &whole.comoment[..]));
        prop_assert_eq!((counts[0], &means[..3], &comoments[..6]), (0.0, &[0.0; 3][..], &[0.0; 6][..]));
    }
}
