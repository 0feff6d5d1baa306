use super::{Function, refuse_duplicates};
use crate::failure::Failure;
use crate::spec::v1alpha1::{self, InputTable, ModelsTable, OutputTable};

/// Predicts for the rows of a table, each by the model of its group.
#[derive(Clone, Debug)]
pub struct GroupedScoring {
    /// The models; the location is absolute.
    pub models: ModelsTable,
    /// The rows; the location is absolute.
    pub input: InputTable,
    /// Aliased expressions for features that are no columns: distinct.
    pub features: Vec<String>,
    /// Columns of the input that the output has: distinct; all where it is absent.
    pub keep: Option<Vec<String>>,
    /// Name of the column of predictions, where it is not the usual one.
    pub prediction_column: Option<String>,
    /// With which probability a new row's value lies between the bounds, where bounds are asked for.
    pub level: Option<f64>,
    /// Statuses of models that predict.
    pub statuses: Vec<String>,
    /// How rows meet the models.
    pub strategy: ScoringStrategy,
    /// The user's function that predicts, where the models do not do so by themselves.
    pub function: Option<Box<Function>>,
    /// The table of predictions; the location is absolute.
    pub output: OutputTable,
}

/// How rows meet the models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScoringStrategy {
    /// Decided by the size of the models.
    Auto,
    /// Each task reads all models.
    Broadcast,
    /// Rows and models are exchanged, dealt to so many buckets where that is said.
    Bucket(Option<u32>),
}

impl ScoringStrategy {
    fn parse(spec: &v1alpha1::ScoringStrategy) -> Self {
        match spec {
            v1alpha1::ScoringStrategy { broadcast: Some(_), .. } => Self::Broadcast,
            v1alpha1::ScoringStrategy { bucket: Some(bucket), .. } => Self::Bucket(bucket.buckets),
            v1alpha1::ScoringStrategy { auto: _, .. } => Self::Auto,
        }
    }
}

impl GroupedScoring {
    pub(super) fn parse(spec: &v1alpha1::GroupedScoring) -> Result<Self, Failure> {
        const PATH: &str = "spec.groupedScoring";
        // Taken apart without `..`, so that a new field cannot be forgotten here.
        let v1alpha1::GroupedScoring {
            models,
            input,
            features,
            keep,
            prediction_column,
            interval,
            statuses,
            strategy,
            python,
            output,
        } = spec;
        refuse_duplicates(features, &format!("{PATH}.features"), "feature")?;
        refuse_duplicates(keep.as_deref().unwrap_or_default(), &format!("{PATH}.keep"), "column")?;
        Ok(Self {
            models: models.clone(),
            input: input.clone(),
            features: features.clone(),
            keep: keep.clone(),
            prediction_column: prediction_column.clone(),
            level: interval.as_ref().map(|interval| interval.level),
            statuses: statuses.clone(),
            strategy: ScoringStrategy::parse(strategy),
            function: python.as_ref().map(|python| parse_function(python, PATH)).transpose()?,
            output: output.clone(),
        })
    }
}

fn parse_function(spec: &v1alpha1::PythonPredictor, path: &str) -> Result<Box<Function>, Failure> {
    Function::parse(&spec.clone().into(), path).map(Box::new)
}
