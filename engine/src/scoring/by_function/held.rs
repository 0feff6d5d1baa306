//! Models in memory, which groups of rows meet.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{filter_record_batch, interleave};
use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;
use shoal_core::functions::{Groups, Predicting};
use shoal_core::{Failure, Reason};

use super::{FunctionScoring, Why};
use crate::columns::KeyColumn;
use crate::error::engine_failure;
use crate::scoring::models_table::group_in_words;

/// Bytes of the models of a message: as many as its rows may have, or a little more, as no model is cut.
const MESSAGE_MODEL_BYTES: u64 = 4 << 20;

/// Models of groups.
pub struct HeldModels {
    keys: Vec<KeyColumn>,
    statuses: Vec<String>,
    /// The places of a row's columns that the function sees, and of those that the output has.
    seen: Vec<usize>,
    kept: Vec<usize>,
    schema: SchemaRef,
    /// Numbers groups. Those that have a model come first, as they were held.
    groups: Box<dyn GroupValues>,
    batches: Vec<RecordBatch>,
    /// Where the model of each group is: its batch, and its row there.
    places: Vec<(usize, usize)>,
    bytes: u64,
}

/// Groups that have met their models.
#[derive(Debug)]
pub struct Met {
    /// Those that the function is called for, each message with its models.
    pub called: Vec<Groups>,
    /// The rows of all others.
    pub without: Option<Without>,
}

/// Rows of groups that nothing can be predicted for.
#[derive(Debug, PartialEq)]
pub struct Without {
    /// The rows.
    pub rows: RecordBatch,
    /// Where those of each group end.
    pub ends: Vec<u64>,
    /// What each group lacks.
    pub why: Vec<Why>,
}

impl HeldModels {
    /// None yet.
    ///
    /// # Errors
    /// An internal failure for keys of a type that has no groups.
    pub fn new(scoring: &FunctionScoring) -> Result<Self, Failure> {
        let FunctionScoring { columns, seen, kept, models, statuses, returns: _ } = scoring;
        let keys = columns.keys.iter().map(|key| Field::new(&key.name, key.data_type.clone(), true));
        let keys = Arc::new(Schema::new(keys.collect::<Vec<_>>()));
        let models = models.iter().map(|model| Field::new(&model.name, model.data_type.clone(), true));
        Ok(Self {
            keys: columns.keys.clone(),
            statuses: statuses.clone(),
            seen: (0..*seen).collect(),
            kept: kept.iter().map(|kept| kept.place).collect(),
            schema: Arc::new(Schema::new(models.collect::<Vec<_>>())),
            groups: new_group_values(keys, &GroupOrdering::None).map_err(|error| engine_failure(&error))?,
            batches: Vec::new(),
            places: Vec::new(),
            bytes: 0,
        })
    }

    /// Takes models, as [`FunctionScoring::models_frame`] selects them.
    ///
    /// # Errors
    /// [`Reason::DuplicateName`] for a second model of a group.
    pub fn hold(&mut self, batch: RecordBatch) -> Result<(), Failure> {
        let mut numbers = Vec::new();
        let keys = &batch.columns()[..self.keys.len()];
        self.groups.intern(keys, &mut numbers).map_err(|error| engine_failure(&error))?;
        for (row, number) in numbers.into_iter().enumerate() {
            if number < self.places.len() {
                return Err(several_of(&group_in_words(&self.keys, keys, row)));
            }
            self.places.push((self.batches.len(), row));
        }
        // Columns that came in one message share its memory.
        self.bytes += batch.columns().iter().map(bytes_of).sum::<u64>();
        self.batches.push(batch);
        Ok(())
    }

    /// Bytes that they take.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Gives groups their models, in messages that are not too large. All models are held by now.
    ///
    /// # Errors
    /// An internal failure where keys are others than those of the models.
    pub fn meet(&mut self, groups: Groups) -> Result<Met, Failure> {
        let mut numbers = Vec::new();
        self.groups.intern(groups.keys.columns(), &mut numbers).map_err(|error| engine_failure(&error))?;
        let places: Vec<Result<(usize, usize), Why>> = numbers.into_iter().map(|number| self.usable(number)).collect();
        let (groups, without) = parted(groups, &places).map_err(|error| not_met(&error))?;
        let kept = groups.rows.project(&self.kept).map_err(|error| not_met(&error))?;
        let groups = Groups { rows: groups.rows.project(&self.seen).map_err(|error| not_met(&error))?, ..groups };
        let places: Vec<(usize, usize)> = places.into_iter().flatten().collect();
        let mut called = Vec::new();
        let (mut start, mut first_row) = (0, 0);
        while start < places.len() {
            let end = start + self.message(&places[start..]);
            let models = self.models(&places[start..end]).map_err(|error| not_met(&error))?;
            let message = groups.slice(start..end);
            let kept = kept.slice(first_row, message.rows.num_rows());
            first_row += message.rows.num_rows();
            called.push(Groups { predicting: Some(Predicting { models, kept }), ..message });
            start = end;
        }
        Ok(Met { called, without })
    }

