use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use serde_json::json;
use shoal_core::JobUid;
use shoal_core::Reason;
use shoal_core::functions::{Code, Prepared, Program, Purpose, Requirements};
use shoal_core::spec::v1alpha1::TableFormat;
use shoal_core::task::{Counters, FileMeta, PartitionMeta, TaskOutput};
use shoal_engine::columns::{KeyColumn, ResolvedColumns};
use shoal_engine::scoring::{FunctionScoring, ModelsForm, Outcome, Scoring, output_schema};
use shoal_engine::table::{InputFile, PinnedTable};

use super::*;

const MIB: u64 = 1 << 20;

fn job(max_failed: Option<u32>) -> Job {
    let mut spec = json!({
        "apiVersion": "shoal.dev/v1alpha1",
        "kind": "ShoalJob",
        "metadata": {"name": "job"},
        "spec": {"groupedScoring": {
            "models": {"table": "/models"},
            "input": {"table": "/in.parquet", "where": "x > 0"},
            "output": {"table": "/out"},
        }},
    });
    if let Some(max_failed) = max_failed {
        spec["spec"]["failurePolicy"] = json!({"maxFailed": max_failed});
    }
    let uid: JobUid = serde_json::from_value(json!("00000000-0000-0000-0000-000000000001")).unwrap();
    Job::parse(uid, Arc::new(serde_json::from_value(spec).unwrap())).unwrap()
}

fn facts(model_bytes: &[u64], row_bytes: &[u64]) -> Facts {
    let pinned = |location: &str, bytes: &[u64]| {
        let file = |(index, bytes): (usize, &u64)| InputFile { path: format!("/{index}"), bytes: *bytes, rows: None };
        let schema = Arc::new(Schema::empty());
        let table = PinnedTable { location: location.to_owned(), format: TableFormat::Delta, version: Some(3), schema };
        Pinned { table, files: bytes.iter().enumerate().map(file).collect() }
    };
    let scoring = Scoring {
        keys: vec![KeyColumn { name: "g".into(), data_type: DataType::Int64 }],
        models: ModelsForm::Stored,
        features: Vec::new(),
        kept: Vec::new(),
        filter: None,
        outcome: Outcome::Number,
        level: None,
        statuses: vec!["ok".to_owned()],
        prediction_column: "prediction".to_owned(),
    };
    let output_schema = output_schema(&scoring);
    let (models, rows) = (pinned("/models", model_bytes), pinned("/in", row_bytes));
    Facts { models, rows, scoring: Scorer::Models(Box::new(scoring)), output_schema, program: None }
}

fn next(job: &Job, facts: &Facts, done: &[StageOutcome]) -> Result<Planned, Failure> {
    plan(job, super::super::scoring(job).unwrap(), facts, done, Capacity { slots: 2 })
}

fn stage_of(planned: Planned) -> StagePlan {
    match planned.step {
        Step::Run(stage) => stage,
        Step::Publish(intent) => panic!("{intent:?}"),
    }
}

fn dealt(is_models: bool, buckets: &[u32]) -> TaskOutput {
    let partitions =
        buckets.iter().map(|bucket| PartitionMeta { bucket: *bucket, rows: 5, bytes: 40, checksum: 0 }).collect();
    TaskOutput { partitions, payload: Payload::of(&is_models).unwrap(), ..TaskOutput::default() }
}

fn scored(rows_in: u64, ok: u64, failed: u64) -> StageOutcome {
    let counters = Counters { rows_in, groups_ok: ok, groups_failed: failed, ..Counters::default() };
    let files = vec![FileMeta { path: "part-1".into(), bytes: 1, rows: ok + failed, statistics: None }];
    StageOutcome { name: stage::SCORE.into(), outputs: vec![TaskOutput { files, counters, ..TaskOutput::default() }] }
}

#[test]
fn small_models_go_with_every_task_and_then_it_is_published() {
    let (job, facts) = (job(None), facts(&[MIB, MIB], &[100 * MIB, 100 * MIB]));
    let planned = next(&job, &facts, &[]).unwrap();
    assert!(planned.notes[0].contains("broadcast"), "{:?}", planned.notes);
    let stage = stage_of(planned);
    assert_eq!((stage.name.as_str(), stage.reads, stage.tasks.len()), (stage::SCORE, None, 2));
    let common: ScoreStage = stage.common.read().unwrap();
    assert_eq!((common.models.files.len(), common.models.table.version), (2, Some(3)), "the pinned version");
    match next(&job, &facts, &[scored(4, 3, 1)]).unwrap().step {
        Step::Publish(intent) => assert_eq!((intent.output.as_str(), intent.files.len()), ("predictions", 1)),
        step => panic!("{step:?}"),
    }
}

#[test]
fn large_models_are_dealt_and_each_bucket_with_rows_is_joined() {
    let (job, facts) = (job(None), facts(&[100 * MIB, 100 * MIB], &[MIB]));
    let stage = stage_of(next(&job, &facts, &[]).unwrap());
    assert_eq!(stage.name, stage::DEAL);
    let tasks: Vec<DealTask> = stage.tasks.iter().map(|task| task.payload.read().unwrap()).collect();
    let are_models: Vec<bool> = tasks.iter().map(|task| matches!(task, DealTask::Models(_))).collect();
    assert_eq!(are_models, [true, true, false], "models come first");
    assert_eq!(stage.common.read::<DealStage>().unwrap().buckets, 12);

    let outputs = vec![dealt(true, &[0, 1, 4]), dealt(true, &[1]), dealt(false, &[1, 2]), dealt(false, &[2])];
    let done = [StageOutcome { name: stage::DEAL.into(), outputs }];
    let stage = stage_of(next(&job, &facts, &done).unwrap());
    assert_eq!((stage.name.as_str(), stage.reads), (stage::JOIN, Some(0)));
    let buckets: Vec<(Option<u32>, u64)> = stage.tasks.iter().map(|task| (task.bucket, task.weight)).collect();
    assert_eq!(buckets, [(Some(2), 10), (Some(1), 5)]);
    assert_eq!(stage.common.read::<JoinStage>().unwrap().model_tasks, 2);
}

