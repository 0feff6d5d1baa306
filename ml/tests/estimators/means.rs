//! The baseline, merged and whole.

use proptest::prelude::*;
use shoal_ml::FitStatus;
use shoal_ml::mean::{ClassCounts, MeanState};

fn state(values: &[f64]) -> MeanState {
    let mut state = MeanState::default();
    values.iter().for_each(|value| state.push(*value));
    state
}

#[test]
fn small_integers_give_an_exact_mean() {
    let fit = state(&[1.0, 2.0, 6.0]).fit();
    assert_eq!((fit.status, fit.mean, fit.sigma), (FitStatus::Ok, Some(3.0), Some(7f64.sqrt())));
    let single = state(&[4.0]).fit();
    assert_eq!((single.status, single.mean, single.sigma), (FitStatus::Ok, Some(4.0), None));
}

#[test]
fn no_rows_and_no_numbers_are_said() {
    assert_eq!(MeanState::default().fit().status, FitStatus::TooFewRows);
    assert_eq!(state(&[1.0, f64::INFINITY]).fit().status, FitStatus::NonFinite);
    assert_eq!(ClassCounts::new(2).frequencies(), None);
}

proptest! {
    #[test]
    fn parts_merge_to_the_whole(values in prop::collection::vec(1e6..1.1e6, 2..60), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(values.len());
        let whole = state(&values);
        for (first, second) in [(&values[..cut], &values[cut..]), (&values[cut..], &values[..cut])] {
            let mut merged = state(first);
            merged.merge(&state(second));
            prop_assert_eq!(merged.count, whole.count);
            prop_assert!((merged.mean - whole.mean).abs() <= 1e-15 * 1e7);
            prop_assert!((merged.spread - whole.spread).abs() <= 1e-9 * whole.spread.max(1.0));
        }
    }

    #[test]
    fn shares_of_classes_merge(classes in prop::collection::vec(0..4usize, 1..60), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(classes.len());
        let count = |classes: &[usize]| {
            let mut counts = ClassCounts::new(4);
            classes.iter().for_each(|class| counts.push(*class));
            counts
        };
        let mut merged = count(&classes[cut..]);
        merged.merge(&count(&classes[..cut]));
        prop_assert_eq!(&merged, &count(&classes));
        let shares = merged.frequencies().unwrap();
        prop_assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let of_first = classes.iter().filter(|class| **class == 0).count() as f64 / classes.len() as f64;
        prop_assert_eq!(shares[0], of_first);
    }
}
