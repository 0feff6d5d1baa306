//! Processes that never outlive their test, whatever happens in it.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::signals::{Signal, signal};
use crate::threads::threads_of;
use shoal_testkit::{PATIENCE, eventually_within};

/// A running process. Killed with all that it started when it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdout: Captured,
    stderr: Captured,
}

/// How a process ended and what it wrote.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its exit code; a signal counts as in a shell, 128 above its number.
    pub code: i32,
    /// What it wrote to its standard output.
    pub stdout: String,
    /// What it wrote to its standard error.
    pub stderr: String,
}

/// Text of a pipe as far as it was read.
#[derive(Debug)]
struct Captured {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Captured {
    fn start(pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let written = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                written.lock().unwrap_or_else(PoisonError::into_inner).push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        Self { text, reader: Some(reader) }
    }

    fn so_far(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until nobody holds the other end of the pipe any more.
    fn everything(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.so_far()
    }
}

impl Process {
    /// Starts it with an empty standard input; what it writes is kept.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
        let stdout = Captured::start(child.stdout.take().unwrap());
        let stderr = Captured::start(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    /// Its id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written so far, to both outputs.
    pub fn output(&self) -> String {
        format!("{}{}", self.stdout.so_far(), self.stderr.so_far())
    }

    /// Waits until it has written a text that `find` finds something in.
    ///
    /// # Panics
    /// When it ends before that, or after [`PATIENCE`].
    pub fn wait_for_output<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        eventually_within(PATIENCE, what, || {
            let ended = self.child.try_wait().unwrap();
            let found = find(&self.output());
            if let (None, Some(status)) = (&found, ended) {
                panic!("{what}: the process ended before, with {status}:\n{}", self.output());
            }
            found
        })
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// After `limit`, with what it wrote.
    pub fn finish_within(mut self, limit: Duration) -> Finished {
        let deadline = std::time::Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                std::time::Instant::now() < deadline,
                "did not end within {limit:?}:\n{}{}",
                self.output(),
                threads_of(self.pid())
            );
            std::thread::park_timeout(Duration::from_millis(5));
        };
        Finished { code: code_of(status), stdout: self.stdout.everything(), stderr: self.stderr.everything() }
    }

    /// As [`Process::finish_within`], with [`PATIENCE`].
    pub fn finish(self) -> Finished {
        self.finish_within(PATIENCE)
    }

    /// Processes that it started and that still run.
    pub fn children(&self) -> Vec<u32> {
        children_of(self.pid())
    }

    /// Ends it at once, without a chance to tidy up.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let descendants = descendants_of(self.pid());
        self.kill();
        for pid in descendants {
            if is_alive(pid) {
                signal(pid, Signal::Kill);
            }
        }
    }
}

fn code_of(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

/// Whether a process runs; one that ended and was not yet waited for does not.
pub fn is_alive(pid: u32) -> bool {
    stat_of(pid).is_some_and(|(state, _)| state != 'Z' && state != 'X')
}

/// State and parent of a process, from `/proc/PID/stat`.
fn stat_of(pid: u32) -> Option<(char, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let (_, after) = stat.rsplit_once(") ")?;
    let mut fields = after.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn children_of(parent: u32) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| stat_of(*pid).is_some_and(|(state, of)| of == parent && state != 'Z'))
        .collect()
}

fn descendants_of(pid: u32) -> Vec<u32> {
    let children = children_of(pid);
    let further: Vec<u32> = children.iter().flat_map(|child| descendants_of(*child)).collect();
    [children, further].concat()
}
