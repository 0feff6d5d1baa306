//! The values of features, for the rows of one model.

use std::borrow::Cow;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray};
use datafusion::arrow::datatypes::Float64Type;
use shoal_ml::encode::{Encoder, Unknown};
use shoal_ml::model::{FeatureKind, Values};

use super::cache::Ready;

/// A column of a feature.
pub(super) enum FeatureValues<'a> {
    /// Numbers, NaN where there is none.
    Numbers(Cow<'a, [f64]>),
    /// Categories.
    Categories(&'a StringArray),
}

impl<'a> FeatureValues<'a> {
    pub(super) fn of(column: &'a ArrayRef) -> Self {
        match column.as_primitive_opt::<Float64Type>() {
            Some(numbers) if numbers.null_count() == 0 => Self::Numbers(Cow::Borrowed(numbers.values())),
            Some(numbers) => Self::Numbers(numbers.iter().map(|value| value.unwrap_or(f64::NAN)).collect()),
            None => Self::Categories(column.as_string::<i32>()),
        }
    }

    /// Why nothing can be predicted from a row's value, where a model needs one.
    fn reason(&self, row: usize) -> Option<&'static str> {
        match self {
            Self::Numbers(values) if values[row].is_nan() => Some("missing_value"),
            Self::Numbers(values) if values[row].is_infinite() => Some("infinite_value"),
            Self::Categories(values) if values.is_null(row) => Some("missing_value"),
            Self::Numbers(_) | Self::Categories(_) => None,
        }
    }
}

/// The values of some rows, one column per feature of a model.
pub(super) enum Gathered<'a> {
    Numbers(Vec<f64>),
    Categories(Vec<Option<&'a str>>),
}

impl Gathered<'_> {
    pub(super) fn values(&self) -> Values<'_> {
        match self {
            Self::Numbers(values) => Values::Numbers(values),
            Self::Categories(values) => Values::Categories(values),
        }
    }
}

/// The rows' values of the model's features.
pub(super) fn gather<'a>(ready: &Ready, columns: &[FeatureValues<'a>], rows: &[usize]) -> Vec<Gathered<'a>> {
    let gathered = |place: &usize| match &columns[*place] {
        FeatureValues::Numbers(values) => Gathered::Numbers(rows.iter().map(|row| values[*row]).collect()),
        FeatureValues::Categories(values) => {
            Gathered::Categories(rows.iter().map(|row| values.is_valid(*row).then(|| values.value(*row))).collect())
        }
    };
    ready.places.iter().map(gathered).collect()
}

/// The first feature whose category the model refuses to know.
pub(super) fn unknown_category(ready: &Ready, columns: &[FeatureValues<'_>], row: usize) -> Option<String> {
    let is_unknown = |(feature, place): &(&shoal_ml::model::Feature, &usize)| {
        let (FeatureKind::Categories(encoder), FeatureValues::Categories(values)) = (&feature.kind, &columns[**place])
        else {
            return false;
        };
        match encoder {
            Encoder::OneHot { categories, drop_first: _, unknown: Unknown::Error }
            | Encoder::Ordinal { categories, unknown: Unknown::Error } => {
                values.is_valid(row)
                    && categories.binary_search_by(|known| known.as_str().cmp(values.value(row))).is_err()
            }
            _ => false,
        }
    };
    let refused = ready.model.features.iter().zip(&ready.places).find(is_unknown);
    refused.map(|(feature, _)| format!("unknown_category: {}", feature.name))
}

/// Why a prediction is no number: the first feature with a value that nothing can be computed from.
pub(super) fn no_number(ready: &Ready, columns: &[FeatureValues<'_>], row: usize) -> String {
    let features = ready.model.features.iter().zip(&ready.places).zip(&ready.is_needed);
    let reason = |((feature, place), is_needed): ((&shoal_ml::model::Feature, &usize), &bool)| {
        let reason = columns[*place].reason(row).filter(|_| *is_needed)?;
        Some(format!("{reason}: {}", feature.name))
    };
    features.into_iter().find_map(reason).unwrap_or_else(|| "not_finite".to_owned())
}
