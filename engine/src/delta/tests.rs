//! Commits to tables in temporary folders.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, TimestampMicrosecondArray};
use deltalake::kernel::Action;
use shoal_core::publish::{CommitIntent, PublishedTable, Publisher};
use shoal_core::spec::v1alpha1::OutputMode;
use shoal_core::{Failure, Reason};

use super::open::open;
use super::testing::{TestJob, numbers, place, words};
use super::{DeltaPublisher, check_output, testing};

async fn publish(intent: &CommitIntent) -> Result<PublishedTable, Failure> {
    DeltaPublisher.publish(intent).await
}

async fn read(folder: &Path) -> Vec<RecordBatch> {
    testing::read(&place(folder)).await
}

async fn read_numbers(folder: &Path) -> Vec<i64> {
    testing::read_numbers(&place(folder)).await
}

async fn latest_version(folder: &Path) -> u64 {
    open(&place(folder)).await.unwrap().unwrap().version().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_table_is_made_in_one_commit_and_publishing_again_finds_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out/models");
    let intent = TestJob::new(1, &path).write(OutputMode::Error, &numbers(&[1, 2, 3])).await;
    let published = publish(&intent).await.unwrap();
    assert_eq!((published.version, published.rows, published.name.as_str()), (0, 3, "models"));
    // A head that crashed after its commit, and the next one that knows the stored intent alone.
    assert_eq!(publish(&intent).await.unwrap(), published);
    assert_eq!(latest_version(&path).await, 0);
    assert_eq!(read_numbers(&path).await, [1, 2, 3]);

    // Later commits do not hide it.
    let later = TestJob::new(2, &path).write(OutputMode::Append, &numbers(&[4])).await;
    assert_eq!(publish(&later).await.unwrap().version, 1);
    assert_eq!(publish(&intent).await.unwrap(), published);
    assert_eq!(read_numbers(&path).await, [1, 2, 3, 4]);
}

#[tokio::test]
async fn the_log_says_which_job_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let intent = TestJob::new(1, folder.path()).write(OutputMode::Error, &numbers(&[1])).await;
    publish(&intent).await.unwrap();
    let log = std::fs::read_to_string(folder.path().join("_delta_log/00000000000000000000.json")).unwrap();
    let actions: Vec<Action> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let transaction = actions.iter().find_map(|action| match action {
        Action::Txn(transaction) => Some((transaction.app_id.clone(), transaction.version)),
        _ => None,
    });
    assert_eq!(transaction, Some((intent.job.application_id(), 1)));
    assert!(log.contains(r#""shoalJob":"test""#), "{log}");
    assert!(log.contains(r#"\"numRecords\":1"#), "{log}");
}

#[tokio::test]
async fn a_table_without_rows_is_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("models");
    let mut intent = TestJob::new(1, folder.path()).write(OutputMode::Error, &numbers(&[])).await;
    intent.files.clear();
    intent.table = path.display().to_string();
    assert_eq!(publish(&intent).await.unwrap().rows, 0);
    assert!(read_numbers(&path).await.is_empty());
}

#[tokio::test]
async fn error_refuses_a_table_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    publish(&TestJob::new(1, folder.path()).write(OutputMode::Error, &numbers(&[1])).await).await.unwrap();
    let mut second = TestJob::new(2, folder.path());
    let failure = publish(&second.write(OutputMode::Error, &numbers(&[2])).await).await.unwrap_err();
    assert_eq!(failure.reason, Reason::OutputExists);
    assert_eq!(failure.next.as_deref(), Some("use mode: overwrite or append"));
    assert_eq!(read_numbers(folder.path()).await, [1]);
}

#[tokio::test]
async fn overwrite_replaces_rows_and_schema_and_keeps_the_table() {
    let folder = tempfile::tempdir().unwrap();
    publish(&TestJob::new(1, folder.path()).write(OutputMode::Error, &numbers(&[1])).await).await.unwrap();
    let id = |table: &deltalake::DeltaTable| table.snapshot().unwrap().metadata().id().to_owned();
    let before = id(&open(&place(folder.path())).await.unwrap().unwrap());

    let published =
        publish(&TestJob::new(2, folder.path()).write(OutputMode::Overwrite, &words(&["a", "b"])).await).await;
    assert_eq!(published.unwrap().version, 1);
    let batches = read(folder.path()).await;
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 2);
    assert_eq!(batches[0].schema().field(0).name(), "word");
    assert_eq!(id(&open(&place(folder.path())).await.unwrap().unwrap()), before);
}

