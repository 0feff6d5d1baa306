//! A corpus of job files: every good one must load in every later build, and every bad one is refused for the reason,
//! at the field and on the line that its first line names.
//!
//! The first line of a bad file is `# expect: REASON PATH LINE [TEXT]`: the reason as `Failure` has it, the path of the
//! field or `-`, the line or `-`, and a text that the message holds.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::json;
use shoal_core::spec::parse_job;
use shoal_core::spec::v1alpha1::{
    API_VERSION, BucketStrategy, Chosen, ClusterSpec, Evaluate, FailurePolicy, Frame, GroupedScoring, GroupedTraining,
    InputTable, IntOrPercent, JOB_KIND, JobSpec, LocalRef, Metadata, Model, ModelsTable, OnMissing, OutputMode,
    OutputTable, PredictionInterval, PythonPredictor, Resources, Returned, ReturnedType, ScoringStrategy, ShoalJob,
    Statistics, Strategy as Meeting, TableFormat, TimeFolds, WorkerGroupEntry,
};

fn corpus(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("tests/specs").join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), fs::read_to_string(file).unwrap())).collect()
}

#[test]
fn good_files_load_and_say_the_same_when_written_again() {
    let files = corpus("good");
    assert!(files.len() >= 5);
    for (file, text) in files {
        let job = parse_job(&text, "job.yaml").unwrap_or_else(|failure| panic!("{}: {failure:#?}", file.display()));
        let written = serde_json::to_string_pretty(&job).unwrap();
        assert_eq!(parse_job(&written, "job.json").unwrap(), job, "{}", file.display());
    }
}

