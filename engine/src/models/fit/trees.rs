//! Forests and boosted trees.

use shoal_core::spec::v1alpha1::Predicted;
use shoal_ml::Rows;
use shoal_ml::boosting::{BoostingOptions, NumberLoss, fit_boosted_classes, fit_boosted_numbers};
use shoal_ml::forest::{ForestOptions, fit_forest_classes, fit_forest_numbers};
use shoal_ml::model::Estimator as StoredEstimator;
use shoal_ml::trees::Columns;

use super::classes::{Labels, names};
use crate::models::fitted::{Fitted, Value, count};
use crate::models::schema::ModelTable;

pub(super) fn forest(
    table: &ModelTable,
    rows: Rows<'_>,
    options: &ForestOptions,
    predicted: Predicted,
    group_hash: u64,
) -> Fitted {
    let columns = Columns::new(rows.len(), rows.features());
    let options = ForestOptions { seed: options.seed ^ group_hash, ..options.clone() };
    let (fit, classes) = match predicted {
        Predicted::Number => (fit_forest_numbers(&columns, rows.target(), &options), Vec::new()),
        Predicted::Class => match Labels::of(rows.target(), None) {
            Ok(Labels { values, of_rows }) => {
                let fit = fit_forest_classes(&columns, values.len(), &of_rows, &options);
                (fit, names(table.training(), &values))
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
    rows: Rows<'_>,
    options: &BoostingOptions,
    loss: NumberLoss,
    predicted: Predicted,
    group_hash: u64,
) -> Fitted {
    let columns = Columns::new(rows.len(), rows.features());
    let options = BoostingOptions { seed: options.seed ^ group_hash, ..options.clone() };
    let (fit, classes) = match predicted {
        Predicted::Number => (fit_boosted_numbers(&columns, rows.target(), loss, &options), Vec::new()),
        Predicted::Class => match Labels::of(rows.target(), None) {
            Ok(Labels { values, of_rows }) => {
                let fit = fit_boosted_classes(&columns, values.len(), &of_rows, &options);
                (fit, names(table.training(), &values))
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
