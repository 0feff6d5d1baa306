//! Least squares, with penalties or without.

use shoal_core::spec::v1alpha1::Statistics;
use shoal_ml::model::{Estimator as StoredEstimator, LinearMethod, LinearModel};
use shoal_ml::status::dropped_in_words;
use shoal_ml::{
    FitStatus, MomentsRef, OlsFit, OlsOptions, OlsPredictor, PenalizedFit, RobustErrors, RobustKind, Rows, Summary,
    WeightKind, fit_elastic_net, fit_ols, fit_ols_coefficients, fit_ols_rows, fit_ridge, robust_errors,
};

use crate::models::estimator::Estimator;
use crate::models::fitted::{Fitted, Value, count};
use crate::models::schema::ModelTable;

pub(super) fn ols(table: &ModelTable, moments: MomentsRef<'_>, rows: Option<Rows<'_>>, options: &OlsOptions) -> Fitted {
    let fit = match table.training().statistics {
        Statistics::Full => fit_ols(moments, options),
        Statistics::Coefficients => fit_ols_coefficients(moments, options),
    };
    let fit = match rows {
        Some(rows) => again_where_digits_are_lost(fit, rows, options),
        None => fit,
    };
    let count = moments.count;
    of_ols(table, &fit, moments.into(), count, None)
}

pub(super) fn ols_rows(table: &ModelTable, rows: Rows<'_>, options: &OlsOptions, robust: Option<RobustKind>) -> Fitted {
    let moments = rows.weighted_moments();
    let summary = moments.summary(WeightKind::Analytic);
    let fit = again_where_digits_are_lost(fit_ols(summary, options), rows, options);
    let errors = robust.and_then(|kind| robust_errors(rows, WeightKind::Analytic, options, &fit, kind));
    of_ols(table, &fit, summary, moments.count, robust.map(|_| errors))
}

/// Cross-products cost twice the digits: where that may be too many, the rows themselves are asked.
fn again_where_digits_are_lost(fit: OlsFit, rows: Rows<'_>, options: &OlsOptions) -> OlsFit {
    match fit.status {
        FitStatus::IllConditioned => fit_ols_rows(rows, WeightKind::Analytic, options),
        _ => fit,
    }
}

/// `robust` is there where such errors were asked for, and has them where they could be estimated.
fn of_ols(
    table: &ModelTable,
    fit: &OlsFit,
    summary: Summary<'_>,
    rows_used: u64,
    robust: Option<Option<RobustErrors>>,
) -> Fitted {
    let training = table.training();
    let message = fit.message(&training.features, rows_used);
    let terms = table.terms().len();
    let unknown = vec![None; terms];
    let (std_errors, t_values, p_values) = match &robust {
        None => (&fit.std_errors, &fit.t_values, &fit.p_values),
        Some(Some(robust)) => (&robust.std_errors, &robust.t_values, &robust.p_values),
        Some(None) => (&unknown, &unknown, &unknown),
    };
    Fitted::of(training.own_columns(), (fit.status, message), |column| match column.name {
        "coefficients" => Value::PerTerm(fit.coefficients.clone()),
        "std_errors" => Value::PerTerm(std_errors.clone()),
        "t_values" => Value::PerTerm(t_values.clone()),
        "p_values" => Value::PerTerm(p_values.clone()),
        "r2" => Value::Number(fit.r2),
        "adj_r2" => Value::Number(fit.adj_r2),
        "sigma" => Value::Number(fit.sigma),
        "df_residual" => Value::Count(fit.df_residual),
        "f_value" => Value::Number(fit.f_value),
        "f_p_value" => Value::Number(fit.f_p_value),
        "log_likelihood" => Value::Number(fit.log_likelihood),
        "aic" => Value::Number(fit.aic),
        "bic" => Value::Number(fit.bic),
        _ => {
            let uncertainty = match training.statistics {
                Statistics::Full => OlsPredictor::new(summary, fit).and_then(|predictor| predictor.uncertainty()),
                Statistics::Coefficients => None,
            };
            let model = LinearModel::of_ols(fit, &training.features, uncertainty);
            Value::Model(table.stored(Vec::new(), model.map(StoredEstimator::Linear)))
        }
    })
}

pub(super) fn penalized_rows(table: &ModelTable, rows: Rows<'_>) -> Fitted {
    penalized(table, rows.weighted_moments().summary(WeightKind::Analytic))
}

pub(super) fn penalized(table: &ModelTable, summary: Summary<'_>) -> Fitted {
    let estimator = &table.training().estimator;
    let fit = match estimator {
        Estimator::Lasso(options) | Estimator::ElasticNet(options) => fit_elastic_net(summary, options),
        Estimator::Ridge(options) => fit_ridge(summary, options),
        _ => return Fitted::empty(table, FitStatus::NonFinite, None),
    };
    of_penalized(table, &fit, estimator.plain_linear().unwrap_or(LinearMethod::Ridge))
}

fn of_penalized(table: &ModelTable, fit: &PenalizedFit, method: LinearMethod) -> Fitted {
    let training = table.training();
    let message = dropped(table, fit.status, &fit.dropped);
    Fitted::of(training.own_columns(), (fit.status, message), |column| match column.name {
        "coefficients" => Value::PerTerm(fit.coefficients.clone()),
        "alpha" => Value::Number(Some(fit.alpha)),
        "r2" => Value::Number(fit.r2),
        "rmse" => Value::Number(fit.rmse),
        "nonzero" => count(fit.nonzero),
        "iterations" => count(fit.iterations),
        "duality_gap" => Value::Number(fit.duality_gap),
        _ => {
            let model = LinearModel::of_penalized(method, fit, &training.features);
            Value::Model(table.stored(Vec::new(), model.map(StoredEstimator::Linear)))
        }
    })
}

/// What to say where features were dropped.
pub(super) fn dropped(table: &ModelTable, status: FitStatus, dropped: &[usize]) -> Option<String> {
    let is_told = status == FitStatus::RankDeficient && !dropped.is_empty();
    let features = &table.training().features;
    is_told.then(|| dropped_in_words(dropped, features, table.terms().len() > features.len()))
}

/// The coefficients of an estimator that is fitted from moments; of the mean, itself for a constant.
pub(crate) fn coefficients(estimator: &Estimator, summary: Summary<'_>) -> Vec<Option<f64>> {
    match estimator {
        Estimator::Ridge(options) => fit_ridge(summary, options).coefficients,
        Estimator::Lasso(options) | Estimator::ElasticNet(options) => fit_elastic_net(summary, options).coefficients,
        Estimator::Mean => fit_ols_coefficients(summary, &OlsOptions { intercept: true }).coefficients,
        Estimator::Ols(options, _) => fit_ols_coefficients(summary, options).coefficients,
        Estimator::Logistic(..) | Estimator::Glm(_) | Estimator::Forest(..) | Estimator::Boosting(..) => Vec::new(),
    }
}
