use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use serde_json::json;
use shoal_core::JobUid;
use shoal_core::Payload;
use shoal_core::Reason;
use shoal_core::functions::{Prepared, Purpose, Requirements};
use shoal_core::spec::v1alpha1::Encode;
use shoal_core::spec::v1alpha1::TableFormat;
use shoal_core::task::{Counters, FileMeta, PartitionMeta, TaskOutput};
use shoal_engine::columns::{CategoryColumn, KeyColumn, NumericColumn, ResolvedColumns, TargetColumn};
use shoal_engine::models::ModelTable;
use shoal_engine::table::{Cluster, FileSlice, InputFile, PinnedTable};

use super::super::tasks::LargeGroup;
use super::*;

const MIB: u64 = 1 << 20;

fn job(strategy: serde_json::Value, max_failed: Option<serde_json::Value>) -> Job {
    let mut spec = json!({
        "apiVersion": "shoal.dev/v1alpha1",
        "kind": "ShoalJob",
        "metadata": {"name": "job"},
        "spec": {"groupedTraining": {
            "input": {"table": "/in.parquet"},
            "groupBy": ["g"],
            "strategy": strategy,
            "model": {"ols": {"target": "y", "features": ["x"]}},
            "output": {"table": "/out"},
        }},
    });
    if let Some(max_failed) = max_failed {
        spec["spec"]["failurePolicy"] = json!({"maxFailed": max_failed});
    }
    let uid: JobUid = serde_json::from_value(json!("00000000-0000-0000-0000-000000000001")).unwrap();
    Job::parse(uid, Arc::new(serde_json::from_value(spec).unwrap())).unwrap()
}

fn facts(file_bytes: &[u64], rows: Option<u64>) -> Facts {
    let number = |name: &str| NumericColumn { name: name.into(), expression: name.into(), is_column: true };
    let target =
        TargetColumn { name: "y".into(), expression: "y".into(), is_column: true, is_boolean: false, is_text: false };
    let columns = ResolvedColumns {
        keys: vec![KeyColumn { name: "g".into(), data_type: DataType::Int64 }],
        features: vec![number("x")],
        categories: Vec::new(),
        target: Some(target),
        frame: Vec::new(),
        weight: None,
        fold: None,
        filter: None,
    };
    let job = job(json!({"auto": {}}), None);
    let training = super::super::training(&job).unwrap();
    let Learner::Model(model) = &training.learner else { panic!("{training:?}") };
    let models = Training::new(training, model, &columns, &[]);
    let output_schema = ModelTable::new(&[Field::new("g", DataType::Int64, true)], models).schema().clone();
    let table = PinnedTable {
        location: "/in.parquet".into(),
        format: TableFormat::Parquet,
        version: None,
        schema: output_schema.clone(),
    };
    let file = |(index, bytes): (usize, &u64)| InputFile { path: format!("/in/{index}.parquet"), bytes: *bytes, rows };
    Facts {
        table,
        files: file_bytes.iter().enumerate().map(file).collect(),
        columns,
        output_schema,
        clusters: Vec::new(),
        groups_max: None,
        program: None,
    }
}

