//! Tables of models, as a training would write them: the keys, `status`, and the models in their stored form.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use serde_json::Value;
use shoal_ml::model::{Estimator, Feature, LinearMethod, LinearModel, Link, Model, Uncertainty};

/// Writes a table of models: key columns, and per group its status and model.
pub fn write(file: &Path, keys: Vec<(&str, ArrayRef)>, models: &[(&str, Option<Vec<u8>>)]) {
    let rows = models.len();
    let messages: ArrayRef = Arc::new(StringArray::from(vec![None::<&str>; rows]));
    let counts: ArrayRef = Arc::new(Int64Array::from(vec![0; rows]));
    let own: [(&str, ArrayRef); 5] = [
        ("status", Arc::new(models.iter().map(|(status, _)| Some(*status)).collect::<StringArray>())),
        ("message", messages),
        ("rows_used", counts.clone()),
        ("rows_dropped", counts),
        ("model", Arc::new(models.iter().map(|(_, model)| model.as_deref()).collect::<BinaryArray>())),
    ];
    let columns = keys.into_iter().chain(own).map(|(name, column)| (name, column, true));
    write_parquet(file, &RecordBatch::try_from_iter_with_nullable(columns).unwrap());
}

/// Writes a Parquet file, and the folder that it lies in.
pub fn write_parquet(file: &Path, batch: &RecordBatch) {
    assert!(batch.columns().iter().all(|column| column.len() == batch.num_rows()));
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(file).unwrap(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// The least squares of an oracle's answer, with what its bounds take.
pub fn linear(fit: &Value, features: &[&str]) -> Model {
    let numbers = |name: &str| -> Vec<f64> {
        fit[name].as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
    };
    let number = |name: &str| fit[name].as_f64().unwrap();
    let estimator = LinearModel {
        method: LinearMethod::Ols,
        link: Link::Identity,
        terms: features.iter().map(|name| (*name).to_owned()).collect(),
        intercepts: vec![number("intercept")],
        coefficients: numbers("coefficients"),
        uncertainty: Some(Uncertainty {
            sigma: number("sigma"),
            df: number("df"),
            inverse_gram: numbers("inverse_gram"),
        }),
    };
    of(Vec::new(), features, estimator)
}

/// The logistic regression of an oracle's answer.
pub fn classes(fit: &Value, features: &[&str]) -> Model {
    let numbers = |name: &str| -> Vec<f64> {
        fit[name].as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
    };
    let classes: Vec<String> =
        fit["classes"].as_array().unwrap().iter().map(|class| class.as_str().unwrap().to_owned()).collect();
    let estimator = LinearModel {
        method: LinearMethod::Logistic,
        link: if classes.len() == 2 { Link::Logit } else { Link::Softmax },
        terms: features.iter().map(|name| (*name).to_owned()).collect(),
        intercepts: numbers("intercepts"),
        coefficients: numbers("coefficients"),
        uncertainty: None,
    };
    of(classes, features, estimator)
}

fn of(classes: Vec<String>, features: &[&str], model: LinearModel) -> Model {
    let features = features.iter().map(|name| Feature::number(*name)).collect();
    Model { target: "y".to_owned(), classes, features, estimator: Estimator::Linear(model) }
}
