//! Decides what comes next. Pure.

use shoal_core::Payload;
use shoal_core::job::{GroupedTraining, Learner, Strategy};
use shoal_core::kind::{Capacity, Planned, StageOutcome, Step};
use shoal_core::task::{StagePlan, TaskPlan};
use shoal_core::{Failure, Job};
use shoal_engine::delta::schema_json;
use shoal_engine::keys::Buckets;
use shoal_engine::models::{Estimator, Training};
use shoal_engine::table::Split;
use shoal_ml::Needs;

use super::clustered::{self, Reading};
use super::environment;
use super::fitting::{Fitting, FunctionCall};
use super::learn::{encoders, has_to_learn};
use super::skew;
use super::strategy::{Decision, Known, decide};
use super::tasks::{
    Exchange, Facts, LearnStage, Learned, MapStage, MeasureTask, ReduceStage, Sample, TrainStage, stage,
};
use crate::planning::{
    self, bucket_tasks, bytes_of, check_failed, counted, known_rows, largest, last_outputs, last_stage, no_rows,
    one_per_slot, split_tasks, splits_for,
};

/// Bytes of rows that one reduce task pulls: few enough to stay in the last cache of a processor from when they are pulled
/// until they are trained, and enough for a file of models that is worth opening.
const BUCKET_BYTES: u64 = 24 << 20;

/// As many as that of a large table: what a slot holds in memory, in workers of a gigabyte too.
const BUCKET_BYTES_MAX: u64 = 64 << 20;

/// Buckets of the smaller size at the most: where there would be more, they grow before their number does.
const SMALL_BUCKETS_MAX: u64 = 256;

/// Bytes of a float, and of a number or a short text that is a key.
const WORD: u64 = 8;

/// Buckets at the most: each costs a file, and every pair of split and bucket a partition.
const BUCKETS_MAX: u32 = 4_096;

pub(super) fn plan(
    job: &Job,
    training: &GroupedTraining,
    facts: &Facts,
    done: &[StageOutcome],
    capacity: Capacity,
) -> Result<Planned, Failure> {
    match done.last().map(|outcome| outcome.name.as_str()) {
        None if facts.program.as_ref().is_some_and(|it| it.requirements.is_some()) => environment(facts, capacity),
        None | Some(stage::ENVIRONMENT) if facts.program.is_some() => load(facts, done, capacity),
        None if has_to_learn(&facts.columns) => learn(facts, capacity),
        None | Some(stage::LOAD | stage::LEARN) => begin(training, facts, done, capacity),
        Some(stage::MEASURE) => map(training, facts, done, trained(training, facts, done)?, capacity),
        Some(stage::MAP) => reduce(training, facts, done),
        Some(stage::TRAIN) if counted(last_outputs(done)).rows_in == 0 => {
            Err(no_rows(&training.input, "groupedTraining", "to train on"))
        }
        Some(stage::REDUCE | stage::TRAIN) => publish(job, training, facts, done),
        Some(other) => Err(Failure::internal(format!("stage `{other}` is none of grouped training"))),
    }
}

/// What the models are of, once the categories are known.
fn trained(training: &GroupedTraining, facts: &Facts, done: &[StageOutcome]) -> Result<Fitting, Failure> {
    let model = match (&training.learner, &facts.program) {
        (Learner::Model(model), _) => model,
        (Learner::Function(_), Some(program)) => {
            return Ok(Fitting::Function(Box::new(FunctionCall { program: program.clone() })));
        }
        (Learner::Function(_), None) => return Err(Failure::internal("the function's code was not read")),
    };
    let learned = done.iter().filter(|stage| stage.name == stage::LEARN).flat_map(|stage| &stage.outputs);
    let learned = learned.map(|output| output.payload.read()).collect::<Result<Vec<Learned>, _>>()?;
    let encoders = encoders(&facts.columns, &learned, model.name())?;
    Ok(Fitting::Model(Box::new(Training::new(training, model, &facts.columns, &encoders))))
}