#[test]
fn a_function_is_loaded_in_every_slot_before_rows_are_read() {
    let spec = json!({
        "apiVersion": "shoal.dev/v1alpha1",
        "kind": "ShoalJob",
        "metadata": {"name": "job"},
        "spec": {"groupedTraining": {
            "input": {"table": "/in.parquet"},
            "groupBy": ["g"],
            "model": {"python": {"code": "x = 1", "returns": [{"name": "n", "type": "int64"}]}},
            "output": {"table": "/out"},
        }},
    });
    let uid: JobUid = serde_json::from_value(json!("00000000-0000-0000-0000-000000000001")).unwrap();
    let job = Job::parse(uid, Arc::new(serde_json::from_value(spec).unwrap())).unwrap();
    let training = super::super::training(&job).unwrap();
    let Learner::Function(function) = &training.learner else { panic!("{training:?}") };
    let program = futures::executor::block_on(super::super::program::program(
        function,
        Purpose::Fit,
        &training.group_by,
        &job.failure_policy,
        &shoal_core::blobs::NoBlobs,
    ))
    .unwrap();
    let mut facts = facts(&[64 * MIB], Some(1_000_000));
    facts.columns.features = Vec::new();
    facts.columns.target = None;
    facts.program = Some(program);
    let step = |done: &[StageOutcome], slots| match plan(&job, training, &facts, done, Capacity { slots }).unwrap().step
    {
        Step::Run(stage) => stage,
        Step::Publish(_) => panic!("published"),
    };
    let outcome =
        |stage: StagePlan| StageOutcome { name: stage.name, outputs: vec![TaskOutput::default(); stage.tasks.len()] };
    for (slots, loads) in [(1, 1), (4, 4), (1_000, 32)] {
        let load = step(&[], slots);
        assert_eq!((load.name.as_str(), load.tasks.len()), (stage::LOAD, loads), "{slots}");
        assert_eq!(load.common.read::<shoal_core::functions::Program>().unwrap(), *facts.program.as_ref().unwrap());
    }
    // What it needs is installed first.
    let requirements = Requirements {
        text: "a\n".into(),
        file: Some("a.txt".into()),
        wheels: None,
        wheel_files: Vec::new(),
        index_url: None,
    };
    let mut with_requirements = facts.clone();
    with_requirements.program.as_mut().unwrap().requirements = Some(requirements);
    let planned =
        |done: &[StageOutcome]| plan(&job, training, &with_requirements, done, Capacity { slots: 2 }).unwrap();
    let install = stage_of(planned(&[]));
    assert_eq!((install.name.as_str(), install.tasks.len(), install.percent_after), (stage::ENVIRONMENT, 2, 1));
    // Packed for all, it is made by one task.
    let mut packed = with_requirements.clone();
    packed.program.as_mut().unwrap().packs = true;
    assert_eq!(stage_of(plan(&job, training, &packed, &[], Capacity { slots: 2 }).unwrap()).tasks.len(), 1);
    let built = |milliseconds| Prepared::Built { by: "pip".into(), milliseconds };
    for (prepared, note) in [
        ([Prepared::Found, Prepared::Found], "the environment of `a.txt` was there from before"),
        (
            [Prepared::Found, built(4_210)],
            "the environment of `a.txt` was built by pip in 4.2 s, and is kept for later jobs",
        ),
        (
            [Prepared::Found, Prepared::Fetched { milliseconds: 2_000 }],
            "the environment of `a.txt` was fetched from the cluster's storage in 2.0 s",
        ),
        (
            [built(1_000), built(960)],
            "the environment of `a.txt` was built by pip 2 times in 1.0 s, and is kept for later jobs",
        ),
    ] {
        let output = |it: &Prepared| TaskOutput { payload: Payload::of(it).unwrap(), ..TaskOutput::default() };
        let outputs = prepared.iter().map(output).collect();
        let load = planned(&[StageOutcome { name: stage::ENVIRONMENT.into(), outputs }]);
        assert_eq!(load.notes, [note]);
        assert_eq!(stage_of(load).name, stage::LOAD);
    }
    let loaded = outcome(step(&[], 4));
    assert_eq!(step(std::slice::from_ref(&loaded), 4).name, stage::MEASURE);
    // In one slot there is nothing to keep apart.
    let map = step(&[loaded], 1);
    assert_eq!(map.name, stage::MAP);
    let map: MapStage = map.common.read().unwrap();
    assert_eq!((map.exchange, map.variables.len()), (Exchange::Rows, 0));
}

