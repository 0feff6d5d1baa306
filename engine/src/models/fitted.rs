use shoal_ml::FitStatus;

use super::own_columns::{Holds, OwnColumn};
use super::schema::ModelTable;

/// How the fit of one group ended, and what the table says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    pub(super) status: FitStatus,
    pub(super) message: Option<String>,
    /// The classes that numbers of terms are of, where they are of several.
    pub(super) classes: Vec<String>,
    /// One for each of the estimator's own columns.
    pub(super) values: Vec<Value>,
}

/// What one of the estimator's own columns says of a group.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    PerTerm(Vec<Option<f64>>),
    Number(Option<f64>),
    Count(Option<i64>),
    Model(Option<Vec<u8>>),
}

impl Fitted {
    /// A fit that estimated nothing.
    pub(super) fn empty(table: &ModelTable, status: FitStatus, message: Option<String>) -> Self {
        let terms = table.terms().len();
        let values = table.training().own_columns().iter().map(|column| match column.holds {
            Holds::PerTerm(_) => Value::PerTerm(vec![None; terms]),
            Holds::Number => Value::Number(None),
            Holds::Count => Value::Count(None),
            Holds::Model => Value::Model(None),
        });
        let message = message.or_else(|| status.words().map(str::to_owned));
        Self { status, message, classes: Vec::new(), values: values.collect() }
    }

    /// Puts what is known of a fit into the columns that the table has of it. `known` gives the value of a column, by its
    /// name.
    pub(super) fn of(
        own: &'static [OwnColumn],
        (status, message): (FitStatus, Option<String>),
        known: impl FnMut(&OwnColumn) -> Value,
    ) -> Self {
        let message = message.or_else(|| status.words().map(str::to_owned));
        Self { status, message, classes: Vec::new(), values: own.iter().map(known).collect() }
    }
}

/// Numbers of iterations and the like.
pub(super) fn count(count: usize) -> Value {
    Value::Count(i64::try_from(count).ok())
}

impl Fitted {
    /// Whether a fit of the rows themselves may have more digits.
    pub(crate) fn loses_digits(&self) -> bool {
        self.status == FitStatus::IllConditioned
    }

    /// Adds what tests of the model on other rows found: a value for each column that tells of it.
    pub(super) fn tested(mut self, found: Vec<Value>) -> Self {
        self.values.extend(found);
        self
    }
}
