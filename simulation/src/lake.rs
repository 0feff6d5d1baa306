//! The object store: tables with their logs, and the files that attempts leave beside them.

use std::collections::{BTreeMap, BTreeSet};

use shoal_core::publish::{PublishedTable, Settled};
use shoal_core::task::FileMeta;
use shoal_core::{AttemptId, JobUid};

/// A version of a table.
#[derive(Clone, Debug)]
pub(crate) struct Commit {
    /// Whose application id it carries; another writer's has none.
    pub(crate) job: Option<JobUid>,
    pub(crate) files: Vec<FileMeta>,
}

#[derive(Default)]
pub(crate) struct Lake {
    logs: BTreeMap<String, Vec<Commit>>,
    /// Files by table and path, and the splits whose rows are in them.
    files: BTreeMap<(String, String), Vec<u32>>,
    pub(crate) slow_until_ms: u64,
    pub(crate) fails_until_ms: u64,
    pub(crate) loses_answers_until_ms: u64,
}

impl Lake {
    /// The version of a table, and what its log says under a job's application id.
    pub(crate) fn look(&self, table: &str, job: JobUid) -> (u64, Option<Settled>) {
        let log = self.logs.get(table).map_or(&[][..], Vec::as_slice);
        let found = log.iter().zip(1..).find(|(commit, _)| commit.job == Some(job));
        let entry = found.map(|(commit, version)| match commit.files.as_slice() {
            [] => Settled::Withdrawn,
            _ => Settled::Published(published(table, version, commit)),
        });
        (log.len() as u64, entry)
    }

    /// Puts a version where there is none yet.
    pub(crate) fn put(&mut self, table: &str, version: u64, commit: Commit) -> bool {
        let log = self.logs.entry(table.to_owned()).or_default();
        let is_next = log.len() as u64 + 1 == version;
        if is_next {
            log.push(commit);
        }
        is_next
    }

    /// Another writer's commit.
    pub(crate) fn put_foreign(&mut self, index: usize) {
        let count = self.logs.len().max(1);
        if let Some(log) = self.logs.values_mut().nth(index % count) {
            log.push(Commit { job: None, files: Vec::new() });
        }
    }

    pub(crate) fn commits_of(&self, job: JobUid) -> Vec<&Commit> {
        self.logs.values().flatten().filter(|commit| commit.job == Some(job) && !commit.files.is_empty()).collect()
    }

    pub(crate) fn write(&mut self, table: &str, path: &str, splits: Vec<u32>) {
        self.files.insert((table.to_owned(), path.to_owned()), splits);
    }

    pub(crate) fn read(&self, table: &str, path: &str) -> Option<&[u32]> {
        self.files.get(&(table.to_owned(), path.to_owned())).map(Vec::as_slice)
    }

    /// Deletes what attempts of a job wrote, but for the files to keep; says which files that were.
    pub(crate) fn sweep(&mut self, table: &str, job: JobUid, keep: &[String]) -> Vec<String> {
        let keep: BTreeSet<&str> = keep.iter().map(String::as_str).collect();
        let gone: Vec<String> = self
            .files
            .keys()
            .filter(|(folder, path)| folder == table && !keep.contains(path.as_str()))
            .filter(|(_, path)| attempt_of(path).is_some_and(|attempt| attempt.task.job == job))
            .map(|(_, path)| path.clone())
            .collect();
        for path in &gone {
            self.files.remove(&(table.to_owned(), path.clone()));
        }
        gone
    }
}

pub(crate) fn published(table: &str, version: u64, commit: &Commit) -> PublishedTable {
    let rows = commit.files.iter().map(|file| file.rows).sum();
    PublishedTable { name: "models".into(), table: table.to_owned(), version, rows }
}

/// The attempt that wrote a file of that name.
pub(crate) fn attempt_of(path: &str) -> Option<AttemptId> {
    path.strip_prefix("part-")?.strip_suffix(".parquet")?.parse().ok()
}
