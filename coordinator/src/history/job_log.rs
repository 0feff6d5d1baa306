//! One job's attempts and log, as records and workers tell them.

use std::collections::BTreeMap;

use shoal_core::history::{AttemptOutcome, AttemptReport, AttemptTook, JobHistory, JobLine};
use shoal_core::journal::Record;
use shoal_core::task::LogLevel;
use shoal_core::{AttemptId, Failure, Reason};

use super::bounded::{Bounded, Worth};
use super::limits::{ATTEMPT_LINES_MAX, ATTEMPTS, LINE_BYTES_MAX, LINES, MESSAGE_BYTES_MAX};
use super::text::{HeadLine, line_of, one_line, time_of};

/// What an attempt's worker wrote while it ran.
#[derive(Debug, Default)]
pub(crate) struct AttemptLog {
    /// When, in milliseconds since 1970-01-01 UTC, how much it matters, and what.
    pub(crate) lines: Vec<(u64, LogLevel, String)>,
    /// Lines that came before those.
    pub(crate) left_out: u64,
}

/// How an attempt stands whose worker tells what it wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogOf {
    Running,
    Succeeded,
    Failed,
}

/// The life of a job that has not ended.
#[derive(Debug)]
pub(super) struct JobLog {
    stages: Vec<String>,
    running: BTreeMap<AttemptId, Running>,
    attempts: Bounded<AttemptReport>,
    lines: Bounded<JobLine>,
    /// The last line's place.
    seq: u64,
    /// When the last thing happened.
    last_ms: u64,
    /// Whether workers wrote something that is not stored.
    pub(super) is_fresh: bool,
    /// When it was stored last.
    pub(super) stored_ms: u64,
}

#[derive(Clone, Debug, Default)]
struct Running {
    worker: String,
    speculative: bool,
    started_ms: u64,
    /// Lines from the first on that were taken, or are lost.
    lines: u64,
    /// Whether it is told how it ended: a worker repeats what may have been lost.
    has_all_lines: bool,
}

/// How an attempt ended.
struct AttemptEnd<'a> {
    outcome: AttemptOutcome,
    failure: Option<&'a Failure>,
    took: Option<AttemptTook>,
}

impl AttemptEnd<'_> {
    const SUCCEEDED: Self = Self { outcome: AttemptOutcome::Succeeded, failure: None, took: None };
    const CALLED_BACK: Self = Self { outcome: AttemptOutcome::CalledBack, failure: None, took: None };
}

impl JobLog {
    pub(super) fn new() -> Self {
        Self {
            stages: Vec::new(),
            running: BTreeMap::new(),
            attempts: Bounded::new(ATTEMPTS),
            lines: Bounded::new(LINES),
            seq: 0,
            last_ms: 0,
            is_fresh: false,
            stored_ms: 0,
        }
    }

