use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::Float64Type;
use shoal_core::Failure;
use shoal_ml::{Moments, MomentsRef, Needs, Rows};
use xxhash_rust::xxh3::xxh3_64;

use super::GroupTrainer;
use super::finished::{FinishedModels, ModelsOfGroups};
use super::folding::Folding;
use super::text_classes::TextClasses;
use crate::keys::hash_keys;
use crate::models::{Fitted, GroupRows, ModelTable, Tests};

/// Rows of a group that are held before they are folded into moments, where these are all that a model needs: enough for
/// nearly every group to be held whole, so that a fit that loses digits may ask the rows again.
const HELD_ROWS_MAX: usize = 1 << 16;

/// Fits the models of a table group by group.
///
/// The columns after the keys are the features in their order, the target, and what a row weighs where that differs, all
/// floats; and last what says which fold a row is of, where a column does. A row with a null, NaN or infinite value, or a
/// negative weight, is left out and counted. Where missing features are kept, that is not asked of them, and what is null
/// is NaN. A target of texts is a column of these, and a row without one is left out.
pub struct ModelTrainer {
    table: Arc<ModelTable>,
    /// The open group's rows, by variable: all of them, or those since the last fold.
    held: Vec<Vec<f64>>,
    /// What numbers of the target stand for, where it is a text.
    texts: TextClasses,
    /// Which folds they are of.
    folding: Folding,
    /// What was folded of the open group: the moments of each fold.
    folded: Vec<Moments>,
    /// The moments of all the open group's rows, added one after the other, where these are all that a model is made of.
    moments: Option<Moments>,
    state: Open,
    used: u64,
    dropped: u64,
    group_bytes_max: u64,
    finished: FinishedModels,
}

/// Where the open group's rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    /// All are held.
    Whole,
    /// Some are folded into moments.
    Folded,
    /// They were too many to be held.
    TooLarge,
}

impl ModelTrainer {
    /// A trainer for models of that table, which holds a group's rows up to so many bytes where it needs them all.
    pub fn new(table: Arc<ModelTable>, group_bytes_max: u64) -> Self {
        let training = table.training();
        let takes_moments = training.needs() == Needs::Moments && training.folds.is_none();
        Self {
            held: vec![Vec::new(); training.variables()],
            texts: TextClasses::default(),
            folding: Folding::new(training.folds),
            folded: Vec::new(),
            moments: takes_moments.then(|| Moments::new(training.variables())),
            state: Open::Whole,
            used: 0,
            dropped: 0,
            group_bytes_max,
            finished: FinishedModels::new(Arc::clone(&table)),
            table,
        }
    }

