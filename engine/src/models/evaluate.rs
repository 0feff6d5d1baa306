//! Tests of models on rows of their group that they were not trained on.

use shoal_ml::metrics::{Confusion, LogLoss, RegressionErrors, roc_auc};
use shoal_ml::model::{Model, Values};
use shoal_ml::{CrossValidation, Moments, Needs, Rows, Summary, cross_validate, cross_validate_rows};

use super::fit::{GroupRows, Labels, class_names, coefficients};
use super::fitted::{Fitted, Value};
use super::own_columns::Holds;
use super::schema::ModelTable;

/// Rows that a model is trained on, and rows that it then predicts, by their numbers in the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    pub(super) train: Vec<usize>,
    pub(super) test: Vec<usize>,
}

/// Which rows of a group test models of which others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tests {
    /// Each fold is predicted by a model of all others; the number of each row's fold, from 0.
    Folds(Vec<usize>),
    /// Any splits.
    Splits(Vec<Split>),
}

impl Tests {
    /// Folds that follow each other in time, at the points `at`: `folds` parts of equal size at the end, each predicted by a
    /// model of all before it, as scikit-learn's `TimeSeriesSplit` has it. Of rows at one point the order stays. None where
    /// there are too few rows for as many parts.
    pub fn in_time(at: &[f64], folds: u32) -> Self {
        let mut order: Vec<usize> = (0..at.len()).collect();
        order.sort_by(|a, b| at[*a].total_cmp(&at[*b]));
        let folds = folds as usize;
        let size = at.len() / (folds + 1);
        if size == 0 {
            return Self::Splits(Vec::new());
        }
        let first = at.len() - folds * size;
        let starts = (0..folds).map(|fold| first + fold * size);
        let split = |start| Split { train: order[..start].to_vec(), test: order[start..start + size].to_vec() };
        Self::Splits(starts.map(split).collect())
    }

    pub(super) fn splits(&self) -> Vec<Split> {
        let fold_of = match self {
            Self::Splits(splits) => return splits.clone(),
            Self::Folds(fold_of) => fold_of,
        };
        let folds = fold_of.iter().max().map_or(0, |last| last + 1);
        let rows_of = |is_in: &dyn Fn(usize) -> bool| (0..fold_of.len()).filter(|row| is_in(fold_of[*row])).collect();
        let split = |fold| Split { train: rows_of(&|of| of != fold), test: rows_of(&|of| of == fold) };
        (0..folds).map(split).filter(|split| !split.test.is_empty()).collect()
    }
}

impl Fitted {
    /// With what models of all but one of the moments, one of each fold, say of that one.
    pub(crate) fn tested_on(self, table: &ModelTable, folds: &[Moments]) -> Self {
        let found = cross_validate(folds, |others| coefficients(&table.training().estimator, others));
        self.tested(of_numbers(&found))
    }
}

impl ModelTable {
    /// Tests models on rows of their group, by predictions of models of the others: what the table has of it.
    pub(crate) fn test(&self, fitted: Fitted, group: GroupRows<'_>, tests: &Tests) -> Fitted {
        let rows = group.rows;
        let training = self.training();
        let by_sums = training.estimator.needs() == Needs::Moments && rows.weights().is_none();
        if let (true, Tests::Folds(fold_of)) = (by_sums, tests) {
            let of_others = |others: Summary<'_>| coefficients(&training.estimator, others);
            return fitted.tested(of_numbers(&cross_validate_rows(rows, fold_of, of_others)));
        }
        let splits = tests.splits();
        // What is tested are rows of terms, however a model that is kept gets at these.
        let table = self.of_terms();
        let models = splits.iter().map(|split| {
            let train = Gathered::new(rows, &split.train);
            let fitted = train.with(|rows| table.fit_rows(GroupRows { rows, ..group }));
            (split, Predictor::new(fitted))
        });
        let predicts_numbers = training.evaluation_columns().iter().any(|column| column.name == "cv_rmse");
        let found = if predicts_numbers { number_errors(rows, models) } else { self.class_errors(group, models) };
        fitted.tested(found)
    }

    fn class_errors<'a>(
        &self,
        GroupRows { rows, hash: _, texts }: GroupRows<'_>,
        models: impl Iterator<Item = (&'a Split, Option<Predictor>)>,
    ) -> Vec<Value> {
        let Ok(labels) = Labels::of(rows.target(), None) else { return self.nothing_found() };
        let names = class_names(self.training(), texts, &labels.values);
        let mut confusion = Confusion::new(names.len());
        let (mut loss, mut rows_tested) = (LogLoss::default(), 0);
        let (mut positive, mut scores) = (Vec::new(), Vec::new());
        for (split, model) in models {
            let Some(Predictor::Stored(model)) = model else { continue };
            // A model may know fewer classes than the group has.
            let places: Vec<Option<usize>> =
                model.classes.iter().map(|class| names.iter().position(|name| name == class)).collect();
            let test = Gathered::new(rows, &split.test);
            let columns: Vec<Values<'_>> = test.features.iter().map(|column| Values::Numbers(column)).collect();
            let Ok(prediction) = model.predict(split.test.len(), &columns, None) else { continue };
            for (index, row) in split.test.iter().enumerate() {
                let shares = &prediction.values[index * prediction.width..(index + 1) * prediction.width];
                let of_class =
                    |class| places.iter().position(|place| *place == Some(class)).map_or(0.0, |at| shares[at]);
                let Some(best) = prediction.class(index).and_then(|class| places[class]) else { continue };
                confusion.push(labels.of_rows[*row], best);
                loss.push(of_class(labels.of_rows[*row]));
                positive.push(labels.of_rows[*row] == 1);
                scores.push(of_class(1));
                rows_tested += 1;
            }
        }
        let auc = (names.len() == 2).then(|| roc_auc(&positive, &scores)).flatten();
        vec![
            Value::Count(Some(rows_tested)),
            Value::Number(confusion.accuracy()),
            Value::Number(loss.mean()),
            Value::Number(confusion.macro_f1()),
            Value::Number(auc),
        ]
    }