    /// As records tell it that were stored before; each at its own time.
    pub(super) fn replay<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut log = Self::new();
        for record in records {
            let now_ms = log.last_ms;
            log.observe(record, now_ms);
        }
        log
    }

    /// Takes a record of the job, which was made at `now_ms` where it does not say itself when.
    pub(super) fn observe(&mut self, record: &Record, now_ms: u64) {
        let at_ms = time_of(record).unwrap_or(now_ms);
        self.last_ms = self.last_ms.max(at_ms);
        let worker = match record {
            Record::StagePlanned { plan, stage, .. } => {
                // Planned anew after its input changed, it begins with the first stage again.
                self.stages.truncate(*stage as usize);
                self.stages.push(plan.name.clone());
                None
            }
            Record::AttemptStarted { attempt, worker, duplicate, .. } => {
                let (worker, speculative) = (worker.to_string(), *duplicate);
                let running = Running { worker, speculative, started_ms: at_ms, lines: 0, has_all_lines: false };
                self.running.insert(*attempt, running);
                None
            }
            Record::AttemptFinished { attempt, worker, output, .. } => {
                let took = AttemptTook::of(output);
                self.end_attempt(*attempt, AttemptEnd { took: Some(took), ..AttemptEnd::SUCCEEDED }, at_ms);
                Some(worker.to_string())
            }
            Record::AttemptFailed { attempt, failure, .. } => {
                let outcome = match failure.reason {
                    // Without a slot it never ran.
                    Reason::HandedBack | Reason::Busy => AttemptOutcome::HandedBack,
                    _ => AttemptOutcome::Failed,
                };
                self.end_attempt(*attempt, AttemptEnd { outcome, failure: Some(failure), took: None }, at_ms)
            }
            Record::Ended { .. } | Record::Resumed { .. } => {
                for attempt in self.running.keys().copied().collect::<Vec<_>>() {
                    self.end_attempt(attempt, AttemptEnd::CALLED_BACK, at_ms);
                }
                None
            }
            _ => None,
        };
        if let Some(HeadLine { level, attempt, text }) = line_of(record) {
            let text = match worker {
                Some(worker) => format!("{text} (on {worker})"),
                None => text,
            };
            self.push_line((at_ms, level, &text), None, attempt, at_ms, Worth::Telling);
        }
    }

    /// Notes the end of an attempt; returns the worker that ran it, where that is known.
    fn end_attempt(&mut self, attempt: AttemptId, end: AttemptEnd<'_>, at_ms: u64) -> Option<String> {
        let AttemptEnd { outcome, failure, took } = end;
        let known = self.running.remove(&attempt);
        let worker = known.as_ref().map(|running| running.worker.clone());
        let running = known.unwrap_or_default();
        let started_ms = running.started_ms;
        let mut report = self.report(attempt, &running, outcome);
        report.seconds = (started_ms > 0).then(|| at_ms.saturating_sub(started_ms) as f64 / 1_000.0);
        report.reason = failure.map(|failure| failure.reason);
        report.message = failure.map(|failure| one_line(&failure.message, MESSAGE_BYTES_MAX));
        report.took = took;
        let worth = if outcome == AttemptOutcome::Succeeded { Worth::Ordinary } else { Worth::Telling };
        self.attempts.push(report, worth);
        worker
    }

    fn report(&self, attempt: AttemptId, running: &Running, outcome: AttemptOutcome) -> AttemptReport {
        AttemptReport {
            stage: self.stage(attempt),
            task: attempt.task.index,
            attempt: attempt.number,
            worker: running.worker.clone(),
            speculative: running.speculative,
            started_ms: running.started_ms,
            seconds: None,
            outcome,
            reason: None,
            message: None,
            took: None,
        }
    }

    fn stage(&self, attempt: AttemptId) -> String {
        let number = attempt.task.stage;
        self.stages.get(number as usize).cloned().unwrap_or_else(|| number.to_string())
    }

    /// Takes what a worker wrote during an attempt and was not taken before, unless the attempt is not its any more.
    pub(super) fn take_lines(&mut self, attempt: AttemptId, worker: &str, log: AttemptLog, of: LogOf, now_ms: u64) {
        let Some(running) = self.running.get_mut(&attempt) else { return };
        if running.worker != worker || running.has_all_lines {
            return;
        }
        running.has_all_lines = of != LogOf::Running;
        let AttemptLog { lines, left_out } = log;
        let known = running.lines;
        running.lines = known.max(left_out + lines.len() as u64);
        let taken = usize::try_from(known.saturating_sub(left_out)).unwrap_or(usize::MAX);
        let too_many = lines.len().saturating_sub(taken).saturating_sub(ATTEMPT_LINES_MAX);
        self.lines.leave_out(left_out.saturating_sub(known) + too_many as u64);
        let failed = of == LogOf::Failed;
        // The last ones say how it ended.
        for (at_ms, level, text) in lines.into_iter().skip(taken.saturating_add(too_many)) {
            let worth = if failed || level > LogLevel::Info { Worth::Telling } else { Worth::Ordinary };
            self.push_line((at_ms, level, &text), Some(worker), Some(attempt), now_ms, worth);
            self.is_fresh = true;
        }
    }

    fn push_line(
        &mut self,
        (at_ms, level, text): (u64, LogLevel, &str),
        worker: Option<&str>,
        attempt: Option<AttemptId>,
        now_ms: u64,
        worth: Worth,
    ) {
        // Made of the time, so that lines after a restart come behind those of before without anything being stored.
        self.seq = (self.seq + 1).max(now_ms.saturating_mul(1_000));
        let line = JobLine {
            seq: self.seq,
            at_ms,
            level,
            worker: worker.map(str::to_owned),
            stage: attempt.map(|attempt| self.stage(attempt)),
            task: attempt.map(|attempt| attempt.task.index),
            attempt: attempt.map(|attempt| attempt.number),
            text: one_line(text, LINE_BYTES_MAX),
        };
        self.lines.push(line, worth);
    }

    /// Adds what workers wrote before the head was restarted. What the head itself wrote, it has from its records.
    pub(super) fn remember(&mut self, history: JobHistory) {
        let JobHistory { lines, lines_left_out, attempts: _, attempts_left_out: _ } = history;
        for line in lines.into_iter().filter(|line| line.worker.is_some()) {
            self.seq = self.seq.max(line.seq);
            self.was_taken(&line);
            self.lines.push(line, Worth::Telling);
        }
        self.lines.leave_out(lines_left_out);
        self.lines.sort_by_key(|line| line.seq);
    }

    /// Notes that a line was taken of an attempt, which its worker may tell of again.
    fn was_taken(&mut self, line: &JobLine) {
        let of = (line.stage.as_deref(), line.task, line.attempt);
        let stages = &self.stages;
        let is_of = |attempt: &AttemptId| {
            let stage = stages.get(attempt.task.stage as usize).map(String::as_str);
            (stage, Some(attempt.task.index), Some(attempt.number)) == of
        };
        if let Some((_, running)) = self.running.iter_mut().find(|(attempt, _)| is_of(attempt)) {
            running.lines += 1;
        }
    }

    /// All that is known, attempts that run included.
    pub(super) fn history(&self) -> JobHistory {
        let running = self.running.iter();
        let running = running.map(|(attempt, running)| self.report(*attempt, running, AttemptOutcome::Running));
        JobHistory {
            attempts: self.attempts.iter().cloned().chain(running).collect(),
            attempts_left_out: self.attempts.left_out(),
            ..self.lines_only()
        }
    }

    /// The log alone: attempts of a job that has not ended are told by its records.
    pub(super) fn lines_only(&self) -> JobHistory {
        JobHistory {
            lines: self.lines.iter().cloned().collect(),
            lines_left_out: self.lines.left_out(),
            ..JobHistory::default()
        }
    }
}

#[cfg(test)]
#[path = "job_log_tests.rs"]
mod tests;