    /// The rows that can be trained on, in runs of neighbours: nearly always all of them.
    fn usable_runs(&self, variables: &[Variable<'_>], fold: &[ArrayRef], rows: Range<usize>) -> Vec<Range<usize>> {
        let training = self.table.training();
        let weights = training.weighted.then(|| &variables[variables.len() - 1]);
        let needed = if training.keeps_missing { &variables[training.features.len()..] } else { variables };
        let is_usable = |row: usize| {
            needed.iter().all(|variable| variable.has(row))
                && weights.is_none_or(|weights| weights.is_weight(row))
                && fold.iter().all(|fold| self.folding.is_usable(fold, row))
        };
        let mut runs = Vec::new();
        let mut row = rows.start;
        while row < rows.end {
            let end = (row..rows.end).find(|row| !is_usable(*row)).unwrap_or(rows.end);
            runs.push(row..end);
            row = end + 1;
        }
        runs
    }

    /// Adds the last of the held rows to the moments.
    fn add(&mut self, rows: usize) {
        let Some(moments) = &mut self.moments else { return };
        let held = self.held.first().map_or(0, Vec::len);
        let mut row = vec![0.0; self.held.len()];
        for index in held - rows..held {
            for (value, column) in row.iter_mut().zip(&self.held) {
                *value = column[index];
            }
            moments.as_mut().push(&row);
        }
    }

    /// Makes room where too many rows are held.
    fn bound(&mut self) {
        let held = self.held[0].len();
        let is_much = (held * self.held.len() * size_of::<f64>()) as u64 > self.group_bytes_max;
        match self.table.training().needs() {
            Needs::Moments if is_much || held > HELD_ROWS_MAX => {
                self.fold();
                self.state = Open::Folded;
            }
            Needs::Rows if is_much => {
                self.held = vec![Vec::new(); self.held.len()];
                self.texts.clear();
                self.folding.forget_rows();
                self.state = Open::TooLarge;
            }
            Needs::Moments | Needs::Rows => {}
        }
    }

    /// Folds the held rows into moments.
    fn fold(&mut self) {
        let variables = self.held.len();
        if let Some(Tests::Folds(fold_of)) = self.folding.tests(&slices(&self.held)) {
            let mut row = vec![0.0; variables];
            for (index, fold) in fold_of.into_iter().enumerate() {
                for (value, column) in row.iter_mut().zip(&self.held) {
                    *value = column[index];
                }
                moments_of(&mut self.folded, fold, variables).as_mut().push(&row);
            }
        }
        self.held.iter_mut().for_each(Vec::clear);
        self.folding.forget_rows();
    }

    /// The model of the open group, of which some rows are folded.
    fn fit_folded(&mut self) -> Result<Fitted, Failure> {
        if let Some(moments) = &self.moments {
            return self.table.fit_moments(moments.as_ref(), None);
        }
        self.fold();
        let mut total = Moments::new(self.held.len());
        for fold in &self.folded {
            total.as_mut().merge(fold.as_ref());
        }
        let table = match self.table.of_best_alpha(&total, &self.folded) {
            Ok(table) => table,
            Err(fitted) => return Ok(*fitted),
        };
        Ok(table.fit_moments(total.as_ref(), None)?.tested_on(&table, &self.folded))
    }

    /// The model of the open group, all of whose rows are held.
    fn fit_whole(&mut self, keys: &[ArrayRef], row: usize) -> Result<Fitted, Failure> {
        let training = self.table.training();
        let target = training.features.len();
        let texts = if training.text_target { self.texts.sort(&mut self.held[target]) } else { Vec::new() };
        let needs_rows = training.needs() == Needs::Rows;
        let hash = if needs_rows { hash_of(keys, row)? } else { 0 };
        with_rows(&self.held, training.weighted, |rows| {
            if let Some(moments) = &self.moments {
                return self.table.fit_moments(moments.as_ref(), Some(rows));
            }
            let group = GroupRows { rows, hash, texts: &texts };
            let tests = self.tests_of_whole(&texts);
            let table = match self.table.of_best_alpha_of_rows(rows, tests.as_ref()) {
                Ok(table) => table,
                Err(fitted) => return Ok(*fitted),
            };
            let fitted = if needs_rows {
                table.fit_rows(group)
            } else {
                table.fit_moments(rows.moments().as_ref(), Some(rows))?
            };
            Ok(match tests {
                Some(tests) => table.test(fitted, group, &tests),
                None => fitted,
            })
        })
    }

    /// The tests of the open group, all of whose rows are held; `None` where models are not tested.
    fn tests_of_whole(&self, texts: &[String]) -> Option<Tests> {
        let training = self.table.training();
        training.folds?;
        let target = training.features.len();
        // Its place would not be the row's own: it goes by which others there are.
        let hashes = (!texts.is_empty()).then(|| hashes_of(texts, &self.held[target]));
        let mut values = slices(&self.held);
        values[target] = hashes.as_deref().unwrap_or(values[target]);
        self.folding.tests(&values)
    }
}

/// What stands for a row's text where folds are dealt by its values: half of the text's hash, which a float holds.
fn hashes_of(texts: &[String], places: &[f64]) -> Vec<f64> {
    let hashes: Vec<f64> = texts.iter().map(|text| f64::from(xxh3_64(text.as_bytes()) as u32)).collect();
    places.iter().map(|place| hashes[*place as usize]).collect()
}

/// The moments of a fold, of which there may be none yet.
fn moments_of(folded: &mut Vec<Moments>, fold: usize, variables: usize) -> &mut Moments {
    if folded.len() <= fold {
        folded.resize_with(fold + 1, || Moments::new(variables));
    }
    &mut folded[fold]
}

/// A number of the group's own.
fn hash_of(keys: &[ArrayRef], row: usize) -> Result<u64, Failure> {
    let key: Vec<ArrayRef> = keys.iter().map(|column| column.slice(row, 1)).collect();
    Ok(hash_keys(&key)?.first().copied().unwrap_or_default())
}

impl GroupTrainer for ModelTrainer {
    fn rows(&mut self, columns: &[ArrayRef], rows: Range<usize>) -> Result<(), Failure> {
        let (columns, fold) = columns.split_at(columns.len().saturating_sub(usize::from(self.folding.has_column())));
        let variables = variables_of(columns, self.held.len())?;
        let runs = self.usable_runs(&variables, fold, rows.clone());
        // Runs of usable rows are copied as a whole.
        let mut used = 0;
        for run in runs {
            used += run.len() as u64;
            if self.state != Open::TooLarge {
                for (held, variable) in self.held.iter_mut().zip(&variables) {
                    variable.append_to(held, run.clone(), &mut self.texts);
                }
                self.add(run.len());
                fold.iter().try_for_each(|fold| self.folding.extend(fold, run.clone()))?;
            }
        }
        self.used += used;
        self.dropped += rows.len() as u64 - used;
        self.bound();
        Ok(())
    }

