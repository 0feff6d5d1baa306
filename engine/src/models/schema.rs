use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};

use super::own_columns::{Holds, MESSAGE, OwnColumn, ROWS_DROPPED, ROWS_USED, STATUS, TERMS, TermsLayout};
use super::training::Training;

/// A table of models: its schema and what the models are of.
///
/// The keys come first under their own names, then how the fit of a group ended, and then the estimator's own columns.
/// What is kept per term is a struct with a field per term, the intercept first where there is one, then the features;
/// with many terms, or several classes, it is a list with a struct per term. Everything but `status` and the two counts is
/// null where it was not estimated.
#[derive(Clone, Debug)]
pub struct ModelTable {
    schema: SchemaRef,
    key_columns: usize,
    training: Training,
    terms: Vec<String>,
    layout: TermsLayout,
}

impl ModelTable {
    /// A table for those keys, with their logical types.
    pub fn new(keys: &[Field], training: Training) -> Self {
        let (terms, layout) = (training.terms(), training.terms_layout());
        let mut fields: Vec<Field> =
            keys.iter().map(|key| Field::new(key.name(), key.data_type().clone(), true)).collect();
        fields.push(Field::new(STATUS, DataType::Utf8, false));
        fields.push(Field::new(MESSAGE, DataType::Utf8, true));
        fields.push(Field::new(ROWS_USED, DataType::Int64, false));
        fields.push(Field::new(ROWS_DROPPED, DataType::Int64, false));
        let own = training.own_columns();
        let mut lists = (layout != TermsLayout::Structs).then(|| list_item(own, layout));
        for column in training.columns() {
            let data_type = match column.holds {
                Holds::PerTerm(_) if layout == TermsLayout::Structs => DataType::Struct(term_fields(&terms)),
                Holds::PerTerm(_) => {
                    // All that is known of a term is in one list.
                    if let Some(item) = lists.take() {
                        fields.push(Field::new(TERMS, DataType::List(Arc::new(item)), true));
                    }
                    continue;
                }
                Holds::Number => DataType::Float64,
                Holds::Count => DataType::Int64,
                Holds::Model => DataType::Binary,
            };
            fields.push(Field::new(column.name, data_type, true));
        }
        Self { schema: Arc::new(Schema::new(fields)), key_columns: keys.len(), training, terms, layout }
    }

    /// The table's schema.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How many of its leading columns are keys.
    pub fn key_columns(&self) -> usize {
        self.key_columns
    }

    /// What the models are of.
    pub fn training(&self) -> &Training {
        &self.training
    }

    /// The same table for models that predict from terms.
    pub(super) fn of_terms(&self) -> Self {
        self.of(Training { encoded: Vec::new(), ..self.training.clone() })
    }

    /// The same table for models of another training, which gives it the same columns.
    pub(super) fn of(&self, training: Training) -> Self {
        Self { training, ..self.clone() }
    }

    pub(super) fn terms(&self) -> &[String] {
        &self.terms
    }

    pub(super) fn layout(&self) -> TermsLayout {
        self.layout
    }
}

pub(super) fn term_fields(terms: &[String]) -> Fields {
    terms.iter().map(|term| Field::new(term, DataType::Float64, true)).collect()
}

/// A struct with all that is known of a term.
pub(super) fn item_fields(own: &[OwnColumn], layout: TermsLayout) -> Fields {
    let class = (layout == TermsLayout::ListByClass).then(|| Field::new("class", DataType::Utf8, true));
    let term = Field::new("term", DataType::Utf8, true);
    let numbers = own.iter().filter_map(|column| match column.holds {
        Holds::PerTerm(one) => Some(Field::new(one, DataType::Float64, true)),
        Holds::Number | Holds::Count | Holds::Model => None,
    });
    class.into_iter().chain([term]).chain(numbers).collect()
}

pub(super) fn list_item(own: &[OwnColumn], layout: TermsLayout) -> Field {
    Field::new("element", DataType::Struct(item_fields(own, layout)), true)
}