    /// Where the model of the group with that number is, or why it cannot predict.
    fn usable(&self, number: usize) -> Result<(usize, usize), Why> {
        let place = *self.places.get(number).ok_or_else(|| Why::of("no_model"))?;
        let statuses = self.batches[place.0].column(self.keys.len()).as_string::<i32>();
        let status = if statuses.is_null(place.1) { "null" } else { statuses.value(place.1) };
        if self.statuses.iter().any(|usable| usable == status) {
            return Ok(place);
        }
        Err(Why::of(&format!("model_failed: {status}")))
    }

    /// How many of these models one message takes, at least one.
    fn message(&self, places: &[(usize, usize)]) -> usize {
        let mut bytes = 0;
        let fits = |place: &&(usize, usize)| {
            let fits = bytes < MESSAGE_MODEL_BYTES;
            bytes += self.own_columns(place.0).iter().map(|column| bytes_of(&column.slice(place.1, 1))).sum::<u64>();
            fits
        };
        places.iter().take_while(fits).count()
    }

    fn models(&self, places: &[(usize, usize)]) -> Result<RecordBatch, ArrowError> {
        let column = |column: usize| {
            let of_batches: Vec<&dyn Array> =
                (0..self.batches.len()).map(|batch| self.own_columns(batch)[column].as_ref()).collect();
            interleave(&of_batches, places)
        };
        let columns = (0..self.schema.fields().len()).map(column).collect::<Result<_, _>>()?;
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
    }

    /// What the function gets, which comes after keys and status.
    fn own_columns(&self, batch: usize) -> &[ArrayRef] {
        &self.batches[batch].columns()[self.keys.len() + 1..]
    }
}

/// The groups that have models, and the rows of those that have none.
fn parted(groups: Groups, places: &[Result<(usize, usize), Why>]) -> Result<(Groups, Option<Without>), ArrowError> {
    if places.iter().all(Result::is_ok) {
        return Ok((groups, None));
    }
    let (mut of_groups, mut of_rows) = (Vec::with_capacity(groups.len()), Vec::with_capacity(groups.rows.num_rows()));
    let (mut ends, mut ends_without, mut why) = (Vec::new(), Vec::new(), Vec::new());
    for (group, place) in places.iter().enumerate() {
        let rows = groups.rows_of(group);
        of_groups.push(place.is_ok());
        of_rows.resize(groups.ends[group] as usize, place.is_ok());
        let ends = if place.is_ok() { &mut ends } else { &mut ends_without };
        ends.push(ends.last().copied().unwrap_or_default() + rows);
        why.extend(place.as_ref().err().cloned());
    }
    let of_rows = BooleanArray::from(of_rows);
    let with = Groups {
        rows: filter_record_batch(&groups.rows, &of_rows)?,
        keys: filter_record_batch(&groups.keys, &BooleanArray::from(of_groups))?,
        ends,
        pieces: None,
        predicting: None,
    };
    let rows = filter_record_batch(&groups.rows, &arrow::compute::not(&of_rows)?)?;
    Ok((with, Some(Without { rows, ends: ends_without, why })))
}

fn bytes_of(column: &ArrayRef) -> u64 {
    column.to_data().get_slice_memory_size().unwrap_or_default() as u64
}

fn several_of(group: &str) -> Failure {
    let mut failure = Failure::new(Reason::DuplicateName, format!("there are several models of the group {group}"))
        .field("spec.groupedScoring.models.table")
        .next("have the training's function return one row per group, and train with `mode: overwrite`");
    failure.location.group = Some(group.to_owned());
    failure
}

fn not_met(error: &ArrowError) -> Failure {
    Failure::internal("groups do not meet their models").because(error)
}
