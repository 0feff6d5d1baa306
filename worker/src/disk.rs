//! Whether the disk below the scratch folder has room.
//!
//! Nobody measures it: what finds no room says so, and for a while after that the worker gets no tasks. Those that fail
//! meanwhile run elsewhere.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use shoal_core::{Failure, Reason};

use crate::limits::DISK_FULL_PAUSE;
use crate::metrics::DiskMetrics;

/// Linux' numbers for a full disk and a used-up quota.
const NO_ROOM: [i32; 2] = [28, 122];

/// What is known of the disk.
pub(crate) struct Disk {
    scratch: PathBuf,
    /// When something found no room last.
    full_since: Mutex<Option<Instant>>,
    metrics: DiskMetrics,
}

impl Disk {
    pub(crate) fn new(scratch: PathBuf, metrics: DiskMetrics) -> Self {
        Self { scratch, full_since: Mutex::default(), metrics }
    }

    /// Looks whether a failure says that the disk is full. Says whether that is news.
    pub(crate) fn note(&self, failure: &Failure, now: Instant) -> bool {
        if !is_full(failure, &self.scratch) {
            return false;
        }
        let is_news = !self.is_full(now);
        *self.full_since.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        self.metrics.full.set(1);
        self.metrics.full_total.inc();
        if is_news {
            let seconds = DISK_FULL_PAUSE.as_secs();
            tracing::warn!(scratch = %self.scratch.display(), "the disk is full: no tasks for {seconds} s");
        }
        is_news
    }

    /// Whether something found no room a moment ago.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        let since = *self.full_since.lock().unwrap_or_else(PoisonError::into_inner);
        let full = since.is_some_and(|since| now.duration_since(since) < DISK_FULL_PAUSE);
        self.metrics.full.set(full.into());
        full
    }
}

/// Whether a failure comes from a full disk, and from this one: a file that it names lies on it. What engines spill has
/// no name of its own.
fn is_full(failure: &Failure, scratch: &Path) -> bool {
    let no_room = NO_ROOM.map(|number| io::Error::from_raw_os_error(number).to_string());
    failure.reason == Reason::ResourcesExhausted
        && failure.location.file.as_ref().is_none_or(|file| Path::new(file).starts_with(scratch))
        && failure.causes.iter().any(|cause| no_room.iter().any(|text| cause.contains(text)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn failure(file: Option<&str>, error: io::Error) -> Failure {
        let failure = Failure::new(Reason::ResourcesExhausted, "no room").because(&error);
        match file {
            Some(file) => failure.file(file),
            None => failure,
        }
    }

    #[test]
    fn only_a_full_scratch_disk_counts() {
        let full = || io::Error::from_raw_os_error(28);
        let cases = [
            (failure(None, full()), true),
            (failure(Some("/scratch/w/partitions/1"), full()), true),
            (failure(Some("/tables/out"), full()), false),
            (failure(None, io::Error::from_raw_os_error(122)), true),
            (failure(None, io::Error::from_raw_os_error(12)), false),
            (Failure::new(Reason::ResourcesExhausted, "memory ran out"), false),
        ];
        for (failure, expected) in cases {
            assert_eq!(is_full(&failure, Path::new("/scratch")), expected, "{failure:?}");
        }
    }

    #[test]
    fn it_counts_as_full_for_a_while() {
        let registry = prometheus::Registry::new();
        let disk = Disk::new("/scratch".into(), DiskMetrics::new(&registry).unwrap());
        let start = Instant::now();
        assert!(!disk.is_full(start));
        let full = failure(None, io::Error::from_raw_os_error(28));
        assert!(disk.note(&full, start) && !disk.note(&full, start + Duration::from_secs(1)));
        assert!(disk.is_full(start + DISK_FULL_PAUSE));
        assert!(!disk.is_full(start + Duration::from_secs(1) + DISK_FULL_PAUSE));
        assert_eq!((disk.metrics.full.get(), disk.metrics.full_total.get()), (0, 2));
    }
}
