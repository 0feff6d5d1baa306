//! Which of several alphas a group takes.

use std::sync::Arc;

use shoal_ml::{FitStatus, Moments, Rows, Summary, WeightKind, best_alpha, complements};

use super::estimator::Estimator;
use super::evaluate::{Gathered, Tests};
use super::fitted::Fitted;
use super::schema::ModelTable;
use super::training::Training;

impl ModelTable {
    /// The table with the alpha that a group's folds choose, where the job names several: each fold is predicted by a model of
    /// all others. `whole` are the moments of all of them.
    ///
    /// # Errors
    /// What the table says of a group that has nothing to choose by.
    pub(crate) fn of_best_alpha(
        self: &Arc<Self>,
        whole: &Moments,
        folds: &[Moments],
    ) -> Result<Arc<Self>, Box<Fitted>> {
        self.choose(|| {
            let others = complements(folds);
            let parts = others.iter().zip(folds).map(|(others, fold)| (others.into(), fold.into()));
            self.best_alpha_of(whole.into(), parts)
        })
    }

    /// As [`ModelTable::of_best_alpha`], of rows that test models of others.
    pub(crate) fn of_best_alpha_of_rows(
        self: &Arc<Self>,
        rows: Rows<'_>,
        tests: Option<&Tests>,
    ) -> Result<Arc<Self>, Box<Fitted>> {
        self.choose(|| {
            let moments = |picked: &[usize]| Gathered::new(rows, picked).with(|rows| rows.weighted_moments());
            let splits = tests.map(Tests::splits).unwrap_or_default();
            let parts: Vec<_> = splits.iter().map(|split| (moments(&split.train), moments(&split.test))).collect();
            let kind = WeightKind::Analytic;
            let whole = rows.weighted_moments();
            let parts = parts.iter().map(|(others, fold)| (others.summary(kind), fold.summary(kind)));
            self.best_alpha_of(whole.summary(kind), parts)
        })
    }

    fn choose(self: &Arc<Self>, best: impl FnOnce() -> Option<f64>) -> Result<Arc<Self>, Box<Fitted>> {
        if self.training().alphas.is_none() {
            return Ok(Arc::clone(self));
        }
        let Some(alpha) = best() else {
            let message =
                "too few rows to choose an alpha: no fold has rows, and others to predict them from".to_owned();
            let fitted = Fitted::empty(self, FitStatus::TooFewRows, Some(message));
            return Err(Box::new(fitted.tested(self.nothing_found())));
        };
        let mut estimator = self.training().estimator.clone();
        if let Estimator::Lasso(options) | Estimator::ElasticNet(options) = &mut estimator {
            options.alpha = alpha;
        }
        Ok(Arc::new(self.of(Training { estimator, ..self.training().clone() })))
    }

    fn best_alpha_of<'a>(
        &self,
        whole: Summary<'_>,
        parts: impl Iterator<Item = (Summary<'a>, Summary<'a>)>,
    ) -> Option<f64> {
        match (&self.training().estimator, &self.training().alphas) {
            (Estimator::Lasso(options) | Estimator::ElasticNet(options), Some(alphas)) => {
                best_alpha(parts, options, &alphas.of(whole, options))
            }
            _ => None,
        }
    }
}
