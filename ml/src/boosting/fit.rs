//! The rounds.

use crate::random::Random;
use crate::status::FitStatus;
use crate::trees::{Binned, Columns, Ensemble, Gradients, GrowOptions, Grower};

use super::early_stopping::{Watch, split};
use super::loss::NumberLoss;
use super::objective::Objective;
use super::{BoostedTrees, BoostingOptions};

/// How boosting one group ended.
#[derive(Clone, Debug, PartialEq)]
pub struct BoostingFit {
    /// How the fit ended.
    pub status: FitStatus,
    /// The model, if the status is ok.
    pub model: Option<BoostedTrees>,
    /// The rounds that the model has.
    pub rounds: usize,
    /// The mean loss of the rows that were learned from after the last round that ran, as [`super::Loss`] writes it.
    pub train_loss: Option<f64>,
    /// The mean loss of the rows that were kept aside, after the rounds that the model has.
    pub validation_loss: Option<f64>,
}

impl BoostingFit {
    fn failed(status: FitStatus) -> Self {
        Self { status, model: None, rounds: 0, train_loss: None, validation_loss: None }
    }
}

/// Boosts trees that predict a number: `targets` has one per row of `columns`.
///
/// # Panics
///
/// If the lengths differ, or [`BoostingOptions::check`] fails.
pub fn fit_boosted_numbers(
    columns: &Columns<'_>,
    targets: &[f64],
    loss: NumberLoss,
    options: &BoostingOptions,
) -> BoostingFit {
    assert_eq!(columns.rows(), targets.len());
    if targets.iter().any(|target| !target.is_finite()) {
        return BoostingFit::failed(FitStatus::NonFinite);
    }
    if loss == NumberLoss::Poisson && targets.iter().any(|target| *target < 0.0) {
        return BoostingFit::failed(FitStatus::InvalidTarget);
    }
    fit(columns, Objective::Numbers(loss, targets), options)
}

/// Boosts trees that predict the probability of each of `classes` classes, two or more: `of_rows` has the class of each
/// row, from 0. Not every class has to occur.
///
/// # Panics
///
/// If the lengths differ, a class is not below `classes`, `classes` is below 2, or [`BoostingOptions::check`] fails.
pub fn fit_boosted_classes(
    columns: &Columns<'_>,
    classes: usize,
    of_rows: &[usize],
    options: &BoostingOptions,
) -> BoostingFit {
    assert_eq!(columns.rows(), of_rows.len());
    assert!(classes > 1 && of_rows.iter().all(|class| *class < classes), "a class is not below {classes}");
    fit(columns, Objective::Classes(classes, of_rows), options)
}

/// What the parts of the work draw from, each from a stream of its own.
const SPLIT_STREAM: u64 = 0;
const FIRST_ROUND_STREAM: u64 = 1;

fn fit(columns: &Columns<'_>, objective: Objective<'_>, options: &BoostingOptions) -> BoostingFit {
    if let Err(error) = options.check() {
        panic!("{error}");
    }
    let all = columns.rows();
    let (mut learn, validate) = rows(all, objective, options);
    if learn.is_empty() {
        return BoostingFit::failed(FitStatus::TooFewRows);
    }
    let binned = Binned::new(columns, &learn, options.max_bins);
    let grow = GrowOptions {
        max_depth: options.max_depth,
        max_leaves: options.max_leaves,
        min_samples_leaf: options.min_samples_leaf as f64,
        l2: options.l2,
        features_per_node: None,
    };
    let loss = objective.loss();
    let outputs = loss.outputs();
    let baseline = objective.baseline(&learn);
    let mut sums: Vec<f64> = baseline.iter().flat_map(|value| std::iter::repeat_n(*value, all)).collect();
    let (mut gradients, mut hessians) = (vec![0.0; all * outputs], vec![0.0; all * outputs]);
    let mut trees = Ensemble::new(1);
    let mut grower = Grower::new(&binned, &grow, 1);
    let mut features: Vec<u32> = (0..binned.features() as u32).collect();
    let feature_count = share(options.column_subsample, features.len());
    let sample = share(options.subsample, learn.len());
    let stopping = options.early_stopping.as_ref().filter(|_| !validate.is_empty());
    let mut watch = Watch::new(objective.mean_loss(&validate, &sums));
    let mut rounds = 0;

    while rounds < options.rounds {
        let mut random = Random::stream(options.seed, FIRST_ROUND_STREAM + rounds as u64);
        if sample < learn.len() {
            random.draw(&mut learn, sample);
        }
        let (drawn, others) = learn.split_at_mut(sample);
        objective.derivatives(drawn, &sums, &mut gradients, &mut hessians);
        for output in 0..outputs {
            if feature_count < features.len() {
                random.draw(&mut features, feature_count);
            }
            let here = output * all..(output + 1) * all;
            let sums = &mut sums[here.clone()];
            let derivatives = Gradients { width: 1, gradients: &gradients[here.clone()], hessians: &hessians[here] };
            let candidates = &mut features[..feature_count];
            // Among equal splits the first feature wins, whatever the order of the draw.
            candidates.sort_unstable();
            grower.grow(derivatives, drawn, candidates, &mut random, &mut trees, |leaf| {
                let step = objective.leaf_value(leaf.rows, sums).unwrap_or(leaf.values[0]);
                leaf.values[0] = options.learning_rate * step;
                for row in leaf.rows {
                    sums[*row as usize] += leaf.values[0];
                }
            });
            let tree = trees.len() - 1;
            for row in others.iter().chain(&validate) {
                sums[*row as usize] += trees.leaf(tree, columns, *row as usize)[0];
            }
        }
        rounds += 1;
        if let Some(stopping) = stopping
            && watch.should_stop(rounds, objective.mean_loss(&validate, &sums), stopping)
        {
            break;
        }
    }
    if sums.iter().any(|sum| !sum.is_finite()) {
        return BoostingFit::failed(FitStatus::NonFinite);
    }
    let train_loss = Some(objective.mean_loss(&learn, &sums));
    let mut fit = BoostingFit { status: FitStatus::Ok, model: None, rounds, train_loss, validation_loss: None };
    if stopping.is_some() {
        fit.rounds = watch.best_rounds();
        fit.validation_loss = Some(watch.best());
        trees.truncate(fit.rounds * outputs);
    }
    fit.model = Some(BoostedTrees { loss, baseline, trees });
    fit
}

/// The rows to learn from, and those to stop by.
fn rows(all: usize, objective: Objective<'_>, options: &BoostingOptions) -> (Vec<u32>, Vec<u32>) {
    let every = || (0..all as u32).collect::<Vec<u32>>();
    let Some(stopping) = &options.early_stopping else { return (every(), Vec::new()) };
    let kinds = match objective {
        Objective::Numbers(..) => vec![every()],
        Objective::Classes(classes, of_rows) => {
            let mut kinds = vec![Vec::new(); classes];
            for (row, class) in of_rows.iter().enumerate() {
                kinds[*class].push(row as u32);
            }
            kinds
        }
    };
    split(&kinds, stopping.validation_fraction, &mut Random::stream(options.seed, SPLIT_STREAM))
}

/// A share of a count, rounded, but at least one of them.
fn share(fraction: f64, count: usize) -> usize {
    ((fraction * count as f64).round() as usize).clamp(1.min(count), count)
}
