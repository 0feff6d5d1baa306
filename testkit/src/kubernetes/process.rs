//! The processes of a cluster.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::folder::Folder;
use super::namespace::NAMESPACES;
use super::place::Place;
use super::trouble::{Trouble, While};

/// How often a condition is looked at. A look may cost a process.
const POLL: Duration = Duration::from_millis(50);

/// How long the kernel may take to end all processes of a namespace.
const CHILD_LIMIT: Duration = Duration::from_secs(20);

/// How a process is started, and started again.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    /// Names the process in messages, and its log.
    pub(super) name: &'static str,
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) environment: Vec<(&'static str, String)>,
    pub(super) place: Place,
}

impl Launch {
    /// Whether the program that it stands for is a child of the one that is started.
    fn has_child(&self) -> bool {
        self.name == NAMESPACES || matches!(self.place, Place::Node(_))
    }
}

struct Process {
    launch: Launch,
    child: Child,
}

/// Those that run. They are killed when this is dropped.
#[derive(Default)]
pub(super) struct Processes(Vec<Process>);

impl Processes {
    /// Starts one, and returns its number; does not wait until it is ready.
    pub(super) fn start(&mut self, folder: &Folder, launch: Launch) -> Result<u32, Trouble> {
        let path = folder.log(launch.name);
        let log =
            File::options().create(true).append(true).open(&path).or_could_not(format!("open {}", path.display()))?;
        let errors = log.try_clone().or_could_not(format!("open {}", path.display()))?;
        let mut command = launch.place.command(&launch.program);
        command.args(&launch.arguments).envs(launch.environment.iter().cloned());
        // Ctrl-C is for whoever started the cluster, which ends it in order.
        command.process_group(0).stdin(Stdio::null()).stdout(log).stderr(errors);
        let child = command.spawn().or_could_not(format!("start {}", launch.program.display()))?;
        let (name, pid) = (launch.name, child.id());
        self.0.push(Process { launch, child });
        folder.note_process(name, pid)?;
        Ok(pid)
    }

    /// Kills one, as a crash would, and says how to start it again.
    pub(super) fn kill(&mut self, name: &str) -> Option<Launch> {
        let index = self.0.iter().position(|process| process.launch.name == name)?;
        let mut process = self.0.remove(index);
        process.kill();
        Some(process.launch.clone())
    }

    /// Waits until `look` finds something. A process that has ended, or too long a wait, is an error with the log of
    /// that process, or of `of`.
    pub(super) fn wait<T>(
        &mut self,
        folder: &Folder,
        limit: Duration,
        of: &str,
        what: &str,
        mut look: impl FnMut() -> Option<T>,
    ) -> Result<T, Trouble> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(found) = look() {
                return Ok(found);
            }
            for Process { launch, child } in &mut self.0 {
                if let Some(status) = child.try_wait().or_could_not(format!("watch {}", launch.name))? {
                    let what = format!("{} ended ({status}) before {what}", launch.name);
                    return Err(Trouble::new(what).with_log(&folder.log(launch.name)));
                }
            }
            if Instant::now() >= deadline {
                return Err(Trouble::new(format!("waited {limit:?} in vain until {what}")).with_log(&folder.log(of)));
            }
            std::thread::park_timeout(POLL);
        }
    }

    /// Leaves them running when this process ends.
    pub(super) fn release(&mut self) {
        self.0.clear();
    }

    /// Ends them.
    pub(super) fn end(&mut self) {
        // The first one made the namespaces in which others are.
        while let Some(mut process) = self.0.pop() {
            process.kill();
        }
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        self.end();
    }
}

impl Process {
    fn kill(&mut self) {
        // A program that enters or makes a process namespace does so with a child, and ends when that has ended. Killed
        // before, it would leave to others to bury the child.
        if self.launch.has_child() {
            for child in children(self.child.id()) {
                let _ = Command::new("kill").args(["-KILL", &child.to_string()]).stderr(Stdio::null()).status();
            }
            let deadline = Instant::now() + CHILD_LIMIT;
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::park_timeout(POLL);
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The processes that a process has started and that run.
pub(super) fn children(pid: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}
