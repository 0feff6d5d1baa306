//! The folder of one cluster: its files, and the notes by which everything that belongs to it is found and ended.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::trouble::{Trouble, While};

const END: &str = include_str!("end.sh");

/// Sub-folders that every cluster has.
const PARTS: [&str; 3] = ["logs", "pki", PROCESSES];

/// The one with a note for each process.
const PROCESSES: &str = "processes";

/// A cluster's folder. What it lists is ended, and the folder removed, when this is dropped, and also when the process is
/// killed.
pub(super) struct Folder {
    path: PathBuf,
    /// Ends the cluster when its input is closed. None for a cluster that outlives this process.
    guard: Option<Child>,
}

impl Folder {
    /// Makes it, empty, and starts to guard it.
    pub(super) fn new(path: PathBuf) -> Result<Self, Trouble> {
        // All of it is removed in the end.
        if std::fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Trouble::new(format!("{} is not empty: name another folder for the cluster", path.display())));
        }
        for part in PARTS {
            let part = path.join(part);
            std::fs::create_dir_all(&part).or_could_not(format!("make {}", part.display()))?;
        }
        let mut guard = ending(&path);
        // Ctrl-C on a test reaches its whole process group; the guard is what must outlive it.
        std::os::unix::process::CommandExt::process_group(&mut guard, 0);
        let guard = guard.arg("guard").stdin(Stdio::piped()).spawn().or_could_not("start sh")?;
        Ok(Self { path, guard: Some(guard) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn join(&self, part: &str) -> PathBuf {
        self.path.join(part)
    }

    /// Makes a folder in it.
    pub(super) fn make(&self, part: &str) -> Result<PathBuf, Trouble> {
        let path = self.join(part);
        std::fs::create_dir_all(&path).or_could_not(format!("make {}", path.display()))?;
        Ok(path)
    }

    /// Writes a file in it.
    pub(super) fn write(&self, part: &str, text: &str) -> Result<PathBuf, Trouble> {
        let path = self.join(part);
        std::fs::write(&path, text).or_could_not(format!("write {}", path.display()))?;
        Ok(path)
    }

    pub(super) fn log(&self, process: &str) -> PathBuf {
        self.join(&format!("logs/{process}.log"))
    }

    /// Notes a process to be ended with the cluster.
    pub(super) fn note_process(&self, name: &str, pid: u32) -> Result<(), Trouble> {
        let started = started(pid).unwrap_or_else(|| "-".to_owned());
        self.write(&format!("{PROCESSES}/{name}"), &format!("{pid} {started}\n")).map(|_| ())
    }

    /// Leaves everything as it is when this process ends.
    pub(super) fn release(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            let _ = guard.kill();
            let _ = guard.wait();
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            drop(guard.stdin.take());
            let _ = guard.wait();
        }
    }
}

/// Ends the cluster whose folder this is, whoever started it. A folder that is none of a cluster's is left alone.
pub(super) fn end(path: &Path) -> Result<(), Trouble> {
    if !path.join(PROCESSES).is_dir() {
        return Ok(());
    }
    let ended = ending(path).stdin(Stdio::null()).status().or_could_not("start sh")?;
    if ended.success() { Ok(()) } else { Err(Trouble::new(format!("{} could not be removed", path.display()))) }
}

/// Whether a process that the folder lists still runs.
pub(super) fn runs(path: &Path) -> bool {
    let Ok(notes) = std::fs::read_dir(path.join(PROCESSES)) else { return false };
    notes.filter_map(|note| std::fs::read_to_string(note.ok()?.path()).ok()).any(|note| {
        let (pid, noted) = note.trim().split_once(' ').unwrap_or_default();
        pid.parse().ok().and_then(started).is_some_and(|started| started == noted)
    })
}

fn ending(path: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", END, "end"]).arg(path);
    command
}

/// When a process was started, in the kernel's ticks.
fn started(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Field 22; none of the programs here has a blank in its name.
    stat.split(' ').nth(21).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_no_clusters_is_neither_taken_nor_removed() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("thesis.txt"), "").unwrap();

        let trouble = Folder::new(place.path().to_owned()).err().unwrap().to_string();
        assert!(trouble.contains("is not empty"), "{trouble}");

        end(place.path()).unwrap();
        assert!(place.path().join("thesis.txt").exists());
    }

    #[test]
    fn what_a_folder_lists_ends_with_it_and_what_has_the_number_of_another_does_not() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path().join("cluster")).unwrap();
        let mut listed = Command::new("sleep").arg("1000").spawn().unwrap();
        let mut stranger = Command::new("sleep").arg("1000").spawn().unwrap();
        folder.note_process("listed", listed.id()).unwrap();
        folder.write("processes/stranger", &format!("{} 1\n", stranger.id())).unwrap();
        assert!(runs(folder.path()));

        let path = folder.path().to_owned();
        drop(folder);

        assert!(!path.exists());
        // Killed: it ends by itself only after this test.
        assert!(!listed.wait().unwrap().success());
        assert!(stranger.try_wait().unwrap().is_none());
        stranger.kill().unwrap();
        stranger.wait().unwrap();
    }
}
