//! A process that is killed and started again.

use std::process::Command;
use std::time::Duration;

use shoal_tests::process::Process;
use shoal_tests::signals::{Signal, signal};

use crate::network::Node;

/// Lines of a log that are shown when a run fails.
const LINES_SHOWN: usize = 60;

/// A process on its machine, with how it is started.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) node: Node,
    command: Command,
    process: Option<Process>,
    /// What the processes before the present one wrote.
    before: String,
}

impl Member {
    /// Starts it.
    pub(crate) fn start(name: &str, node: Node, command: Command) -> Self {
        let mut member = Self { name: name.to_owned(), node, command, process: None, before: String::new() };
        member.restart();
        member
    }

    /// Starts it again after it has ended.
    pub(crate) fn restart(&mut self) {
        assert!(self.process.is_none(), "{} runs", self.name);
        self.process = Some(Process::start(&mut self.command));
    }

    /// Its id, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Whether it runs and has said so: before that a signal finds nobody who listens.
    pub(crate) fn is_up(&self) -> bool {
        self.process.as_ref().is_some_and(|process| !process.output().is_empty())
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| !process.is_running())
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
            self.remember(&process.output(), "killed");
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, what: Signal) {
        if let Some(pid) = self.pid() {
            signal(pid, what);
        }
    }

    /// Asks it to end, and says what was wrong with how it did.
    pub(crate) fn end_within(&mut self, limit: Duration) -> Option<String> {
        let Some(mut process) = self.process.take() else { return Some(format!("{} does not run", self.name)) };
        if !process.is_running() {
            self.remember(&process.output(), "ended by itself");
            return Some(format!("{} has ended by itself", self.name));
        }
        signal(process.pid(), Signal::Terminate);
        self.process = Some(process);
        self.wait_for_end(limit)
    }

    /// Waits until it has ended, as it was asked to, and says what was wrong with how it did.
    pub(crate) fn wait_for_end(&mut self, limit: Duration) -> Option<String> {
        let process = self.process.take().expect("it was asked to end");
        let finished = process.finish_within(limit);
        self.remember(&format!("{}{}", finished.stdout, finished.stderr), &format!("ended with {}", finished.code));
        (finished.code != 0).then(|| format!("{} ended with {}", self.name, finished.code))
    }

    /// Forgets a process that has ended by itself, and returns what it wrote.
    ///
    /// # Panics
    /// Where it has not.
    pub(crate) fn collect(&mut self) -> String {
        assert!(self.has_ended(), "{} has not ended", self.name);
        let process = self.process.take().unwrap();
        let output = process.output();
        self.remember(&output, "ended by itself");
        output
    }

    fn remember(&mut self, output: &str, how: &str) {
        self.before += &format!("{output}=== {how}\n");
    }

    /// The end of what it wrote, over all its lives.
    pub(crate) fn log(&self) -> String {
        let now = self.process.as_ref().map(Process::output).unwrap_or_default();
        let text = format!("{}{now}", self.before);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n")
    }
}
