//! The table of what a function predicts.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt32Array, new_null_array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use shoal_core::Failure;
use shoal_core::functions::{FailedGroup, Returns};
use shoal_ml::FitStatus;

use super::{FunctionScoring, KeptFrom, Without};
use crate::functions::returned_types;
use crate::session::BATCH_ROWS;

/// The output's own columns, which come last.
pub(super) const OWN_COLUMNS: [&str; 2] = ["reason", "trace"];

/// Why there is no prediction for the rows of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    reason: String,
    /// The user's own lines that led there, where they are known.
    trace: Option<String>,
}

impl Why {
    /// A reason without lines.
    pub(super) fn of(reason: &str) -> Self {
        Self { reason: reason.to_owned(), trace: None }
    }

    fn too_large() -> Self {
        let status = FitStatus::GroupTooLarge;
        Self::of(&format!("{}: {}", status.as_str(), status.words().unwrap_or_default()))
    }
}

impl From<&FailedGroup> for Why {
    fn from(failed: &FailedGroup) -> Self {
        Self { reason: format!("{}: {}", failed.status, failed.message), trace: failed.trace.clone() }
    }
}

/// The table of predictions: the columns that are kept, what the function returned for each row, and why it returned nothing.
#[derive(Clone, Debug)]
pub struct Predictions {
    schema: SchemaRef,
    kept: Vec<KeptFrom>,
}

impl Predictions {
    /// The table of a scoring.
    pub fn new(scoring: &FunctionScoring) -> Self {
        let kept = scoring.kept.iter().map(|kept| Field::new(&kept.column.name, kept.column.data_type.clone(), true));
        let own = OWN_COLUMNS.map(|name| Field::new(name, DataType::Utf8, true));
        let fields: Vec<Field> = kept.chain(returned_types(&scoring.returns)).chain(own).collect();
        Self { schema: Arc::new(Schema::new(fields)), kept: scoring.kept.clone() }
    }

    /// The table's schema.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// What the function returned for the rows of some groups. It comes in several batches: a trace may be long, and is in each of
    /// its group's rows.
    ///
    /// # Errors
    /// An internal failure where a group has not as many predictions as rows.
    pub fn predicted(&self, returns: &Returns) -> Result<Vec<RecordBatch>, Failure> {
        let Returns { groups, rows, group_of_row, failed, .. } = returns;
        let kept = groups.predicting.as_ref().map(|predicting| &predicting.kept);
        let kept = kept.ok_or_else(|| Failure::internal("nothing is known of the rows that were predicted"))?;
        let mut next = 0_u32;
        let mut failing = failed.iter().zip(0_usize..).peekable();
        let whys: Vec<Why> = failed.iter().map(Why::from).collect();
        let (mut places, mut why) = (Vec::with_capacity(kept.num_rows()), Vec::with_capacity(kept.num_rows()));
        for group in 0..groups.len() {
            let failure = failing.next_if(|(failed, _)| failed.group as usize == group);
            for _ in 0..groups.rows_of(group) {
                why.push(failure.map(|(_, index)| &whys[index]));
                let place = failure.is_none().then_some(next);
                if place.is_some_and(|place| group_of_row.get(place as usize).is_none_or(|of| *of as usize != group)) {
                    return Err(Failure::internal("a group has less predictions than rows"));
                }
                next += u32::from(place.is_some());
                places.push(place);
            }
        }
        if next as usize != group_of_row.len() || why.len() != kept.num_rows() {
            return Err(Failure::internal("there are more predictions than rows"));
        }
        self.batches(kept, Some((rows, places.into())), &why)
    }

    /// Rows of groups that the function is not called for.
    ///
    /// # Errors
    /// An internal failure where rows are of other columns.
    pub fn unpredicted(&self, without: &Without) -> Result<Vec<RecordBatch>, Failure> {
        let mut why = Vec::with_capacity(without.rows.num_rows());
        for (of_group, end) in without.why.iter().zip(&without.ends) {
            why.resize(*end as usize, Some(of_group));
        }
        let places: Vec<usize> = self.kept.iter().map(|kept| kept.place).collect();
        let kept = without.rows.project(&places).map_err(|error| not_the_tables(&error))?;
        self.batches(&kept, None, &why)
    }

    /// Rows of a group that memory does not hold.
    ///
    /// # Errors
    /// As [`Predictions::unpredicted`].
    pub fn too_large(&self, rows: RecordBatch) -> Result<Vec<RecordBatch>, Failure> {
        self.unpredicted(&Without { ends: vec![rows.num_rows() as u64], rows, why: vec![Why::too_large()] })
    }

    fn batches(
        &self,
        kept: &RecordBatch,
        returned: Option<(&RecordBatch, UInt32Array)>,
        why: &[Option<&Why>],
    ) -> Result<Vec<RecordBatch>, Failure> {
        let starts = (0..why.len()).step_by(BATCH_ROWS);
        let batch = |start: usize| {
            let length = BATCH_ROWS.min(why.len() - start);
            let returned = returned.as_ref().map(|(rows, places)| (*rows, places.slice(start, length)));
            self.batch(&kept.slice(start, length), returned, &why[start..start + length])
        };
        starts.map(batch).collect::<Result<_, _>>().map_err(|error| not_the_tables(&error))
    }

    fn batch(
        &self,
        kept: &RecordBatch,
        returned: Option<(&RecordBatch, UInt32Array)>,
        why: &[Option<&Why>],
    ) -> Result<RecordBatch, ArrowError> {
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for (column, of) in kept.columns().iter().zip(&self.kept) {
            columns.push(cast(column, &of.column.data_type)?);
        }
        let own = self.schema.fields().len() - OWN_COLUMNS.len();
        for (index, field) in self.schema.fields()[columns.len()..own].iter().enumerate() {
            columns.push(match &returned {
                // What returned no row may have no columns either.
                Some((rows, places)) if rows.num_rows() > 0 => take(rows.column(index), places, None)?,
                _ => new_null_array(field.data_type(), why.len()),
            });
        }
        let text = |of: fn(&Why) -> Option<&str>| -> ArrayRef {
            Arc::new(why.iter().map(|why| why.and_then(of)).collect::<StringArray>())
        };
        columns.extend([text(|why| Some(&why.reason)), text(|why| why.trace.as_deref())]);
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
    }
}

fn not_the_tables(error: &ArrowError) -> Failure {
    Failure::internal("what a function predicts does not fit its table").because(error)
}
