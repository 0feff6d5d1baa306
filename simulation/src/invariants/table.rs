//! What the tables may hold.

use shoal_core::JobUid;
use shoal_core::report::Phase;

use super::{Checked, Ledger, hold};
use crate::lake::{Commit, Lake, attempt_of};
use crate::scenario::Scenario;

impl Ledger {
    /// A commit was written.
    pub(crate) fn committed(&self, table: &str, commit: &Commit, lake: &Lake, scenario: &Scenario) -> Checked {
        let Some(job) = commit.job.filter(|_| !commit.files.is_empty()) else { return Ok(()) };
        self.at_most_one_commit(job, lake)?;
        self.a_commit_is_a_stored_intent(job, commit)?;
        self.nothing_is_committed_after_the_end(job)?;
        no_file_of_a_commit_is_missing(table, commit, lake)?;
        self.each_group_exactly_once(table, job, commit, lake, scenario)
    }

    fn at_most_one_commit(&self, job: JobUid, lake: &Lake) -> Checked {
        let commits = lake.commits_of(job).len();
        hold("at_most_one_commit_per_job", commits == 1, || format!("{job} has {commits} commits"))
    }

    fn a_commit_is_a_stored_intent(&self, job: JobUid, commit: &Commit) -> Checked {
        let stored = self.intents.get(&job).is_some_and(|intent| intent.files == commit.files);
        hold("a_commit_is_the_stored_intent", stored, || {
            format!("{job} was committed, its intent is {:?}", self.intents.get(&job))
        })
    }

    fn nothing_is_committed_after_the_end(&self, job: JobUid) -> Checked {
        let told = self.told.values().find(|(told, _)| *told == job).and_then(|(_, phase)| *phase);
        let failed = self.ended.get(&job) == Some(&Phase::Failed) || told == Some(Phase::Failed);
        hold("nothing_is_committed_after_the_end", !failed, || format!("{job} was committed after it had failed"))
    }

    fn each_group_exactly_once(
        &self,
        table: &str,
        job: JobUid,
        commit: &Commit,
        lake: &Lake,
        scenario: &Scenario,
    ) -> Checked {
        let shape = self.shape_of(scenario, job);
        let Some(shape) = shape else { return hold("each_group_exactly_once", false, || format!("{job} is unknown")) };
        let mut found: Vec<(u32, Vec<u32>)> = commit
            .files
            .iter()
            .filter_map(|file| Some((attempt_of(&file.path)?.task.index, lake.read(table, &file.path)?.to_vec())))
            .collect();
        found.iter_mut().for_each(|(_, splits)| splits.sort_unstable());
        found.sort();
        let rows_of = |index| if shape.buckets == 0 { vec![index] } else { (0..shape.splits).collect() };
        let expected: Vec<(u32, Vec<u32>)> = (0..shape.files()).map(|index| (index, rows_of(index))).collect();
        hold("each_group_exactly_once", found == expected, || format!("{job}: {found:?}, not {expected:?}"))
    }
}

fn no_file_of_a_commit_is_missing(table: &str, commit: &Commit, lake: &Lake) -> Checked {
    commit.files.iter().try_for_each(|file| {
        hold("no_file_of_a_commit_is_missing", lake.read(table, &file.path).is_some(), || {
            format!("{} is not there", file.path)
        })
    })
}

/// Files were deleted.
pub(crate) fn no_committed_file_is_deleted(job: JobUid, gone: &[String], lake: &Lake) -> Checked {
    lake.commits_of(job).into_iter().flat_map(|commit| &commit.files).try_for_each(|file| {
        hold("no_file_of_a_commit_is_missing", !gone.contains(&file.path), || format!("{} was deleted", file.path))
    })
}
