//! A control group with a limit of memory, as a container has.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use shoal_testkit::eventually;

/// A control group of either version; gone with its value.
#[derive(Debug)]
pub struct ControlGroup {
    folder: PathBuf,
    /// What says how often the kernel has ended a process for its memory.
    kills: &'static str,
}

impl ControlGroup {
    /// Makes one whose processes may use so much memory together; `None` where that is not possible, as it takes root and
    /// a hierarchy that can be written to.
    pub fn with_memory(name: &str, bytes: u64) -> Option<Self> {
        let name = format!("{name}-{}", std::process::id());
        let versions = [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.oom_control"),
            ("/sys/fs/cgroup", "memory.max", "memory.events"),
        ];
        versions.into_iter().find_map(|(root, limit, kills)| {
            let root = Path::new(root);
            root.join("cgroup.procs").exists().then_some(())?;
            let group = Self { folder: root.join(&name), kills };
            fs::create_dir(&group.folder).ok()?;
            // There only where the hierarchy has memory; taken away again with the value where it has not.
            fs::write(group.folder.join(limit), bytes.to_string()).ok()?;
            Some(group)
        })
    }

    /// A command that runs a program in there.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", "echo $$ > \"$GROUP\" && exec \"$0\" \"$@\""])
            .env("GROUP", self.folder.join("cgroup.procs"));
        command.arg(OsStr::new(program));
        command
    }

    /// How often the kernel has ended a process of it for its memory.
    ///
    /// # Panics
    /// Where the kernel does not say.
    pub fn kills(&self) -> u64 {
        let text = fs::read_to_string(self.folder.join(self.kills)).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("oom_kill ")).expect("the kernel counts them");
        line.trim().parse().unwrap()
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        // It cannot go while a process of it is still at its end.
        eventually("the control group is gone", || {
            (fs::remove_dir(&self.folder).is_ok() || !self.folder.exists()).then_some(())
        });
    }
}