/// The same with a function that predicts, for which something is installed or nothing.
fn facts_of_function(requirements: Option<Requirements>) -> Facts {
    let Facts { models, rows, scoring, output_schema, program: _ } = facts(&[MIB], &[MIB]);
    let Scorer::Models(scoring) = scoring else { unreachable!() };
    let columns = ResolvedColumns {
        keys: scoring.keys.clone(),
        frame: Vec::new(),
        features: Vec::new(),
        categories: Vec::new(),
        target: None,
        weight: None,
        fold: None,
        filter: None,
    };
    let scoring = FunctionScoring {
        columns,
        seen: 0,
        kept: Vec::new(),
        models: Vec::new(),
        statuses: scoring.statuses,
        returns: Vec::new(),
    };
    let program = Program {
        field: "spec.groupedScoring.python".to_owned(),
        purpose: Purpose::Predict,
        code: Code::Module("models".to_owned()),
        files: Vec::new(),
        function: "predict".to_owned(),
        frame: Default::default(),
        params: Default::default(),
        keys: vec!["g".to_owned()],
        returns: Vec::new(),
        interpreter: None,
        requirements,
        env: Vec::new(),
        group_time_max: None,
        memory_max: None,
        deaths_max: 10,
        packs: false,
    };
    Facts { models, rows, scoring: Scorer::Function(Box::new(scoring)), output_schema, program: Some(program) }
}

#[test]
fn a_function_is_loaded_first_and_small_models_are_dealt_as_well() {
    let (job, facts) = (job(None), facts_of_function(None));
    let loading = stage_of(next(&job, &facts, &[]).unwrap());
    assert_eq!((loading.name.as_str(), loading.tasks.len()), (stage::LOAD, 2));
    assert_eq!(loading.common.read::<Program>().unwrap(), *facts.program.as_ref().unwrap());
    let loaded = StageOutcome { name: stage::LOAD.into(), outputs: vec![TaskOutput::default(); 2] };
    let planned = next(&job, &facts, std::slice::from_ref(&loaded)).unwrap();
    assert_eq!(planned.notes, ["strategy bucket: a function gets the rows of a group together"]);
    let dealing = stage_of(planned);
    assert_eq!(dealing.name, stage::DEAL);
    let common: DealStage = dealing.common.read().unwrap();
    assert_eq!((common.buckets, &common.scoring), (2, &facts.scoring), "a function's scoring is read back as one");

    let outputs = vec![dealt(true, &[0, 1]), dealt(false, &[1])];
    let done = [loaded, StageOutcome { name: stage::DEAL.into(), outputs }];
    let predicting = stage_of(next(&job, &facts, &done).unwrap());
    assert_eq!((predicting.name.as_str(), predicting.reads, predicting.tasks.len()), (stage::PREDICT, Some(1), 1));
    assert_eq!(predicting.common.read::<PredictStage>().unwrap().model_tasks, 1);
    let predicted = StageOutcome { name: stage::PREDICT.into(), ..scored(5, 5, 0) };
    assert!(matches!(next(&job, &facts, &[predicted]).unwrap().step, Step::Publish(_)));
}

#[test]
fn what_a_function_needs_is_installed_before_it_is_loaded() {
    let requirements =
        Requirements { text: "a".into(), file: None, wheels: None, wheel_files: Vec::new(), index_url: None };
    let (job, facts) = (job(None), facts_of_function(Some(requirements)));
    assert_eq!(stage_of(next(&job, &facts, &[]).unwrap()).name, stage::ENVIRONMENT);
    let built = Payload::of(&Prepared::Built { by: "uv".to_owned(), milliseconds: 1_500 }).unwrap();
    let outputs = vec![TaskOutput { payload: built, ..TaskOutput::default() }];
    let planned = next(&job, &facts, &[StageOutcome { name: stage::ENVIRONMENT.into(), outputs }]).unwrap();
    assert!(planned.notes[0].contains("built by uv in 1.5 s"), "{:?}", planned.notes);
    assert_eq!(stage_of(planned).name, stage::LOAD);
}

#[test]
fn too_many_rows_without_a_prediction_fail_the_job() {
    let facts = facts(&[MIB], &[MIB]);
    next(&job(Some(1)), &facts, &[scored(4, 3, 1)]).unwrap();
    let failure = next(&job(Some(1)), &facts, &[scored(4, 2, 2)]).unwrap_err();
    assert_eq!(failure.location.field_path.as_deref(), Some("spec.failurePolicy.maxFailed"));
}

#[test]
fn no_row_at_all_is_a_failure_that_names_the_filter() {
    let facts = facts(&[MIB], &[MIB]);
    let dealt = StageOutcome { name: stage::DEAL.into(), outputs: vec![dealt(true, &[0]), dealt(false, &[])] };
    for done in [scored(0, 0, 0), dealt] {
        let failure = next(&job(None), &facts, &[done]).unwrap_err();
        assert_eq!(failure.reason, Reason::TableEmpty);
        assert_eq!(failure.location.field_path.as_deref(), Some("spec.groupedScoring.input.where"));
    }
}