#[test]
fn what_is_expected_of_dealing_rows_leaves_room_for_the_stages_around_it() {
    let facts = facts(&[MIB], Some(1_000));
    let training = |facts: &Facts, estimator| {
        let job = job(json!({"auto": {}}), None);
        let training = super::super::training(&job).unwrap();
        let Learner::Model(model) = &training.learner else { panic!("{training:?}") };
        Fitting::Model(Box::new(Training { estimator, ..Training::new(training, model, &facts.columns, &[]) }))
    };
    let category = CategoryColumn {
        name: "c".into(),
        expression: "c".into(),
        is_column: true,
        encode: Encode::OneHot,
        drop_first: false,
        buckets: None,
    };
    let mut learning = facts.clone();
    learning.columns.categories = vec![category];
    for exchange in [Exchange::Rows, Exchange::States] {
        for states_per_row in [None, Some(0.0), Some(0.1), Some(1.0)] {
            let percent = |facts| percent_after_map(facts, &training(facts, Estimator::Mean), exchange, states_per_row);
            let (without, with) = (percent(&facts), percent(&learning));
            assert!((1..=100).contains(&without), "{exchange:?} {states_per_row:?}: {without}");
            assert!(
                (LEARNED_PERCENT..=100).contains(&with) && with >= without,
                "{exchange:?} {states_per_row:?}: {with}"
            );
        }
    }
}

fn measured(rows: u64, groups: u64) -> StageOutcome {
    let sample = Sample { rows, groups, key_bytes: groups * 8, large: Vec::new() };
    let output = TaskOutput { payload: Payload::of(&sample).unwrap(), ..TaskOutput::default() };
    StageOutcome { name: stage::MEASURE.into(), outputs: vec![output] }
}

fn mapped(exchange: Exchange, buckets: &[u32], rows_in: u64) -> StageOutcome {
    let partitions =
        buckets.iter().map(|bucket| PartitionMeta { bucket: *bucket, rows: 5, bytes: 40, checksum: 0 }).collect();
    let counters = Counters { rows_in, ..Counters::default() };
    let output = TaskOutput { partitions, counters, payload: Payload::of(&exchange).unwrap(), ..TaskOutput::default() };
    StageOutcome { name: stage::MAP.into(), outputs: vec![output.clone(), output] }
}

fn reduced(ok: u64, failed: u64) -> StageOutcome {
    let counters = Counters { groups_ok: ok, groups_failed: failed, ..Counters::default() };
    let files = vec![FileMeta { path: "part-1".into(), bytes: 1, rows: ok + failed, statistics: None }];
    StageOutcome { name: stage::REDUCE.into(), outputs: vec![TaskOutput { files, counters, ..TaskOutput::default() }] }
}

fn plan_next(job: &Job, facts: &Facts, done: &[StageOutcome], slots: u32) -> Result<Planned, Failure> {
    plan(job, super::super::training(job).unwrap(), facts, done, Capacity { slots })
}

fn stage_of(planned: Planned) -> StagePlan {
    match planned.step {
        Step::Run(stage) => stage,
        Step::Publish(intent) => panic!("published {intent:?}"),
    }
}

#[test]
fn auto_measures_the_largest_file_first_and_says_why() {
    let (job, facts) = (job(json!({"auto": {}}), None), facts(&[MIB, 9 * MIB, 2 * MIB], None));
    let measure = stage_of(plan_next(&job, &facts, &[], 2).unwrap());
    assert_eq!((measure.name.as_str(), measure.tasks.len()), (stage::MEASURE, 1));
    let task: MeasureTask = measure.tasks[0].payload.read().unwrap();
    assert_eq!(task.file.path, "/in/1.parquet");
    for (groups, exchange) in [(10, Exchange::States), (1_000, Exchange::Rows)] {
        let planned = plan_next(&job, &facts, &[measured(1_000, groups)], 2).unwrap();
        assert!(planned.notes[0].contains("1000 rows"), "{:?}", planned.notes);
        let common: MapStage = stage_of(planned).common.read().unwrap();
        assert_eq!(common.exchange, exchange);
    }
}

