//! Groups that are larger than a message come piece by piece, where the function asks for that.

use std::path::PathBuf;

use serde_json::{Value, json};
use shoal_tests::oracle::read_delta;
use shoal_tests::table::{ByKey, by_key};
use shoal_tests::{job as jobs, slots};

use super::{job, member, run_here};
use crate::place::Place;

/// Rows of the large firm: some chunks.
const LARGE: u64 = 200_000;

/// Small firms, of five rows each.
const SMALL: u64 = 50;

fn input(place: &Place) -> PathBuf {
    let file = place.join("rows.csv");
    let large = (0..LARGE).map(|row| format!("large,{row}\n"));
    let small = (0..5 * SMALL).map(|row| format!("small {},{row}\n", row % SMALL));
    std::fs::write(&file, format!("firm,x\n{}", large.chain(small).collect::<String>())).unwrap();
    file
}

/// What came of a function with these lines: the job's counters, and the rows by their firms.
fn run(place: &Place, frame: &str, lines: &[&str], annotation: &str) -> (Value, ByKey) {
    run_with(place, frame, lines, annotation, &[])
}

/// The same, with more that `shoal run` is told.
fn run_with(place: &Place, frame: &str, lines: &[&str], annotation: &str, more: &[&str]) -> (Value, ByKey) {
    let body: String = lines.iter().map(|line| format!("    {line}\n")).collect();
    let code = format!("import os\nfrom typing import Iterator\n\ndef fit(groups: {annotation}, key):\n{body}");
    let output = place.join(frame);
    let job = job(frame, &input(place), &code, &output);
    let job = jobs::with(job, &member("frame"), json!(frame));
    let returns = ["n", "pieces", "largest", "last"].map(|name| json!({"name": name, "type": "int64"}));
    let job = jobs::with(job, &member("returns"), json!(returns));
    let status = run_here(place, &job, more).succeeded();
    (status["report"]["counters"].clone(), by_key(&read_delta(&output), &["firm"]))
}

#[test]
fn a_large_group_comes_in_pieces_and_a_small_one_in_one() {
    let _slots = slots::take(2);
    let place = Place::new();
    for (frame, x) in [
        ("pandas", "[int(x) for x in piece['x']]"),
        ("polars", "piece['x'].to_list()"),
        ("arrow", "piece.column('x').to_pylist()"),
        ("numpy", "piece['x'].tolist()"),
    ] {
        let take = format!("pieces = [{x} for piece in groups]");
        let lines = [
            take.as_str(),
            "xs = [x for piece in pieces for x in piece]",
            "assert xs == sorted(xs)",
            "return {'n': len(xs), 'pieces': len(pieces), 'largest': max(map(len, pieces)), 'last': xs[-1]}",
        ];
        let (counters, rows) = run(&place, frame, &lines, "Iterator[object]");
        assert_eq!(counters["groupsOk"], 1 + SMALL, "{frame}: {rows:#?}");
        let large = &rows["[\"large\"]"];
        assert_eq!((&large["n"], &large["last"]), (&json!(LARGE), &json!(LARGE - 1)), "{frame}");
        assert_eq!((&large["pieces"], &large["largest"]), (&json!(4), &json!(1 << 16)), "{frame}");
        for small in 0..SMALL {
            let row = &rows[&format!("[\"small {small}\"]")];
            assert_eq!((&row["n"], &row["pieces"]), (&json!(5), &json!(1)), "{frame}: {row:#}");
        }
    }
}

const REST: &str = "return {'n': first.num_rows, 'pieces': 1, 'largest': 0, 'last': 0}";

#[test]
fn a_function_may_stop_early_raise_or_die_between_two_pieces() {
    let _slots = slots::take(2);
    for (line, status) in [
        ("pass", "ok"),
        ("if key.firm == 'large': raise ValueError('enough')", "raised"),
        ("if key.firm == 'large': os._exit(3)", "process_died"),
    ] {
        let place = Place::new();
        let (counters, rows) = run(&place, "arrow", &["first = next(groups)", line, REST], "Iterator[object]");
        let failed = u64::from(status != "ok");
        assert_eq!(rows["[\"large\"]"]["status"], status);
        assert_eq!(counters["groupsFailed"], failed, "{line}: {counters:#}");
        assert_eq!(counters["groupsOk"], 1 + SMALL - failed, "{line}");
    }
}

/// A task has a memory of which the large firm takes more than a group may.
const LITTLE: [&str; 2] = ["--memory", "8Mi"];

#[test]
fn a_group_that_memory_does_not_hold_comes_in_pieces_and_only_in_pieces() {
    let _slots = slots::take(2);
    let lines = [
        "xs = [piece.column('x').to_pylist() for piece in groups]",
        "assert [x for piece in xs for x in piece] == list(range(200_000)) or key.firm != 'large'",
        "n = sum(map(len, xs))",
        "return {'n': n, 'pieces': len(xs), 'largest': max(map(len, xs)), 'last': xs[-1][-1]}",
    ];
    let (counters, rows) = run_with(&Place::new(), "arrow", &lines, "Iterator[object]", &LITTLE);
    assert_eq!(counters["groupsOk"], 1 + SMALL, "{rows:#?}");
    let large = &rows["[\"large\"]"];
    assert_eq!((&large["rows_used"], &large["n"], &large["last"]), (&json!(LARGE), &json!(LARGE), &json!(LARGE - 1)));
    assert_eq!((&large["pieces"], &large["largest"]), (&json!(4), &json!(1 << 16)));

    let line = "return {'n': groups.num_rows, 'pieces': 0, 'largest': 0, 'last': 0}";
    let (counters, rows) = run_with(&Place::new(), "arrow", &[line], "object", &LITTLE);
    assert_eq!(rows["[\"large\"]"]["status"], "group_too_large");
    assert_eq!((&counters["groupsOk"], &counters["groupsFailed"]), (&json!(SMALL), &json!(1)));
}

#[test]
fn a_process_that_dies_of_a_group_that_memory_does_not_hold_costs_that_group() {
    let _slots = slots::take(2);
    for (line, status) in [
        ("if key.firm == 'large': raise ValueError('enough')", "raised"),
        ("if key.firm == 'large': os._exit(3)", "process_died"),
    ] {
        let (counters, rows) =
            run_with(&Place::new(), "arrow", &["first = next(groups)", line, REST], "Iterator[object]", &LITTLE);
        assert_eq!((&rows["[\"large\"]"]["status"], &counters["groupsFailed"]), (&json!(status), &json!(1)), "{line}");
    }
}

#[test]
fn a_function_that_asks_for_nothing_gets_the_whole_group() {
    let _slots = slots::take(2);
    let line = "return {'n': groups.num_rows, 'pieces': 0, 'largest': 0, 'last': 0}";
    let (_, rows) = run(&Place::new(), "arrow", &[line], "object");
    assert_eq!(rows["[\"large\"]"]["n"], LARGE);
}