#[tokio::test]
async fn overwrite_raises_the_protocol_where_the_schema_needs_it() {
    let folder = tempfile::tempdir().unwrap();
    publish(&TestJob::new(1, folder.path()).write(OutputMode::Error, &numbers(&[1])).await).await.unwrap();
    let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![1_000_000]));
    let times = RecordBatch::try_from_iter_with_nullable([("at", times, true)]).unwrap();
    publish(&TestJob::new(2, folder.path()).write(OutputMode::Overwrite, &times).await).await.unwrap();
    let batches = read(folder.path()).await;
    assert_eq!(batches[0].schema().field(0).data_type(), times.schema().field(0).data_type());
    assert_eq!(
        publish(&TestJob::new(3, folder.path()).write(OutputMode::Append, &times).await).await.unwrap().version,
        2
    );
}

#[tokio::test]
async fn append_names_the_column_that_differs() {
    let folder = tempfile::tempdir().unwrap();
    publish(&TestJob::new(1, folder.path()).write(OutputMode::Error, &numbers(&[1])).await).await.unwrap();
    let failure =
        publish(&TestJob::new(2, folder.path()).write(OutputMode::Append, &words(&["a"])).await).await.unwrap_err();
    assert_eq!((failure.reason, failure.location.column.as_deref()), (Reason::SchemaMismatch, Some("word")));
    assert_eq!(read_numbers(folder.path()).await, [1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_racing_creators_one_makes_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let mut intents = Vec::new();
    for job in 1..=6 {
        intents.push(TestJob::new(job, folder.path()).write(OutputMode::Error, &numbers(&[1])).await);
    }
    let racing: Vec<_> = intents
        .into_iter()
        .map(|intent| tokio::spawn(async move { publish(&intent).await.map_err(|failure| failure.reason) }))
        .collect();
    let mut outcomes = Vec::new();
    for outcome in racing {
        outcomes.push(outcome.await.unwrap().map(|published| published.version));
    }
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Ok(0)).count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Err(Reason::OutputExists)).count(), 5, "{outcomes:?}");
    assert_eq!(read_numbers(folder.path()).await, [1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn racing_heads_commit_one_intent_once_and_racing_jobs_all_append() {
    let folder = tempfile::tempdir().unwrap();
    let mut intents = Vec::new();
    for job in 1..=4 {
        let rows = numbers(&[job as i64]);
        intents.push(TestJob::new(job, folder.path()).write(OutputMode::Append, &rows).await);
    }
    let racing: Vec<_> = intents
        .iter()
        .chain(&intents)
        .cloned()
        .map(|intent| tokio::spawn(async move { publish(&intent).await.unwrap().version }))
        .collect();
    let mut versions = Vec::new();
    for version in racing {
        versions.push(version.await.unwrap());
    }
    assert_eq!(versions[..4], versions[4..], "both heads see the same commit");
    versions.sort();
    versions.dedup();
    assert_eq!(versions, [0, 1, 2, 3]);
    assert_eq!(read_numbers(folder.path()).await, [1, 2, 3, 4]);
}

#[tokio::test]
async fn leftovers_of_the_job_go_and_everything_else_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (mut job, mut other) = (TestJob::new(1, folder.path()), TestJob::new(2, folder.path()));
    let leftover = job.write(OutputMode::Error, &numbers(&[7])).await.files.remove(0).path;
    let of_other = other.write(OutputMode::Error, &numbers(&[8])).await.files.remove(0).path;
    std::fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    let intent = job.write(OutputMode::Error, &numbers(&[1])).await;
    publish(&intent).await.unwrap();
    let mut expected = vec!["_delta_log".to_owned(), "notes.txt".into(), of_other, intent.files[0].path.clone()];
    expected.sort();
    assert_eq!(names(folder.path()), expected);
    assert!(!expected.contains(&leftover));
}

#[tokio::test]
async fn discard_deletes_the_files_of_a_job_and_the_folder_it_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("models");
    let mut job = TestJob::new(1, &path);
    job.write(OutputMode::Error, &numbers(&[1])).await;
    let other = TestJob::new(2, &path).write(OutputMode::Error, &numbers(&[2])).await.files.remove(0).path;
    DeltaPublisher.discard(job.uid, &job.place.to_string()).await.unwrap();
    assert_eq!(names(&path), [other]);
    DeltaPublisher.discard(TestJob::new(2, &path).uid, &job.place.to_string()).await.unwrap();
    assert!(!path.exists());
    DeltaPublisher.discard(job.uid, &job.place.to_string()).await.unwrap();

    let intent = job.write(OutputMode::Error, &numbers(&[1])).await;
    publish(&intent).await.unwrap();
    assert!(DeltaPublisher.discard(job.uid, &job.place.to_string()).await.is_err(), "its files are committed");
    assert_eq!(read_numbers(&path).await, [1]);
}

