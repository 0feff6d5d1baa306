//! Predictions for a batch: rows beside the model of their group. A pure function but for the models that it remembers.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, BinaryViewArray, Float64Array, Float64Builder, MapBuilder, StringArray, StringBuilder, StructArray,
};
use datafusion::arrow::buffer::NullBuffer;
use shoal_core::Failure;
use shoal_ml::model::Prediction;

use super::cache::{Cache, Loaded, Ready};
use super::gather::{FeatureValues, gather, no_number, unknown_category};
use super::output::{map_names, scored_fields};
use super::{FeatureColumn, Outcome};

/// Predicts for batches.
#[derive(Debug)]
pub(super) struct Predictor {
    pub(super) features: Vec<FeatureColumn>,
    pub(super) outcome: Outcome,
    pub(super) level: Option<f64>,
    pub(super) statuses: Vec<String>,
    pub(super) cache: Cache,
}

/// Rows that one model predicts for, and what it says.
struct Run {
    loaded: Arc<Loaded>,
    rows: Vec<usize>,
    prediction: Option<Prediction>,
}

/// What is said of a row: by which run, and at which of its places.
type Answers = Vec<Result<(usize, usize), String>>;

impl Predictor {
    /// What is predicted for each row, as a struct of [`scored_fields`]: the status of the row's model, which is null where
    /// there is none, its stored form, and a column per feature.
    pub(super) fn predict(
        &self,
        status: &StringArray,
        models: &BinaryViewArray,
        columns: &[ArrayRef],
    ) -> Result<StructArray, Failure> {
        let values: Vec<FeatureValues<'_>> = columns.iter().map(FeatureValues::of).collect();
        let (mut answers, mut runs) = self.runs(status, models);
        for (number, run) in runs.iter_mut().enumerate() {
            let Ok(ready) = run.loaded.as_ref() else { continue };
            run.rows.retain(|row| match unknown_category(ready, &values, *row) {
                Some(reason) => {
                    answers[*row] = Err(reason);
                    false
                }
                None => true,
            });
            let gathered = gather(ready, &values, &run.rows);
            let gathered: Vec<_> = gathered.iter().map(super::gather::Gathered::values).collect();
            let prediction = ready
                .model
                .predict(run.rows.len(), &gathered, self.level)
                .map_err(|error| Failure::internal("a model does not fit its rows").because(&error))?;
            for (place, row) in run.rows.iter().enumerate() {
                answers[*row] = answer(&prediction, ready, &values, number, place, *row);
            }
            run.prediction = Some(prediction);
        }
        self.build(&answers, &runs)
    }

    /// Rows by their model, each read once; rows without one have their reason already.
    fn runs(&self, status: &StringArray, models: &BinaryViewArray) -> (Answers, Vec<Run>) {
        let mut answers = Vec::with_capacity(status.len());
        let mut runs: Vec<Run> = Vec::new();
        // Rows that were joined with one model share its bytes, so that these need not be compared.
        let mut places: HashMap<(usize, usize), usize> = HashMap::new();
        for row in 0..status.len() {
            if let Some(reason) = self.without_model(status, models, row) {
                answers.push(Err(reason));
                continue;
            }
            let bytes = models.value(row);
            let number = *places.entry((bytes.as_ptr() as usize, bytes.len())).or_insert_with(|| {
                let loaded = self.cache.get(bytes, &self.features, self.outcome);
                runs.push(Run { loaded, rows: Vec::new(), prediction: None });
                runs.len() - 1
            });
            answers.push(match runs[number].loaded.as_ref() {
                Err(reason) => Err(reason.clone()),
                Ok(_) => {
                    runs[number].rows.push(row);
                    Ok((number, runs[number].rows.len() - 1))
                }
            });
        }
        (answers, runs)
    }

    fn without_model(&self, status: &StringArray, models: &BinaryViewArray, row: usize) -> Option<String> {
        if status.is_null(row) {
            return Some("no_model".to_owned());
        }
        let status = status.value(row);
        if !self.statuses.iter().any(|usable| usable == status) || models.is_null(row) {
            return Some(format!("model_failed: {status}"));
        }
        None
    }

    fn build(&self, answers: &Answers, runs: &[Run]) -> Result<StructArray, Failure> {
        let mut columns = match self.outcome {
            Outcome::Number => self.numbers(answers, runs),
            Outcome::Classes => classes(answers, runs)?,
        };
        let reasons: StringArray = answers.iter().map(|answer| answer.as_ref().err()).collect();
        columns.push(Arc::new(reasons));
        StructArray::try_new_with_length(
            scored_fields(self.outcome, self.level.is_some()),
            columns,
            None::<NullBuffer>,
            answers.len(),
        )
        .map_err(|error| Failure::internal("predictions do not fit their columns").because(&error))
    }

    fn numbers(&self, answers: &Answers, runs: &[Run]) -> Vec<ArrayRef> {
        let collect = |value: &dyn Fn(&Prediction, usize) -> Option<f64>| {
            let of = |answer: &Result<(usize, usize), String>| {
                let (run, place) = *answer.as_ref().ok()?;
                value(runs[run].prediction.as_ref()?, place).filter(|value| value.is_finite())
            };
            Arc::new(answers.iter().map(of).collect::<Float64Array>()) as ArrayRef
        };
        let mut columns = vec![collect(&|prediction, place| Some(prediction.values[place]))];
        if self.level.is_some() {
            columns.push(collect(&|prediction, place| Some(prediction.interval.as_ref()?.lower[place])));
            columns.push(collect(&|prediction, place| Some(prediction.interval.as_ref()?.upper[place])));
        }
        columns
    }
}

fn answer(
    prediction: &Prediction,
    ready: &Ready,
    values: &[FeatureValues<'_>],
    run: usize,
    place: usize,
    row: usize,
) -> Result<(usize, usize), String> {
    let width = prediction.width;
    let is_finite = prediction.values[place * width..(place + 1) * width].iter().all(|value| value.is_finite());
    if is_finite { Ok((run, place)) } else { Err(no_number(ready, values, row)) }
}

/// The likeliest class of each row, and the probability of each.
fn classes(answers: &Answers, runs: &[Run]) -> Result<Vec<ArrayRef>, Failure> {
    let mut likeliest = StringBuilder::new();
    let mut shares = MapBuilder::new(Some(map_names()), StringBuilder::new(), Float64Builder::new());
    for answer in answers {
        let known = answer.as_ref().ok().and_then(|(run, place)| {
            let ready = runs[*run].loaded.as_ref().as_ref().ok()?;
            Some((runs[*run].prediction.as_ref()?, &ready.model.classes, *place))
        });
        let appended = match known {
            Some((prediction, classes, place)) => {
                likeliest.append_option(prediction.class(place).and_then(|class| classes.get(class)));
                let width = prediction.width;
                for (class, share) in classes.iter().zip(&prediction.values[place * width..(place + 1) * width]) {
                    shares.keys().append_value(class);
                    shares.values().append_value(*share);
                }
                shares.append(true)
            }
            None => {
                likeliest.append_null();
                shares.append(false)
            }
        };
        appended.map_err(|error| Failure::internal("probabilities do not make a map").because(&error))?;
    }
    Ok(vec![Arc::new(likeliest.finish()), Arc::new(shares.finish())])
}
