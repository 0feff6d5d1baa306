//! Which group runs, as its process writes it down, and for how long it has.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Bytes of the two numbers: a message's sequence number, and a group's place in it.
const BYTES: usize = 16;

/// The place of no group.
const NO_GROUP: u64 = u64::MAX;

/// A group that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Running {
    pub(crate) sequence: u64,
    pub(crate) group: u64,
}

/// The file, which outlives its process.
#[derive(Debug)]
pub(crate) struct ProgressFile(File);

impl ProgressFile {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create_new(true).open(path)?;
        let mut nothing = [0; BYTES];
        nothing[BYTES / 2..].copy_from_slice(&NO_GROUP.to_ne_bytes());
        file.write_all_at(&nothing, 0)?;
        Ok(Self(file))
    }

    /// The group that runs, or ran when the process died; none between two messages.
    pub(crate) fn running(&self) -> Option<Running> {
        let mut bytes = [0; BYTES];
        self.0.read_exact_at(&mut bytes, 0).ok()?;
        let mut numbers = bytes.as_chunks::<8>().0.iter().map(|bytes| u64::from_ne_bytes(*bytes));
        let running = Running { sequence: numbers.next()?, group: numbers.next()? };
        (running.group != NO_GROUP).then_some(running)
    }
}

/// For how long one group has been seen running.
#[derive(Debug, Default)]
pub(crate) struct Watch(Option<(Running, Instant)>);

impl Watch {
    /// Notes what runs `now`, and says for how long it has.
    pub(crate) fn look(&mut self, running: Option<Running>, now: Instant) -> Duration {
        self.0 = running.map(|running| match self.0 {
            Some((known, since)) if known == running => (known, since),
            _ => (running, now),
        });
        self.0.map_or(Duration::ZERO, |(_, since)| now.duration_since(since))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_group_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("progress");
        let progress = ProgressFile::create(&path).unwrap();
        assert_eq!(progress.running(), None);
        let writer = File::options().write(true).open(&path).unwrap();
        writer.write_all_at(&7_u64.to_ne_bytes(), 0).unwrap();
        writer.write_all_at(&3_u64.to_ne_bytes(), 8).unwrap();
        assert_eq!(progress.running(), Some(Running { sequence: 7, group: 3 }));
    }

    #[test]
    fn time_counts_from_when_a_group_was_first_seen() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let group = |group| Some(Running { sequence: 1, group });
        let mut watch = Watch::default();
        let looks =
            [(group(1), 0, 0), (group(1), 3, 3), (group(2), 5, 0), (None, 6, 0), (group(2), 9, 0), (group(2), 11, 2)];
        for (running, now, seconds) in looks {
            assert_eq!(watch.look(running, at(now)), Duration::from_secs(seconds), "{running:?} at {now}");
        }
    }
}
