//! The prediction as a function of a query.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::utils::take_function_args;
use datafusion::common::{DataFusionError, Result as DataFusionResult, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::Scoring;
use super::cache::Cache;
use super::output::scored_fields;
use super::predict::Predictor;

/// Arguments in front of the features: the status of the model and its stored form.
const LEADING: usize = 2;

/// `predict(status, model, features...)`: what is said of a row.
pub(super) fn predict(scoring: &Scoring, arguments: Vec<Expr>) -> Expr {
    let predictor = Predictor {
        features: scoring.features.clone(),
        outcome: scoring.outcome,
        level: scoring.level,
        statuses: scoring.statuses.clone(),
        cache: Cache::default(),
    };
    // It gives the same for the same, but what may be given anew would be copied into every filter and column that asks for
    // a part of it: a model is asked once per row.
    let signature = Signature::any(arguments.len(), Volatility::Volatile);
    ScalarUDF::new_from_impl(Predict { signature, predictor }).call(arguments)
}

/// A part of what is said of a row, as `get_field`. That one is moved next to what it takes a part of, and the whole of it
/// would be computed for each part.
pub(super) fn part(said: Expr, index: usize) -> Expr {
    ScalarUDF::new_from_impl(Part { signature: Signature::any(1, Volatility::Immutable), index }).call(vec![said])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Part {
    signature: Signature,
    index: usize,
}

impl ScalarUDFImpl for Part {
    fn name(&self) -> &str {
        "part"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> DataFusionResult<DataType> {
        match arguments {
            [DataType::Struct(fields)] if self.index < fields.len() => Ok(fields[self.index].data_type().clone()),
            _ => internal_err!("part() is of predictions"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let rows = args.number_rows;
        let [said] = take_function_args(self.name(), args.args)?;
        // Never null as a whole.
        Ok(ColumnarValue::Array(Arc::clone(said.into_array(rows)?.as_struct().column(self.index))))
    }
}

#[derive(Debug)]
struct Predict {
    signature: Signature,
    predictor: Predictor,
}

impl Predict {
    /// What tells one such function from another; what is remembered does not.
    fn identity(&self) -> impl PartialEq + Hash {
        let Predictor { features, outcome, level, statuses, cache: _ } = &self.predictor;
        let features: Vec<(String, bool)> = features.iter().map(|it| (it.name.clone(), it.is_category)).collect();
        (features, *outcome as u8, level.map(f64::to_bits), statuses.clone())
    }
}

impl PartialEq for Predict {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Predict {}

impl Hash for Predict {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl ScalarUDFImpl for Predict {
    fn name(&self) -> &str {
        "predict"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DataFusionResult<DataType> {
        Ok(DataType::Struct(scored_fields(self.predictor.outcome, self.predictor.level.is_some())))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let rows = args.number_rows;
        let arrays = args.args.into_iter().map(|value| value.into_array(rows)).collect::<DataFusionResult<Vec<_>>>()?;
        let Some(([status, models], features)) = arrays.split_first_chunk::<LEADING>() else {
            return internal_err!("predict() has no model");
        };
        let (Some(status), Some(models)) = (status.as_string_opt::<i32>(), models.as_binary_view_opt()) else {
            return internal_err!("predict() was given a {} and a {}", status.data_type(), models.data_type());
        };
        let scored = self.predictor.predict(status, models, features);
        let scored = scored.map_err(|failure| DataFusionError::External(Box::new(failure)))?;
        Ok(ColumnarValue::Array(Arc::new(scored)))
    }
}
