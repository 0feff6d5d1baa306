//! Signals: to end processes, to make them hang, and to make them slow.

use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

/// Signals that tests send.
#[derive(Clone, Copy, Debug)]
pub enum Signal {
    /// As Ctrl-C.
    Interrupt,
    /// As an orchestrator that wants the process to end.
    Terminate,
    /// Ends it at once.
    Kill,
    /// Makes it hang.
    Stop,
    /// Lets it go on.
    Continue,
}

/// Sends a signal to one process. One that is gone takes none.
pub fn signal(pid: u32, signal: Signal) {
    send(&pid.to_string(), signal);
}

/// Sends a signal to a process and to what it started, as a terminal does for Ctrl-C. The process must lead a group of
/// its own: see [`std::os::unix::process::CommandExt::process_group`].
pub fn signal_group(leader: u32, signal: Signal) {
    send(&format!("-{leader}"), signal);
}

fn send(to: &str, signal: Signal) {
    let name = match signal {
        Signal::Interrupt => "INT",
        Signal::Terminate => "TERM",
        Signal::Kill => "KILL",
        Signal::Stop => "STOP",
        Signal::Continue => "CONT",
    };
    // The shell's own `kill` is on every machine, and no unsafe call is needed. Status 1 is a process that is gone.
    let sent = Command::new("sh").args(["-c", &format!("kill -s {name} -- {to}")]).stderr(Stdio::null()).status();
    let status = sent.unwrap().code();
    assert!(matches!(status, Some(0 | 1)), "`kill -s {name} -- {to}` ended with {status:?}");
}

/// Lets a process run only a fraction of the time, until it is dropped: slow, but not silent for long enough to be
/// taken for dead.
#[derive(Debug)]
pub struct Throttle {
    pid: u32,
    ends: Option<std::sync::mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Throttle {
    /// Starts to slow it down to about a tenth.
    pub fn new(pid: u32) -> Self {
        Self::stopping_for(pid, 270)
    }

    /// Starts to slow it down to about a fortieth: it still says every second or two that it lives.
    pub fn to_a_crawl(pid: u32) -> Self {
        Self::stopping_for(pid, 1_170)
    }

    /// Stops it for so many milliseconds before each 30 in which it runs.
    fn stopping_for(pid: u32, stopped_ms: u64) -> Self {
        let (ends, ended) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            let goes_on = |pause| ended.recv_timeout(Duration::from_millis(pause)) == Err(TIMEOUT);
            loop {
                signal(pid, Signal::Stop);
                let goes_on_stopped = goes_on(stopped_ms);
                signal(pid, Signal::Continue);
                if !goes_on_stopped || !goes_on(30) {
                    return;
                }
            }
        });
        Self { pid, ends: Some(ends), thread: Some(thread) }
    }

    /// The process that it slows down.
    pub fn pid(&self) -> u32 {
        self.pid
    }
}

const TIMEOUT: std::sync::mpsc::RecvTimeoutError = std::sync::mpsc::RecvTimeoutError::Timeout;

impl Drop for Throttle {
    fn drop(&mut self) {
        drop(self.ends.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
