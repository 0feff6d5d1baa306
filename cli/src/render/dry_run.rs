//! What a dry run found.

use std::fmt::Write;
use std::time::Duration;

use arrow::datatypes::{DataType, Schema};
use serde_json::{Value, json};
use shoal_core::Failure;
use shoal_core::spec::v1alpha1::ShoalJob;
use shoal_jobs::dry_run::{DryRun, Estimate, GroupsBy, TriedGroup};

use super::table::{Cell, Table};
use crate::models::{Models, ROWS_JSON_MAX, ROWS_SHOWN_MAX, rows_json};

/// It for a person.
///
/// # Errors
/// [`shoal_core::Reason::Internal`] for a type that cannot be shown.
pub(crate) fn dry_run_text(job: &ShoalJob, tried: &DryRun) -> Result<String, Failure> {
    // Writing to a string cannot fail.
    let shown = tried.rows.num_rows().min(ROWS_SHOWN_MAX as usize);
    let mut rows = Models::of(job, tried.rows.slice(0, shown)).table()?;
    if shown < tried.rows.num_rows() {
        let _ = writeln!(rows, "... and {} more", tried.rows.num_rows() - shown);
    }
    let mut text = format!("dry run of job {}: nothing is written\n\n", job.metadata.name);
    let _ = write!(text, "{}\n{rows}\n{}", columns(&tried.schema, tried.key_columns), groups(&tried.groups));
    for group in &tried.groups {
        text += &failure(group);
    }
    let _ = writeln!(text, "\n- {}", sample(tried));
    for note in &tried.notes {
        let _ = writeln!(text, "- {note}");
    }
    let _ = writeln!(text, "- {}", estimate(&tried.estimate));
    Ok(text)
}

/// It for a program.
///
/// # Errors
/// [`shoal_core::Reason::Internal`] for a type that JSON does not have.
pub(crate) fn dry_run_json(tried: &DryRun) -> Result<Value, Failure> {
    // Taken apart without `..`, so that nothing is forgotten here.
    let DryRun { schema, key_columns, rows, groups, file, rows_read, is_whole, estimate, notes } = tried;
    let Estimate { rows: rows_of_input, rows_are_counted, groups: groups_of_input, groups_by, .. } = estimate;
    let columns = schema.fields().iter().enumerate().map(
        |(place, field)| json!({"name": field.name(), "type": type_name(field.data_type()), "key": place < *key_columns}),
    );
    let groups = groups.iter().map(|TriedGroup { key, rows, took, failed }| {
        let failed = failed
            .as_ref()
            .map(|failed| json!({"status": failed.status, "message": failed.message, "trace": failed.trace}));
        json!({"key": key, "rows": rows, "seconds": took.map(|took| took.as_secs_f64()), "failed": failed})
    });
    let groups_by = match groups_by {
        GroupsBy::Count => "count",
        GroupsBy::Share => "share",
        GroupsBy::Chance => "chance",
    };
    Ok(json!({"dryRun": {
        "schema": columns.collect::<Vec<_>>(),
        "rows": rows_json(&rows.slice(0, rows.num_rows().min(ROWS_JSON_MAX as usize)))?,
        "groups": groups.collect::<Vec<_>>(),
        "sample": {"file": file, "rows": rows_read, "isWhole": is_whole},
        "estimate": {
            "rows": rows_of_input,
            "rowsAreCounted": rows_are_counted,
            "groups": groups_of_input,
            "groupsBy": groups_by,
            "groupsTimed": estimate.groups_timed,
            "secondsPerGroup": estimate.group_time.map(|time| time.as_secs_f64()),
            "loadSeconds": estimate.load_time.as_secs_f64(),
            "slots": estimate.slots,
            "seconds": estimate.time.map(|time| time.as_secs_f64()),
        },
        "notes": notes,
    }}))
}

fn columns(schema: &Schema, key_columns: usize) -> Table {
    let fields = schema.fields();
    let kind = |(place, data_type): (usize, &DataType)| {
        let key = if place < key_columns { ", a key" } else { "" };
        Cell::text(type_name(data_type) + key)
    };
    let mut table = Table::default();
    table.add_column("column", fields.iter().map(|field| Cell::text(field.name())).collect());
    table.add_column("type", fields.iter().map(|field| field.data_type()).enumerate().map(kind).collect());
    table
}

/// A type in the words of a job file, where it has some.
fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "binary".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Timestamp(..) => "timestamp".to_owned(),
        DataType::Struct(fields) => {
            let of_field =
                |field: &arrow::datatypes::FieldRef| format!("{} {}", field.name(), type_name(field.data_type()));
            format!("struct of {}", fields.iter().map(of_field).collect::<Vec<_>>().join(", "))
        }
        DataType::List(item) | DataType::LargeList(item) => format!("list of {}", type_name(item.data_type())),
        other => other.to_string().to_lowercase(),
    }
}

fn groups(groups: &[TriedGroup]) -> Table {
    let time = |group: &TriedGroup| group.took.map_or(Cell::Missing, |took| Cell::Number(in_words(took)));
    let mut table = Table::default();
    table.add_column("group", groups.iter().map(|group| Cell::text(&group.key)).collect());
    table.add_column("rows", groups.iter().map(|group| Cell::number(group.rows)).collect());
    table.add_column("time", groups.iter().map(time).collect());
    table
}