#[test]
fn a_small_input_is_trained_by_the_task_that_reads_it() {
    // (job, bytes of the files, rows, first stage)
    for (job, files, rows, expected) in [
        (job(json!({"auto": {}}), None), vec![MIB, MIB], Some(50_000), stage::TRAIN),
        (job(json!({"auto": {}}), None), vec![4 * MIB], None, stage::TRAIN),
        (job(json!({"auto": {}}), None), vec![4 * MIB, 4 * MIB], None, stage::MEASURE),
        // A few bytes of Parquet may be millions of rows.
        (job(json!({"auto": {}}), None), vec![MIB], Some(10_000_000), stage::MEASURE),
        (job(json!({"aggregate": {}}), None), vec![MIB], Some(50_000), stage::MAP),
        (forests(), vec![MIB], Some(50_000), stage::MEASURE),
    ] {
        let facts = facts(&files, rows);
        let planned = plan_next(&job, &facts, &[], 2).unwrap();
        let note = planned.notes.first().cloned().unwrap_or_default();
        let first = stage_of(planned);
        assert_eq!(first.name, expected, "{files:?} {rows:?}");
        if expected == stage::TRAIN {
            assert!(note.contains("small enough for one task"), "{note}");
            assert_eq!((first.tasks.len(), first.reads), (1, None));
            let common: TrainStage = first.common.read().unwrap();
            assert_eq!((common.map.exchange, common.reduce.exchange), (Exchange::Rows, Exchange::Rows));
        }
    }
}

#[test]
fn a_strategy_that_is_asked_for_is_not_measured() {
    let facts = facts(&[MIB], None);
    let map = stage_of(plan_next(&job(json!({"bucket": {"buckets": 7}}), None), &facts, &[], 2).unwrap());
    let common: MapStage = map.common.read().unwrap();
    assert_eq!((map.name.as_str(), common.exchange, common.buckets.count()), (stage::MAP, Exchange::Rows, 7));
}

#[test]
fn every_slot_has_work_and_no_split_is_too_large_or_too_small() {
    // (bytes of the table, slots, splits)
    for (bytes, slots, splits) in [
        (1, 8, 1),
        (8 * MIB, 8, 2),
        (260 * MIB, 2, 2),
        (512 * MIB, 2, 2),
        (600 * MIB, 2, 4),
        (10_240 * MIB, 3, 42),
        (100 * MIB, 16, 16),
    ] {
        let map =
            stage_of(plan_next(&job(json!({"aggregate": {}}), None), &facts(&[bytes], None), &[], slots).unwrap());
        assert_eq!(map.tasks.len(), splits, "{bytes} bytes on {slots} slots");
        assert_eq!(map.tasks.iter().map(|task| task.weight).sum::<u64>(), bytes);
    }
}

#[test]
fn buckets_fill_the_slots_and_hold_what_fits() {
    for (exchange, bytes, slots, expected) in [
        (Exchange::States, 100_000 * MIB, 4, 4),
        (Exchange::Rows, 100_000 * MIB, 4, 1_564),
        // A fifth bucket of four slots would keep three of them waiting.
        (Exchange::Rows, 97 * MIB, 4, 8),
        (Exchange::Rows, 96 * MIB, 4, 4),
        // They grow from 24 MiB to 64 before there are more than 256 of them.
        (Exchange::Rows, 256 * 24 * MIB, 4, 256),
        (Exchange::Rows, 256 * 50 * MIB, 4, 256),
        (Exchange::Rows, 256 * 64 * MIB, 4, 256),
        (Exchange::Rows, 257 * 64 * MIB, 4, 260),
        (Exchange::Rows, 1, 4, 4),
        (Exchange::Rows, 0, 0, 1),
        (Exchange::Rows, u64::MAX, 4, BUCKETS_MAX),
    ] {
        assert_eq!(bucket_count(exchange, bytes, slots), expected, "{exchange:?} {bytes}");
    }
}

