//! A job as the rest of the code sees it: parsed once, so that a wrong state cannot be written.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::failure::{Failure, Reason};
use crate::id::JobUid;
use crate::spec::v1alpha1::{self, FailurePolicy, OnMissing, OutputTable, ShoalJob, Statistics};

mod function;
mod model;

pub use function::{Function, Installed, Packages, Source};
pub use model::Model;

mod grouped_scoring;

pub use grouped_scoring::{GroupedScoring, ScoringStrategy};

/// The name of the constant term in the output; no feature may take it.
pub const INTERCEPT: &str = "intercept";

/// A submitted job.
#[derive(Clone, Debug)]
pub struct Job {
    /// This submission.
    pub uid: JobUid,
    /// Name, unique among the head's jobs.
    pub name: String,
    /// The spec as it was submitted.
    pub spec: Arc<ShoalJob>,
    /// When it gives up.
    pub failure_policy: FailurePolicy,
    /// What it does.
    pub work: Work,
}

/// What a job does, one variant per kind.
#[derive(Clone, Debug)]
pub enum Work {
    /// One model per group.
    GroupedTraining(GroupedTraining),
    /// Predictions by the models of groups.
    GroupedScoring(GroupedScoring),
}

impl Work {
    /// The kind's name, which is also the name of its member of `spec`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::GroupedTraining(_) => "groupedTraining",
            Self::GroupedScoring(_) => "groupedScoring",
        }
    }

    /// What its progress counts.
    pub fn unit(&self) -> &'static str {
        match self {
            Self::GroupedTraining(_) => "groups",
            Self::GroupedScoring(_) => "rows",
        }
    }

    /// Everything that the job names by path or URL, with the path of its field.
    pub fn places(&self) -> Vec<(String, &str)> {
        let mut places = self.tables();
        let Some(function) = self.function() else { return places };
        let field = |member: &str| format!("{}.{member}", function.field);
        // What was uploaded lies with the head, and not where its path says.
        let is_local = |file: &str| function.uploaded(file).is_none();
        if let Source::File(file) = &function.source
            && is_local(file)
        {
            places.push((field("file"), file));
        }
        if let Some(Installed { packages: Packages::File(file), .. }) = &function.installed
            && is_local(file)
        {
            places.push((field("environment.requirements"), file));
        }
        places
    }

    /// The user's function that its tasks call, if any.
    pub fn function(&self) -> Option<&Function> {
        match self {
            Self::GroupedTraining(GroupedTraining { learner: Learner::Function(function), .. }) => Some(function),
            Self::GroupedTraining(_) => None,
            Self::GroupedScoring(scoring) => scoring.function.as_deref(),
        }
    }

    /// Every table that the job names, with the path of its field.
    pub fn tables(&self) -> Vec<(String, &str)> {
        match self {
            Self::GroupedTraining(training) => vec![
                (format!("spec.{}.input.table", self.kind()), &training.input.table),
                (format!("spec.{}.output.table", self.kind()), &training.output.table),
            ],
            Self::GroupedScoring(scoring) => vec![
                (format!("spec.{}.models.table", self.kind()), &scoring.models.table),
                (format!("spec.{}.input.table", self.kind()), &scoring.input.table),
                (format!("spec.{}.output.table", self.kind()), &scoring.output.table),
            ],
        }
    }

    /// The tables that the job writes.
    pub fn outputs(&self) -> Vec<&OutputTable> {
        match self {
            Self::GroupedTraining(training) => vec![&training.output],
            Self::GroupedScoring(scoring) => vec![&scoring.output],
        }
    }
}

/// Trains one model per group of a table's rows.
#[derive(Clone, Debug)]
pub struct GroupedTraining {
    /// The rows; the location is absolute.
    pub input: v1alpha1::InputTable,
    /// Columns that make a group: distinct, at least one.
    pub group_by: Vec<String>,
    /// What happens to a row with a missing value.
    pub on_missing: OnMissing,
    /// How rows of a group meet.
    pub strategy: Strategy,
    /// What the output says of each model.
    pub statistics: Statistics,
    /// How models are tested on rows that they were not trained on, where they are.
    pub evaluate: Option<Evaluate>,
    /// What makes a model of a group.
    pub learner: Learner,
    /// The table of models; the location is absolute.
    pub output: OutputTable,
}

/// What makes a model of a group.
#[derive(Clone, Debug)]
pub enum Learner {
    /// One of ours.
    Model(Box<Model>),
    /// A function of the user's.
    Function(Box<Function>),
}

