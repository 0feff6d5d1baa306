//! Disks without room.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::{Fault, Refusal};
use crate::watch::Seen;
use crate::world::World;

/// Takes all room that is left in a file system, until it is dropped.
struct Filled(PathBuf);

impl Filled {
    fn path(folder: &Path) -> PathBuf {
        folder.join("filled-by-the-test")
    }

    fn new(folder: &Path) -> Self {
        let path = Self::path(folder);
        let mut file = File::create(&path).unwrap();
        let mut piece: &[u8] = &[0; 1 << 16];
        while !piece.is_empty() {
            match file.write(piece) {
                Ok(_) => {}
                // Smaller pieces, down to the last byte.
                Err(error) if error.kind() == ErrorKind::StorageFull => piece = &piece[..piece.len() / 2],
                Err(error) => panic!("{}: {error}", path.display()),
            }
        }
        Self(path)
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A worker that cannot spill.
pub(super) struct ScratchFull {
    worker: usize,
    filled: Option<Filled>,
}

impl ScratchFull {
    pub(super) fn new(worker: usize) -> Self {
        Self { worker, filled: None }
    }
}

impl Fault for ScratchFull {
    fn start(&mut self, world: &mut World, _: &Seen) -> Result<String, Refusal> {
        let member = &world.workers[self.worker];
        self.filled = Some(Filled::new(&world.scratch(&member.node)));
        Ok(format!("{} has no room", member.name))
    }

    fn stop(&mut self, _: &mut World) {
        self.filled = None;
    }
}

/// A head that cannot write its journal: it leads no more and tries again. With room it goes on.
#[derive(Default)]
pub(super) struct StateFull {
    head: usize,
    filled: Option<Filled>,
    has_stopped_it: bool,
}

impl Fault for StateFull {
    fn start(&mut self, world: &mut World, seen: &Seen) -> Result<String, Refusal> {
        self.head = seen.leader;
        let member = &world.heads[self.head];
        if Filled::path(&world.state(&member.node)).exists() {
            return Err(Refusal::NotNow);
        }
        self.filled = Some(Filled::new(&world.state(&member.node)));
        Ok(format!("{} has no room for its journal", member.name))
    }

    fn stop(&mut self, world: &mut World) {
        self.filled = None;
        // Where the job needed no more room than the journal had, the head has gone on.
        self.has_stopped_it = world.heads[self.head].log().contains("the journal cannot be written");
    }

    fn was_felt(&self) -> bool {
        self.has_stopped_it
    }
}
