//! The best of several alphas, by rows that models were not fitted on.

use serde::{Deserialize, Serialize};

use crate::cross_validation::squared_error;
use crate::summary::Summary;

use super::elastic_net::ElasticNetOptions;
use super::path::{alpha_path, fit_elastic_net_path};

/// The alpha where no slope is left by any: scikit-learn's, the resolution of a float.
const ANY_ALPHA: f64 = 1e-15;

/// Which alphas are compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alphas {
    /// These.
    Values(Vec<f64>),
    /// So many in equal ratios, from the smallest one that leaves the group no slope down to a share of it.
    Path {
        /// How many.
        count: usize,
        /// The share, between 0 and 1.
        smallest: f64,
    },
}

impl Alphas {
    /// The alphas of a group with those moments, one at least if they are a path.
    ///
    /// # Panics
    ///
    /// Where [`alpha_path`] does.
    pub fn of<'a>(&self, moments: impl Into<Summary<'a>>, options: &ElasticNetOptions) -> Vec<f64> {
        match self {
            Self::Values(values) => values.clone(),
            Self::Path { count, smallest } => {
                let path = alpha_path(moments, options, *count, *smallest);
                if path.is_empty() { vec![ANY_ALPHA] } else { path }
            }
        }
    }
}

/// The one of `alphas` with the least error on rows that its models were not fitted on, whatever that of `options` is: the
/// mean over `folds` of a fold's mean squared error, as scikit-learn's `LassoCV` and `ElasticNetCV` have it. Of several
/// equal ones the largest.
///
/// A fold is the moments of what its model is fitted on, and those of its own rows. One that has no rows or whose model
/// cannot be fitted is left aside; `None` if that holds for all of them.
///
/// # Panics
///
/// Where [`fit_elastic_net_path`] does.
pub fn best_alpha<'a>(
    folds: impl IntoIterator<Item = (Summary<'a>, Summary<'a>)>,
    options: &ElasticNetOptions,
    alphas: &[f64],
) -> Option<f64> {
    let mut errors = vec![0.0; alphas.len()];
    let mut scored = false;
    for (others, fold) in folds {
        let fits = fit_elastic_net_path(others, options, alphas);
        let of_fold: Vec<_> = fits.iter().map(|fit| squared_error(fold, &fit.coefficients)).collect();
        if fold.count == 0 || of_fold.iter().all(Option::is_none) {
            continue;
        }
        scored = true;
        for (error, squares) in errors.iter_mut().zip(of_fold) {
            *error += squares.map_or(f64::INFINITY, |squares| squares / fold.weight);
        }
    }
    let mut best: Option<(f64, f64)> = None;
    for (error, alpha) in errors.into_iter().zip(alphas).filter(|_| scored) {
        let is_better = best.is_none_or(|(least, of)| error < least || (error == least && *alpha > of));
        if is_better {
            best = Some((error, *alpha));
        }
    }
    best.map(|(_, alpha)| alpha)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moments::Moments;

    fn moments(rows: &[[f64; 2]]) -> Moments {
        let mut moments = Moments::new(2);
        rows.iter().for_each(|row| moments.as_mut().push(row));
        moments
    }

    #[test]
    fn of_equal_ones_the_largest_is_taken_and_folds_without_rows_do_not_count() {
        let options = ElasticNetOptions { l1_ratio: 1.0, ..ElasticNetOptions::default() };
        let (one, other) = (moments(&[[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]]), moments(&[[4.0, 8.0], [5.0, 10.0]]));
        let none = moments(&[]);
        let best = |folds: &[(&Moments, &Moments)], alphas: &[f64]| {
            best_alpha(folds.iter().map(|(others, fold)| ((*others).into(), (*fold).into())), &options, alphas)
        };
        let both = [(&one, &other), (&other, &one)];
        assert_eq!(best(&both, &[10.0, 0.01, 1.0]), Some(0.01), "the line has no noise");
        assert_eq!(best(&both, &[50.0, 100.0, 70.0]), Some(100.0), "all of them leave no slope");
        assert_eq!(best(&[(&one, &other), (&one, &none), (&none, &one)], &[0.01, 10.0]), Some(0.01));
        assert_eq!(best(&[(&one, &none), (&none, &one)], &[0.01]), None);
    }

    #[test]
    fn a_target_that_does_not_vary_has_a_path_of_one() {
        let options = ElasticNetOptions { l1_ratio: 0.5, ..ElasticNetOptions::default() };
        let path = Alphas::Path { count: 5, smallest: 0.1 };
        assert_eq!(path.of(&moments(&[[1.0, 2.0], [2.0, 2.0]]), &options), [ANY_ALPHA]);
        assert_eq!(path.of(&moments(&[[1.0, 2.0], [2.0, 3.0]]), &options).len(), 5);
        assert_eq!(Alphas::Values(vec![3.0, 1.0]).of(&moments(&[]), &options), [3.0, 1.0]);
    }
}
