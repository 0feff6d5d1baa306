//! From what is known of a group to its model.

mod baseline;
mod classes;
mod iterative;
mod linear;
mod trees;

pub(crate) use classes::CLASSES_MAX;
pub(super) use classes::{Labels, names as class_names};
pub(super) use linear::coefficients;

use std::sync::Arc;

use arrow::array::RecordBatch;
use shoal_core::Failure;
use shoal_ml::model::{Estimator as StoredEstimator, Model};
use shoal_ml::{FitStatus, MomentsRef, Rows};

use super::builder::{ModelBuilder, ModelCounts};
use super::estimator::Estimator;
use super::fitted::Fitted;
use super::schema::ModelTable;
use crate::moments::MomentsColumn;

/// The rows of a group, and what is the group's own.
#[derive(Clone, Copy, Debug)]
pub struct GroupRows<'a> {
    /// Rows that can be trained on.
    pub rows: Rows<'a>,
    /// A number that is the group's own: what is drawn at random follows from it.
    pub hash: u64,
    /// The classes of a target of texts, sorted: its values are places among them.
    pub texts: &'a [String],
}

impl ModelTable {
    /// Fits the model of a group from the moments of its features and, last, its target. `rows` are those that the moments
    /// are of, where they are at hand: some fits lose fewer digits over them.
    ///
    /// # Errors
    /// An internal failure for an estimator that needs the rows themselves.
    pub fn fit_moments(&self, moments: MomentsRef<'_>, rows: Option<Rows<'_>>) -> Result<Fitted, Failure> {
        match &self.training().estimator {
            Estimator::Ols(options, None) => Ok(linear::ols(self, moments, rows, options)),
            Estimator::Ridge(_) | Estimator::Lasso(_) | Estimator::ElasticNet(_) => {
                Ok(linear::penalized(self, moments.into()))
            }
            Estimator::Mean => Ok(baseline::mean(self, moments)),
            Estimator::Ols(_, Some(_))
            | Estimator::Logistic(..)
            | Estimator::Glm(_)
            | Estimator::Forest(..)
            | Estimator::Boosting(..) => Err(Failure::internal("this estimator is not fitted from moments")),
        }
    }

    /// Fits the model of a group from its rows.
    pub fn fit_rows(&self, group: GroupRows<'_>) -> Fitted {
        let GroupRows { rows, hash: _, texts: _ } = group;
        match &self.training().estimator {
            Estimator::Ols(options, robust) => linear::ols_rows(self, rows, options, *robust),
            Estimator::Ridge(_) | Estimator::Lasso(_) | Estimator::ElasticNet(_) => linear::penalized_rows(self, rows),
            Estimator::Logistic(options, classes) => iterative::logistic(self, group, options, *classes),
            Estimator::Glm(options) => iterative::glm(self, rows, options),
            Estimator::Forest(options, predicted) => trees::forest(self, group, options, *predicted),
            Estimator::Boosting(options, loss, predicted) => trees::boosting(self, group, options, *loss, *predicted),
            Estimator::Mean => baseline::mean(self, rows.moments().as_ref()),
        }
    }

    /// What is said of a group whose rows do not fit into the memory of a task, `bytes_max`.
    pub fn too_large(&self, bytes_max: u64) -> Fitted {
        let message = format!(
            "the group's rows take more than {} MiB, and this model is fitted from all of them: give workers more memory, or \
             group by one more column",
            bytes_max >> 20
        );
        Fitted::empty(self, FitStatus::GroupTooLarge, Some(message)).tested(self.nothing_found())
    }

    /// The stored form of a model, where there is one.
    fn stored(&self, classes: Vec<String>, estimator: Option<StoredEstimator>) -> Option<Vec<u8>> {
        let estimator = estimator?;
        let training = self.training();
        let features = match &estimator {
            StoredEstimator::Mean(_) => Vec::new(),
            _ => training.predictors(),
        };
        Some(Model { target: training.target.clone(), classes, features, estimator }.encode())
    }
}

/// Fits a batch of merged moments: key columns first, then the moments of the features and the target, one row per
/// group. Gives the models of those groups as rows of the table, and what was counted.
///
/// # Errors
/// An internal failure where the batch does not have these columns, or the models are not fitted from moments.
pub fn fit_moments_batch(batch: &RecordBatch, table: &Arc<ModelTable>) -> Result<(RecordBatch, ModelCounts), Failure> {
    let (Some(keys), Some(states)) =
        (batch.columns().get(..table.key_columns()), batch.columns().get(table.key_columns()))
    else {
        return Err(Failure::internal(format!("a batch of {} columns holds no moments", batch.num_columns())));
    };
    let states = MomentsColumn::new(states, table.training().variables())?;
    let mut models = ModelBuilder::new(Arc::clone(table));
    for group in 0..states.len() {
        let moments = states.get(group);
        models.append(&table.fit_moments(moments, None)?, moments.count, states.dropped(group));
    }
    let counts = models.counts();
    Ok((models.finish(keys.to_vec())?, counts))
}