/// What is done first once the function is loaded, or the categories are known.
fn begin(
    training: &GroupedTraining,
    facts: &Facts,
    done: &[StageOutcome],
    capacity: Capacity,
) -> Result<Planned, Failure> {
    let trained = trained(training, facts, done)?;
    if training.strategy != Strategy::Auto {
        return map(training, facts, done, trained, capacity);
    }
    let splits = splits_of(facts, capacity);
    if is_for_one_task(facts, &trained, &splits) {
        train_by_one(training, facts, trained, &splits)
    } else if is_measured(facts, &trained, capacity, splits.len()) {
        measure(facts)
    } else {
        map(training, facts, done, trained, capacity)
    }
}

/// Whether one task reads the input and trains it, faster than several that would have to exchange what they read: where
/// one would read all of it anyway, holds its rows, and has little to do for each.
fn is_for_one_task(facts: &Facts, trained: &Fitting, splits: &[Split]) -> bool {
    splits.len() <= 1 && trained.needs() == Needs::Moments && bytes_of_rows(facts, trained) <= BUCKET_BYTES
}

/// Whether it depends on the data what travels between workers, or which groups are to be kept from others.
fn is_measured(facts: &Facts, trained: &Fitting, capacity: Capacity, splits: usize) -> bool {
    match trained.needs() {
        Needs::Moments => known(facts, trained, splits).few_states().is_none(),
        Needs::Rows => {
            capacity.slots > 1 && !matches!(reading(facts, trained, capacity), Some(Reading::WholeGroups(_)))
        }
    }
}

/// What planning knows of so many splits without a sample.
fn known(facts: &Facts, trained: &Fitting, splits: usize) -> Known {
    Known {
        rows_per_split: known_rows(&facts.files).map(|rows| rows.div_ceil(splits.max(1) as u64)),
        groups_max: facts.groups_max,
        keys: facts.columns.keys.len() as u64,
        variables: trained.variables(&facts.columns) as u64,
    }
}

/// What of a job is done once its models are written: a commit takes as long for many as for few.
const TRAINED_PERCENT: u8 = 99;

/// What of a job is done once its categories are known, for which all rows are read.
const LEARNED_PERCENT: u8 = 20;

/// How many times as long it takes to merge, fit and write a state as to read a row and fold it, about.
const STATE_TO_ROW: f64 = 3.0;

/// States for each row, where nobody knows.
const STATES_PER_ROW: f64 = 0.03;

/// What of a job is done once its rows are dealt, as a first guess: the more there is to do for a group, the less.
fn percent_after_map(facts: &Facts, trained: &Fitting, exchange: Exchange, states_per_row: Option<f64>) -> u8 {
    let percent = match (trained, exchange) {
        (Fitting::Function(_), _) => 20,
        // Rows are folded as they are read, and what is left is a state for each group.
        (Fitting::Model(_), Exchange::States) => {
            (100.0 / (1.0 + STATE_TO_ROW * states_per_row.unwrap_or(STATES_PER_ROW))) as u8
        }
        (Fitting::Model(training), Exchange::Rows) => match training.estimator {
            Estimator::Forest(..) | Estimator::Boosting(..) => 10,
            Estimator::Logistic(..) | Estimator::Glm(_) => 40,
            Estimator::Ols(..)
            | Estimator::Ridge(_)
            | Estimator::Lasso(_)
            | Estimator::ElasticNet(_)
            | Estimator::Mean => 60,
        },
    };
    match has_to_learn(&facts.columns) {
        false => percent,
        true => LEARNED_PERCENT + (u32::from(100 - LEARNED_PERCENT) * u32::from(percent) / 100) as u8,
    }
}

/// How an input that is clustered by key is read, if it is.
fn reading(facts: &Facts, trained: &Fitting, capacity: Capacity) -> Option<Reading> {
    let is_clustered = !facts.clusters.is_empty();
    is_clustered.then(|| clustered::reading(&facts.clusters, row_bytes(facts, trained), capacity.slots, BUCKET_BYTES))
}

/// Bytes of a row as tasks hold it.
fn row_bytes(facts: &Facts, trained: &Fitting) -> u64 {
    (facts.columns.keys.len() + trained.variables(&facts.columns)) as u64 * WORD
}