    fn finish(&mut self, keys: &[ArrayRef], row: usize) -> Result<(), Failure> {
        let fitted = match self.state {
            Open::Whole => self.fit_whole(keys, row)?,
            Open::Folded => self.fit_folded()?,
            Open::TooLarge => self.table.too_large(self.group_bytes_max),
        };
        self.finished.push((keys, row), &fitted, self.used, self.dropped)?;
        self.held.iter_mut().for_each(Vec::clear);
        self.texts.clear();
        self.folding.forget_group();
        self.folded.clear();
        if let Some(moments) = &mut self.moments {
            moments.clear();
        }
        (self.used, self.dropped, self.state) = (0, 0, Open::Whole);
        Ok(())
    }

    fn moments_wanted(&self) -> Option<usize> {
        self.moments.as_ref().map(|_| self.held.len())
    }

    fn moments(
        &mut self,
        keys: &[ArrayRef],
        row: usize,
        (moments, dropped): (MomentsRef<'_>, u64),
    ) -> Result<bool, Failure> {
        let fitted = self.table.fit_moments(moments, None)?;
        if fitted.loses_digits() {
            return Ok(false);
        }
        self.finished.push((keys, row), &fitted, moments.count, dropped)?;
        Ok(true)
    }
}

impl ModelsOfGroups for ModelTrainer {
    fn models(&mut self) -> &mut FinishedModels {
        &mut self.finished
    }
}

/// A column of a batch.
enum Variable<'a> {
    Numbers {
        values: &'a [f64],
        nulls: Option<&'a NullBuffer>,
    },
    /// Of the target alone.
    Texts(&'a StringArray),
}

impl Variable<'_> {
    /// Whether a row has a value there that can be trained on. Null rows hold arbitrary numbers, so nullness is looked at on
    /// its own.
    fn has(&self, row: usize) -> bool {
        match self {
            Self::Numbers { values, nulls } => values[row].is_finite() && nulls.is_none_or(|nulls| nulls.is_valid(row)),
            Self::Texts(texts) => texts.is_valid(row),
        }
    }

    fn is_weight(&self, row: usize) -> bool {
        matches!(self, Self::Numbers { values, .. } if values[row] >= 0.0)
    }

    /// Copies the values of some rows: NaN where there is none, and the numbers of texts.
    fn append_to(&self, held: &mut Vec<f64>, rows: Range<usize>, numbers: &mut TextClasses) {
        match self {
            Self::Numbers { values, nulls } => {
                let start = held.len();
                held.extend_from_slice(&values[rows.clone()]);
                if let Some(nulls) = nulls {
                    for (value, _) in held[start..].iter_mut().zip(rows).filter(|(_, row)| nulls.is_null(*row)) {
                        *value = f64::NAN;
                    }
                }
            }
            Self::Texts(texts) => held.extend(rows.map(|row| numbers.number(texts.value(row)))),
        }
    }
}

/// The variables of a batch.
fn variables_of(columns: &[ArrayRef], expected: usize) -> Result<Vec<Variable<'_>>, Failure> {
    if columns.len() != expected {
        return Err(Failure::internal(format!("{expected} variables were expected, {} came", columns.len())));
    }
    let variable = |column| match ArrayRef::as_primitive_opt::<Float64Type>(column) {
        Some(floats) => Ok(Variable::Numbers { values: floats.values(), nulls: floats.nulls() }),
        None => match column.as_string_opt::<i32>() {
            Some(texts) => Ok(Variable::Texts(texts)),
            None => Err(Failure::internal(format!("a variable is a {}, no float", column.data_type()))),
        },
    };
    columns.iter().map(variable).collect()
}

fn slices(held: &[Vec<f64>]) -> Vec<&[f64]> {
    held.iter().map(Vec::as_slice).collect()
}

/// Calls `each` with held variables as rows: the features, the target, and last the weights where there are some.
fn with_rows<T>(held: &[Vec<f64>], weighted: bool, each: impl FnOnce(Rows<'_>) -> T) -> T {
    let columns = slices(held);
    let (variables, weights) = columns.split_at(columns.len() - usize::from(weighted));
    let (features, target) = variables.split_at(variables.len() - 1);
    let rows = Rows::new(features, target[0]);
    each(match weights {
        [weights] => rows.with_weights(weights),
        _ => rows,
    })
}
