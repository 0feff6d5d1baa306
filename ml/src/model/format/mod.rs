//! The stored form of models: which fields there are. `docs/model-format.md` describes it for readers in other languages.

mod cbor;
mod features;
mod fields;
mod linear;
mod trees;

use super::error::ModelError;
use super::linear::LinearMethod;
use super::mean::MeanModel;
use super::{Estimator, Model};

use cbor::Value;
use fields::{Fields, map, optional, text, texts};

/// What the field `format` says in every stored model.
const FORMAT: &str = "shoal.model";

/// The version of all estimators' fields. An estimator whose fields change in a way that an earlier version cannot ignore
/// gets a higher one of its own here, and its reader goes on to read the versions before.
const VERSION: u64 = 1;

const MEAN: &str = "mean";
const RANDOM_FOREST: &str = "randomForest";
const GRADIENT_BOOSTING: &str = "gradientBoosting";

/// The bytes of a model.
pub(super) fn encode(model: &Model) -> Vec<u8> {
    let Model { target, classes, features, estimator } = model;
    let (name, body) = match estimator {
        Estimator::Linear(model) => (linear::name(model.method), linear::to_value(model)),
        Estimator::Mean(MeanModel { values, rows, sigma }) => {
            let values = Value::Numbers(values.clone());
            (MEAN, map([("values", values), ("rows", Value::Natural(*rows)), ("sigma", optional(*sigma))]))
        }
        Estimator::Forest(model) => (RANDOM_FOREST, trees::forest_to_value(model)),
        Estimator::Boosting(model) => (GRADIENT_BOOSTING, trees::boosting_to_value(model)),
    };
    cbor::to_bytes(&map([
        ("format", text(FORMAT)),
        ("estimator", text(name)),
        ("version", Value::Natural(VERSION)),
        ("target", text(target)),
        ("classes", texts(classes)),
        ("features", Value::List(features.iter().map(features::to_value).collect())),
        ("model", body),
    ]))
}

/// The model of some bytes. That its parts fit each other is checked by the caller.
pub(super) fn decode(bytes: &[u8]) -> Result<Model, ModelError> {
    let mut fields = match cbor::from_bytes(bytes)? {
        value @ Value::Map(_) => Fields::of(value, "format")?,
        _ => return Err(ModelError::NotAModel),
    };
    if fields.text("format").as_deref() != Ok(FORMAT) {
        return Err(ModelError::NotAModel);
    }
    let estimator = fields.text("estimator")?;
    let method = LinearMethod::ALL.into_iter().find(|method| linear::name(*method) == estimator);
    if method.is_none() && ![MEAN, RANDOM_FOREST, GRADIENT_BOOSTING].contains(&estimator.as_str()) {
        return Err(ModelError::UnknownEstimator(estimator));
    }
    let found = fields.natural("version")?;
    if found > VERSION {
        return Err(ModelError::NewerVersion { estimator, found, supported: VERSION });
    }
    let target = fields.text("target")?;
    let classes = fields.texts("classes")?;
    let features = fields.list("features")?.into_iter().map(features::from_value).collect::<Result<_, _>>()?;
    let mut body = fields.map("model")?;
    let estimator = match (method, estimator.as_str()) {
        (Some(method), _) => Estimator::Linear(linear::from_fields(method, body)?),
        (None, RANDOM_FOREST) => Estimator::Forest(trees::forest_from_fields(body, classes.len())?),
        (None, GRADIENT_BOOSTING) => Estimator::Boosting(trees::boosting_from_fields(body, classes.len())?),
        (None, _) => Estimator::Mean(MeanModel {
            values: body.numbers("values")?,
            rows: body.natural("rows")?,
            sigma: body.optional_number("sigma")?,
        }),
    };
    Ok(Model { target, classes, features, estimator })
}
