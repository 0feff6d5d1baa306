#![allow(clippy::unwrap_used)]

use super::*;
use crate::trace::{Kind, generate, write};

const HEAD: &str = r#"{"trace": {"name": "t", "seed": 1, "end": 60}}
{"group": {"name": "w", "slots": 2, "maxWorkers": 4, "startSeconds": 30}}
"#;

fn refused(lines: &str) -> Failure {
    parse(&format!("{HEAD}{lines}"), "t.jsonl").unwrap_err()
}

#[test]
fn what_is_written_is_read_again() {
    for kind in Kind::ALL {
        let trace = generate(kind, 1);
        assert_eq!(parse(&write(&trace), "t").unwrap(), trace, "{kind:?}");
    }
}

#[test]
fn what_may_be_left_out_has_its_default() {
    let trace =
        parse(&format!("{HEAD}\n{}", r#"{"job": {"at": 0.5, "name": "a", "tasks": 3, "taskSeconds": 2}}"#), "t")
            .unwrap();
    assert_eq!(trace.groups[0].min_workers, 0);
    let job = &trace.jobs[0];
    assert_eq!((job.at, job.priority, job.task.spread, job.deadline), (500, 0, 0.0, None));
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let job = |fields: &str| format!(r#"{{"job": {{"at": 1, "name": "a", "tasks": 3, {fields}}}}}"#);
    for (lines, reason, line, field, said) in [
        ("{", Reason::MalformedDocument, 3, None, "no JSON"),
        ("[1]", Reason::InvalidValue, 3, None, "no line of a trace"),
        (r#"{"jop": {}}"#, Reason::InvalidValue, 3, None, "unknown variant `jop`"),
        (&job(r#""taskSeconds": -2"#), Reason::InvalidValue, 3, Some("job.taskSeconds"), "-2 is negative"),
        (&job(r#""taskSeconds": 1, "colour": 2"#), Reason::InvalidValue, 3, None, "unknown field `colour`"),
        (&job(r#""taskSeconds": "long""#), Reason::InvalidValue, 3, None, "invalid type"),
        (&job(r#""taskSeconds": 1, "deadline": -1"#), Reason::InvalidValue, 3, Some("job.deadline"), "negative"),
        (&job(r#""taskSeconds": 1, "priority": 1001"#), Reason::InvalidValue, 3, Some("job.priority"), "bounds"),
        (&job(r#""taskSpread": 1"#), Reason::InvalidValue, 3, None, "missing field `taskSeconds`"),
        (
            &format!("{0}\n\n{0}", job(r#""taskSeconds": 1"#)),
            Reason::DuplicateName,
            5,
            Some("job.name"),
            "two jobs called `a`",
        ),
        (
            &format!("{}\n{}", job(r#""taskSeconds": 1"#), r#"{"shortage": {"at": 0.5, "until": 2, "group": "w"}}"#),
            Reason::InvalidValue,
            4,
            Some("shortage.at"),
            "0.5 comes after 1 in the file",
        ),
        (
            r#"{"interruption": {"at": 1, "group": "v", "share": 1}}"#,
            Reason::InvalidValue,
            3,
            Some("interruption.group"),
            "no group is called `v`",
        ),
        (
            r#"{"interruption": {"at": 1, "group": "w", "share": 2}}"#,
            Reason::InvalidValue,
            3,
            Some("interruption.share"),
            "2 is out of bounds",
        ),
        (
            r#"{"shortage": {"at": 9, "until": 2, "group": "w"}}"#,
            Reason::InvalidValue,
            3,
            Some("shortage.until"),
            "out of bounds",
        ),
        (
            r#"{"group": {"name": "w", "slots": 1, "maxWorkers": 1, "startSeconds": 0}}"#,
            Reason::DuplicateName,
            3,
            Some("group.name"),
            "two groups",
        ),
        (
            r#"{"group": {"name": "v", "slots": 0, "maxWorkers": 1, "startSeconds": 0}}"#,
            Reason::InvalidValue,
            3,
            Some("group.slots"),
            "0 is out",
        ),
        (
            r#"{"group": {"name": "v", "slots": 1, "minWorkers": 2, "maxWorkers": 1, "startSeconds": 0}}"#,
            Reason::InvalidValue,
            3,
            Some("group.minWorkers"),
            "2 is out",
        ),
        (r#"{"trace": {"name": "u", "seed": 1, "end": 60}}"#, Reason::InvalidValue, 3, Some("trace"), "once"),
    ] {
        let failure = refused(lines);
        assert_eq!(failure.reason, reason, "{lines}: {failure}");
        assert_eq!(failure.location.line, Some(line), "{lines}: {failure}");
        assert_eq!(failure.location.field_path.as_deref(), field, "{lines}: {failure}");
        assert_eq!(failure.location.file.as_deref(), Some("t.jsonl"), "{lines}");
        assert!(failure.message.contains(said), "{lines}: {failure}");
    }
}

#[test]
fn a_trace_without_its_parts_is_none() {
    for (text, said) in [
        ("", "no line `trace`"),
        (r#"{"trace": {"name": "t", "seed": 1, "end": 60}}"#, "no line `group`"),
        (HEAD, "no line `job`"),
        (r#"{"group": {"name": "w", "slots": 2, "maxWorkers": 4, "startSeconds": 30}}"#, "first line"),
        (
            "{\"trace\": {\"name\": \"t\", \"seed\": 1, \"end\": 60}}\n{\"job\": {\"at\": 0, \"name\": \"a\", \"tasks\": 3, \"taskSeconds\": 1}}",
            "before there is a group",
        ),
    ] {
        let failure = parse(text, "t").unwrap_err();
        assert_eq!(failure.reason, Reason::MissingField, "{text}: {failure}");
        assert!(failure.message.contains(said) && failure.next.is_some(), "{text}: {failure}");
    }
}

#[test]
fn a_file_that_is_not_there_is_the_users_to_name() {
    let failure = read(Path::new("/nowhere/t.jsonl")).unwrap_err();
    assert!(failure.reason == Reason::InvalidValue && failure.location.file.is_some() && failure.next.is_some());
}
