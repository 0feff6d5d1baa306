//! Changes of the data that trees must not notice.

use proptest::prelude::*;
use shoal_ml::boosting::{BoostingOptions, NumberLoss, fit_boosted_numbers};
use shoal_ml::forest::{ForestOptions, fit_forest_classes};
use shoal_ml::trees::{Columns, Ensemble};

use crate::data::{Numbers, Problem, friedman, with_missing};
use crate::oracle::assert_all_close;

fn boosted(problem: &Problem) -> (Ensemble, Vec<f64>) {
    let options = BoostingOptions { rounds: 10, min_samples_leaf: 3, max_leaves: Some(6), ..Default::default() };
    let slices = problem.slices();
    let columns = Columns::new(problem.rows(), &slices);
    let model = fit_boosted_numbers(&columns, &problem.target, NumberLoss::SquaredError, &options).model.unwrap();
    let predictions = model.predict(&columns);
    (model.trees, predictions)
}

fn forest(problem: &Problem, classes: &[usize]) -> (Ensemble, Vec<f64>) {
    let options = ForestOptions {
        trees: 4,
        features_per_split: Some(1.0),
        bootstrap: false,
        max_depth: Some(4),
        ..Default::default()
    };
    let slices = problem.slices();
    let columns = Columns::new(problem.rows(), &slices);
    let model = fit_forest_classes(&columns, 3, classes, &options).model.unwrap();
    let predictions = model.predict(&columns);
    (model.trees, predictions)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_order_of_the_rows(seed in any::<u64>()) {
        let problem = with_missing(friedman(seed, 90, 1.0), seed, 0.1);
        let mut random = Numbers::new(seed ^ 1);
        let mut order: Vec<usize> = (0..90).collect();
        (1..90).for_each(|place| order.swap(place, random.below(place + 1)));
        let (_, predictions) = boosted(&problem);
        let (_, moved) = boosted(&problem.pick(&order));
        let expected: Vec<f64> = order.iter().map(|row| predictions[*row]).collect();
        assert_all_close(&moved, &expected, 1e-9);

        let classes = problem.classes(3);
        let (_, shares) = forest(&problem, &classes);
        let of_moved: Vec<usize> = order.iter().map(|row| classes[*row]).collect();
        let (_, moved) = forest(&problem.pick(&order), &of_moved);
        let expected: Vec<f64> = order.iter().flat_map(|row| shares[row * 3..row * 3 + 3].to_vec()).collect();
        prop_assert_eq!(moved, expected);
    }

    /// Only the thresholds move: the splits, their order and the leaves stay.
    #[test]
    fn a_feature_on_another_scale(seed in any::<u64>()) {
        let problem = with_missing(friedman(seed, 90, 1.0), seed, 0.1);
        let mut stretched = problem.clone();
        for value in stretched.columns.iter_mut().flatten() {
            *value = (3.0 * *value).exp() - 50.0;
        }
        let classes = problem.classes(3);
        let pairs = [
            (boosted(&problem), boosted(&stretched)),
            (forest(&problem, &classes), forest(&stretched, &classes)),
        ];
        for ((trees, predictions), (moved, of_moved)) in pairs {
            let thresholds = trees.thresholds.clone();
            prop_assert_eq!(trees, Ensemble { thresholds, ..moved });
            prop_assert_eq!(predictions, of_moved);
        }
    }

    #[test]
    fn a_feature_that_is_always_the_same(seed in any::<u64>(), value in prop_oneof![Just(f64::NAN), -5.0..5.0]) {
        let problem = friedman(seed, 60, 1.0);
        let mut more = problem.clone();
        more.columns.push(vec![value; 60]);
        prop_assert_eq!(boosted(&problem), boosted(&more));
    }
}
