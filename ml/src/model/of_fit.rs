//! What of a fit is stored.

use crate::glm;
use crate::glm::GlmFit;
use crate::logistic::LogisticFit;
use crate::ols::OlsFit;
use crate::penalized::PenalizedFit;

use super::{LinearMethod, LinearModel, Link, Uncertainty};

/// Of each constructor: `features` are the names of the features that were fitted, in their order, and the result is
/// `None` where nothing was estimated.
impl LinearModel {
    /// The model of a least squares fit; `uncertainty` is that of its predictor.
    pub fn of_ols(fit: &OlsFit, features: &[String], uncertainty: Option<Uncertainty>) -> Option<Self> {
        Self::of_lists(LinearMethod::Ols, Link::Identity, features, &[&fit.coefficients], uncertainty)
    }

    /// The model of a penalised fit, made by that method.
    pub fn of_penalized(method: LinearMethod, fit: &PenalizedFit, features: &[String]) -> Option<Self> {
        Self::of_lists(method, Link::Identity, features, &[&fit.coefficients], None)
    }

    /// The model of a logistic regression.
    pub fn of_logistic(fit: &LogisticFit, features: &[String]) -> Option<Self> {
        let link = if fit.coefficients.len() == 1 { Link::Logit } else { Link::Softmax };
        let lists: Vec<&[Option<f64>]> = fit.coefficients.iter().map(Vec::as_slice).collect();
        Self::of_lists(LinearMethod::Logistic, link, features, &lists, None)
    }

    /// The model of a generalised linear model.
    pub fn of_glm(fit: &GlmFit, features: &[String]) -> Option<Self> {
        let link = match fit.link {
            glm::Link::Log => Link::Log,
            glm::Link::Inverse => Link::Inverse,
            glm::Link::Logit => Link::Logit,
            glm::Link::Probit => Link::Probit,
        };
        Self::of_lists(LinearMethod::Glm, link, features, &[&fit.coefficients], None)
    }

    /// Each list has the coefficients of one output: the intercept first where there is one more than features.
    fn of_lists(
        method: LinearMethod,
        link: Link,
        features: &[String],
        lists: &[&[Option<f64>]],
        uncertainty: Option<Uncertainty>,
    ) -> Option<Self> {
        let first = lists.first()?;
        let constants = first.len().checked_sub(features.len()).filter(|constants| *constants <= 1)?;
        // What is dropped is dropped from every output.
        let kept: Vec<usize> = (0..features.len()).filter(|feature| first[constants + feature].is_some()).collect();
        let mut model = Self {
            method,
            link,
            terms: kept.iter().map(|feature| features[*feature].clone()).collect(),
            intercepts: Vec::with_capacity(lists.len() * constants),
            coefficients: Vec::with_capacity(lists.len() * kept.len()),
            uncertainty,
        };
        for list in lists {
            if constants == 1 {
                model.intercepts.push(list[0]?);
            }
            for feature in &kept {
                model.coefficients.push(list[constants + feature]?);
            }
        }
        let is_estimated = constants == 1 || !kept.is_empty() || first.iter().any(Option::is_some);
        is_estimated.then_some(model)
    }
}