#[test]
fn reduce_has_a_task_for_every_bucket_with_rows() {
    let (job, facts) = (job(json!({"aggregate": {}}), None), facts(&[MIB], None));
    let reduce = stage_of(plan_next(&job, &facts, &[mapped(Exchange::States, &[0, 3], 10)], 2).unwrap());
    let tasks: Vec<_> = reduce.tasks.iter().map(|task| (task.bucket, task.weight)).collect();
    assert_eq!((reduce.reads, tasks), (Some(0), vec![(Some(0), 10), (Some(3), 10)]));
}

#[test]
fn a_table_without_rows_to_train_on_fails_and_publishes_nothing() {
    let (job, facts) = (job(json!({"aggregate": {}}), None), facts(&[MIB], None));
    let failure = plan_next(&job, &facts, &[mapped(Exchange::States, &[], 0)], 2).unwrap_err();
    assert_eq!(failure.reason, Reason::TableEmpty);
}

#[test]
fn failed_groups_fail_the_job_only_beyond_its_limit() {
    let facts = facts(&[MIB], None);
    // (limit, groups that failed of 100, whether it is published)
    for (limit, failed, published) in [
        (None, 100, true),
        (Some(json!("5%")), 5, true),
        (Some(json!("5%")), 6, false),
        (Some(json!(0)), 0, true),
        (Some(json!(0)), 1, false),
    ] {
        let job = job(json!({"aggregate": {}}), limit.clone());
        let done = [mapped(Exchange::States, &[0], 10), reduced(100 - failed, failed)];
        let planned = plan_next(&job, &facts, &done, 2);
        assert_eq!(planned.is_ok(), published, "{limit:?} {failed}");
        match planned {
            Ok(Planned { step: Step::Publish(intent), .. }) => assert_eq!(intent.files.len(), 1),
            Ok(other) => panic!("{other:?}"),
            Err(failure) => assert_eq!(failure.reason, Reason::TooManyFailed),
        }
    }
}

/// A job whose models are trained from rows.
fn forests() -> Job {
    let mut spec = serde_json::to_value(&*job(json!({"auto": {}}), None).spec).unwrap();
    spec["spec"]["groupedTraining"]["model"] = json!({"randomForest": {"target": "y", "features": ["x"]}});
    Job::parse(job(json!({"auto": {}}), None).uid, Arc::new(serde_json::from_value(spec).unwrap())).unwrap()
}

#[test]
fn a_group_with_half_of_the_rows_gets_a_bucket_of_its_own() {
    let (job, facts) = (forests(), facts(&[64 * MIB], Some(1_000_000)));
    assert_eq!(stage_of(plan_next(&job, &facts, &[], 4).unwrap()).name, stage::MEASURE);
    let large = vec![LargeGroup { hash: 7, rows: 500 }, LargeGroup { hash: 8, rows: 200 }];
    let sample = Sample { rows: 1_000, groups: 12, key_bytes: 96, large };
    let output = TaskOutput { payload: Payload::of(&sample).unwrap(), ..TaskOutput::default() };
    let planned = plan_next(&job, &facts, &[StageOutcome { name: stage::MEASURE.into(), outputs: vec![output] }], 4);
    let planned = planned.unwrap();
    assert!(planned.notes.iter().any(|note| note.contains("a task trains it alone")), "{:?}", planned.notes);
    let common: MapStage = stage_of(planned).common.read().unwrap();
    assert_eq!(common.buckets, Buckets::new(4, vec![7]));
    // With one slot nobody waits for anybody.
    assert_eq!(stage_of(plan_next(&job, &facts, &[], 1).unwrap()).name, stage::MAP);
}

