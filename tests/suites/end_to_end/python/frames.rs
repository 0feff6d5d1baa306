//! What a function sees: the rows of its group, all columns with their types, and nothing of the worker.

use serde_json::{Value, json};
use shoal_tests::oracle::read_delta;
use shoal_tests::table::by_key;
use shoal_tests::{job as jobs, slots};

use super::{FIRMS, YEARS, firms, job, member, run_here};
use crate::place::Place;

#[test]
fn each_frame_has_the_rows_of_its_group_and_all_columns() {
    let _slots = slots::take(2);
    let place = Place::new();
    let input = firms(&place);
    for (frame, columns) in [
        ("pandas", "list(group.columns)"),
        ("polars", "group.columns"),
        ("numpy", "list(group)"),
        ("arrow", "group.schema.names"),
    ] {
        let value = if frame == "arrow" { "group.column('x').to_numpy()" } else { "group['x']" };
        let year = if frame == "arrow" { "group.column('year').to_pylist()" } else { "list(group['year'])" };
        let code = format!(
            "def fit(group, key, params):\n    assert {columns} == ['firm', 'year', 'x'], {columns}\n    \
             assert {year} == [0, 1, 2, 3, 4], {year}\n    return {{'n': int({value}.sum()) * params['by']}}\n"
        );
        let output = place.join(frame);
        let job = jobs::with(job(frame, &input, &code, &output), &member("frame"), json!(frame));
        let job = jobs::with(job, &member("params"), json!({"by": 2}));
        let counters = run_here(&place, &job, &[]).succeeded()["report"]["counters"].clone();
        let rows = by_key(&read_delta(&output), &["firm"]);
        assert_eq!(counters["groupsOk"], FIRMS, "{frame}: {rows:#?}");
        for firm in 0..FIRMS {
            let sum: usize = (0..YEARS).map(|year| year * FIRMS + firm).sum();
            assert_eq!(rows[&format!("[\"firm {firm}\"]")]["n"], 2 * sum, "{frame}");
        }
    }
}

#[test]
fn keys_come_with_the_types_of_the_table_missing_ones_too() {
    let _slots = slots::take(2);
    let place = Place::new();
    let input = place.join("rows.csv");
    std::fs::write(&input, "a,b,x\n1,u,0.5\n,u,1.5\n1,,2.5\n1,u,3.5\n").unwrap();
    let code = "def fit(group, key):\n    a = 'none' if key.a is None else str(key.a)\n    \
                return {'n': len(group), 'who': f'{a}/{key.b}', 'kinds': ' '.join(str(column.type) for column in group.columns)}\n";
    let output = place.join("out");
    let mut job = job("keys", &input, code, &output);
    job = jobs::with(job, "/groupedTraining/groupBy", json!(["a", "b"]));
    job = jobs::with(job, &member("frame"), json!("arrow"));
    let text = |name: &str| json!({"name": name, "type": "string"});
    job = jobs::with(job, &member("returns"), json!([{"name": "n", "type": "int64"}, text("who"), text("kinds")]));
    run_here(&place, &job, &[]).succeeded();
    let mut found: Vec<Value> = read_delta(&output);
    assert!(found.iter().all(|row| row["kinds"] == "int64 string double"), "{found:#?}");
    found.sort_by_key(|row| row["who"].to_string());
    let found: Vec<(&Value, &Value)> = found.iter().map(|row| (&row["who"], &row["n"])).collect();
    assert_eq!(found, [(&json!("1/None"), &json!(1)), (&json!("1/u"), &json!(2)), (&json!("none/u"), &json!(1))]);
}

#[test]
fn the_worker_shows_a_function_nothing_of_its_own() {
    let _slots = slots::take(2);
    let place = Place::new();
    let code = "import os\n\ndef fit(group):\n    secrets = [name for name in os.environ if 'SECRET' in name]\n    \
                mine = os.environ['TMPDIR'] == os.getcwd() and os.access(os.getcwd(), os.W_OK)\n    \
                home = os.path.dirname(os.getcwd())\n    \
                threads = {os.environ[name] for name in ['OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'RAYON_NUM_THREADS']}\n    \
                files = [os.readlink(f'/proc/self/fd/{file}') for file in os.listdir('/proc/self/fd') if int(file) > 2 \
                and os.path.lexists(f'/proc/self/fd/{file}')]\n    \
                foreign = [file for file in files if not file.startswith('socket:') and file != home + '/progress']\n    \
                assert not secrets and mine and threads == {'1'} and not foreign and len(files) == 2, (secrets, mine, threads, foreign)\n    \
                return {'n': 1}\n";
    let output = place.join("out");
    let job = job("secrets", &firms(&place), code, &output);
    let mut command = shoal_tests::shoal::command(["run", "--output", "json"]);
    command.env("MY_SECRET", "hidden").env("AWS_SECRET_ACCESS_KEY", "hidden");
    command.arg(place.job(&job)).arg("--state-dir").arg(place.join("state"));
    let status = shoal_tests::process::Process::start(&mut command).finish().succeeded();
    let rows = read_delta(&output);
    assert_eq!(status["report"]["counters"]["groupsOk"], FIRMS, "{:#}", rows[0]);
}