/// Why a group failed, with the user's own lines; nothing where it did not.
fn failure(group: &TriedGroup) -> String {
    let Some(failed) = &group.failed else { return String::new() };
    let message = failed.message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
    let trace = failed.trace.iter().flat_map(|trace| trace.lines()).map(|line| format!("  {line}\n"));
    format!("\n{}: {}{message}\n{}", group.key, failed.status, trace.collect::<String>())
}

fn sample(tried: &DryRun) -> String {
    let DryRun { file, rows_read, is_whole, groups, .. } = tried;
    if *is_whole {
        return format!("the first {} groups of all {rows_read} rows of {file}", groups.len());
    }
    format!(
        "the first {} groups of the first {rows_read} rows of {file}: rows of these groups that lie elsewhere are not there",
        groups.len()
    )
}

fn estimate(estimate: &Estimate) -> String {
    let Estimate { rows, rows_are_counted, groups, groups_by, group_time, groups_timed, load_time, slots, time } =
        estimate;
    let about = if *rows_are_counted { "" } else { "about " };
    let known = match groups_by {
        GroupsBy::Count => "counted".to_owned(),
        GroupsBy::Share => format!("as many for {about}{rows} rows as were seen, since rows of a group lie together"),
        GroupsBy::Chance => {
            format!("as many as {about}{rows} rows would show of groups that are mixed like those seen")
        }
    };
    let (Some(group_time), Some(time)) = (group_time, time) else {
        return format!("no estimate: no group had an end. Groups: {groups} ({known})");
    };
    let mean = if *groups_timed > 1 {
        format!("the mean of {groups_timed} after the first, which may import and compile more")
    } else {
        "that of one group".to_owned()
    };
    let load = if load_time.is_zero() { String::new() } else { format!("{} to load, then ", in_words(*load_time)) };
    let plural = if *slots == 1 { "" } else { "s" };
    format!(
        "estimate: all groups are trained in about {}: {load}{groups} groups ({known}) of {} each ({mean}) on {slots} \
         slot{plural}; reading and exchanging rows comes on top, and other groups may take longer",
        in_words(*time),
        in_words(*group_time),
    )
}

/// A time as a person would say it.
fn in_words(time: Duration) -> String {
    const MINUTE: f64 = 60.0;
    const HOUR: f64 = 60.0 * MINUTE;
    match time.as_secs_f64() {
        seconds if seconds < 0.01 => format!("{:.2} ms", seconds * 1e3),
        seconds if seconds < 1.0 => format!("{:.0} ms", seconds * 1e3),
        seconds if seconds < 2.0 * MINUTE => format!("{seconds:.1} s"),
        seconds if seconds < 2.0 * HOUR => format!("{:.0} min", seconds / MINUTE),
        seconds => format!("{:.1} h", seconds / HOUR),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn known() -> Estimate {
        Estimate {
            rows: 220,
            rows_are_counted: true,
            groups: 11,
            groups_by: GroupsBy::Count,
            group_time: Some(Duration::from_millis(20)),
            groups_timed: 2,
            load_time: Duration::from_millis(1_500),
            slots: 2,
            time: Some(Duration::from_millis(1_610)),
        }
    }

    #[test]
    fn an_estimate_says_how_it_was_made() {
        let expected = "estimate: all groups are trained in about 1.6 s: 1.5 s to load, then 11 groups (counted) of 20 ms each \
                        (the mean of 2 after the first, which may import and compile more) on 2 slots; reading and \
                        exchanging rows comes on top, and other groups may take longer";
        assert_eq!(estimate(&known()), expected);
        let guessed =
            Estimate { rows_are_counted: false, groups_by: GroupsBy::Chance, groups_timed: 1, slots: 1, ..known() };
        let said = estimate(&guessed);
        for part in ["as many as about 220 rows would show", "(that of one group) on 1 slot;"] {
            assert!(said.contains(part), "{said}");
        }
        let nothing = Estimate { group_time: None, time: None, ..known() };
        assert_eq!(estimate(&nothing), "no estimate: no group had an end. Groups: 11 (counted)");
    }

    #[test]
    fn times_have_the_unit_of_their_size() {
        for (milliseconds, expected) in [
            (0.04, "0.04 ms"),
            (9.0, "9.00 ms"),
            (700.0, "700 ms"),
            (60e3, "60.0 s"),
            (600e3, "10 min"),
            (9e6, "2.5 h"),
        ] {
            assert_eq!(in_words(Duration::from_secs_f64(milliseconds / 1e3)), expected);
        }
    }

    #[test]
    fn types_have_the_words_of_a_job_file() {
        let field = |data_type| Arc::new(arrow::datatypes::Field::new("x", data_type, true));
        for (data_type, expected) in [
            (DataType::Utf8, "string"),
            (DataType::Float64, "float64"),
            (DataType::Date32, "date"),
            (DataType::List(field(DataType::Int32)), "list of int32"),
            (DataType::Struct(vec![field(DataType::Binary)].into()), "struct of x binary"),
        ] {
            assert_eq!(type_name(&data_type), expected);
        }
    }
}
