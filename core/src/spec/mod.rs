//! The resources that a user writes, one module per version of the API, and how a text becomes one.
//!
//! One schema, made from the types, gives one verdict: `shoal run`, REST and the API server refuse the same documents
//! at the same fields.
//!
//! ```text
//!   text --document--> value + places --validate--> defaulted value --serde--> ShoalJob --Job::parse--> (accepted)
//!        YAML, JSON                    schema, CEL
//! ```

mod defaults;
mod document;
mod explain;
mod lists;
mod path;
mod place;
mod problem;
mod rules;
mod schema;
pub mod v1alpha1;
mod validate;

use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

pub use schema::{cluster_schema, job_schema, worker_group_schema};
use v1alpha1::ShoalJob;

use self::place::Place;
use crate::failure::{Failure, Reason};
use crate::id::JobUid;
use crate::job::Job;

/// Reads a job file, YAML or JSON, and checks all that can be known without looking at its tables.
///
/// `source` is what the user calls the text, a path as a rule.
///
/// # Errors
/// The first thing that is wrong in the file's order, with field path, file, line and position; each further one is a
/// line of the failure's causes.
pub fn parse_job(text: &str, source: &str) -> Result<ShoalJob, Failure> {
    let document = document::read(text).map_err(|failure| failure.file(source))?;
    let mut value = document.value;
    let problems = validate::check(&mut value);
    if let Some(failure) = problem::failure_of(problems, &document.place) {
        return Err(failure.file(source));
    }
    typed(value).map_err(|failure| located(failure, &document.place, source))
}

/// Makes a job of a value that its schema has accepted.
fn typed(mut value: Value) -> Result<ShoalJob, Failure> {
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        // The rest belongs to the API server.
        metadata.retain(|field, _| field == "name");
    }
    if let Some(resource) = value.as_object_mut() {
        resource.remove("status");
    }
    let job: ShoalJob = serde_json::from_value(value)
        .map_err(|error| Failure::new(Reason::InvalidValue, format!("the job cannot be read: {error}")))?;
    let job = Arc::new(job);
    Job::parse(JobUid(Uuid::nil()), Arc::clone(&job))?;
    Ok(Arc::unwrap_or_clone(job))
}

/// Fills in file, line and position of a failure that names a field of the job and no place: of what is found only
/// later, when the job meets its tables. Any other failure stays as it is.
#[must_use]
pub fn locate(text: &str, failure: Failure, source: &str) -> Failure {
    match document::read(text) {
        Ok(document) => located(failure, &document.place, source),
        Err(_) => failure,
    }
}

fn located(failure: Failure, document: &Place, source: &str) -> Failure {
    let location = &failure.location;
    let (None, None) = (&location.file, location.line) else { return failure };
    let Some(Ok(path)) = location.field_path.as_deref().map(str::parse) else { return failure };
    document::at_mark(failure, document.nearest(&path).focus).file(source)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TEXT: &str = "spec:\n  groupedTraining:\n    groupBy:\n    - firm\n";

    #[test]
    fn a_failure_with_a_field_gets_its_place() {
        let failure = Failure::new(Reason::ColumnNotFound, "no column").field("spec.groupedTraining.groupBy[0]");
        let location = locate(TEXT, failure, "job.yaml").location;
        assert_eq!((location.file.as_deref(), location.line, location.position), (Some("job.yaml"), Some(4), Some(7)));
    }

    #[test]
    fn a_failure_with_a_place_or_without_a_field_stays() {
        let field = "spec.groupedTraining.groupBy";
        for failure in [
            Failure::new(Reason::Io, "no field"),
            Failure::new(Reason::MalformedRow, "in a table").field(field).file("data.csv"),
            Failure::new(Reason::InvalidValue, "has a line").field(field).line(7),
        ] {
            assert_eq!(locate(TEXT, failure.clone(), "job.yaml"), failure);
            assert_eq!(locate("a: [", failure.clone(), "job.yaml"), failure);
        }
    }

    #[test]
    fn the_first_problem_leads_and_the_others_follow_with_their_lines() {
        let text = "apiVersion: shoal.dev/v1alpha1\nkind: ShoalJob\nmetadata: {name: A}\nspec:\n  groupedTraining:\n    \
                    inptu: {table: a}\n    groupBy: []\n";
        let failure = parse_job(text, "job.yaml").unwrap_err();
        assert_eq!(failure.location.field_path.as_deref(), Some("metadata.name"));
        assert_eq!((failure.location.line, failure.location.position), (Some(3), Some(18)));
        assert_eq!(
            failure.causes,
            [
                "line 5: spec.groupedTraining.model: `model` is missing",
                "line 5: spec.groupedTraining.output: `output` is missing",
                "line 6: spec.groupedTraining.inptu: unknown field `inptu`; did you mean `input`?",
                "line 7: spec.groupedTraining.groupBy: `groupBy` has no entry; at least one is expected",
            ]
        );
    }
}