/// Processes load the function before anything else is done: that shows what is wrong with it, and they stay for the groups.
fn load(facts: &Facts, done: &[StageOutcome], capacity: Capacity) -> Result<Planned, Failure> {
    let note = facts.program.as_ref().map(|program| environment::in_words(program, done)).transpose()?.flatten();
    let common = Payload::of(&facts.program)?;
    Ok(run(stage::LOAD, None, 2, common, one_per_slot(capacity), note.into_iter().collect()))
}

/// Where packages are to be installed for the function, that comes before it is loaded.
fn environment(facts: &Facts, capacity: Capacity) -> Result<Planned, Failure> {
    let tasks = environment::tasks(facts.program.as_ref(), capacity);
    Ok(run(stage::ENVIRONMENT, None, 1, Payload::of(&facts.program)?, tasks, Vec::new()))
}

/// Bytes of all rows as tasks hold them; where nobody knows how many there are, those of the files.
fn bytes_of_rows(facts: &Facts, trained: &Fitting) -> u64 {
    let in_files = bytes_of(&facts.files);
    known_rows(&facts.files).map_or(in_files, |rows| rows.saturating_mul(row_bytes(facts, trained)).max(in_files))
}

fn learn(facts: &Facts, capacity: Capacity) -> Result<Planned, Failure> {
    let common = LearnStage { table: facts.table.clone(), columns: facts.columns.clone() };
    let tasks = split_tasks(&splits_of(facts, capacity))?;
    let note = "categories are learned from all rows before models are trained".to_owned();
    Ok(run(stage::LEARN, None, LEARNED_PERCENT, Payload::of(&common)?, tasks, vec![note]))
}

fn splits_of(facts: &Facts, capacity: Capacity) -> Vec<Split> {
    splits_for(&facts.table, &facts.files, capacity.slots)
}

fn measure(facts: &Facts) -> Result<Planned, Failure> {
    let file = largest(&facts.files)?.clone();
    let payload = MeasureTask { table: facts.table.clone(), columns: facts.columns.clone(), file };
    let task = TaskPlan { bucket: None, weight: 1, payload: Payload::of(&payload)? };
    Ok(run(stage::MEASURE, None, 3, Payload::default(), vec![task], Vec::new()))
}

fn map(
    training: &GroupedTraining,
    facts: &Facts,
    done: &[StageOutcome],
    trained: Fitting,
    capacity: Capacity,
) -> Result<Planned, Failure> {
    let measured = done.last().filter(|outcome| outcome.name == stage::MEASURE);
    let sample: Option<Sample> =
        measured.and_then(|outcome| outcome.outputs.first()).map(|output| output.payload.read()).transpose()?;
    let splits = splits_of(facts, capacity);
    let known = known(facts, &trained, splits.len());
    let Decision { exchange, buckets, states_per_row, note } =
        decide(training.strategy, trained.needs(), sample.as_ref(), known);
    let buckets = buckets.unwrap_or_else(|| bucket_count(exchange, bytes_of_rows(facts, &trained), capacity.slots));
    let own = match exchange {
        Exchange::Rows => skew::own_buckets(sample.as_ref(), buckets),
        // However many rows a group has, its states are few.
        Exchange::States => Vec::new(),
    };
    let mut notes = vec![note];
    notes.extend(skew::in_words(own.len()));
    let common = map_stage(training, facts, &trained, exchange, Buckets::new(buckets, own));
    // What travels of states is less than whole groups would have to hold.
    if let Some(reading) = reading(facts, &trained, capacity).filter(|_| exchange == Exchange::Rows) {
        let keys = clustered::in_words(&facts.columns.keys);
        match reading {
            Reading::WholeGroups(splits) => {
                let note = format!("no exchange: the input is clustered by {keys}, and each task reads whole groups");
                let reduce = reduce_stage(training, facts, exchange, trained);
                return train(TrainStage { map: common, reduce }, &splits, note);
            }
            Reading::AsRowsLie(why) => {
                notes.push(format!("rows are exchanged although the input is clustered by {keys}: {why}"))
            }
        }
    }
    Ok(run(
        stage::MAP,
        None,
        percent_after_map(facts, &trained, exchange, states_per_row),
        Payload::of(&common)?,
        split_tasks(&splits)?,
        notes,
    ))
}

