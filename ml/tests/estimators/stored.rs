//! Stored models that are damaged, newer, or not models at all.

use std::sync::LazyLock;

use proptest::prelude::*;
use shoal_ml::boosting::{BoostingOptions, NumberLoss, fit_boosted_numbers};
use shoal_ml::encode::{Encoder, Unknown};
use shoal_ml::forest::{ForestOptions, fit_forest_classes};
use shoal_ml::model::{
    Estimator, Feature, FeatureKind, LinearMethod, LinearModel, Link, MeanModel, Model, ModelError, PredictError,
    Uncertainty, Values,
};
use shoal_ml::trees::{Columns, EnsembleError};

use crate::data::{friedman, with_missing};

fn linear() -> Model {
    let estimator = Estimator::Linear(LinearModel {
        method: LinearMethod::Ols,
        link: Link::Identity,
        terms: vec!["a".to_owned(), "c=x".to_owned()],
        intercepts: vec![1.0],
        coefficients: vec![2.0, 10.0],
        uncertainty: Some(Uncertainty { sigma: 0.5, df: 4.0, inverse_gram: vec![0.5, 0.0, 0.0, 0.25, 0.0, 0.25] }),
    });
    let one_hot = Encoder::OneHot {
        categories: vec!["x".to_owned(), "y".to_owned()],
        drop_first: false,
        unknown: Unknown::Error,
    };
    let features = vec![Feature::number("a"), Feature::number("b"), Feature::categories("c", one_hot)];
    Model { target: "y".to_owned(), classes: Vec::new(), features, estimator }
}

#[test]
fn what_a_feature_is_made_by_is_stored_where_it_is_no_column() {
    let mut model = linear();
    model.features[0] = Feature::number("a").made_by(Some("ln(a) AS a".to_owned()));
    let read = Model::decode(&model.encode()).unwrap();
    let expressions: Vec<_> = read.features.iter().map(|feature| feature.expression.as_deref()).collect();
    assert_eq!(expressions, [Some("ln(a) AS a"), None, None]);
    assert_eq!(read, model);
}

fn mean() -> Model {
    let mean = MeanModel { values: vec![1.5], rows: 3, sigma: Some(0.5) };
    Model { target: "y".to_owned(), classes: Vec::new(), features: Vec::new(), estimator: Estimator::Mean(mean) }
}

/// A forest of two classes and boosted trees, each over six numbers.
fn trees(seed: u64) -> [Model; 2] {
    let problem = with_missing(friedman(seed, 60, 1.0), seed, 0.1);
    let slices = problem.slices();
    let columns = Columns::new(60, &slices);
    let features: Vec<Feature> = (0..6).map(|place| Feature::number(format!("x{place}"))).collect();
    let model = |classes: &[&str], estimator| Model {
        target: "y".to_owned(),
        classes: classes.iter().map(|class| (*class).to_owned()).collect(),
        features: features.clone(),
        estimator,
    };
    let forest = ForestOptions { trees: 3, max_depth: Some(3), ..Default::default() };
    let boosting = BoostingOptions { rounds: 3, min_samples_leaf: 5, ..Default::default() };
    let forest = fit_forest_classes(&columns, 2, &problem.classes(2), &forest).model.unwrap();
    let boosted = fit_boosted_numbers(&columns, &problem.target, NumberLoss::Poisson, &boosting);
    let boosted = boosted.model.unwrap_or_else(|| {
        fit_boosted_numbers(&columns, &problem.target, NumberLoss::AbsoluteError, &boosting).model.unwrap()
    });
    [model(&["no", "yes"], Estimator::Forest(forest)), model(&[], Estimator::Boosting(boosted))]
}

/// A model of each shape, stored.
static STORED: LazyLock<[Vec<u8>; 4]> = LazyLock::new(|| {
    let [forest, boosted] = trees(7);
    [linear(), mean(), forest, boosted].map(|model| model.encode())
});

