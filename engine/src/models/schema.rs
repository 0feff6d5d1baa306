use std::sync::Arc;

use arrow::array::{ArrayRef, new_empty_array};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use shoal_core::job::INTERCEPT;
use shoal_ml::OlsOptions;

/// The table's own columns, which come after the keys in this order. No key may have one of these names.
pub const RESERVED_COLUMNS: &[&str] = &[
    "status",
    "message",
    "rows_used",
    "rows_dropped",
    "coefficients",
    "std_errors",
    "t_values",
    "p_values",
    "r2",
    "adj_r2",
    "sigma",
    "df_residual",
    "f_value",
    "f_p_value",
    "log_likelihood",
    "aic",
    "bic",
];

/// The schema of a table of least squares models: the keys under their own names, then [`RESERVED_COLUMNS`].
///
/// What is kept per term is a struct with a field per term: the intercept first where there is one, then the features.
/// Everything but `status` and the two counts is null where it was not estimated.
pub fn ols_schema(keys: &[Field], features: &[String], intercept: bool) -> SchemaRef {
    let terms = term_fields(features, intercept);
    let keys = keys.iter().map(|key| Field::new(key.name(), key.data_type().clone(), true));
    let own = RESERVED_COLUMNS.iter().map(|name| match *name {
        "status" => Field::new(*name, DataType::Utf8, false),
        "message" => Field::new(*name, DataType::Utf8, true),
        "rows_used" | "rows_dropped" => Field::new(*name, DataType::Int64, false),
        "coefficients" | "std_errors" | "t_values" | "p_values" => {
            Field::new(*name, DataType::Struct(terms.clone()), true)
        }
        "df_residual" => Field::new(*name, DataType::Int64, true),
        _ => Field::new(*name, DataType::Float64, true),
    });
    Arc::new(Schema::new(keys.chain(own).collect::<Fields>()))
}

fn term_fields(features: &[String], intercept: bool) -> Fields {
    let terms = intercept.then_some(INTERCEPT).into_iter().chain(features.iter().map(String::as_str));
    terms.map(|term| Field::new(term, DataType::Float64, true)).collect()
}

/// A table of least squares models: its schema and what the models are of.
#[derive(Clone, Debug)]
pub struct OlsTable {
    schema: SchemaRef,
    key_columns: usize,
    features: Vec<String>,
    intercept: bool,
}

impl OlsTable {
    /// A table for those keys, with their logical types, and those features.
    pub fn new(keys: &[Field], features: Vec<String>, intercept: bool) -> Self {
        Self { schema: ols_schema(keys, &features, intercept), key_columns: keys.len(), features, intercept }
    }

    /// The table's schema.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How many of its leading columns are keys.
    pub fn key_columns(&self) -> usize {
        self.key_columns
    }

    /// Names of the features, in their order.
    pub fn features(&self) -> &[String] {
        &self.features
    }

    /// How many variables a row of the input has: the features and the target.
    pub fn variables(&self) -> usize {
        self.features.len() + 1
    }

    /// How the models are fitted.
    pub fn options(&self) -> OlsOptions {
        OlsOptions { intercept: self.intercept }
    }

    pub(super) fn terms(&self) -> usize {
        self.features.len() + usize::from(self.intercept)
    }

    pub(super) fn term_fields(&self) -> Fields {
        term_fields(&self.features, self.intercept)
    }

    /// Key columns without rows.
    pub(crate) fn no_keys(&self) -> Vec<ArrayRef> {
        self.schema.fields()[..self.key_columns].iter().map(|key| new_empty_array(key.data_type())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_first_and_terms_in_their_order() {
        let keys = [Field::new("firm", DataType::Utf8, false)];
        let features = ["value".to_owned(), "capital".to_owned()];
        for (intercept, expected) in [(true, vec!["intercept", "value", "capital"]), (false, vec!["value", "capital"])]
        {
            let schema = ols_schema(&keys, &features, intercept);
            let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            assert_eq!(names[0], "firm");
            assert_eq!(&names[1..], RESERVED_COLUMNS);
            assert!(schema.field(0).is_nullable());
            let DataType::Struct(terms) = schema.field(5).data_type() else {
                unreachable!("coefficients are a struct")
            };
            assert_eq!(terms.iter().map(|term| term.name()).collect::<Vec<_>>(), expected);
        }
    }
}
