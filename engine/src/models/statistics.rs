use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{max, max_string, min, min_string};
use arrow::datatypes::{DataType, Date32Type, Field, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use arrow::temporal_conversions::{date32_to_datetime, timestamp_ms_to_datetime};
use serde_json::{Map, Value, json};

/// Characters of a text that statistics keep; Delta's own writers keep as many.
const TEXT_PREFIX: usize = 32;

const MICROS_PER_MILLI: i64 = 1_000;

/// Delta's statistics of a file: its rows, and of some leading columns the smallest and largest value and the nulls.
///
/// Readers skip files by these, so a bound that is not certain is left out: of floats with a NaN, of long texts at the
/// top, and of types whose bounds Delta's JSON cannot hold exactly.
#[derive(Debug)]
pub(super) struct FileStatistics {
    rows: usize,
    columns: Vec<ColumnStatistics>,
}

#[derive(Debug)]
struct ColumnStatistics {
    name: String,
    nulls: usize,
    bounds: Bounds,
}

#[derive(Debug, PartialEq)]
enum Bounds {
    /// No value yet.
    Empty,
    /// A value was seen that no bound can be given for.
    Unknown,
    Integer(i64, i64),
    Float(f64, f64),
    Text(String, String),
    Date(i32, i32),
    Timestamp {
        is_utc: bool,
        min: i64,
        max: i64,
    },
}

impl FileStatistics {
    pub(super) fn new<'a>(columns: impl IntoIterator<Item = &'a Field>) -> Self {
        let columns = columns
            .into_iter()
            .map(|field| ColumnStatistics { name: field.name().clone(), nulls: 0, bounds: Bounds::Empty })
            .collect();
        Self { rows: 0, columns }
    }

    /// Takes the rows of a batch in, whose leading columns are the ones that are kept statistics of.
    pub(super) fn update(&mut self, batch: &RecordBatch) {
        self.rows += batch.num_rows();
        for (column, values) in self.columns.iter_mut().zip(batch.columns()) {
            column.nulls += values.null_count();
            let known = std::mem::replace(&mut column.bounds, Bounds::Unknown);
            column.bounds = known.merge(Bounds::of(values));
        }
    }

    /// The statistics as Delta's JSON.
    pub(super) fn to_json(&self) -> String {
        let (mut min_values, mut max_values, mut null_count) = (Map::new(), Map::new(), Map::new());
        for ColumnStatistics { name, nulls, bounds } in &self.columns {
            null_count.insert(name.clone(), json!(nulls));
            let (min, max) = bounds.to_json();
            min_values.extend(min.map(|min| (name.clone(), min)));
            max_values.extend(max.map(|max| (name.clone(), max)));
        }
        json!({
            "numRecords": self.rows,
            "minValues": min_values,
            "maxValues": max_values,
            "nullCount": null_count,
        })
        .to_string()
    }
}

impl Bounds {
    fn of(values: &ArrayRef) -> Self {
        if values.null_count() == values.len() {
            return Self::Empty;
        }
        let bounds = match values.data_type() {
            DataType::Int64 => {
                let values = values.as_primitive::<Int64Type>();
                min(values).zip(max(values)).map(|(min, max)| Self::Integer(min, max))
            }
            DataType::Float64 => {
                let values = values.as_primitive::<Float64Type>();
                // The order of these kernels puts NaN at an end, so the bounds are finite only where there is none.
                let bounds = min(values).zip(max(values));
                bounds.filter(|(min, max)| min.is_finite() && max.is_finite()).map(|(min, max)| Self::Float(min, max))
            }
            DataType::Utf8 => {
                let values = values.as_string::<i32>();
                min_string(values).zip(max_string(values)).map(|(min, max)| Self::Text(min.to_owned(), max.to_owned()))
            }
            DataType::Date32 => {
                let values = values.as_primitive::<Date32Type>();
                min(values).zip(max(values)).map(|(min, max)| Self::Date(min, max))
            }
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                let values = values.as_primitive::<TimestampMicrosecondType>();
                let is_utc = zone.is_some();
                min(values).zip(max(values)).map(|(min, max)| Self::Timestamp { is_utc, min, max })
            }
            _ => None,
        };
        bounds.unwrap_or(Self::Unknown)
    }

    fn merge(self, other: Self) -> Self {
        match (self, other) {
            (Self::Empty, bounds) | (bounds, Self::Empty) => bounds,
            (Self::Integer(a, b), Self::Integer(c, d)) => Self::Integer(a.min(c), b.max(d)),
            (Self::Float(a, b), Self::Float(c, d)) => Self::Float(a.min(c), b.max(d)),
            (Self::Text(a, b), Self::Text(c, d)) => Self::Text(a.min(c), b.max(d)),
            (Self::Date(a, b), Self::Date(c, d)) => Self::Date(a.min(c), b.max(d)),
            (Self::Timestamp { is_utc, min: a, max: b }, Self::Timestamp { min: c, max: d, .. }) => {
                Self::Timestamp { is_utc, min: a.min(c), max: b.max(d) }
            }
            _ => Self::Unknown,
        }
    }

    fn to_json(&self) -> (Option<Value>, Option<Value>) {
        match self {
            Self::Empty | Self::Unknown => (None, None),
            Self::Integer(min, max) => (Some(json!(min)), Some(json!(max))),
            Self::Float(min, max) => (Some(json!(min)), Some(json!(max))),
            Self::Text(min, max) => {
                // What a text begins with is not above it, but it may be below it.
                let prefix: String = min.chars().take(TEXT_PREFIX).collect();
                let is_short = max.chars().nth(TEXT_PREFIX).is_none();
                (Some(json!(prefix)), is_short.then(|| json!(max)))
            }
            Self::Date(min, max) => (date(*min), date(*max)),
            Self::Timestamp { is_utc, min, max } => {
                let floor = min.div_euclid(MICROS_PER_MILLI);
                let ceiling = max.div_euclid(MICROS_PER_MILLI) + i64::from(max.rem_euclid(MICROS_PER_MILLI) > 0);
                (timestamp(floor, *is_utc), timestamp(ceiling, *is_utc))
            }
        }
    }
}

