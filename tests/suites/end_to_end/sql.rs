//! `shoal sql`: tables by their paths.

use serde_json::json;
use shoal_tests::data::skewed;
use shoal_tests::{job, shoal, slots};

use crate::place::{Place, query};

#[test]
fn csv_parquet_and_delta_are_queried_by_path() {
    let _slots = slots::take(3);
    let place = Place::new();
    let csv = job::grunfeld_csv();
    let rows = query(&format!("SELECT count(*) AS n, count(DISTINCT firm) AS firms FROM '{}'", csv.display()));
    assert_eq!(rows, [json!({"n": 220, "firms": 11})]);

    let made = skewed(&place.join("parts"));
    let rows = query(&format!("SELECT count(*) AS n FROM '{}/*.parquet'", place.join("parts").display()));
    assert_eq!(rows, [json!({"n": made.rows})]);

    place.run(&job::grunfeld("grunfeld", &place.join("models"))).succeeded();
    let models = place.join("models");
    // Structs are reached without unnesting, and a table of models is joined with what it was made of.
    let rows = query(&format!(
        "SELECT count(*) AS n, max(m.r2) > 0.9 AS fits FROM '{}' m WHERE m.coefficients['capital'] IS NOT NULL",
        models.display()
    ));
    assert_eq!(rows, [json!({"n": 11, "fits": true})]);
    let rows = query(&format!(
        "SELECT count(*) AS n FROM '{}' m JOIN '{}' d ON m.firm = d.firm",
        models.display(),
        csv.display()
    ));
    assert_eq!(rows, [json!({"n": 220})]);
}

#[test]
fn what_is_wrong_with_a_query_is_said() {
    let _slots = slots::take(1);
    let csv = job::grunfeld_csv();
    for (sql, reason, next) in [
        ("SELECT * FROM 'nowhere.csv'".to_owned(), "TableNotFound", ""),
        (format!("SELECT capitol FROM '{}'", csv.display()), "ColumnNotFound", "capital"),
        ("SELEC 1".to_owned(), "InvalidExpression", ""),
        (format!("DROP TABLE '{}'", csv.display()), "NotPossible", "SELECT"),
    ] {
        let failure = shoal::run(["sql", &sql, "--output", "json"]).failed(2);
        assert_eq!(failure["reason"], reason, "{sql}: {failure:#}");
        assert!(failure["next"].as_str().is_some_and(|said| said.contains(next)), "{sql}: {failure:#}");
    }
}

#[test]
fn a_table_is_shown_to_people_too() {
    let _slots = slots::take(1);
    let sql = format!("SELECT firm, year FROM '{}' ORDER BY firm, year LIMIT 1", job::grunfeld_csv().display());
    let shown = shoal::run(["sql", &sql]);
    assert_eq!(shown.code, 0, "{shown:#?}");
    assert!(shown.stdout.contains("firm") && shown.stdout.contains("1935"), "{shown:#?}");
}
