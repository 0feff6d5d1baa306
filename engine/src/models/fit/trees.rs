//! Forests and boosted trees.

use shoal_core::spec::v1alpha1::Predicted;
use shoal_ml::boosting::{BoostingOptions, NumberLoss, fit_boosted_classes, fit_boosted_numbers};
use shoal_ml::forest::{ForestOptions, fit_forest_classes, fit_forest_numbers};
use shoal_ml::model::Estimator as StoredEstimator;
use shoal_ml::trees::Columns;

use super::GroupRows;
use super::classes::{Labels, names};
use crate::models::fitted::{Fitted, Value, count};
use crate::models::schema::ModelTable;

pub(super) fn forest(
    table: &ModelTable,
    group: GroupRows<'_>,
    options: &ForestOptions,
    predicted: Predicted,
) -> Fitted {
    let GroupRows { rows, hash, texts } = group;
    let columns = Columns::new(rows.len(), rows.features());
    let options = ForestOptions { seed: options.seed ^ hash, ..options.clone() };
    let (fit, classes) = match predicted {
        Predicted::Number => (fit_forest_numbers(&columns, rows.target(), &options), Vec::new()),
        Predicted::Class => match Labels::of(rows.target(), None) {
            Ok(Labels { values, of_rows }) => {
                let fit = fit_forest_classes(&columns, values.len(), &of_rows, &options);
                (fit, names(table.training(), texts, &values))
            }
            Err((status, message)) => return Fitted::empty(table, status, message),
        },
    };
    let mut model = fit.model;
    Fitted::of(table.training().own_columns(), (fit.status, None), |column| match column.name {
        "out_of_bag_score" => Value::Number(fit.out_of_bag_score),
        _ => Value::Model(table.stored(classes.clone(), model.take().map(StoredEstimator::Forest))),
    })
}

pub(super) fn boosting(
    table: &ModelTable,
    group: GroupRows<'_>,
    options: &BoostingOptions,
    loss: NumberLoss,
    predicted: Predicted,
) -> Fitted {
    let GroupRows { rows, hash, texts } = group;
    let columns = Columns::new(rows.len(), rows.features());
    let options = BoostingOptions { seed: options.seed ^ hash, ..options.clone() };
    let (fit, classes) = match predicted {
        Predicted::Number => (fit_boosted_numbers(&columns, rows.target(), loss, &options), Vec::new()),
        Predicted::Class => match Labels::of(rows.target(), None) {
            Ok(Labels { values, of_rows }) => {
                let fit = fit_boosted_classes(&columns, values.len(), &of_rows, &options);
                (fit, names(table.training(), texts, &values))
            }
            Err((status, message)) => return Fitted::empty(table, status, message),
        },
    };
    let mut model = fit.model;
    Fitted::of(table.training().own_columns(), (fit.status, None), |column| match column.name {
        "rounds" => count(fit.rounds),
        "train_loss" => Value::Number(fit.train_loss),
        "validation_loss" => Value::Number(fit.validation_loss),
        _ => Value::Model(table.stored(classes.clone(), model.take().map(StoredEstimator::Boosting))),
    })
}
