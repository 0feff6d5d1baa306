//! How a process ended, and what that means for a group and for a job. Pure.

use std::time::Duration;

use shoal_core::functions::{FailedGroup, status};

use crate::room::{Room, Shortage};

/// Exit codes from here on stand for signals.
const SIGNALLED: i32 = 128;

/// The exit code of a process that the kernel has ended; others end processes like that, too.
const KILLED: i32 = SIGNALLED + 9;

/// Signals by their numbers on Linux, those that a process dies of by itself or is killed with.
const SIGNALS: [(i32, &str); 9] = [
    (2, "SIGINT"),
    (4, "SIGILL"),
    (6, "SIGABRT"),
    (7, "SIGBUS"),
    (8, "SIGFPE"),
    (9, "SIGKILL"),
    (11, "SIGSEGV"),
    (13, "SIGPIPE"),
    (15, "SIGTERM"),
];

/// Lines of the user's own that are shown of where a process died.
const TRACE_LINES_MAX: usize = 12;

/// Why a process is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    /// It ended with that code, as far as that is known.
    Ended(Option<i32>),
    /// It was killed because a group took longer than that.
    TooLong(Duration),
    /// It was killed because it held so many bytes, more than the second number.
    TooMuchMemory(u64, u64),
    /// It was killed because memory ran out where the worker runs, and it held the most of all processes.
    NoRoom(Shortage),
    /// The kernel ended it as memory was used up where the worker runs.
    KernelKilled,
    /// It was killed because it had started more than so many processes.
    TooManyProcesses(usize),
    /// It said what nobody understands, and was killed.
    Unintelligible(String),
}

impl Death {
    /// What a process died of that ended with that code, where the kernel has ended processes for their memory meanwhile.
    pub(crate) fn of_code(code: Option<i32>, kernel_has_killed: bool) -> Self {
        match code {
            Some(KILLED) if kernel_has_killed => Self::KernelKilled,
            code => Self::Ended(code),
        }
    }

    /// How it ended, as the end of a sentence about the process.
    pub(crate) fn in_words(&self) -> String {
        match self {
            Self::Ended(None) => "is gone".to_owned(),
            Self::Ended(Some(code)) if *code > SIGNALLED => {
                let number = code - SIGNALLED;
                match SIGNALS.iter().find(|(known, _)| *known == number) {
                    Some((_, name)) => format!("was ended by {name}"),
                    None => format!("was ended by signal {number}"),
                }
            }
            Self::Ended(Some(code)) => format!("ended with exit code {code}"),
            Self::TooLong(limit) => {
                format!("was killed: a group took longer than the {} s of `groupTimeout`", limit.as_secs_f64())
            }
            Self::TooMuchMemory(bytes, limit) => format!(
                "was killed: it held {} MiB, more than the {} MiB of `processMemoryLimit`",
                bytes >> 20,
                limit >> 20
            ),
            Self::NoRoom(Shortage { held, room: Room { limit, used } }) => format!(
                "was killed: {} of the {} MiB that there are for the worker and all its processes were used, and it held \
                 the most, {} MiB",
                used >> 20,
                limit >> 20,
                held >> 20
            ),
            Self::KernelKilled => "was ended by the kernel: memory was used up where the worker runs".to_owned(),
            Self::TooManyProcesses(most) => format!("was killed: it started more than {most} processes"),
            Self::Unintelligible(why) => format!("was killed: it said what cannot be understood ({why})"),
        }
    }

    fn status(&self) -> &'static str {
        match self {
            Self::Ended(_) | Self::TooManyProcesses(_) | Self::Unintelligible(_) => status::PROCESS_DIED,
            Self::TooLong(_) => status::TIMED_OUT,
            Self::TooMuchMemory(..) | Self::NoRoom(_) | Self::KernelKilled => status::OUT_OF_MEMORY,
        }
    }

    /// The group that is to blame, as one that failed. `complaints` are the interpreter's last words.
    pub(crate) fn of_group(&self, complaints: &[String]) -> FailedGroup {
        FailedGroup {
            group: 0,
            status: self.status().to_owned(),
            error_type: None,
            message: format!("the function's process {}", self.in_words()),
            trace: trace(complaints),
        }
    }
}

/// Where native code died, as `faulthandler` wrote it: the innermost line first, which is turned around here.
fn trace(complaints: &[String]) -> Option<String> {
    let lines = complaints.iter().map(|line| line.trim()).filter(|line| line.starts_with("File \""));
    let own = lines.filter(|line| !line.contains("/shoal/worker/") && !line.contains("<string>"));
    let mut own: Vec<&str> = own.take(TRACE_LINES_MAX).collect();
    own.reverse();
    (!own.is_empty()).then(|| own.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_has_its_words_and_its_status() {
        for (death, words, status) in [
            (Death::Ended(Some(7)), "ended with exit code 7", "process_died"),
            (Death::Ended(Some(0)), "ended with exit code 0", "process_died"),
            (Death::Ended(Some(139)), "was ended by SIGSEGV", "process_died"),
            (Death::Ended(Some(128 + 40)), "was ended by signal 40", "process_died"),
            (Death::Ended(None), "is gone", "process_died"),
            (Death::TooLong(Duration::from_secs(3)), "longer than the 3 s of `groupTimeout`", "timed_out"),
            (Death::TooMuchMemory(3 << 20, 2 << 20), "it held 3 MiB, more than the 2 MiB", "out_of_memory"),
            (
                Death::NoRoom(Shortage { held: 7 << 20, room: Room { limit: 9 << 20, used: 8 << 20 } }),
                "8 of the 9 MiB that there are for the worker and all its processes were used, and it held the most, 7 MiB",
                "out_of_memory",
            ),
            (Death::KernelKilled, "ended by the kernel: memory was used up", "out_of_memory"),
            (Death::TooManyProcesses(9), "it started more than 9 processes", "process_died"),
            (Death::Unintelligible("kind 9".into()), "(kind 9)", "process_died"),
        ] {
            let group = death.of_group(&[]);
            assert!(group.message.contains(words), "{}", group.message);
            assert_eq!((group.status.as_str(), group.trace), (status, None));
        }
    }

    #[test]
    fn the_users_lines_are_picked_from_the_interpreters_last_words() {
        let complaints = [
            "Fatal Python error: Segmentation fault",
            "Current thread 0x00007f (most recent call first):",
            "  File \"train.py\", line 3 in crash",
            "  File \"train.py\", line 9 in fit",
            "  File \"/tmp/a/shoal/worker/apply.py\", line 70 in apply",
            "  File \"<string>\", line 1 in <module>",
        ];
        let complaints = complaints.map(str::to_owned);
        let group = Death::Ended(Some(139)).of_group(&complaints);
        assert_eq!(
            group.trace.as_deref(),
            Some("File \"train.py\", line 9 in fit\nFile \"train.py\", line 3 in crash")
        );
    }

    #[test]
    fn only_what_is_killed_while_the_kernel_kills_died_of_that() {
        for (code, kernel_has_killed, expected) in [
            (Some(137), true, Death::KernelKilled),
            (Some(137), false, Death::Ended(Some(137))),
            (Some(139), true, Death::Ended(Some(139))),
            (None, true, Death::Ended(None)),
        ] {
            assert_eq!(Death::of_code(code, kernel_has_killed), expected);
        }
    }
}