impl Learner {
    fn parse(spec: &v1alpha1::Model, path: &str) -> Result<Self, Failure> {
        Ok(match &spec.python {
            Some(python) => Self::Function(Box::new(Function::parse(python, path)?)),
            None => Self::Model(Box::new(Model::parse(spec, path)?)),
        })
    }
}

/// How rows are chosen that a model is tested on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evaluate {
    /// By a hash of their values, in so many folds.
    Hashed(u32),
    /// By the value of a column or aliased expression.
    Column(String),
    /// By their order in time.
    Time(v1alpha1::TimeFolds),
}

/// How rows of a group meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Decided from a sample.
    Auto,
    /// States are exchanged.
    Aggregate,
    /// Rows are exchanged, dealt to so many buckets where that is said.
    Bucket(Option<u32>),
}

impl Job {
    /// Makes a job of a spec that its schema has accepted, and checks what a schema cannot say.
    ///
    /// # Errors
    /// A failure with the field's path: no kind or model, a name twice, a feature called `intercept`.
    pub fn parse(uid: JobUid, spec: Arc<ShoalJob>) -> Result<Self, Failure> {
        let work = match (&spec.spec.grouped_training, &spec.spec.grouped_scoring) {
            (Some(training), None) => Work::GroupedTraining(parse_grouped_training(training)?),
            (None, Some(scoring)) => Work::GroupedScoring(GroupedScoring::parse(scoring)?),
            (None, None) => {
                return Err(Failure::new(Reason::MissingField, "the job says nothing to do")
                    .field("spec")
                    .next("add `groupedTraining` or `groupedScoring`"));
            }
            (Some(_), Some(_)) => {
                return Err(Failure::new(Reason::InvalidValue, "a job is of one kind")
                    .field("spec")
                    .next("make two jobs of it, one after the other"));
            }
        };
        Ok(Self { uid, name: spec.metadata.name.clone(), failure_policy: spec.spec.failure_policy.clone(), work, spec })
    }
}

fn parse_grouped_training(spec: &v1alpha1::GroupedTraining) -> Result<GroupedTraining, Failure> {
    const PATH: &str = "spec.groupedTraining";
    // Taken apart without `..`, so that a new field cannot be forgotten here.
    let v1alpha1::GroupedTraining { input, group_by, on_missing, strategy, statistics, evaluate, model, output } = spec;
    refuse_duplicates(group_by, &format!("{PATH}.groupBy"), "key")?;
    Ok(GroupedTraining {
        input: input.clone(),
        group_by: group_by.clone(),
        on_missing: *on_missing,
        strategy: parse_strategy(strategy),
        statistics: *statistics,
        evaluate: evaluate.as_ref().map(parse_evaluate).transpose()?,
        learner: Learner::parse(model, &format!("{PATH}.model"))?,
        output: output.clone(),
    })
}

fn parse_strategy(spec: &v1alpha1::Strategy) -> Strategy {
    match spec {
        v1alpha1::Strategy { aggregate: Some(_), .. } => Strategy::Aggregate,
        v1alpha1::Strategy { bucket: Some(bucket), .. } => Strategy::Bucket(bucket.buckets),
        v1alpha1::Strategy { auto: _, .. } => Strategy::Auto,
    }
}

fn parse_evaluate(spec: &v1alpha1::Evaluate) -> Result<Evaluate, Failure> {
    match spec {
        v1alpha1::Evaluate { folds: Some(folds), .. } => Ok(Evaluate::Hashed(*folds)),
        v1alpha1::Evaluate { column: Some(column), .. } => Ok(Evaluate::Column(column.clone())),
        v1alpha1::Evaluate { time: Some(time), .. } => Ok(Evaluate::Time(time.clone())),
        v1alpha1::Evaluate { folds: None, column: None, time: None } => {
            Err(Failure::new(Reason::MissingField, "it is not said which rows a model is tested on")
                .field("spec.groupedTraining.evaluate")
                .next("add `folds: 5`"))
        }
    }
}

fn refuse_duplicates(names: &[String], path: &str, what: &str) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    match names.iter().position(|name| !seen.insert(name)) {
        Some(index) => Err(Failure::new(Reason::DuplicateName, format!("{what} `{}` is there twice", names[index]))
            .field(format!("{path}[{index}]"))
            .next("remove one of the two")),
        None => Ok(()),
    }
}
