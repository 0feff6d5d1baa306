//! Growing a forest.

use crate::random::Random;
use crate::status::FitStatus;
use crate::trees::{Binned, Columns, Ensemble, Gradients, GrowOptions, Grower};

use super::out_of_bag::OutOfBag;
use super::{Forest, ForestOptions};

/// How the forest of one group ended.
#[derive(Clone, Debug, PartialEq)]
pub struct ForestFit {
    /// How the fit ended.
    pub status: FitStatus,
    /// The model, if the status is ok.
    pub model: Option<Forest>,
    /// R² (numbers) or accuracy (classes) of what each row's unseen trees predict for it. Missing without bootstrap, where
    /// no tree left a row out, and where R² is not defined.
    pub out_of_bag_score: Option<f64>,
}

impl ForestFit {
    fn failed(status: FitStatus) -> Self {
        Self { status, model: None, out_of_bag_score: None }
    }
}

/// Grows a forest that predicts a number: `targets` has one per row of `columns`.
///
/// # Panics
///
/// If the lengths differ, or [`ForestOptions::check`] fails.
pub fn fit_forest_numbers(columns: &Columns<'_>, targets: &[f64], options: &ForestOptions) -> ForestFit {
    assert_eq!(columns.rows(), targets.len());
    if targets.is_empty() {
        return ForestFit::failed(FitStatus::TooFewRows);
    }
    // Around a typical value, so that a large mean takes no digits from the differences.
    let first = targets[0];
    let mean = first + targets.iter().map(|target| target - first).sum::<f64>() / targets.len() as f64;
    let gradients: Vec<f64> = targets.iter().map(|target| mean - target).collect();
    if gradients.iter().any(|gradient| !(gradient * gradient).is_finite()) {
        return ForestFit::failed(FitStatus::NonFinite);
    }
    let per_split = options.features_per_split.map_or(columns.features(), |share| part(share, columns.features()));
    let (model, unseen) = grow(columns, &gradients, 1, mean, per_split, options);
    let out_of_bag_score = unseen.and_then(|unseen| unseen.r2(targets));
    ForestFit { status: FitStatus::Ok, model: Some(model), out_of_bag_score }
}

/// Grows a forest that predicts the probability of each of `classes` classes: `of_rows` has the class of each row, from 0.
///
/// # Panics
///
/// If the lengths differ, a class is not below `classes`, or [`ForestOptions::check`] fails.
pub fn fit_forest_classes(
    columns: &Columns<'_>,
    classes: usize,
    of_rows: &[usize],
    options: &ForestOptions,
) -> ForestFit {
    assert_eq!(columns.rows(), of_rows.len());
    assert!(of_rows.iter().all(|class| *class < classes), "a class is not below {classes}");
    if of_rows.is_empty() {
        return ForestFit::failed(FitStatus::TooFewRows);
    }
    let mut gradients = vec![0.0; of_rows.len() * classes];
    for (row, class) in of_rows.iter().enumerate() {
        gradients[row * classes + class] = -1.0;
    }
    let square_root = (columns.features() as f64).sqrt() as usize;
    let per_split = options.features_per_split.map_or(square_root.max(1), |share| part(share, columns.features()));
    let (model, unseen) = grow(columns, &gradients, classes, 0.0, per_split, options);
    let out_of_bag_score = unseen.and_then(|unseen| unseen.accuracy(of_rows));
    ForestFit { status: FitStatus::Ok, model: Some(model), out_of_bag_score }
}

/// Grows the trees; each value of a leaf is `centre` more than the gradients say.
fn grow(
    columns: &Columns<'_>,
    gradients: &[f64],
    width: usize,
    centre: f64,
    per_split: usize,
    options: &ForestOptions,
) -> (Forest, Option<OutOfBag>) {
    if let Err(error) = options.check() {
        panic!("{error}");
    }
    let rows: Vec<u32> = (0..columns.rows() as u32).collect();
    let features: Vec<u32> = (0..columns.features() as u32).collect();
    let binned = Binned::new(columns, &rows, options.max_bins);
    let bounds = GrowOptions {
        max_depth: options.max_depth,
        max_leaves: options.max_leaves,
        min_samples_leaf: options.min_samples_leaf as f64,
        l2: 0.0,
        features_per_node: Some(per_split),
    };
    let mut grower = Grower::new(&binned, &bounds, width);
    let mut trees = Ensemble::new(width);
    let mut unseen = options.bootstrap.then(|| OutOfBag::new(rows.len(), width));
    let mut bag = rows.clone();
    for tree in 0..options.trees {
        let mut random = Random::stream(options.seed, tree as u64);
        if options.bootstrap {
            bag.iter_mut().for_each(|row| *row = random.below(rows.len()) as u32);
        } else {
            bag.copy_from_slice(&rows);
        }
        let unit = Gradients { width, gradients, hessians: &[] };
        grower.grow(unit, &mut bag, &features, &mut random, &mut trees, |leaf| {
            leaf.values.iter_mut().for_each(|value| *value += centre);
        });
        if let Some(unseen) = &mut unseen {
            unseen.add(&trees, columns, &bag);
        }
    }
    (Forest { trees }, unseen)
}

/// A share of the features, rounded down as scikit-learn does, but at least one.
fn part(share: f64, features: usize) -> usize {
    ((share * features as f64) as usize).max(1)
}
