//! A failure as a compiler would show it.

use std::fmt::Write;

use shoal_core::spec::locate;
use shoal_core::{Failure, Location};

use crate::job_file::JobFile;

/// The failure as text. With the job file whose fields it names, its place in there is shown.
pub(crate) fn failure_text(failure: &Failure, source: Option<&JobFile>) -> String {
    let mut text = format!("error[{:?}]: {}\n", failure.reason, failure.message);
    // Writing to a string cannot fail.
    let Place { arrow, file } = place(failure, source);
    if let Some(arrow) = arrow {
        let _ = writeln!(text, "  --> {arrow}");
    }
    let Location { field_path: _, file: _, line: _, position: _, column, group, worker, attempt } = &failure.location;
    let facts = [
        ("file", file),
        ("column", column.clone()),
        ("group", group.clone()),
        ("worker", worker.clone()),
        ("attempt", attempt.map(|attempt| attempt.to_string())),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            let _ = writeln!(text, "  = {name}: {value}");
        }
    }
    for cause in &failure.causes {
        let mut lines = cause.lines();
        let _ = writeln!(text, "  = {}", lines.next().unwrap_or_default());
        for line in lines {
            let _ = writeln!(text, "    {line}");
        }
    }
    if let Some(next) = &failure.next {
        let _ = writeln!(text, "  help: {next}");
    }
    text
}

/// Where it is: one line that an editor can follow, and a file beside it where the failure names two.
#[derive(Default)]
struct Place {
    arrow: Option<String>,
    file: Option<String>,
}

fn place(failure: &Failure, source: Option<&JobFile>) -> Place {
    let location = &failure.location;
    let file = location.file.as_ref().map(|file| position(file, location));
    let in_source = |source: &JobFile| location.file.as_ref() == Some(&source.name);
    match (&location.field_path, source) {
        (Some(field), Some(source)) if !in_source(source) => {
            // The failure's own file is the data's; where the field stands, only the job file says.
            let bare = Failure::new(failure.reason, "").field(field);
            let found = locate(&source.text, bare, &source.name).location;
            Place { arrow: Some(format!("{}  {field}", position(&source.name, &found))), file }
        }
        (Some(field), _) => {
            Place { arrow: Some(file.map_or_else(|| field.clone(), |file| format!("{file}  {field}"))), file: None }
        }
        (None, _) => Place { arrow: file, file: None },
    }
}

fn position(file: &str, location: &Location) -> String {
    match (location.line, location.position) {
        (Some(line), Some(position)) => format!("{file}:{line}:{position}"),
        (Some(line), None) => format!("{file}:{line}"),
        _ => file.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use shoal_core::Reason;

    use super::*;

    fn source() -> JobFile {
        let text = "spec:\n  groupedTraining:\n    input:\n      table: data/none.csv\n".to_owned();
        JobFile { name: "jobs/grunfeld.yaml".to_owned(), text, folder: "/jobs".into() }
    }

    #[test]
    fn a_field_is_shown_in_its_file_and_the_data_beside_it() {
        let mut failure = Failure::new(Reason::TableNotFound, "no table is at data/none.csv")
            .field("spec.groupedTraining.input.table")
            .file("/jobs/data/none.csv")
            .column("value")
            .next("check the path; it is relative to the job file");
        failure.causes = vec!["No such file or directory".to_owned()];
        let expected = "\
error[TableNotFound]: no table is at data/none.csv
  --> jobs/grunfeld.yaml:4:14  spec.groupedTraining.input.table
  = file: /jobs/data/none.csv
  = column: value
  = No such file or directory
  help: check the path; it is relative to the job file
";
        assert_eq!(failure_text(&failure, Some(&source())), expected);
    }

    #[test]
    fn a_place_in_the_job_file_is_kept() {
        let mut failure = Failure::new(Reason::UnknownField, "unknown field `inptu`; did you mean `input`?")
            .field("spec.groupedTraining.inptu")
            .file("jobs/grunfeld.yaml")
            .line(3);
        failure.location.position = Some(5);
        let expected = "\
error[UnknownField]: unknown field `inptu`; did you mean `input`?
  --> jobs/grunfeld.yaml:3:5  spec.groupedTraining.inptu
";
        assert_eq!(failure_text(&failure, Some(&source())), expected);
        assert_eq!(failure_text(&failure, None), expected);
    }

    #[test]
    fn a_file_without_a_field_and_a_failure_without_a_place() {
        let row = Failure::new(Reason::MalformedRow, "5 values where 4 are expected").file("data.csv").line(17);
        assert_eq!(
            failure_text(&row, Some(&source())),
            "error[MalformedRow]: 5 values where 4 are expected\n  --> data.csv:17\n"
        );
        let bare = Failure::new(Reason::NoWorkers, "no worker is left");
        assert_eq!(failure_text(&bare, None), "error[NoWorkers]: no worker is left\n");
        let field = Failure::new(Reason::InvalidValue, "no").field("spec.x");
        assert_eq!(failure_text(&field, None), "error[InvalidValue]: no\n  --> spec.x\n");
    }
}
