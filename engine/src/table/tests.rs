use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Float64Array, Int32Array, RecordBatch, StringArray};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use datafusion::physical_plan::{collect, displayable};
use datafusion::prelude::{col, lit};
use shoal_core::spec::v1alpha1::InputTable;
use shoal_core::{Failure, Reason};

use super::testing::{append_delta, column, ids, late_misfit, write, write_delta, write_parquet};
use super::*;
use crate::session::{query_session, task_session};

const FIELD: &str = "spec.groupedTraining.input";

fn input(table: &str) -> InputTable {
    InputTable { table: table.to_owned(), format: None, version: None, filter: None }
}

fn at(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

async fn pinned(table: &str) -> (PinnedTable, Vec<InputFile>) {
    let pinned = pin(&input(table), FIELD).await.unwrap();
    // A worker sees what the head stored.
    let stored = serde_json::to_string(&pinned).unwrap();
    assert_eq!(serde_json::from_str::<(PinnedTable, Vec<InputFile>)>(&stored).unwrap(), pinned);
    pinned
}

async fn refused(input: &InputTable) -> Failure {
    let failure = pin(input, FIELD).await.unwrap_err();
    assert!(failure.location.field_path.as_deref().is_some_and(|path| path.starts_with(FIELD)), "{failure:?}");
    assert!(failure.location.file.is_some(), "{failure:?}");
    failure
}

async fn read(table: &PinnedTable, split: &Split) -> Result<RecordBatch, Failure> {
    let scratch = tempfile::tempdir().unwrap();
    let ctx = task_session(64 << 20, scratch.path()).unwrap();
    let frame = scan(&ctx, table, split).await?;
    match frame.collect().await {
        Ok(batches) => Ok(concat_batches(&table.schema, &batches).unwrap()),
        Err(error) => Err(scan_failure(&ctx, error, table, split).await),
    }
}

/// Ids of the whole table, whatever the size of the splits that it is read in.
async fn ids_over_all_splits(table: &PinnedTable, files: &[InputFile], targets: &[u64]) -> Vec<i64> {
    let mut expected: Option<Vec<i64>> = None;
    for target in targets {
        let mut ids = Vec::new();
        for split in splits(table, files, *target) {
            let rows = read(table, &split).await.unwrap();
            ids.extend(rows.column_by_name("id").unwrap().as_primitive::<Int64Type>().values());
        }
        ids.sort_unstable();
        assert_eq!(expected.get_or_insert_with(|| ids.clone()), &ids, "splits of {target} bytes");
    }
    expected.unwrap()
}

#[tokio::test]
async fn a_missing_table_is_named_with_its_likeliest_sibling() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "data/grunfeld.csv", "a\n1\n");
    for (asked, meant) in [("data/grunfeld.cvs", "data/grunfeld.csv"), ("dat/grunfeld.csv", "data")] {
        let failure = refused(&input(&at(folder.path(), asked))).await;
        assert_eq!(failure.reason, Reason::TableNotFound);
        assert_eq!(failure.location.field_path.as_deref(), Some("spec.groupedTraining.input.table"));
        assert_eq!(failure.next.unwrap(), format!("did you mean `{}`?", at(folder.path(), meant)));
    }
    assert_eq!(refused(&input(&at(folder.path(), "data/*.parquet"))).await.reason, Reason::TableNotFound);
    assert_eq!(refused(&input(&at(folder.path(), "data/grunfeld.csv/x"))).await.reason, Reason::TableNotFound);
    let failure = pin(&input("ftp://host/table"), FIELD).await.unwrap_err();
    assert_eq!((failure.reason, failure.location.field_path.is_some()), (Reason::InvalidValue, true));
}