/// Asks a model about two rows of whatever it wants; only that it answers matters.
fn use_it(model: &Model) {
    let wanted: Vec<Values<'_>> = model
        .features
        .iter()
        .map(|feature| match feature.kind {
            FeatureKind::Number => Values::Numbers(&[0.5, f64::NAN]),
            FeatureKind::Categories(_) => Values::Categories(&[Some("x"), None]),
        })
        .collect();
    if let Ok(prediction) = model.predict(2, &wanted, Some(0.9)) {
        assert_eq!(prediction.values.len(), 2 * prediction.width);
        assert!(prediction.class(1).is_none_or(|class| class < model.classes.len()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn what_was_stored_is_read_back(seed in any::<u64>()) {
        for model in trees(seed) {
            prop_assert_eq!(Model::decode(&model.encode()), Ok(model));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_bytes_are_an_error_or_a_model_that_can_be_used(
        which in 0..4usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let mut bytes = STORED[which].clone();
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(model) = Model::decode(&bytes) {
            use_it(&model);
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let start = [0xd9, 0xd9, 0xf7];
        prop_assert!(Model::decode(&bytes).is_err());
        prop_assert!(Model::decode(&[&start[..], &bytes].concat()).is_err());
    }
}

#[test]
fn a_model_that_ends_early_is_truncated_wherever_it_ends() {
    for model in [linear(), mean()] {
        let bytes = model.encode();
        for end in 1..bytes.len() {
            assert_eq!(Model::decode(&bytes[..end]), Err(ModelError::Truncated), "{end} of {} bytes", bytes.len());
        }
        assert_eq!(Model::decode(&[&bytes[..], &[0]].concat()), Err(ModelError::Damaged(bytes.len())));
    }
}

/// The bytes with one text in place of another of the same length.
fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let place = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
    let mut bytes = bytes.to_vec();
    bytes[place..place + to.len()].copy_from_slice(to.as_bytes());
    bytes
}

#[test]
fn what_is_wrong_is_said_in_types() {
    let bytes = mean().encode();
    assert_eq!(Model::decode(b"PAR1"), Err(ModelError::NotAModel));
    assert_eq!(Model::decode(b""), Err(ModelError::NotAModel));
    assert_eq!(Model::decode(&replaced(&bytes, "shoal.model", "sheep.model")), Err(ModelError::NotAModel));
    let unknown = ModelError::UnknownEstimator("moan".to_owned());
    assert_eq!(Model::decode(&replaced(&bytes, "mean", "moan")), Err(unknown));
    // The version is the byte after its name.
    let place = bytes.windows(7).position(|window| window == b"version").unwrap() + 7;
    let mut newer = bytes.clone();
    newer[place] = 2;
    let expected = ModelError::NewerVersion { estimator: "mean".to_owned(), found: 2, supported: 1 };
    assert_eq!(Model::decode(&newer), Err(expected));
    let expected = ModelError::Field { field: "rows", expected: "a natural number" };
    assert_eq!(Model::decode(&replaced(&bytes, "rows", "cows")), Err(expected));
    // A field that nobody asks for is ignored.
    assert_eq!(
        Model::decode(&replaced(&bytes, "sigma", "gamma")).unwrap().estimator,
        Estimator::Mean(MeanModel { sigma: None, values: vec![1.5], rows: 3 })
    );
}

#[test]
fn arrays_that_are_no_trees_are_refused() {
    let [forest, _] = trees(1);
    let broken = |change: &dyn Fn(&mut shoal_ml::trees::Ensemble)| {
        let mut model = forest.clone();
        let Estimator::Forest(trees) = &mut model.estimator else { unreachable!() };
        change(&mut trees.trees);
        Model::decode(&model.encode())
    };
    let expect = |error| Err(ModelError::Trees(error));
    assert_eq!(broken(&|trees| trees.left[0] = 0), expect(EnsembleError::Child(0)));
    assert_eq!(broken(&|trees| trees.right[0] = u32::MAX), expect(EnsembleError::Child(0)));
    assert_eq!(broken(&|trees| trees.features[0] = 6), expect(EnsembleError::Feature(0)));
    assert_eq!(broken(&|trees| trees.roots[1] = 10_000), expect(EnsembleError::Root(1)));
    assert_eq!(broken(&|trees| trees.thresholds[0] = f64::NAN), expect(EnsembleError::NotANumber(0)));
    assert_eq!(broken(&|trees| trees.missing_left.clear()), expect(EnsembleError::Lengths));
    assert!(broken(&|_| ()).is_ok());
}

#[test]
fn a_linear_model_predicts_with_its_interval() {
    let model = linear();
    let columns =
        [Values::Numbers(&[3.0, f64::NAN]), Values::Numbers(&[f64::NAN; 2]), Values::Categories(&[Some("x"), None])];
    let prediction = model.predict(2, &columns, Some(0.95)).unwrap();
    // The second feature has no coefficient, so that its missing value does not matter.
    assert_eq!(prediction.values[0], 17.0);
    assert!(prediction.values[1].is_nan());
    // t(0.975, 4) = 2.7764451051977987; 1 + 0.5 + 9/4 + 1/4 = 4.
    let interval = prediction.interval.unwrap();
    assert!((interval.upper[0] - 17.0 - 2.776_445_105_197_798_7).abs() < 1e-12, "{interval:?}");
    assert!((interval.lower[0] - 17.0 + 2.776_445_105_197_798_7).abs() < 1e-12, "{interval:?}");
    assert_eq!(model.predict(2, &columns, None).unwrap().interval, None);
}

#[test]
fn rows_that_do_not_fit_the_model_are_refused() {
    let model = linear();
    let [a, b, c] = [Values::Numbers(&[1.0]), Values::Numbers(&[1.0]), Values::Categories(&[Some("x")])];
    assert_eq!(model.predict(1, &[a, b], None), Err(PredictError::Columns { expected: 3, found: 2 }));
    let kind = |feature: &str, expected| Err(PredictError::Kind { feature: feature.to_owned(), expected });
    assert_eq!(model.predict(1, &[a, c, c], None), kind("b", "numbers"));
    assert_eq!(model.predict(1, &[a, b, b], None), kind("c", "categories"));
    assert_eq!(model.predict(2, &[a, b, c], None), Err(PredictError::Length("a".to_owned())));
    let long = Values::Numbers(&[1.0, 2.0]);
    assert_eq!(model.predict(1, &[a, long, c], None), Err(PredictError::Length("b".to_owned())));
    let unknown = model.predict(1, &[a, b, Values::Categories(&[Some("z")])], None);
    assert!(matches!(unknown, Err(PredictError::Encode { feature, .. }) if feature == "c"));
}