    /// What the table says where nothing could be tested.
    pub(super) fn nothing_found(&self) -> Vec<Value> {
        let nothing = |holds| if holds == Holds::Count { Value::Count(Some(0)) } else { Value::Number(None) };
        self.training().evaluation_columns().iter().map(|column| nothing(column.holds)).collect()
    }
}

fn number_errors<'a>(rows: Rows<'_>, models: impl Iterator<Item = (&'a Split, Option<Predictor>)>) -> Vec<Value> {
    let mut errors = RegressionErrors::default();
    for (split, model) in models {
        let Some(model) = model else { continue };
        let test = Gathered::new(rows, &split.test);
        for (row, prediction) in split.test.iter().zip(model.numbers(&test)) {
            if prediction.is_finite() {
                errors.push(rows.target()[*row], prediction);
            }
        }
    }
    let rows = i64::try_from(errors.count()).ok();
    [Value::Count(rows)].into_iter().chain([errors.rmse(), errors.mae(), errors.r2()].map(Value::Number)).collect()
}

fn of_numbers(found: &CrossValidation) -> Vec<Value> {
    let CrossValidation { rows, rmse, mae, r2 } = found;
    [Value::Count(i64::try_from(*rows).ok())].into_iter().chain([*rmse, *mae, *r2].map(Value::Number)).collect()
}

/// What predicts by a fit.
enum Predictor {
    Stored(Model),
    /// Coefficients of a linear model, of which nothing else is kept.
    Linear(Vec<Option<f64>>),
}

impl Predictor {
    /// `None` where nothing was estimated.
    fn new(fitted: Fitted) -> Option<Self> {
        let mut linear = None;
        for value in fitted.values {
            match value {
                Value::Model(stored) => return Model::decode(&stored?).ok().map(Self::Stored),
                Value::PerTerm(coefficients) if linear.is_none() => linear = Some(coefficients),
                Value::PerTerm(_) | Value::Number(_) | Value::Count(_) => {}
            }
        }
        linear.filter(|values| values.iter().any(Option::is_some)).map(Self::Linear)
    }

    /// A number per row.
    fn numbers(&self, rows: &Gathered) -> Vec<f64> {
        match self {
            Self::Stored(model) => {
                let columns: Vec<Values<'_>> = rows.features.iter().map(|column| Values::Numbers(column)).collect();
                let columns = &columns[..model.features.len().min(columns.len())];
                model.predict(rows.target.len(), columns, None).map(|found| found.values).unwrap_or_default()
            }
            Self::Linear(coefficients) => {
                let (constant, slopes) = coefficients.split_at(coefficients.len() - rows.features.len());
                let constant = constant.first().copied().flatten().unwrap_or(0.0);
                let terms = |row: usize| slopes.iter().zip(&rows.features).map(move |(c, x)| c.unwrap_or(0.0) * x[row]);
                (0..rows.target.len()).map(|row| constant + terms(row).sum::<f64>()).collect()
            }
        }
    }
}

/// Some rows of a group, put together.
pub(super) struct Gathered {
    features: Vec<Vec<f64>>,
    target: Vec<f64>,
    weights: Option<Vec<f64>>,
}

impl Gathered {
    pub(super) fn new(rows: Rows<'_>, picked: &[usize]) -> Self {
        let pick = |column: &[f64]| picked.iter().map(|row| column[*row]).collect();
        Self {
            features: rows.features().iter().map(|column| pick(column)).collect(),
            target: pick(rows.target()),
            weights: rows.weights().map(pick),
        }
    }

    pub(super) fn with<T>(&self, each: impl FnOnce(Rows<'_>) -> T) -> T {
        let features: Vec<&[f64]> = self.features.iter().map(Vec::as_slice).collect();
        let rows = Rows::new(&features, &self.target);
        each(match &self.weights {
            Some(weights) => rows.with_weights(weights),
            None => rows,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_each_other_in_time() {
        // As `TimeSeriesSplit(3).split` of seven rows: the first part is the larger one.
        let Tests::Splits(splits) = Tests::in_time(&[5.0, 4.0, 3.0, 2.0, 1.0, 0.0, -1.0], 3) else {
            unreachable!("time gives splits")
        };
        let test: Vec<&[usize]> = splits.iter().map(|split| split.test.as_slice()).collect();
        assert_eq!(test, [&[2], &[1], &[0]]);
        assert_eq!(splits[1].train, [6, 5, 4, 3, 2]);
        assert_eq!(Tests::in_time(&[1.0, 2.0], 2), Tests::Splits(Vec::new()));
    }

    #[test]
    fn each_fold_is_predicted_by_all_others() {
        let splits = Tests::Folds(vec![0, 2, 0, 2]).splits();
        assert_eq!(splits.len(), 2, "a fold without rows is none");
        assert_eq!((splits[1].train.as_slice(), splits[1].test.as_slice()), (&[0, 2][..], &[1, 3][..]));
    }
}
