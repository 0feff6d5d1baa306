use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, UInt32Array, new_null_array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use shoal_core::Failure;
use shoal_core::functions::{FailedGroup, Groups, Returns};
use shoal_core::spec::v1alpha1::{Returned, ReturnedType};
use shoal_core::tally::Tally;
use shoal_ml::FitStatus;

use crate::models::ModelCounts;

/// The output's own columns, which come after the keys.
pub const OWN_COLUMNS: [&str; 5] = ["status", "message", "error_type", "trace", "rows_used"];

/// The table of what a function returned: the keys under their own names, how each group ended, and what was returned, null
/// where nothing was.
#[derive(Clone, Debug)]
pub struct FunctionTable {
    schema: SchemaRef,
    key_columns: usize,
}

/// The types of what a function returns.
pub fn returned_types(returns: &[Returned]) -> impl Iterator<Item = Field> {
    returns.iter().map(|Returned { name, data_type }| {
        let data_type = match data_type {
            ReturnedType::Boolean => DataType::Boolean,
            ReturnedType::Int32 => DataType::Int32,
            ReturnedType::Int64 => DataType::Int64,
            ReturnedType::Float32 => DataType::Float32,
            ReturnedType::Float64 => DataType::Float64,
            ReturnedType::String => DataType::Utf8,
            ReturnedType::Binary => DataType::Binary,
            ReturnedType::Date => DataType::Date32,
            ReturnedType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        };
        Field::new(name, data_type, true)
    })
}

impl FunctionTable {
    /// A table for those keys, with their logical types.
    pub fn new(keys: &[Field], returns: &[Returned]) -> Self {
        let [status, message, error_type, trace, rows_used] = OWN_COLUMNS;
        let own = [
            Field::new(status, DataType::Utf8, false),
            Field::new(message, DataType::Utf8, true),
            Field::new(error_type, DataType::Utf8, true),
            Field::new(trace, DataType::Utf8, true),
            Field::new(rows_used, DataType::Int64, false),
        ];
        let fields: Vec<Field> = keys.iter().cloned().chain(own).chain(returned_types(returns)).collect();
        Self { schema: Arc::new(Schema::new(fields)), key_columns: keys.len() }
    }

    /// The table's schema.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How many of its leading columns are keys.
    pub fn key_columns(&self) -> usize {
        self.key_columns
    }

    /// The rows of some groups: as many as the function returned for each, and one for a group that failed.
    ///
    /// # Errors
    /// An internal failure where what was returned is of other types.
    pub fn rows(&self, returns: &Returns) -> Result<(RecordBatch, ModelCounts), Failure> {
        let Returns { groups, rows, group_of_row, failed, counted: _, took: _ } = returns;
        let places = Places::new(group_of_row, failed, groups.len());
        let batch = self.assemble(groups, rows, failed, &places).map_err(|error| not_the_tables(&error))?;
        let failed = failed.len() as u64;
        let rows_used = groups.ends.last().copied().unwrap_or_default();
        let counts = ModelCounts { ok: groups.len() as u64 - failed, failed, rows_used, rows_dropped: 0 };
        Ok((batch, counts))
    }

    /// The row of a group with so many rows that nobody could hold them.
    ///
    /// # Errors
    /// As [`FunctionTable::rows`].
    pub fn too_large(&self, key: RecordBatch, rows: u64) -> Result<(RecordBatch, ModelCounts), Failure> {
        let status = FitStatus::GroupTooLarge;
        let failed = FailedGroup {
            group: 0,
            status: status.as_str().to_owned(),
            error_type: None,
            message: status.words().unwrap_or_default().to_owned(),
            trace: None,
        };
        let none = RecordBatch::new_empty(Arc::clone(&self.schema));
        let groups = Groups { rows: none.clone(), keys: key, ends: vec![rows], pieces: None, predicting: None };
        let returned = Returns {
            groups,
            rows: none,
            group_of_row: Vec::new(),
            failed: vec![failed],
            counted: Tally::default(),
            took: Vec::new(),
        };
        self.rows(&returned)
    }

    fn assemble(
        &self,
        groups: &Groups,
        rows: &RecordBatch,
        failed: &[FailedGroup],
        places: &Places,
    ) -> Result<RecordBatch, ArrowError> {
        let why = |text: fn(&FailedGroup) -> Option<&str>| -> ArrayRef {
            let values = places.failed.iter().map(|failure| failure.and_then(|index| text(&failed[index])));
            Arc::new(values.collect::<StringArray>())
        };
        let ok = FitStatus::Ok.as_str();
        let status = places.failed.iter().map(|failure| failure.map_or(ok, |index| failed[index].status.as_str()));
        let used = places.groups.values().iter().map(|group| groups.rows_of(*group as usize) as i64);
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for key in groups.keys.columns() {
            columns.push(take(key, &places.groups, None)?);
        }
        columns.push(Arc::new(StringArray::from_iter_values(status)));
        columns.push(why(|failure| Some(&failure.message)));
        columns.push(why(|failure| failure.error_type.as_deref()));
        columns.push(why(|failure| failure.trace.as_deref()));
        columns.push(Arc::new(Int64Array::from_iter_values(used)));
        let returned = &self.schema.fields()[columns.len()..];
        for (index, field) in returned.iter().enumerate() {
            // What returned no row may have no columns either.
            columns.push(match rows.num_rows() {
                0 => new_null_array(field.data_type(), places.rows.len()),
                _ => take(rows.column(index), &places.rows, None)?,
            });
        }
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
    }
}

/// Where the rows of the output come from, in the order of their groups.
struct Places {
    /// The group of each.
    groups: UInt32Array,
    /// What was returned, by its row; nothing for a group that failed.
    rows: UInt32Array,
    /// Which failure each is, where it is one.
    failed: Vec<Option<usize>>,
}

impl Places {
    fn new(group_of_row: &[u32], failed: &[FailedGroup], groups: usize) -> Self {
        let (mut of_groups, mut of_rows, mut failures) = (Vec::new(), Vec::new(), Vec::new());
        let mut returned = group_of_row.iter().zip(0_u32..).peekable();
        let mut failing = failed.iter().zip(0_usize..).peekable();
        for group in 0..groups as u32 {
            while let Some((_, row)) = returned.next_if(|(of, _)| **of == group) {
                of_groups.push(group);
                of_rows.push(Some(row));
                failures.push(None);
            }
            if let Some((_, index)) = failing.next_if(|(failure, _)| failure.group == group) {
                of_groups.push(group);
                of_rows.push(None);
                failures.push(Some(index));
            }
        }
        Self { groups: of_groups.into(), rows: of_rows.into(), failed: failures }
    }
}

fn not_the_tables(error: &ArrowError) -> Failure {
    Failure::internal("what a function returned does not fit its table").because(error)
}
