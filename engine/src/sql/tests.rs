use std::path::Path;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::pretty::pretty_format_batches;

use super::*;
use crate::table::testing;

async fn rows(sql: &str) -> Result<Vec<RecordBatch>, Failure> {
    query(sql).await?.batches.try_collect().await
}

async fn count(sql: &str) -> i64 {
    let rows = rows(sql).await.unwrap();
    rows[0].column(0).as_primitive::<Int64Type>().value(0)
}

async fn refused(sql: &str) -> Failure {
    match query(sql).await {
        Ok(_) => panic!("{sql} was run"),
        Err(failure) => failure,
    }
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

#[tokio::test]
async fn tables_are_paths_in_either_quotes() {
    let folder = tempfile::tempdir().unwrap();
    let csv = testing::write(folder.path(), "t.csv", "id,Name\n1,a\n2,b\n");
    let delta = path(folder.path(), "models");
    testing::write_delta(&delta, &[&[1, 2, 3]]).await;
    assert_eq!(count(&format!("SELECT count(*) FROM '{csv}'")).await, 2);
    assert_eq!(count(&format!("SELECT count(*) FROM \"{csv}\" WHERE Name = 'a'")).await, 1);
    assert_eq!(
        count(&format!("SELECT count(*) FROM '{}/*.csv' AS t WHERE t.id > 1", folder.path().display())).await,
        1
    );
    assert_eq!(count(&format!("SELECT count(*) FROM '{delta}' m JOIN '{csv}' t ON m.id = t.id")).await, 2);
    assert_eq!(count(&format!("WITH x AS (SELECT * FROM '{csv}') SELECT count(*) FROM x")).await, 2);
    assert_eq!(count("SELECT count(*) FROM generate_series(1, 5)").await, 5);
}

#[tokio::test]
async fn fields_of_structs_are_reached_by_dots_and_brackets() {
    let folder = tempfile::tempdir().unwrap();
    let nested = path(folder.path(), "nested.parquet");
    testing::write_parquet(&nested, &testing::nested());
    for field in ["coefficients.value", "coefficients['value']", "m.coefficients['value']"] {
        let rows = rows(&format!("SELECT {field} AS v FROM '{nested}' m")).await.unwrap();
        let text = pretty_format_batches(&rows).unwrap().to_string();
        assert!(text.contains("0.5"), "{field}: {text}");
    }
}

#[tokio::test]
async fn only_reading_statements_are_run() {
    let folder = tempfile::tempdir().unwrap();
    let csv = testing::write(folder.path(), "t.csv", "id\n1\n");
    for sql in [
        format!("CREATE TABLE x AS SELECT * FROM '{csv}'"),
        format!("INSERT INTO '{csv}' VALUES (2)"),
        format!("COPY '{csv}' TO '{csv}.parquet'"),
        format!("DROP TABLE '{csv}'"),
        format!("EXPLAIN ANALYZE INSERT INTO '{csv}' VALUES (2)"),
        "SET datafusion.execution.batch_size = 1".to_owned(),
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'".to_owned(),
    ] {
        assert_eq!(refused(&sql).await.reason, Reason::NotPossible, "{sql}");
    }
    assert!(!folder.path().join("t.csv.parquet").exists());
    assert!(rows(&format!("DESCRIBE '{csv}'")).await.is_ok());
    assert!(rows(&format!("EXPLAIN SELECT * FROM '{csv}'")).await.is_ok());
}

#[tokio::test]
async fn what_is_wrong_is_said_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let csv = testing::write(folder.path(), "t.csv", "id,name\n1,a\n");
    let failure = refused("SELECT 1 FRM 'x'\n WHERE").await;
    assert_eq!(failure.reason, Reason::InvalidExpression);
    assert!(failure.location.line.is_some() && failure.location.position.is_some(), "{failure:?}");
    assert_eq!(refused("SELECT 1; SELECT 2").await.reason, Reason::InvalidExpression);
    assert_eq!(refused("").await.reason, Reason::InvalidExpression);
    let failure = refused(&format!("SELECT * FROM '{}'", path(folder.path(), "u.csv"))).await;
    assert_eq!((failure.reason, failure.location.field_path.as_ref()), (Reason::TableNotFound, None));
    assert!(failure.next.unwrap().contains("t.csv"));
    let failure = refused("SELECT * FROM out.models").await;
    assert_eq!(failure.reason, Reason::TableNotFound);
    let failure = refused(&format!("SELECT nme FROM '{csv}'")).await;
    assert_eq!((failure.reason, failure.next.as_deref()), (Reason::ColumnNotFound, Some("did you mean `name`?")));
}

#[tokio::test]
async fn a_line_that_breaks_its_column_is_found_in_the_right_table() {
    let folder = tempfile::tempdir().unwrap();
    let good = testing::write(folder.path(), "good.csv", "id\n1\n");
    let bad = testing::write(folder.path(), "bad.csv", &testing::late_misfit());
    let failure = rows(&format!("SELECT sum(b.x) FROM '{good}' g, '{bad}' b")).await.unwrap_err();
    assert_eq!((failure.reason, failure.location.file.as_deref()), (Reason::MalformedRow, Some(bad.as_str())));
    assert_eq!(failure.location.line, Some(testing::LATE_MISFIT_LINE));
}