fn date(days: i32) -> Option<Value> {
    date32_to_datetime(days).map(|date| json!(date.format("%Y-%m-%d").to_string()))
}

/// Delta's timestamps in statistics end at milliseconds, and readers differ in whether they allow for what is cut off.
fn timestamp(millis: i64, is_utc: bool) -> Option<Value> {
    let format = if is_utc { "%Y-%m-%dT%H:%M:%S%.3fZ" } else { "%Y-%m-%d %H:%M:%S%.3f" };
    timestamp_ms_to_datetime(millis).map(|time| json!(time.format(format).to_string()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow::array::*;

    use super::*;

    fn statistics(batches: &[Vec<(&str, ArrayRef)>]) -> Value {
        let batches: Vec<RecordBatch> = batches
            .iter()
            .map(|columns| {
                let columns = columns.iter().map(|(name, column)| (*name, Arc::clone(column), true));
                RecordBatch::try_from_iter_with_nullable(columns).unwrap()
            })
            .collect();
        let schema = batches[0].schema();
        let mut statistics = FileStatistics::new(schema.fields().iter().map(AsRef::as_ref));
        batches.iter().for_each(|batch| statistics.update(batch));
        serde_json::from_str(&statistics.to_json()).unwrap()
    }

    #[test]
    fn bounds_go_over_all_batches_and_names_are_escaped() {
        let batch = |number: Option<i64>, word: Option<&str>| -> Vec<(&'static str, ArrayRef)> {
            vec![
                ("a \"quoted\" name", Arc::new(Int64Array::from(vec![number]))),
                ("word", Arc::new(StringArray::from(vec![word]))),
            ]
        };
        let found = statistics(&[batch(Some(3), Some("b\n")), batch(None, None), batch(Some(-1), Some("a\\"))]);
        let expected = json!({
            "numRecords": 3,
            "minValues": {"a \"quoted\" name": -1, "word": "a\\"},
            "maxValues": {"a \"quoted\" name": 3, "word": "b\n"},
            "nullCount": {"a \"quoted\" name": 1, "word": 1},
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn times_are_written_as_delta_reads_them() {
        let found = statistics(&[vec![
            ("day", Arc::new(Date32Array::from(vec![-1, 20_000])) as ArrayRef),
            ("at", Arc::new(TimestampMicrosecondArray::from(vec![1, 1_500_001]).with_timezone("UTC"))),
            ("local", Arc::new(TimestampMicrosecondArray::from(vec![-1, 0]))),
        ]]);
        assert_eq!(found["minValues"]["day"], "1969-12-31");
        assert_eq!(found["maxValues"]["day"], "2024-10-04");
        assert_eq!(found["minValues"]["at"], "1970-01-01T00:00:00.000Z");
        assert_eq!(found["maxValues"]["at"], "1970-01-01T00:00:01.501Z", "rounded up");
        assert_eq!(found["minValues"]["local"], "1969-12-31 23:59:59.999");
    }

    #[test]
    fn a_bound_that_is_not_certain_is_left_out() {
        let long = "x".repeat(40);
        let found = statistics(&[vec![
            ("text", Arc::new(StringArray::from(vec![long.as_str()])) as ArrayRef),
            ("nan", Arc::new(Float64Array::from(vec![1.0, f64::NAN]).slice(0, 1))),
            ("flag", Arc::new(BooleanArray::from(vec![true]))),
            ("none", Arc::new(Int64Array::from(vec![None]))),
        ]]);
        assert_eq!(found["minValues"], json!({"text": "x".repeat(32), "nan": 1.0}));
        assert_eq!(found["maxValues"], json!({"nan": 1.0}));
        let found = statistics(&[
            vec![("nan", Arc::new(Float64Array::from(vec![f64::NAN])) as ArrayRef)],
            vec![("nan", Arc::new(Float64Array::from(vec![1.0])))],
        ]);
        assert_eq!((&found["minValues"], &found["nullCount"]), (&json!({}), &json!({"nan": 0})));
    }
}
