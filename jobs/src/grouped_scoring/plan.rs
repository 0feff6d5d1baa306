//! Decides what comes next. Pure.

use shoal_core::Payload;
use shoal_core::job::GroupedScoring;
use shoal_core::kind::{Capacity, Planned, StageOutcome, Step};
use shoal_core::task::{StagePlan, TaskPlan};
use shoal_core::{Failure, Job};
use shoal_engine::delta::schema_json;
use shoal_engine::scoring::Scoring;
use shoal_engine::table::Split;

use super::strategy::{Decision, decide, decide_for_function};
use super::tasks::{DealStage, DealTask, Facts, JoinStage, Output, Pinned, PredictStage, ScoreStage, Scorer, stage};
use crate::grouped_training::environment::{in_words, tasks};
use crate::planning::{
    self, bucket_tasks, check_failed, counted, last_outputs, last_stage, no_rows, one_per_slot, split_tasks, splits_for,
};

pub(super) fn plan(
    job: &Job,
    scoring: &GroupedScoring,
    facts: &Facts,
    done: &[StageOutcome],
    capacity: Capacity,
) -> Result<Planned, Failure> {
    match done.last().map(|outcome| outcome.name.as_str()) {
        None if facts.program.as_ref().is_some_and(|it| it.requirements.is_some()) => environment(facts, capacity),
        None | Some(stage::ENVIRONMENT) if facts.program.is_some() => load(facts, done, capacity),
        None | Some(stage::LOAD) => begin(scoring, facts, capacity),
        Some(stage::DEAL) => Ok(Planned { step: Step::Run(join(scoring, facts, done)?), notes: Vec::new() }),
        Some(stage::SCORE | stage::JOIN | stage::PREDICT) => publish(job, scoring, facts, done),
        Some(other) => Err(Failure::internal(format!("stage `{other}` is none of grouped scoring"))),
    }
}

/// What of a job is done once its predictions are written: a commit takes as long for many as for few.
const SCORED_PERCENT: u8 = 99;

fn environment(facts: &Facts, capacity: Capacity) -> Result<Planned, Failure> {
    let stage = before_rows(stage::ENVIRONMENT, 1, facts, tasks(facts.program.as_ref(), capacity))?;
    Ok(Planned { step: Step::Run(stage), notes: Vec::new() })
}

fn load(facts: &Facts, done: &[StageOutcome], capacity: Capacity) -> Result<Planned, Failure> {
    let note = facts.program.as_ref().map(|program| in_words(program, done)).transpose()?.flatten();
    let stage = before_rows(stage::LOAD, 2, facts, one_per_slot(capacity))?;
    Ok(Planned { step: Step::Run(stage), notes: note.into_iter().collect() })
}

/// A stage of the function alone.
fn before_rows(name: &str, percent_after: u8, facts: &Facts, tasks: Vec<TaskPlan>) -> Result<StagePlan, Failure> {
    let common = Payload::of(&facts.program)?;
    Ok(StagePlan { name: name.to_owned(), reads: None, percent_after, common, tasks })
}

fn begin(scoring: &GroupedScoring, facts: &Facts, capacity: Capacity) -> Result<Planned, Failure> {
    let (models, rows) = (facts.models.bytes(), facts.rows.bytes());
    let (stage, note) = match &facts.scoring {
        Scorer::Function(_) => {
            let Decision { buckets, note } = decide_for_function(scoring.strategy, models, rows, capacity.slots);
            (deal(facts, buckets.unwrap_or(1), capacity)?, note)
        }
        Scorer::Models(by) => {
            let Decision { buckets, note } = decide(scoring.strategy, models, rows, capacity.slots);
            let stage = match buckets {
                None => score(scoring, facts, by, capacity)?,
                Some(buckets) => deal(facts, buckets, capacity)?,
            };
            (stage, note)
        }
    };
    Ok(Planned { step: Step::Run(stage), notes: vec![note] })
}