#[test]
fn an_input_in_clusters_is_trained_where_it_is_read_unless_one_has_most_of_it() {
    let cluster = |(place, rows): (u64, &u64)| Cluster {
        split: Split::of([FileSlice {
            path: "/in/0.parquet".into(),
            start: place * MIB,
            end: (place + 1) * MIB,
            file_bytes: 4 * MIB,
        }]),
        rows: *rows,
    };
    let facts = |rows: [u64; 4]| Facts { clusters: (0..).zip(&rows).map(cluster).collect(), ..facts(&[4 * MIB], None) };
    let planned = plan_next(&forests(), &facts([10; 4]), &[], 2).unwrap();
    assert!(planned.notes[0].contains("no exchange: the input is clustered by `g`"), "{:?}", planned.notes);
    let train = stage_of(planned);
    assert_eq!((train.name.as_str(), train.reads, train.tasks.len()), (stage::TRAIN, None, 2));
    let read: Vec<Split> = train.tasks.iter().map(|task| task.payload.read().unwrap()).collect();
    assert_eq!(read.iter().map(|split| split.bytes).collect::<Vec<_>>(), [2 * MIB, 2 * MIB]);
    assert_eq!(stage_of(plan_next(&forests(), &facts([1, 1, 1, 97]), &[], 3).unwrap()).name, stage::MEASURE);
    let planned = plan_next(&forests(), &facts([1, 1, 1, 97]), &[measured(100, 50)], 3).unwrap();
    assert!(planned.notes.iter().any(|note| note.contains("97 of 100 rows")), "{:?}", planned.notes);
    assert_eq!(stage_of(planned).name, stage::MAP);
    // Nobody's rows passed the condition.
    let none = StageOutcome { name: stage::TRAIN.into(), outputs: vec![TaskOutput::default()] };
    assert_eq!(plan_next(&forests(), &facts([10; 4]), &[none], 2).unwrap_err().reason, Reason::TableEmpty);
}

#[test]
fn many_small_groups_of_a_clustered_input_are_trained_where_they_are_read_from_moments_too() {
    let cluster = |place: u64| Cluster {
        split: Split::of([FileSlice {
            path: "/in/0.parquet".into(),
            start: place * MIB,
            end: (place + 1) * MIB,
            file_bytes: 64 * MIB,
        }]),
        rows: 1_000_000,
    };
    let auto = job(json!({"auto": {}}), None);
    let facts = Facts { clusters: (0..64).map(cluster).collect(), ..facts(&[64 * MIB], Some(64_000_000)) };
    assert_eq!(stage_of(plan_next(&auto, &facts, &[], 4).unwrap()).name, stage::MEASURE);
    let planned = plan_next(&auto, &facts, &[measured(100_000, 100_000)], 4).unwrap();
    assert!(planned.notes.iter().any(|note| note.starts_with("no exchange: ")), "{:?}", planned.notes);
    assert_eq!(stage_of(planned).name, stage::TRAIN);
    // The states of large groups are next to nothing.
    assert_eq!(stage_of(plan_next(&auto, &facts, &[measured(100_000, 10)], 4).unwrap()).name, stage::MAP);
}

#[test]
fn nothing_is_measured_where_statistics_prove_that_there_are_few_groups() {
    let auto = job(json!({"auto": {}}), None);
    let with = |groups_max| Facts { groups_max, ..facts(&[64 * MIB], Some(64_000_000)) };
    let planned = plan_next(&auto, &with(Some(1_000)), &[], 4).unwrap();
    assert!(planned.notes[0].contains("at most 1000 groups"), "{:?}", planned.notes);
    let map = stage_of(planned);
    assert_eq!((map.name.as_str(), map.common.read::<MapStage>().unwrap().exchange), (stage::MAP, Exchange::States));
    for groups_max in [None, Some(64_000_000)] {
        assert_eq!(stage_of(plan_next(&auto, &with(groups_max), &[], 4).unwrap()).name, stage::MEASURE);
    }
}
