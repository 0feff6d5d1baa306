use std::collections::BTreeSet;

use futures::{StreamExt, stream};
use shoal_core::{AttemptId, Failure, JobUid};

use crate::storage::{Location, names_missing, write_failure};

const PARQUET: &str = ".parquet";

/// What the name of an attempt's file begins with.
const PREFIX: &str = "part-";

/// The name of the file that an attempt writes into a table's folder.
pub fn attempt_file_name(attempt: &AttemptId) -> String {
    format!("{PREFIX}{attempt}{PARQUET}")
}

/// The attempt that wrote a file of that name, where one did. Files whose name is an attempt and nothing else count too.
pub(super) fn attempt_of(file_name: &str) -> Option<AttemptId> {
    let name = file_name.strip_suffix(PARQUET)?;
    name.strip_prefix(PREFIX).unwrap_or(name).parse().ok()
}

/// Deletes what attempts of a job wrote into a folder, but for the files to keep. Where there is no folder, there is
/// nothing to delete.
///
/// # Errors
/// The first file that cannot be deleted; the others are deleted all the same.
pub(super) async fn delete_files_of(place: &Location, job: JobUid, keep: &BTreeSet<&str>) -> Result<(), Failure> {
    let is_leftover = |name: &str| attempt_of(name).is_some_and(|it| it.task.job == job) && !keep.contains(name);
    let objects = place.entries().await?.objects.into_iter().map(|object| object.location);
    let leftovers: Vec<_> = objects.filter(|path| path.filename().is_some_and(is_leftover)).map(Ok).collect();
    let mut deletions = place.store().delete_stream(stream::iter(leftovers).boxed());
    let mut result = Ok(());
    while let Some(deleted) = deletions.next().await {
        match deleted {
            // Another head may be cleaning up at the same time.
            Err(error) if !names_missing(&error) => result = result.and(Err(write_failure(place, &error))),
            _ => {}
        }
    }
    result
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use shoal_core::TaskId;

    use super::*;

    #[test]
    fn a_file_tells_its_attempt_and_other_files_do_not() {
        let job = JobUid("0190b5a4-0000-7000-8000-000000000001".parse().unwrap());
        let attempt = AttemptId { task: TaskId { job, stage: 2, index: 7 }, number: 3 };
        let name = attempt_file_name(&attempt);
        assert_eq!(name, format!("part-{job}-2-7-3.parquet"));
        assert_eq!(attempt_of(&name), Some(attempt));
        assert_eq!(attempt_of(&format!("{attempt}.parquet")), Some(attempt));
        for other in ["part-00000-0190b5a4.c000.snappy.parquet", "data.parquet", "part-.parquet", "_delta_log"] {
            assert_eq!(attempt_of(other), None, "{other}");
        }
    }
}