#[tokio::test]
async fn what_is_no_table_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "notes/readme.txt", "hello");
    write(folder.path(), "mixed/a.csv", "a\n1\n");
    write_parquet(&at(folder.path(), "mixed/b.parquet"), &ids(0..3));
    std::fs::create_dir(folder.path().join("nothing")).unwrap();
    write_delta(&at(folder.path(), "tables/one"), &[&[1]]).await;
    for name in ["notes", "notes/readme.txt", "mixed", "nothing", "tables"] {
        let failure = refused(&input(&at(folder.path(), name))).await;
        assert_eq!(failure.reason, Reason::TableUnreadable, "{name}");
        assert!(failure.next.is_some(), "{name}");
    }
    let csv = InputTable { format: Some(TableFormat::Csv), ..input(&at(folder.path(), "mixed")) };
    assert_eq!(pin(&csv, FIELD).await.unwrap().1.len(), 1);
    let delta = InputTable { format: Some(TableFormat::Delta), ..input(&at(folder.path(), "mixed")) };
    assert_eq!(refused(&delta).await.reason, Reason::TableUnreadable);
    let parquet = InputTable { format: Some(TableFormat::Parquet), ..input(&at(folder.path(), "tables/one")) };
    let failure = refused(&parquet).await;
    assert_eq!(failure.location.field_path.as_deref(), Some("spec.groupedTraining.input.format"));
    let versioned = InputTable { version: Some(1), ..input(&at(folder.path(), "mixed/a.csv")) };
    let failure = refused(&versioned).await;
    assert_eq!(failure.location.field_path.as_deref(), Some("spec.groupedTraining.input.version"));
}

#[tokio::test]
async fn a_table_without_rows_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "nothing.csv", "");
    write(folder.path(), "header.csv", "a,b\n");
    write_parquet(&at(folder.path(), "p.parquet"), &ids(0..0));
    write_delta(&at(folder.path(), "delta"), &[&[]]).await;
    for name in ["nothing.csv", "header.csv", "*.csv", "p.parquet", "delta"] {
        assert_eq!(refused(&input(&at(folder.path(), name))).await.reason, Reason::TableEmpty, "{name}");
    }
}

#[tokio::test]
async fn a_damaged_parquet_file_is_named_when_pinned_and_when_read() {
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = (at(folder.path(), "a.parquet"), at(folder.path(), "b.parquet"));
    write_parquet(&good, &ids(0..1000));
    write_parquet(&bad, &ids(0..1000));
    let table = folder.path().to_str().unwrap();
    let whole = std::fs::read(&bad).unwrap();

    // Pages that are not what the footer says.
    let mut bytes = whole.clone();
    let pages = 4..whole.len() / 2;
    bytes[pages].fill(0xff);
    std::fs::write(&bad, &bytes).unwrap();
    let (pinned_table, files) = pinned(table).await;
    let failure = read(&pinned_table, &Split::whole(&files)).await.unwrap_err();
    assert_eq!(
        (failure.reason, failure.location.file.as_deref()),
        (Reason::CorruptFile, Some(bad.as_str())),
        "{failure:?}"
    );

    for short in [0, 3, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&bad, &whole[..short]).unwrap();
        let failure = refused(&input(table)).await;
        assert_eq!(failure.reason, Reason::CorruptFile, "{short} bytes: {failure:?}");
        assert_eq!(failure.location.file.as_deref(), Some(bad.as_str()));
        let failure = read(&pinned_table, &Split::whole(&files)).await.unwrap_err();
        assert_eq!((failure.reason, failure.location.file.as_deref()), (Reason::TableUnreadable, Some(bad.as_str())));
    }
    std::fs::remove_file(&bad).unwrap();
    let failure = read(&pinned_table, &Split::whole(&files)).await.unwrap_err();
    assert_eq!((failure.reason, failure.location.file.as_deref()), (Reason::Io, Some(bad.as_str())));
}

#[tokio::test]
async fn parquet_files_of_different_types_are_read_as_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let narrow: ArrayRef = Arc::new(Int32Array::from_iter_values(0..250));
    write_parquet(&at(folder.path(), "t/year=1/a.parquet"), &column("id", narrow));
    let wide = RecordBatch::try_from_iter([
        ("extra", Arc::new(Float64Array::from(vec![0.5; 350])) as ArrayRef),
        ("id", Arc::clone(ids(250..600).column(0))),
    ]);
    write_parquet(&at(folder.path(), "t/b.parquet"), &wide.unwrap());
    write(folder.path(), "t/_SUCCESS", "");
    write(folder.path(), "t/.b.parquet.crc", "x");
    let (table, files) = pinned(&at(folder.path(), "t")).await;
    assert_eq!(table.schema.field_with_name("id").unwrap().data_type(), &DataType::Int64);
    let targets = [300, 500, 1000, 3000, 1 << 30];
    assert_eq!(ids_over_all_splits(&table, &files, &targets).await, (0..600).collect::<Vec<_>>());
    let text: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
    write_parquet(&at(folder.path(), "t/c.parquet"), &column("id", text));
    let failure = refused(&input(&at(folder.path(), "t"))).await;
    assert_eq!((failure.reason, failure.location.column.as_deref()), (Reason::TableUnreadable, Some("id")));
}

