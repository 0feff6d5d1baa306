//! Linear models that are stored as coefficients alone.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BinaryArray, Float64Array, ListArray, StructArray};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::common::Result as DataFusionResult;
use datafusion::common::utils::take_function_args;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use shoal_ml::model::{Estimator, Feature, LinearMethod, LinearModel, Link, Model};

use super::models_table::is_intercept;

/// The stored form of the linear models with these coefficients: a struct with a field per term, or a list of terms.
pub(super) fn stored_model(coefficients: Expr) -> Expr {
    ScalarUDF::new_from_impl(StoredModel { signature: Signature::any(1, Volatility::Immutable) })
        .call(vec![coefficients])
}

/// `stored_model(coefficients)`: null where no term was estimated.
#[derive(Debug, PartialEq, Eq, Hash)]
struct StoredModel {
    signature: Signature,
}

impl ScalarUDFImpl for StoredModel {
    fn name(&self) -> &str {
        "stored_model"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DataFusionResult<DataType> {
        Ok(DataType::Binary)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let rows = args.number_rows;
        let [coefficients] = take_function_args(self.name(), args.args)?;
        let coefficients = coefficients.into_array(rows)?;
        Ok(ColumnarValue::Array(Arc::new(encode(&coefficients))))
    }
}

/// Whether that is a struct with a number per term.
pub(super) fn is_coefficients(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Struct(terms) if terms.iter().all(|term| *term.data_type() == DataType::Float64))
}

/// Whether that is a list of terms with a coefficient each. With a class each, it is no linear combination.
pub(super) fn is_terms(data_type: &DataType) -> bool {
    let DataType::List(item) = data_type else { return false };
    let DataType::Struct(fields) = item.data_type() else { return false };
    let has = |name: &str, data_type: &DataType| {
        fields.iter().any(|field| field.name() == name && field.data_type() == data_type)
    };
    has(TERM, &DataType::Utf8) && has(COEFFICIENT, &DataType::Float64) && !has("class", &DataType::Utf8)
}

const TERM: &str = "term";
const COEFFICIENT: &str = "coefficient";

pub(super) fn encode(column: &ArrayRef) -> BinaryArray {
    match column.as_struct_opt() {
        Some(coefficients) => encode_structs(coefficients),
        None => encode_lists(column.as_list()),
    }
}

fn encode_structs(coefficients: &StructArray) -> BinaryArray {
    let names: Vec<&str> = coefficients.fields().iter().map(|field| field.name().as_str()).collect();
    let values: Vec<&Float64Array> =
        coefficients.columns().iter().map(|column| column.as_primitive::<Float64Type>()).collect();
    let row = |row: usize| {
        let estimated =
            |values: &&Float64Array| (coefficients.is_valid(row) && values.is_valid(row)).then(|| values.value(row));
        stored(names.iter().copied().zip(values.iter().map(estimated)))
    };
    (0..coefficients.len()).map(row).collect()
}

fn encode_lists(lists: &ListArray) -> BinaryArray {
    let row = |terms: Option<ArrayRef>| {
        let terms = terms?;
        let terms = terms.as_struct();
        let (names, values) = (terms.column_by_name(TERM)?, terms.column_by_name(COEFFICIENT)?);
        let names = names.as_string::<i32>().iter().map(Option::unwrap_or_default);
        stored(names.zip(values.as_primitive::<Float64Type>()))
    };
    lists.iter().map(row).collect()
}

/// The stored form of a model with these coefficients, where any is known. A dropped term has none.
fn stored<'a>(coefficients: impl Iterator<Item = (&'a str, Option<f64>)>) -> Option<Vec<u8>> {
    let mut model = LinearModel {
        // Whatever it was: with the identity as link they predict alike.
        method: LinearMethod::Ols,
        link: Link::Identity,
        terms: Vec::new(),
        intercepts: Vec::new(),
        coefficients: Vec::new(),
        uncertainty: None,
    };
    let mut features = Vec::new();
    for (name, coefficient) in coefficients {
        if is_intercept(name) {
            model.intercepts.extend(coefficient);
            continue;
        }
        features.push(Feature::number(name));
        if let Some(coefficient) = coefficient {
            model.terms.push(name.to_owned());
            model.coefficients.push(coefficient);
        }
    }
    let is_estimated = !model.terms.is_empty() || !model.intercepts.is_empty();
    let estimator = Estimator::Linear(model);
    is_estimated.then(|| Model { target: String::new(), classes: Vec::new(), features, estimator }.encode())
}
