//! Forests and boosted trees.

use crate::boosting::{BoostedTrees, Loss, NumberLoss};
use crate::forest::Forest;
use crate::model::ModelError;
use crate::trees::Ensemble;

use super::cbor::Value;
use super::fields::{Fields, map, text};

const SQUARED_ERROR: &str = "squaredError";
const ABSOLUTE_ERROR: &str = "absoluteError";
const POISSON: &str = "poisson";
const LOG_LOSS: &str = "logLoss";

pub(super) fn forest_to_value(model: &Forest) -> Value {
    let Forest { trees } = model;
    map([("trees", to_value(trees))])
}

pub(super) fn forest_from_fields(mut fields: Fields, classes: usize) -> Result<Forest, ModelError> {
    Ok(Forest { trees: from_fields(fields.map("trees")?, classes.max(1))? })
}

pub(super) fn boosting_to_value(model: &BoostedTrees) -> Value {
    let BoostedTrees { loss, baseline, trees } = model;
    let loss = match loss {
        Loss::Number(NumberLoss::SquaredError) => SQUARED_ERROR,
        Loss::Number(NumberLoss::AbsoluteError) => ABSOLUTE_ERROR,
        Loss::Number(NumberLoss::Poisson) => POISSON,
        Loss::Classes(_) => LOG_LOSS,
    };
    map([("loss", text(loss)), ("baseline", Value::Numbers(baseline.clone())), ("trees", to_value(trees))])
}

pub(super) fn boosting_from_fields(mut fields: Fields, classes: usize) -> Result<BoostedTrees, ModelError> {
    let loss = match fields.text("loss")?.as_str() {
        SQUARED_ERROR => Loss::Number(NumberLoss::SquaredError),
        ABSOLUTE_ERROR => Loss::Number(NumberLoss::AbsoluteError),
        POISSON => Loss::Number(NumberLoss::Poisson),
        LOG_LOSS => Loss::Classes(classes),
        _ => return Err(ModelError::Field { field: "loss", expected: "a loss that this version has" }),
    };
    let baseline = fields.numbers("baseline")?;
    Ok(BoostedTrees { loss, baseline, trees: from_fields(fields.map("trees")?, 1)? })
}

fn to_value(trees: &Ensemble) -> Value {
    let Ensemble { width: _, roots, features, thresholds, left, right, missing_left, values } = trees;
    map([
        ("roots", Value::Naturals(roots.clone())),
        ("feature", Value::Naturals(features.clone())),
        ("threshold", Value::Numbers(thresholds.clone())),
        ("left", Value::Naturals(left.clone())),
        ("right", Value::Naturals(right.clone())),
        ("missingLeft", Value::Bytes(missing_left.clone())),
        ("value", Value::Numbers(values.clone())),
    ])
}

fn from_fields(mut fields: Fields, width: usize) -> Result<Ensemble, ModelError> {
    Ok(Ensemble {
        width,
        roots: fields.naturals("roots")?,
        features: fields.naturals("feature")?,
        thresholds: fields.numbers("threshold")?,
        left: fields.naturals("left")?,
        right: fields.naturals("right")?,
        missing_left: fields.bytes("missingLeft")?,
        values: fields.numbers("value")?,
    })
}