#[tokio::test]
async fn csv_files_keep_line_breaks_inside_quotes() {
    let folder = tempfile::tempdir().unwrap();
    let lines: String = (0..500).map(|id| format!("{id},\"line one\nline \"\"two\"\", {id}\"\n")).collect();
    write(folder.path(), "a b%c#1.csv", &format!("\u{feff}id,text\n{lines}"));
    write(folder.path(), "b.csv", "id,text\n500,\n501,x\n");
    write(folder.path(), "c.csv", "");
    write(folder.path(), "d.csv", "id,text\n");
    let (table, files) = pinned(&at(folder.path(), "*.csv")).await;
    assert_eq!(table.schema.field(0).data_type(), &DataType::Int64);
    let targets = [1, 1000, 1 << 30];
    assert_eq!(ids_over_all_splits(&table, &files, &targets).await, (0..502).collect::<Vec<_>>());
    let rows = read(&table, &Split::whole(&files[..1])).await.unwrap();
    assert_eq!(rows.column(1).as_string::<i32>().value(7), "line one\nline \"two\", 7");
}

#[tokio::test]
async fn whole_numbers_of_one_csv_file_widen_to_those_of_another() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.csv", "id,x\n1,1\n");
    write(folder.path(), "b.csv", "id,x\n2,1.5\n");
    let (table, files) = pinned(folder.path().to_str().unwrap()).await;
    assert_eq!(table.schema.field(1).data_type(), &DataType::Float64);
    assert_eq!(read(&table, &Split::whole(&files)).await.unwrap().num_rows(), 2);
}

#[tokio::test]
async fn a_csv_line_that_breaks_its_column_is_found() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.csv", "id,x\n1,2\n");
    let bad = write(folder.path(), "b.csv", &late_misfit());
    let (table, files) = pinned(folder.path().to_str().unwrap()).await;
    let failure = read(&table, &Split::whole(&files)).await.unwrap_err();
    assert_eq!((failure.reason, failure.location.file.as_deref()), (Reason::MalformedRow, Some(bad.as_str())));
    assert_eq!(failure.location.line, Some(testing::LATE_MISFIT_LINE));
    assert_eq!(failure.location.column.as_deref(), Some("x"));
    assert!(failure.message.contains("`oops`") && failure.next.is_some(), "{failure:?}");
}

#[tokio::test]
async fn a_delta_table_is_read_at_its_pinned_version() {
    let folder = tempfile::tempdir().unwrap();
    let path = at(folder.path(), "my table");
    write_delta(&path, &[&[1, 2], &[3], &[4, 5, 6]]).await;
    let (latest, files) = pinned(&path).await;
    assert_eq!((latest.version, files.len()), (Some(2), 3));
    let second = InputTable { version: Some(1), ..input(&path) };
    let (second, second_files) = pin(&second, FIELD).await.unwrap();
    assert_eq!(second.version, Some(1));
    write_delta(&path, &[&[7]]).await;
    let targets = [1, 1000, 1 << 30];
    assert_eq!(ids_over_all_splits(&latest, &files, &targets).await, [1, 2, 3, 4, 5, 6]);
    assert_eq!(ids_over_all_splits(&second, &second_files, &targets).await, [1, 2, 3]);

    let failure = refused(&InputTable { version: Some(9), ..input(&path) }).await;
    assert_eq!(failure.reason, Reason::TableNotFound);
    assert_eq!(failure.location.field_path.as_deref(), Some("spec.groupedTraining.input.version"));
    assert!(failure.message.contains("its latest is 3"), "{}", failure.message);
    std::fs::remove_file(Path::new(&path).join("_delta_log/00000000000000000000.json")).unwrap();
    assert!(matches!(refused(&input(&path)).await.reason, Reason::TableUnreadable));
}

