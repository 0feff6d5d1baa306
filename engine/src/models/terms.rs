//! The two ways in which numbers of terms are laid out.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Builder, ListArray, StringBuilder, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::Fields;

use super::own_columns::{OwnColumn, TermsLayout};
use super::schema::{item_fields, list_item, term_fields};

/// A struct column with a field per term.
pub(super) struct TermStruct {
    fields: Fields,
    columns: Vec<Float64Builder>,
}

impl TermStruct {
    pub(super) fn new(terms: &[String]) -> Self {
        Self { fields: term_fields(terms), columns: terms.iter().map(|_| Float64Builder::new()).collect() }
    }

    /// Adds a row.
    pub(super) fn append(&mut self, values: &[Option<f64>]) {
        debug_assert_eq!(self.columns.len(), values.len());
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.append_option(*value);
        }
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        let columns = self.columns.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef).collect();
        Arc::new(StructArray::new(self.fields.clone(), columns, None))
    }
}

/// A list column with a struct per term.
pub(super) struct TermList {
    own: &'static [OwnColumn],
    layout: TermsLayout,
    lengths: Vec<usize>,
    class: StringBuilder,
    term: StringBuilder,
    numbers: Vec<Float64Builder>,
}

impl TermList {
    pub(super) fn new(own: &'static [OwnColumn], layout: TermsLayout) -> Self {
        let names = item_fields(own, layout).len() - 1 - usize::from(layout == TermsLayout::ListByClass);
        Self {
            own,
            layout,
            lengths: Vec::new(),
            class: StringBuilder::new(),
            term: StringBuilder::new(),
            numbers: (0..names).map(|_| Float64Builder::new()).collect(),
        }
    }

    /// Adds a row: of each number one value per term, or per class and term, class by class.
    pub(super) fn append(&mut self, classes: &[String], terms: &[String], numbers: &[&[Option<f64>]]) {
        let len = numbers.iter().map(|values| values.len()).max().unwrap_or(0);
        for item in 0..len {
            self.class.append_option(classes.get(item / terms.len().max(1)));
            self.term.append_option(terms.get(item % terms.len().max(1)));
            for (column, values) in self.numbers.iter_mut().zip(numbers) {
                column.append_option(values.get(item).copied().flatten());
            }
        }
        self.lengths.push(len);
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        let (class, term) = (Arc::new(self.class.finish()), Arc::new(self.term.finish()));
        let mut columns: Vec<ArrayRef> = Vec::new();
        if self.layout == TermsLayout::ListByClass {
            columns.push(class);
        }
        columns.push(term);
        columns.extend(self.numbers.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef));
        let items = StructArray::new(item_fields(self.own, self.layout), columns, None);
        let offsets = OffsetBuffer::from_lengths(std::mem::take(&mut self.lengths));
        Arc::new(ListArray::new(Arc::new(list_item(self.own, self.layout)), offsets, Arc::new(items), None))
    }
}
