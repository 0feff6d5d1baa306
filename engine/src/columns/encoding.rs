//! Categories as terms of numbers, in expressions that run where the rows are read.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use shoal_ml::encode::{Encoder, hash_bucket};

/// The terms that a column of categories, as `Utf8`, becomes: floats, in the order of [`Encoder::terms`].
pub(super) fn term_exprs(category: &Expr, encoder: &Encoder) -> Vec<Expr> {
    let term = |term| {
        let signature = Signature::exact(vec![DataType::Utf8], Volatility::Immutable);
        ScalarUDF::new_from_impl(TermFunction { term, signature }).call(vec![category.clone()])
    };
    match encoder {
        Encoder::OneHot { categories, drop_first, unknown: _ } => {
            categories.iter().skip(usize::from(*drop_first)).map(|known| term(Term::Is(known.clone()))).collect()
        }
        Encoder::Ordinal { categories, unknown: _ } => vec![term(Term::PlaceAmong(categories.clone()))],
        Encoder::Hash { buckets } => {
            (0..*buckets).map(|bucket| term(Term::InBucket { bucket, buckets: *buckets })).collect()
        }
    }
}

/// What a term says of a category.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Term {
    /// Whether it is that one.
    Is(String),
    /// Its place among these, which are sorted; null for another.
    PlaceAmong(Vec<String>),
    /// Whether it falls into that bucket.
    InBucket { bucket: u32, buckets: u32 },
}

impl Term {
    fn of(&self, category: Option<&str>) -> Option<f64> {
        let flag = |is_so: bool| Some(f64::from(u8::from(is_so)));
        match self {
            Self::Is(known) => flag(category == Some(known)),
            Self::PlaceAmong(known) => {
                let category = category?;
                known.binary_search_by(|known| known.as_str().cmp(category)).ok().map(|place| place as f64)
            }
            Self::InBucket { bucket, buckets } => {
                flag(category.is_some_and(|category| hash_bucket(category, *buckets) == *bucket))
            }
        }
    }
}

// A function of our own and no comparison in SQL: the engine's two plans differ in whether a comparison may be null.
#[derive(Debug, PartialEq, Eq, Hash)]
struct TermFunction {
    term: Term,
    signature: Signature,
}

impl ScalarUDFImpl for TermFunction {
    fn name(&self) -> &str {
        "term_of_category"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let Some(names) = columns.first().and_then(ArrayRef::as_string_opt::<i32>) else {
            return exec_err!("categories are texts");
        };
        let values: Float64Array = names.iter().map(|name| self.term.of(name)).collect();
        Ok(ColumnarValue::Array(Arc::new(values)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow::array::{RecordBatch, StringArray};
    use arrow::datatypes::Float64Type;
    use datafusion::prelude::{SessionContext, col};
    use shoal_ml::encode::Unknown;

    use super::*;

    #[tokio::test]
    async fn terms_are_those_of_the_encoder() {
        let categories = || vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
        let rows = [Some("b"), None, Some("a"), Some("z"), Some("c")];
        for encoder in [
            Encoder::OneHot { categories: categories(), drop_first: true, unknown: Unknown::Ignore },
            Encoder::OneHot { categories: categories(), drop_first: false, unknown: Unknown::Ignore },
            Encoder::Ordinal { categories: categories(), unknown: Unknown::Ignore },
            Encoder::Hash { buckets: 3 },
        ] {
            let column: ArrayRef = Arc::new(StringArray::from(rows.to_vec()));
            let batch = RecordBatch::try_from_iter_with_nullable([("c", column, true)]).unwrap();
            let exprs = term_exprs(&col("c"), &encoder).into_iter().zip(encoder.terms("c"));
            let exprs = exprs.map(|(expr, name)| expr.alias(name)).collect::<Vec<_>>();
            let frame = SessionContext::new().read_batch(batch).unwrap().select(exprs).unwrap();
            let found = frame.collect().await.unwrap();
            for (term, expected) in encoder.encode(&rows).unwrap().iter().enumerate() {
                let column = found[0].column(term).as_primitive::<Float64Type>();
                let expected: Vec<Option<f64>> =
                    expected.iter().map(|value| (!value.is_nan()).then_some(*value)).collect();
                assert_eq!(column.iter().collect::<Vec<_>>(), expected, "{encoder:?} {term}");
            }
        }
    }
}