#[tokio::test]
async fn delta_partitions_of_any_name_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = at(folder.path(), "t");
    let names = ["plain", "with space", "50%", "a/b", "x:y#z?", "é", ""];
    for (id, name) in (0..).zip(names) {
        let firm: ArrayRef = Arc::new(StringArray::from(vec![(!name.is_empty()).then_some(name)]));
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("id", Arc::clone(ids([id]).column(0)), true),
            ("firm", firm, true),
        ]);
        append_delta(&path, batch.unwrap(), &["firm"]).await;
    }
    let (table, files) = pinned(&path).await;
    assert_eq!(ids_over_all_splits(&table, &files, &[1, 1 << 30]).await, (0..7).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_delta_table_with_unknown_features_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = at(folder.path(), "t");
    write_delta(&path, &[&[1]]).await;
    let log = Path::new(&path).join("_delta_log/00000000000000000001.json");
    let protocol = r#"{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["timeTravelToTheFuture"],"writerFeatures":["timeTravelToTheFuture"]}}"#;
    std::fs::write(log, protocol).unwrap();
    let failure = refused(&input(&path)).await;
    assert_eq!(failure.reason, Reason::TableUnreadable);
    let said = format!("{} {:?}", failure.message, failure.causes);
    assert!(said.contains("timeTravelToTheFuture"), "{said}");
}

#[tokio::test]
async fn conditions_and_columns_reach_the_parquet_reader() {
    let folder = tempfile::tempdir().unwrap();
    write_parquet(&at(folder.path(), "a.parquet"), &ids(0..1000));
    let (table, files) = pinned(folder.path().to_str().unwrap()).await;
    let scratch = tempfile::tempdir().unwrap();
    let ctx = task_session(64 << 20, scratch.path()).unwrap();
    let rows = scan(&ctx, &table, &Split::whole(&files)).await.unwrap();
    let rows = rows.filter(col("id").gt_eq(lit(950_i64))).unwrap();
    let plan = rows.create_physical_plan().await.unwrap();
    let text = displayable(plan.as_ref()).indent(true).to_string();
    assert!(text.contains("predicate=id@0 >= 950"), "{text}");
    let read = collect(Arc::clone(&plan), ctx.task_ctx()).await.unwrap();
    assert_eq!(read.iter().map(RecordBatch::num_rows).sum::<usize>(), 50);
    let text = DisplayableExecutionPlan::with_metrics(plan.as_ref()).indent(true).to_string();
    assert!(text.contains("row_groups_pruned_statistics=10 total → 1 matched"), "{text}");
}

#[tokio::test]
async fn a_sample_is_small_and_of_the_largest_file() {
    let folder = tempfile::tempdir().unwrap();
    write_parquet(&at(folder.path(), "a.parquet"), &ids(0..3));
    write_parquet(&at(folder.path(), "b.parquet"), &ids(3..1000));
    let (table, files) = pinned(folder.path().to_str().unwrap()).await;
    let rows = sample(&query_session(), &table, &files, 150).await.unwrap().collect().await.unwrap();
    assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 150);
    assert!(rows[0].column(0).as_primitive::<Int64Type>().values().iter().all(|id| *id >= 3));
    assert_eq!(read(&table, &Split { slices: vec![], bytes: 0 }).await.unwrap().num_rows(), 0);
}

#[tokio::test]
async fn json_lines_are_read_in_any_splits_and_the_line_that_does_not_fit_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let line = |id: usize| format!("{{\"id\": {id}, \"place\": {{\"town\": \"t{id}\"}}}}\n");
    write(folder.path(), "t/a.ndjson", &(0..300).map(line).collect::<String>());
    write(folder.path(), "t/b.jsonl", "{\"more\": true, \"id\": 300}\n\n{\"id\": 301}");
    let (table, files) = pinned(&at(folder.path(), "t")).await;
    let names: Vec<&str> = table.schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["id", "place", "more"]);
    let ids = ids_over_all_splits(&table, &files, &[1, 100, 1_000, u64::MAX]).await;
    assert_eq!(ids, (0..302).collect::<Vec<_>>());

    // Beyond what types are guessed from.
    let mut text = (0..60_000).map(line).collect::<String>();
    text += "{\"id\": \"sixty thousand\"}\n";
    let path = write(folder.path(), "late.ndjson", &text);
    let (table, files) = pinned(&path).await;
    let failure = read(&table, &splits(&table, &files, u64::MAX)[0]).await.unwrap_err();
    let location = &failure.location;
    assert_eq!(
        (failure.reason, location.line, location.column.as_deref()),
        (Reason::MalformedRow, Some(60_001), Some("id"))
    );
    assert!(failure.message.contains("sixty thousand") && location.file.is_some(), "{failure:?}");

    write(folder.path(), "mixed/a.ndjson", "{}\n");
    write(folder.path(), "mixed/b.csv", "a\n1\n");
    assert!(refused(&input(&at(folder.path(), "mixed"))).await.message.contains("CSV and JSON"));
}
