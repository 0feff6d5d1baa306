#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;

fn value(text: &str) -> Value {
    read(text).unwrap().value
}

/// Message, line and position of the failure.
fn refused(text: &str) -> (String, Option<u64>, Option<u64>) {
    let failure = read(text).unwrap_err();
    (failure.message, failure.location.line, failure.location.position)
}

fn focus(text: &str, path: &str) -> (u64, u64) {
    let at = read(text).unwrap().place.nearest(&path.parse().unwrap()).focus;
    (at.line, at.position)
}

#[test]
fn scalars_are_those_of_yaml_1_2() {
    assert_eq!(
        value("{a: yes, b: true, c: ~, d: 010, e: 1.5, f: 5.0, g: \"5\", h: !!str 5, i: 2026-01-01, j: 1e3}"),
        json!({"a": "yes", "b": true, "c": null, "d": 10, "e": 1.5, "f": 5, "g": "5", "h": "5", "i": "2026-01-01", "j": 1000})
    );
}

#[test]
fn json_is_yaml() {
    let text = "\u{feff}{\r\n\t\"a\": [1, {\"b\": \"x\\/\\u00e9\\n\"}],\r\n\t\"c\":true\r\n}\r\n";
    assert_eq!(value(text), json!({"a": [1, {"b": "x/é\n"}], "c": true}));
    assert_eq!(focus(text, "a[1].b"), (2, 17));
    assert_eq!(focus(text, "c"), (3, 6));
}

#[test]
fn a_place_is_the_value_of_a_scalar_and_the_name_of_all_else() {
    let text = "# comment\na:\n  b: [x, y]\n  c:\n  - d\nempty:\n";
    assert_eq!(focus(text, "a"), (2, 1));
    assert_eq!(focus(text, "a.b"), (3, 3));
    assert_eq!(focus(text, "a.b[1]"), (3, 10));
    assert_eq!(focus(text, "a.c[0]"), (5, 5));
    assert_eq!(focus(text, "empty"), (6, 1));
    assert_eq!(focus(text, "a.missing.deeper[3]"), (2, 1), "the nearest part around it");
}

#[test]
fn a_field_is_there_once() {
    let failure = read("a:\n  b: 1\n  b: 2\n").unwrap_err();
    assert_eq!(failure.reason, Reason::DuplicateName);
    assert_eq!(failure.message, "field `b` is there twice, first on line 2");
    assert_eq!(failure.location.field_path.as_deref(), Some("a.b"));
    assert_eq!((failure.location.line, failure.location.position), (Some(3), Some(3)));
}

#[test]
fn one_document_is_read() {
    assert_eq!(value("---\na: 1\n---\n"), json!({"a": 1}));
    assert_eq!(refused("a: 1\n---\nb: 2\n"), ("a second document begins here".into(), Some(3), Some(1)));
    assert_eq!(refused("# only a comment\n"), ("the file is empty".into(), None, None));
    assert_eq!(refused("").0, "the file is empty");
}

#[test]
fn what_has_two_readings_is_refused() {
    assert_eq!(refused("a: !custom 1").1, Some(1));
    assert_eq!(refused("a: !!int x").0, "the value is not what its tag says");
    assert_eq!(refused("? [a]\n: 1").0, "the name of a field must be a text");
    assert_eq!(refused("a: .nan").1, Some(1));
}

#[test]
fn a_broken_text_has_a_line() {
    let (message, line, _) = refused("a:\n\tb: 1\n");
    assert!(message.starts_with("this is no YAML: "), "{message}");
    assert_eq!(line, Some(2));
    assert_eq!(refused("a: [1,\nb: 2").1, Some(2));
    assert!(refused("a: \"open\nb: 2").1.is_some());
    assert_eq!(refused("a: *unknown").1, Some(1));
}

#[test]
fn aliases_stand_for_their_anchor_within_a_bound() {
    assert_eq!(value("a: &x [1, 2]\nb: *x"), json!({"a": [1, 2], "b": [1, 2]}));
    assert_eq!(refused("a: &x [*x]").0, "an alias stands inside what it stands for");
    let mut laughs = String::from("a0: &a0 lol\n");
    for level in 1..20 {
        let previous = vec![format!("*a{}", level - 1); 10].join(", ");
        laughs.push_str(&format!("a{level}: &a{level} [{previous}]\n"));
    }
    assert_eq!(refused(&laughs).0, "the aliases of this file stand for too much");
}

#[test]
fn depth_and_length_are_bounded() {
    assert!(refused(&"[".repeat(100)).0.contains("inside each other"));
    assert_eq!(refused(&"[".repeat(100_000)).1, Some(1));
    assert_eq!(refused(&"- ".repeat(100_000)).1, Some(1));
    assert!(refused(&"#".repeat(JOB_FILE_BYTES_MAX + 1)).0.contains("at most 1048576"));
}
