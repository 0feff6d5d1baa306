//! Logistic regression and generalised linear models.

use shoal_ml::model::{Estimator as StoredEstimator, LinearModel};
use shoal_ml::{FitStatus, GlmOptions, LogisticOptions, Rows, fit_glm, fit_logistic};

use super::GroupRows;
use super::classes::{Labels, names};
use super::linear::dropped;
use crate::models::estimator::Classes;
use crate::models::fitted::{Fitted, Value, count};
use crate::models::schema::ModelTable;

pub(super) fn logistic(
    table: &ModelTable,
    group: GroupRows<'_>,
    options: &LogisticOptions,
    classes: Classes,
) -> Fitted {
    let GroupRows { rows, hash: _, texts } = group;
    let most = match classes {
        Classes::Two => Some(2),
        Classes::Many => None,
    };
    if let Err((status @ FitStatus::InvalidTarget, message)) = Labels::of(rows.target(), most) {
        return Fitted::empty(table, status, message);
    }
    let training = table.training();
    let fit = fit_logistic(rows, options);
    let classes = names(training, texts, &fit.classes);
    let message = dropped(table, fit.status, &fit.dropped);
    let per_term = |values: &[Option<f64>]| Value::PerTerm(values.to_vec());
    let mut fitted = Fitted::of(training.own_columns(), (fit.status, message), |column| match column.name {
        "coefficients" => Value::PerTerm(fit.coefficients.concat()),
        "std_errors" => per_term(&fit.std_errors),
        "z_values" => per_term(&fit.z_values),
        "p_values" => per_term(&fit.p_values),
        "log_likelihood" => Value::Number(fit.log_likelihood),
        "null_log_likelihood" => Value::Number(fit.null_log_likelihood),
        "pseudo_r2" => Value::Number(fit.pseudo_r2),
        "aic" => Value::Number(fit.aic),
        "bic" => Value::Number(fit.bic),
        "iterations" => count(fit.iterations),
        _ => {
            let model = LinearModel::of_logistic(&fit, &training.features);
            Value::Model(table.stored(classes.clone(), model.map(StoredEstimator::Linear)))
        }
    });
    // Of two classes the terms are those of the second one.
    fitted.classes = if fit.coefficients.len() == 1 { classes.into_iter().skip(1).collect() } else { classes };
    fitted
}

pub(super) fn glm(table: &ModelTable, rows: Rows<'_>, options: &GlmOptions) -> Fitted {
    let training = table.training();
    let fit = fit_glm(rows, options);
    let message = dropped(table, fit.status, &fit.dropped);
    Fitted::of(training.own_columns(), (fit.status, message), |column| match column.name {
        "coefficients" => Value::PerTerm(fit.coefficients.clone()),
        "std_errors" => Value::PerTerm(fit.std_errors.clone()),
        "z_values" => Value::PerTerm(fit.z_values.clone()),
        "p_values" => Value::PerTerm(fit.p_values.clone()),
        "deviance" => Value::Number(fit.deviance),
        "null_deviance" => Value::Number(fit.null_deviance),
        "pearson_chi2" => Value::Number(fit.pearson_chi2),
        "dispersion" => Value::Number(fit.dispersion),
        "df_residual" => Value::Number(fit.df_residual),
        "log_likelihood" => Value::Number(fit.log_likelihood),
        "aic" => Value::Number(fit.aic),
        "iterations" => count(fit.iterations),
        _ => {
            let model = LinearModel::of_glm(&fit, &training.features);
            Value::Model(table.stored(Vec::new(), model.map(StoredEstimator::Linear)))
        }
    })
}