#[test]
fn bad_files_are_refused_where_they_say() {
    let files = corpus("bad");
    assert!(files.len() >= 30);
    let wrong: Vec<String> = files.iter().filter_map(|(file, text)| refused_otherwise(file, text)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// What is wrong with the verdict on a bad file, if something is.
fn refused_otherwise(file: &Path, text: &str) -> Option<String> {
    let name = file.file_name().unwrap().to_string_lossy();
    let Some(expected) = text.lines().next().and_then(|line| line.strip_prefix("# expect: ")) else {
        return Some(format!("{name} does not say what it expects"));
    };
    let mut parts = expected.splitn(4, ' ');
    let mut part = || parts.next().unwrap_or("-");
    let (reason, path, line, message) = (part(), part(), part(), part());

    let failure = match parse_job(text, "job.yaml") {
        Ok(job) => return Some(format!("{name} is accepted: {job:?}")),
        Err(failure) => failure,
    };
    let location = &failure.location;
    let found_line = location.line.map_or_else(|| "-".to_owned(), |line| line.to_string());
    let right = format!("{:?}", failure.reason) == reason
        && location.field_path.as_deref().unwrap_or("-") == path
        && found_line == line
        && (message == "-" || failure.message.contains(message))
        && location.file.as_deref() == Some("job.yaml")
        && location.position.is_some() == location.line.is_some()
        && !failure.message.ends_with('.');
    (!right).then(|| format!("{name}: {expected}\n{failure:#?}"))
}

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Zéß_][a-zA-Z0-9 _:#'\"\\\\{}-]{0,12}".prop_filter("is taken", |name| name != "intercept")
}

/// Names that differ, the last of them for the target.
fn columns() -> impl Strategy<Value = (Vec<String>, String)> {
    prop::collection::btree_set(name(), 2..10).prop_map(|names| {
        let mut names: Vec<String> = names.into_iter().collect();
        let target = names.pop().unwrap();
        (names, target)
    })
}

/// One of all models, with its defaults.
fn model(index: usize, features: Vec<String>, target: String, weight: Option<String>) -> Model {
    const NAMES: [&str; 10] = [
        "ols",
        "ridge",
        "lasso",
        "elasticNet",
        "logistic",
        "glm",
        "randomForest",
        "gradientBoosting",
        "mean",
        "python",
    ];
    if NAMES[index] == "python" {
        let code = json!({"code": target, "columns": features, "returns": [{"name": "n", "type": "int64"}]});
        return serde_json::from_value(json!({"python": code})).unwrap();
    }
    let mut model = json!({"target": target});
    if NAMES[index] != "mean" {
        model["features"] = json!(features);
    }
    if let Some(weight) = weight.filter(|_| index < 6) {
        model["weight"] = json!(weight);
    }
    if NAMES[index] == "glm" {
        model["family"] = json!("gamma");
    }
    serde_json::from_value(json!({NAMES[index]: model})).unwrap()
}

fn evaluate() -> impl Strategy<Value = Option<Evaluate>> {
    let none = Evaluate { folds: None, column: None, time: None };
    let (by_column, by_time) = (none.clone(), none.clone());
    prop_oneof![
        Just(None),
        (2..=100u32).prop_map(move |folds| Some(Evaluate { folds: Some(folds), ..none.clone() })),
        name().prop_map(move |column| Some(Evaluate { column: Some(column), ..by_column.clone() })),
        (name(), 1..=100u32).prop_map(move |(column, folds)| {
            Some(Evaluate { time: Some(TimeFolds { column, folds }), ..by_time.clone() })
        }),
    ]
}

fn is_mergeable(model: &Model) -> bool {
    let weighs = |weight: Option<&Option<String>>| weight.is_some_and(Option::is_none);
    model.mean.is_some()
        || weighs(model.ols.as_ref().map(|it| &it.weight))
        || weighs(model.ridge.as_ref().map(|it| &it.weight))
        || weighs(model.lasso.as_ref().map(|it| &it.weight))
        || weighs(model.elastic_net.as_ref().map(|it| &it.weight))
}

fn meeting() -> impl Strategy<Value = Meeting> {
    let none = Meeting { auto: None, aggregate: None, bucket: None };
    prop_oneof![
        Just(Meeting::default()),
        Just(Meeting { aggregate: Some(Chosen {}), ..none.clone() }),
        prop::option::of(1..=65_536u32)
            .prop_map(move |buckets| Meeting { bucket: Some(BucketStrategy { buckets }), ..none.clone() }),
    ]
}

fn input() -> impl Strategy<Value = InputTable> {
    let version = prop_oneof![
        Just((None, None)),
        Just((Some(TableFormat::Csv), None)),
        Just((Some(TableFormat::Parquet), None)),
        (0..=9_007_199_254_740_991u64).prop_map(|version| (Some(TableFormat::Delta), Some(version))),
        (0..100u64).prop_map(|version| (None, Some(version))),
    ];
    (name(), version, prop::option::of(name())).prop_map(|(table, (format, version), filter)| InputTable {
        table,
        format,
        version,
        filter,
    })
}

fn failure_policy() -> impl Strategy<Value = FailurePolicy> {
    let limit = prop_oneof![any::<u32>().prop_map(IntOrPercent::Int), (0..=100u8).prop_map(IntOrPercent::Percent),];
    (prop::option::of(limit), 1..=100u32, 0..=1_000_000u32).prop_map(
        |(max_failed, max_task_attempts, max_process_deaths)| FailurePolicy {
            max_failed,
            max_task_attempts,
            max_process_deaths,
        },
    )
}

/// A cluster to run on: another's, one of the job's own, or none.
fn cluster() -> impl Strategy<Value = (Option<LocalRef>, Option<Box<ClusterSpec>>)> {
    let away = prop_oneof![(0..9_u32).prop_map(IntOrPercent::Int), (0..=100_u8).prop_map(IntOrPercent::Percent)];
    let group =
        ("[a-z]{1,4}", 0..=10_000_u32, away, prop::option::of(0..9_u8)).prop_map(|(name, replicas, away, label)| {
            let template = label.map(|label| serde_json::json!({"metadata": {"labels": {"a": label.to_string()}}}));
            WorkerGroupEntry {
                name,
                replicas,
                min_replicas: (replicas % 3 == 0).then_some(replicas / 2),
                max_replicas: (replicas % 5 == 0).then_some(replicas),
                idle_timeout: (replicas % 7 == 0).then(|| "60s".into()),
                cost_per_hour: (replicas % 11 == 0).then_some(0.25),
                max_unavailable: away,
                resources: Resources { cpu: "500m".into(), memory: "2Gi".into() },
                python_image: (replicas % 2 == 0).then(|| "docker.io/library/python:3.13-slim".into()),
                template: template.map(|template| serde_json::from_value(template).unwrap()),
            }
        });
    let own = (prop::collection::vec(group, 0..3), prop::option::of(name()), any::<bool>()).prop_map(
        |(groups, image, suspend)| {
            let mut worker_groups: Vec<WorkerGroupEntry> = groups;
            worker_groups.sort_by(|one, other| one.name.cmp(&other.name));
            worker_groups.dedup_by(|one, other| one.name == other.name);
            worker_groups.retain(|group| group.name != "head");
            ClusterSpec { worker_groups, image, suspend, ..ClusterSpec::default() }
        },
    );
    prop_oneof![
        Just((None, None)),
        name().prop_map(|name| (Some(LocalRef { name }), None)),
        own.prop_map(|own| (None, Some(Box::new(own)))),
    ]
}

prop_compose! {
    fn training()(
        input in input(),
        group_by in prop::collection::btree_set(name(), 1..16),
        on_missing in prop_oneof![Just(OnMissing::Drop), Just(OnMissing::Fail), Just(OnMissing::Keep)],
        strategy in meeting(),
        (features, target) in columns(),
        (kind, weight) in (0..10_usize, prop::option::of("w_[a-z]{1,5}")),
        statistics in prop_oneof![Just(Statistics::Full), Just(Statistics::Coefficients)],
        evaluate in evaluate(),
        table in name(),
        mode in prop_oneof![Just(OutputMode::Error), Just(OutputMode::Overwrite), Just(OutputMode::Append)],
    ) -> GroupedTraining {
        let model = model(kind, features, target, weight);
        let output = OutputTable { table, mode };
        let group_by = group_by.into_iter().collect();
        // States are no way to train what takes the rows.
        let by_time = evaluate.as_ref().is_some_and(|evaluate| evaluate.time.is_some());
        let takes_rows = by_time || !is_mergeable(&model);
        let strategy = if strategy.aggregate.is_some() && takes_rows { Meeting::default() } else { strategy };
        let is_tree = model.random_forest.is_some() || model.gradient_boosting.is_some();
        let on_missing = if is_tree || on_missing != OnMissing::Keep { on_missing } else { OnMissing::Drop };
        let is_ours = model.python.is_none();
        let on_missing = if is_ours { on_missing } else { OnMissing::Drop };
        let (statistics, evaluate) = if is_ours { (statistics, evaluate) } else { (Statistics::Full, None) };
        GroupedTraining { input, group_by, on_missing, strategy, statistics, evaluate, model, output }
    }
}

fn scoring_meeting() -> impl Strategy<Value = ScoringStrategy> {
    let none = ScoringStrategy { auto: None, broadcast: None, bucket: None };
    prop_oneof![
        Just(ScoringStrategy::default()),
        Just(ScoringStrategy { broadcast: Some(Chosen {}), ..none.clone() }),
        prop::option::of(1..=65_536u32)
            .prop_map(move |buckets| ScoringStrategy { bucket: Some(BucketStrategy { buckets }), ..none.clone() }),
    ]
}

prop_compose! {
    fn predictor()(
        file in name(),
        function in "[a-z_]{1,9}",
        frame in prop::sample::select(vec![Frame::Pandas, Frame::Polars, Frame::Arrow, Frame::Numpy]),
        columns in prop::option::of(prop::collection::btree_set(name(), 1..5)),
        returned in prop::collection::btree_set("[a-z]{1,9}", 1..5),
        data_type in prop::sample::select(vec![ReturnedType::Float64, ReturnedType::String]),
        group_timeout in prop::option::of("[1-9][0-9]{0,3}[smh]"),
        process_memory_limit in prop::option::of("[1-9][0-9]{0,3}(Mi|Gi)"),
    ) -> PythonPredictor {
        PythonPredictor {
            file: Some(file),
            module: None,
            code: None,
            config_map_key_ref: None,
            files: None,
            uploads: None,
            function,
            frame,
            columns: columns.map(|columns| columns.into_iter().collect()),
            returns: returned.into_iter().map(|name| Returned { name, data_type }).collect(),
            params: Default::default(),
            group_timeout,
            process_memory_limit,
            environment: None,
            env: Vec::new(),
        }
    }
}

prop_compose! {
    fn scoring()(
        input in input(),
        (models, version) in (name(), prop::option::of(0..100u64)),
        features in prop::collection::btree_set(name(), 0..5),
        keep in prop::option::of(prop::collection::btree_set("[a-m]{1,9}", 1..9)),
        prediction_column in prop::option::of("[n-z_]{1,9}"),
        level in prop::option::of(0.01..0.999),
        statuses in prop::collection::btree_set("[a-z_]{1,9}", 1..4),
        strategy in scoring_meeting(),
        python in prop::option::of(predictor().prop_map(Box::new)),
        table in name(),
    ) -> GroupedScoring {
        // A function says itself what it predicts from, and what.
        let is_ours = python.is_none();
        GroupedScoring {
            models: ModelsTable { table: models, version },
            input,
            features: features.into_iter().filter(|_| is_ours).collect(),
            keep: keep.map(|keep| keep.into_iter().collect()),
            prediction_column: prediction_column.filter(|_| is_ours),
            interval: level.map(|level| PredictionInterval { level }).filter(|_| is_ours),
            statuses: statuses.into_iter().collect(),
            strategy: if is_ours || strategy.broadcast.is_none() { strategy } else { ScoringStrategy::default() },
            python,
            output: OutputTable { table, mode: OutputMode::Overwrite },
        }
    }
}

/// One of the kinds.
fn work() -> impl Strategy<Value = (Option<GroupedTraining>, Option<GroupedScoring>)> {
    prop_oneof![
        training().prop_map(|training| (Some(training), None)),
        scoring().prop_map(|scoring| (None, Some(scoring))),
    ]
}

proptest! {
    /// The types, the schema and the checks behind it agree on what a job is.
    #[test]
    fn a_job_that_the_types_hold_is_read_as_it_was_written(
        name in "[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?",
        failure_policy in failure_policy(),
        (grouped_training, grouped_scoring) in work(),
        (priority, suspend) in (-1_000..=1_000, any::<bool>()),
        cluster in cluster(),
        managed_by in proptest::option::of("[a-z./]{1,20}"),
        active_deadline_seconds in proptest::option::of(1..=31_536_000_u64),
        ttl_seconds_after_finished in proptest::option::of(0..=31_536_000_u64),
    ) {
        let job = ShoalJob {
            api_version: API_VERSION.to_owned(),
            kind: JOB_KIND.to_owned(),
            metadata: Metadata { name },
            spec: JobSpec {
                cluster_ref: cluster.0,
                cluster: cluster.1,
                managed_by,
                priority,
                suspend,
                active_deadline_seconds,
                ttl_seconds_after_finished,
                failure_policy,
                grouped_training,
                grouped_scoring,
            },
        };
        let written = serde_json::to_string(&job).unwrap();
        match parse_job(&written, "job.json") {
            Ok(read) => prop_assert_eq!(read, job),
            Err(failure) => prop_assert!(false, "{}: {:#?}", written, failure),
        }
    }

    /// No text makes the reader panic.
    #[test]
    fn any_text_is_read_or_refused(text in "(?s)[a-z:{}\\[\\]&*!|>'\"%@,? \t\r\n#-]{0,60}") {
        let _ = parse_job(&text, "job.yaml");
    }
}
