//! The mean.

use shoal_ml::mean::MeanState;
use shoal_ml::model::{Estimator as StoredEstimator, MeanModel};
use shoal_ml::{FitStatus, MomentsRef};

use crate::models::fitted::{Fitted, Value};
use crate::models::schema::ModelTable;

pub(super) fn mean(table: &ModelTable, moments: MomentsRef<'_>) -> Fitted {
    let (Some(mean), Some(spread)) = (moments.mean.last(), moments.comoment.last()) else {
        return Fitted::empty(table, FitStatus::TooFewRows, None);
    };
    let fit = MeanState { count: moments.count, mean: *mean, spread: *spread }.fit();
    Fitted::of(table.training().own_columns(), (fit.status, None), |column| match column.name {
        "mean" => Value::Number(fit.mean),
        "sigma" => Value::Number(fit.sigma),
        _ => {
            let model = fit.mean.map(|mean| MeanModel { values: vec![mean], rows: moments.count, sigma: fit.sigma });
            Value::Model(table.stored(Vec::new(), model.map(StoredEstimator::Mean)))
        }
    })
}