fn score(scoring: &GroupedScoring, facts: &Facts, by: &Scoring, capacity: Capacity) -> Result<StagePlan, Failure> {
    let common = ScoreStage {
        models: facts.models.clone(),
        rows: facts.rows.table.clone(),
        scoring: by.clone(),
        output: output(scoring, facts),
    };
    let tasks = split_tasks(&splits_of(&facts.rows, capacity))?;
    Ok(StagePlan {
        name: stage::SCORE.to_owned(),
        reads: None,
        percent_after: SCORED_PERCENT,
        common: Payload::of(&common)?,
        tasks,
    })
}

fn deal(facts: &Facts, buckets: u32, capacity: Capacity) -> Result<StagePlan, Failure> {
    let common = DealStage {
        models: facts.models.table.clone(),
        rows: facts.rows.table.clone(),
        scoring: facts.scoring.clone(),
        buckets,
    };
    let models = splits_of(&facts.models, capacity).into_iter().map(DealTask::Models);
    let rows = splits_of(&facts.rows, capacity).into_iter().map(DealTask::Rows);
    let task = |task: DealTask| {
        let (DealTask::Models(split) | DealTask::Rows(split)) = &task;
        Ok(TaskPlan { bucket: None, weight: split.bytes.max(1), payload: Payload::of(&task)? })
    };
    let tasks = models.chain(rows).map(task).collect::<Result<_, Failure>>()?;
    Ok(StagePlan { name: stage::DEAL.to_owned(), reads: None, percent_after: 50, common: Payload::of(&common)?, tasks })
}

fn join(scoring: &GroupedScoring, facts: &Facts, done: &[StageOutcome]) -> Result<StagePlan, Failure> {
    let dealt = last_outputs(done);
    // What a task dealt stands in what it reports: the number of splits depends on slots, which may be others by now.
    let mut model_tasks = 0;
    for output in dealt {
        model_tasks += usize::from(output.payload.read::<bool>()?);
    }
    // A bucket of models alone has nobody to predict for.
    let tasks = bucket_tasks(&dealt[model_tasks..]);
    if tasks.is_empty() {
        return Err(nothing_to_predict_for(scoring));
    }
    let model_tasks = u32::try_from(model_tasks).map_err(|_| Failure::internal("too many tasks"))?;
    let output = output(scoring, facts);
    let (name, common) = match (&facts.scoring, &facts.program) {
        (Scorer::Models(by), _) => {
            (stage::JOIN, Payload::of(&JoinStage { scoring: by.as_ref().clone(), model_tasks, output })?)
        }
        (Scorer::Function(by), Some(program)) => {
            let (scoring, program) = (by.as_ref().clone(), program.clone());
            (stage::PREDICT, Payload::of(&PredictStage { scoring, program, model_tasks, output })?)
        }
        (Scorer::Function(_), None) => return Err(Failure::internal("the function's code was not read")),
    };
    Ok(StagePlan {
        name: name.to_owned(),
        reads: Some(last_stage(done)?),
        percent_after: SCORED_PERCENT,
        common,
        tasks,
    })
}

fn publish(job: &Job, scoring: &GroupedScoring, facts: &Facts, done: &[StageOutcome]) -> Result<Planned, Failure> {
    let counters = counted(last_outputs(done));
    if counters.rows_in == 0 {
        return Err(nothing_to_predict_for(scoring));
    }
    check_failed(job, &counters, "rows have no prediction", "`reason` of the rows in the output")?;
    Ok(planning::publish(job, "predictions", &scoring.output, schema_json(&facts.output_schema)?, done))
}

fn nothing_to_predict_for(scoring: &GroupedScoring) -> Failure {
    no_rows(&scoring.input, "groupedScoring", "to predict for")
}

fn splits_of(table: &Pinned, capacity: Capacity) -> Vec<Split> {
    splits_for(&table.table, &table.files, capacity.slots)
}

fn output(scoring: &GroupedScoring, facts: &Facts) -> Output {
    Output { table: scoring.output.table.clone(), schema: facts.output_schema.clone() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