#[tokio::test]
async fn a_commit_whose_file_is_gone_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let intent = TestJob::new(1, folder.path()).write(OutputMode::Error, &numbers(&[1])).await;
    std::fs::remove_file(folder.path().join(&intent.files[0].path)).unwrap();
    let failure = publish(&intent).await.unwrap_err();
    assert_eq!(failure.reason, Reason::CorruptFile);
    assert!(open(&place(folder.path())).await.unwrap().is_none());
}

#[tokio::test]
async fn a_log_that_cannot_be_written_is_an_error_of_the_platform() {
    let folder = tempfile::tempdir().unwrap();
    let intent = TestJob::new(1, folder.path()).write(OutputMode::Error, &numbers(&[1])).await;
    std::fs::write(folder.path().join("_delta_log"), "a file where a folder has to be").unwrap();
    let failure = publish(&intent).await.unwrap_err();
    assert_eq!((failure.reason, failure.is_transient()), (Reason::Io, true), "{failure:?}");
    assert!(failure.location.file.is_some());
    assert!(folder.path().join(&intent.files[0].path).exists(), "the intent can be driven again");
}

#[tokio::test]
async fn the_output_is_looked_at_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let check = async |path: &Path, mode: OutputMode, batch: &RecordBatch| {
        check_output(&TestJob::new(9, path).output(mode), &batch.schema(), "spec.output")
            .await
            .map_err(|failure| (failure.reason, failure.location.field_path.unwrap(), failure.location.column))
    };
    let modes = [OutputMode::Error, OutputMode::Overwrite, OutputMode::Append];
    let (table_field, mode_field) = ("spec.output.table".to_owned(), "spec.output.mode".to_owned());

    let (absent, empty) = (folder.path().join("absent"), folder.path().join("empty"));
    let (foreign, file) = (folder.path().join("foreign"), folder.path().join("file"));
    std::fs::create_dir(&empty).unwrap();
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("thesis.doc"), "mine").unwrap();
    std::fs::write(&file, "mine").unwrap();
    for mode in modes {
        assert_eq!(check(&absent, mode, &numbers(&[])).await, Ok(()));
        assert_eq!(check(&empty, mode, &numbers(&[])).await, Ok(()));
        for path in [&foreign, &file] {
            let refused = Err((Reason::OutputExists, table_field.clone(), None));
            assert_eq!(check(path, mode, &numbers(&[])).await, refused, "{path:?}");
        }
    }
    assert!(!absent.exists(), "looking makes nothing");

    let mut job = TestJob::new(1, &empty);
    let intent = job.write(OutputMode::Error, &numbers(&[1])).await;
    assert_eq!(check(&empty, OutputMode::Error, &numbers(&[])).await, Ok(()), "attempts of jobs are no obstacle");
    publish(&intent).await.unwrap();
    assert_eq!(
        check(&empty, OutputMode::Error, &numbers(&[])).await,
        Err((Reason::OutputExists, mode_field.clone(), None))
    );
    assert_eq!(check(&empty, OutputMode::Append, &numbers(&[])).await, Ok(()));
    assert_eq!(check(&empty, OutputMode::Overwrite, &words(&[])).await, Ok(()));
    let mismatch = Err((Reason::SchemaMismatch, mode_field, Some("word".to_owned())));
    assert_eq!(check(&empty, OutputMode::Append, &words(&[])).await, mismatch);
}