/// One task trains all groups of the input.
fn train_by_one(
    training: &GroupedTraining,
    facts: &Facts,
    trained: Fitting,
    splits: &[Split],
) -> Result<Planned, Failure> {
    let map = map_stage(training, facts, &trained, Exchange::Rows, Buckets::new(1, Vec::new()));
    let reduce = reduce_stage(training, facts, Exchange::Rows, trained);
    let note = "no exchange: the input is small enough for one task".to_owned();
    train(TrainStage { map, reduce }, splits, note)
}

fn train(stage: TrainStage, splits: &[Split], note: String) -> Result<Planned, Failure> {
    Ok(run(stage::TRAIN, None, TRAINED_PERCENT, Payload::of(&stage)?, split_tasks(splits)?, vec![note]))
}

fn map_stage(
    training: &GroupedTraining,
    facts: &Facts,
    trained: &Fitting,
    exchange: Exchange,
    buckets: Buckets,
) -> MapStage {
    MapStage {
        table: facts.table.clone(),
        columns: facts.columns.clone(),
        on_missing: training.on_missing,
        folds: trained.folds(),
        variables: trained.variable_names(),
        encoders: trained.encoders(),
        exchange,
        buckets,
        rows_and_bytes: known_rows(&facts.files)
            .filter(|_| facts.columns.filter.is_none())
            .map(|rows| (rows, bytes_of(&facts.files))),
    }
}

fn reduce(training: &GroupedTraining, facts: &Facts, done: &[StageOutcome]) -> Result<Planned, Failure> {
    let mapped = last_outputs(done);
    if counted(mapped).rows_in == 0 {
        return Err(no_rows(&training.input, "groupedTraining", "to train on"));
    }
    let common = reduce_stage(training, facts, exchange_of(done)?, trained(training, facts, done)?);
    Ok(run(
        stage::REDUCE,
        Some(last_stage(done)?),
        TRAINED_PERCENT,
        Payload::of(&common)?,
        bucket_tasks(mapped),
        Vec::new(),
    ))
}

fn reduce_stage(training: &GroupedTraining, facts: &Facts, exchange: Exchange, trained: Fitting) -> ReduceStage {
    let output_table = training.output.table.clone();
    ReduceStage { columns: facts.columns.clone(), exchange, training: trained, output_table }
}

fn publish(job: &Job, training: &GroupedTraining, facts: &Facts, done: &[StageOutcome]) -> Result<Planned, Failure> {
    let counters = counted(last_outputs(done));
    let next = "`status` and `message` of the groups in the output";
    check_failed(job, &counters, "groups have no `ok` model", next)?;
    Ok(planning::publish(job, "models", &training.output, schema_json(&facts.output_schema)?, done))
}

fn run(
    name: &str,
    reads: Option<u32>,
    percent_after: u8,
    common: Payload,
    tasks: Vec<TaskPlan>,
    notes: Vec<String>,
) -> Planned {
    Planned { step: Step::Run(StagePlan { name: name.to_owned(), reads, percent_after, common, tasks }), notes }
}

/// A bucket for every slot; where rows travel and would not fit, two or more for each, so that none waits for another.
fn bucket_count(exchange: Exchange, row_bytes: u64, slots: u32) -> u32 {
    let slots = slots.max(1);
    let rounds = match exchange {
        Exchange::States => 1,
        Exchange::Rows => {
            let bytes = (row_bytes / SMALL_BUCKETS_MAX).clamp(BUCKET_BYTES, BUCKET_BYTES_MAX);
            u32::try_from(row_bytes.div_ceil(bytes * u64::from(slots))).unwrap_or(u32::MAX).max(1)
        }
    };
    slots.saturating_mul(rounds).min(BUCKETS_MAX)
}

/// What the map tasks exchanged, as they report it.
fn exchange_of(done: &[StageOutcome]) -> Result<Exchange, Failure> {
    done.last()
        .and_then(|map| map.outputs.first())
        .map(|output| output.payload.read())
        .unwrap_or_else(|| Err(Failure::internal("no map task ran")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
