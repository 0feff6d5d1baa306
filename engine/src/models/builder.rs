use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryBuilder, Float64Builder, Int64Builder, RecordBatch, StringBuilder};
use shoal_core::Failure;
use shoal_ml::FitStatus;

use super::fitted::{Fitted, Value};
use super::own_columns::{Holds, TermsLayout};
use super::schema::ModelTable;
use super::terms::{TermList, TermStruct};

/// What was counted over some models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModelCounts {
    /// Models whose status is `ok`.
    pub ok: u64,
    /// Models with any other status.
    pub failed: u64,
    /// Rows that the models were fitted to.
    pub rows_used: u64,
    /// Rows that were left out for a missing value.
    pub rows_dropped: u64,
}

impl ModelCounts {
    /// Adds the counts of other models.
    pub fn add(&mut self, other: ModelCounts) {
        // Taken apart without `..`, so that a new count cannot be forgotten here.
        let ModelCounts { ok, failed, rows_used, rows_dropped } = other;
        self.ok += ok;
        self.failed += failed;
        self.rows_used += rows_used;
        self.rows_dropped += rows_dropped;
    }
}

/// Collects fits as rows of the output table, column by column.
pub struct ModelBuilder {
    table: Arc<ModelTable>,
    counts: ModelCounts,
    status: StringBuilder,
    message: StringBuilder,
    rows_used: Int64Builder,
    rows_dropped: Int64Builder,
    own: Vec<Column>,
    /// What is known of terms, where that is one column.
    list: Option<TermList>,
}

/// A column of the estimator's own.
enum Column {
    Terms(TermStruct),
    /// A part of the list, which the first of them stands for.
    InList {
        is_first: bool,
    },
    Number(Float64Builder),
    Count(Int64Builder),
    Model(BinaryBuilder),
}

impl ModelBuilder {
    /// A builder of rows of that table.
    pub fn new(table: Arc<ModelTable>) -> Self {
        let (columns, all) = (table.training().own_columns(), table.training().columns());
        let mut list = (table.layout() != TermsLayout::Structs).then(|| TermList::new(columns, table.layout()));
        list = list.filter(|_| columns.iter().any(|column| matches!(column.holds, Holds::PerTerm(_))));
        let mut is_first = true;
        let own = all.map(|column| match column.holds {
            Holds::PerTerm(_) if list.is_some() => Column::InList { is_first: std::mem::take(&mut is_first) },
            Holds::PerTerm(_) => Column::Terms(TermStruct::new(table.terms())),
            Holds::Number => Column::Number(Float64Builder::new()),
            Holds::Count => Column::Count(Int64Builder::new()),
            Holds::Model => Column::Model(BinaryBuilder::new()),
        });
        Self {
            own: own.collect(),
            list,
            counts: ModelCounts::default(),
            status: StringBuilder::new(),
            message: StringBuilder::new(),
            rows_used: Int64Builder::new(),
            rows_dropped: Int64Builder::new(),
            table,
        }
    }

    /// Rows that wait for [`ModelBuilder::finish`].
    pub fn len(&self) -> usize {
        use arrow::array::ArrayBuilder;
        self.rows_used.len()
    }

    /// Whether no row waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was counted over all rows so far, finished ones included.
    pub fn counts(&self) -> ModelCounts {
        self.counts
    }

    /// Adds the fit of one group.
    pub fn append(&mut self, fitted: &Fitted, rows_used: u64, rows_dropped: u64) {
        let Fitted { status, message, classes, values } = fitted;
        let is_ok = *status == FitStatus::Ok;
        self.counts.add(ModelCounts { ok: u64::from(is_ok), failed: u64::from(!is_ok), rows_used, rows_dropped });
        self.status.append_value(status.as_str());
        self.message.append_option(message.as_deref());
        self.rows_used.append_value(signed(rows_used));
        self.rows_dropped.append_value(signed(rows_dropped));
        debug_assert_eq!(values.len(), self.own.len());
        let mut of_terms: Vec<&[Option<f64>]> = Vec::new();
        for (column, value) in self.own.iter_mut().zip(values) {
            match (column, value) {
                (Column::Terms(column), Value::PerTerm(numbers)) => column.append(numbers),
                (Column::InList { is_first: _ }, Value::PerTerm(numbers)) => of_terms.push(numbers),
                (Column::Number(column), Value::Number(number)) => column.append_option(*number),
                (Column::Count(column), Value::Count(count)) => column.append_option(*count),
                (Column::Model(column), Value::Model(model)) => column.append_option(model.as_deref()),
                _ => debug_assert!(false, "{value:?} is of another column"),
            }
        }
        if let Some(list) = &mut self.list {
            list.append(classes, self.table.terms(), &of_terms);
        }
    }

    /// Takes the rows so far, with the keys of their groups.
    ///
    /// # Errors
    /// An internal failure where the keys do not fit the table's schema or are not as many as the rows.
    pub fn finish(&mut self, keys: Vec<ArrayRef>) -> Result<RecordBatch, Failure> {
        let mut columns = keys;
        columns.push(Arc::new(self.status.finish()));
        columns.push(Arc::new(self.message.finish()));
        columns.push(Arc::new(self.rows_used.finish()));
        columns.push(Arc::new(self.rows_dropped.finish()));
        for column in &mut self.own {
            columns.push(match column {
                Column::Terms(column) => column.finish(),
                Column::InList { is_first } => match &mut self.list {
                    Some(list) if *is_first => list.finish(),
                    _ => continue,
                },
                Column::Number(column) => Arc::new(column.finish()),
                Column::Count(column) => Arc::new(column.finish()),
                Column::Model(column) => Arc::new(column.finish()),
            });
        }
        RecordBatch::try_new(Arc::clone(self.table.schema()), columns)
            .map_err(|error| Failure::internal("models do not fit their table").because(&error))
    }
}

/// Delta has no unsigned integers.
fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
