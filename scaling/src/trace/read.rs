//! Reads a trace, and says in which line it is wrong.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use shoal_core::{Failure, Reason};

use super::{Group, Interruption, Job, Shortage, Spread, Trace};
use crate::time::millis;

/// Bytes of a file: some hundred thousand jobs, a line each.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Tasks of all jobs together: they are simulated one by one, and memory holds what is left of each job.
const TASKS_MAX: u64 = 2_000_000;
/// Groups of one cluster; decisions look at each for each worker.
const GROUPS_MAX: usize = 16;
/// Workers of a group, as many as the control plane is made for.
const WORKERS_MAX: u32 = 10_000;
const SLOTS_MAX: u32 = 256;
/// Seconds that a trace may cover: a month. Policies look every second.
const SECONDS_MAX: f64 = 31.0 * 86_400.0;
/// With more, one draw in six is twenty times the median or more: nothing that takes place on a cluster.
const SPREAD_MAX: f64 = 3.0;
const PRIORITY_MAX: i32 = 1_000;

/// A line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Line {
    Trace(TraceLine),
    Group(GroupLine),
    Job(JobLine),
    Interruption(InterruptionLine),
    Shortage(ShortageLine),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TraceLine {
    pub(super) name: String,
    #[serde(default)]
    pub(super) about: String,
    pub(super) seed: u64,
    pub(super) end: f64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct GroupLine {
    pub(super) name: String,
    pub(super) slots: u32,
    #[serde(default)]
    pub(super) min_workers: u32,
    pub(super) max_workers: u32,
    #[serde(default)]
    pub(super) cost_per_hour: f64,
    pub(super) start_seconds: f64,
    #[serde(default)]
    pub(super) start_spread: f64,
    #[serde(default)]
    pub(super) never_ready: f64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct JobLine {
    pub(super) at: f64,
    pub(super) name: String,
    #[serde(default)]
    pub(super) priority: i32,
    pub(super) tasks: u32,
    pub(super) task_seconds: f64,
    #[serde(default)]
    pub(super) task_spread: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deadline: Option<f64>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct InterruptionLine {
    pub(super) at: f64,
    pub(super) group: String,
    pub(super) share: f64,
    #[serde(default = "default_notice")]
    pub(super) notice_seconds: f64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ShortageLine {
    pub(super) at: f64,
    pub(super) until: f64,
    pub(super) group: String,
}

fn default_notice() -> f64 {
    30.0
}

/// Reads a trace from a file.
///
/// # Errors
/// [`Reason::InvalidValue`] where the file cannot be read, and what [`parse`] says.
pub fn read(path: &Path) -> Result<Trace, Failure> {
    let name = path.display().to_string();
    let unreadable = |error: std::io::Error| {
        Failure::new(Reason::InvalidValue, format!("the trace `{name}` cannot be read"))
            .because(&error)
            .file(&name)
            .next("name a trace that is there; `shoal simulate trace bursts` writes one")
    };
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    if bytes > FILE_BYTES_MAX {
        let message = format!("the trace has {bytes} bytes; {FILE_BYTES_MAX} are possible");
        return Err(Failure::new(Reason::InvalidValue, message).file(name).next("cut it into several traces"));
    }
    parse(&std::fs::read_to_string(path).map_err(unreadable)?, &name)
}

/// Reads a trace; `source` is what failures call it.
///
/// # Errors
/// [`Reason::MalformedDocument`] for a line that is no JSON object of those that a trace has, [`Reason::MissingField`],
/// [`Reason::InvalidValue`] and [`Reason::DuplicateName`], each with file and line.
pub fn parse(text: &str, source: &str) -> Result<Trace, Failure> {
    let mut reader = Reader::default();
    for (line, number) in text.lines().zip(1..) {
        if !line.trim().is_empty() {
            read_line(line).and_then(|line| reader.take(line)).map_err(|failure| failure.file(source).line(number))?;
        }
    }
    reader.finish().map_err(|failure| failure.file(source))
}

fn read_line(text: &str) -> Result<Line, Failure> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| {
        // The place that serde gives is one in this line, whose number is told beside it.
        let whole = error.to_string();
        let message = whole.split(" at line ").next().unwrap_or_default();
        Failure::new(Reason::MalformedDocument, format!("this is no JSON: {message}"))
            .next("a trace is a JSON object per line; `shoal simulate trace bursts` writes one")
    })?;
    serde_json::from_value(value).map_err(|error| {
        Failure::new(Reason::InvalidValue, format!("this is no line of a trace: {error}"))
            .next("a line is one of `trace`, `group`, `job`, `interruption` and `shortage`, each with its own fields")
    })
}

#[derive(Default)]
struct Reader {
    trace: Option<Trace>,
    groups: BTreeMap<String, usize>,
    jobs: BTreeMap<String, ()>,
    tasks: u64,
    last: f64,
}

impl Reader {
    fn take(&mut self, line: Line) -> Result<(), Failure> {
        match line {
            Line::Trace(line) => self.trace(line),
            Line::Group(line) => self.group(line),
            Line::Job(line) => self.job(line),
            Line::Interruption(line) => self.interruption(&line),
            Line::Shortage(line) => self.shortage(&line),
        }
    }

    fn trace(&mut self, TraceLine { name, about, seed, end }: TraceLine) -> Result<(), Failure> {
        if self.trace.is_some() {
            return Err(invalid("trace", "a trace says once what it is").next("put each trace into a file of its own"));
        }
        within("trace.end", end, 1.0, SECONDS_MAX)?;
        let (groups, jobs, interruptions, shortages) = Default::default();
        self.trace = Some(Trace { name, about, seed, end: millis(end), groups, jobs, interruptions, shortages });
        Ok(())
    }

    fn group(&mut self, line: GroupLine) -> Result<(), Failure> {
        let GroupLine { name, slots, min_workers, max_workers, cost_per_hour, .. } = line;
        let trace = self.begun()?;
        if !trace.jobs.is_empty() {
            return Err(invalid("group", "groups come before the first job").next("move this line up"));
        }
        if trace.groups.len() == GROUPS_MAX {
            return Err(invalid("group", format!("a trace has at most {GROUPS_MAX} groups")));
        }
        within("group.slots", f64::from(slots), 1.0, f64::from(SLOTS_MAX))?;
        within("group.maxWorkers", f64::from(max_workers), 1.0, f64::from(WORKERS_MAX))?;
        within("group.minWorkers", f64::from(min_workers), 0.0, f64::from(max_workers))?;
        within("group.costPerHour", cost_per_hour, 0.0, 1e6)?;
        within("group.startSeconds", line.start_seconds, 0.0, SECONDS_MAX)?;
        within("group.startSpread", line.start_spread, 0.0, SPREAD_MAX)?;
        within("group.neverReady", line.never_ready, 0.0, 1.0)?;
        let start = Spread { median: line.start_seconds, spread: line.start_spread };
        let never_ready = line.never_ready;
        let index = trace.groups.len();
        trace.groups.push(Group {
            name: name.clone(),
            slots,
            min_workers,
            max_workers,
            cost_per_hour,
            start,
            never_ready,
        });
        match self.groups.insert(name.clone(), index) {
            None => Ok(()),
            Some(_) => Err(twice("group.name", "group", &name)),
        }
    }

    fn job(&mut self, line: JobLine) -> Result<(), Failure> {
        let JobLine { at, name, priority, tasks, task_seconds, task_spread, deadline } = line;
        let at = self.after_last("job.at", at)?;
        within("job.tasks", f64::from(tasks), 1.0, TASKS_MAX as f64)?;
        within("job.taskSeconds", task_seconds, 0.001, SECONDS_MAX)?;
        within("job.taskSpread", task_spread, 0.0, SPREAD_MAX)?;
        within("job.priority", f64::from(priority), f64::from(-PRIORITY_MAX), f64::from(PRIORITY_MAX))?;
        if let Some(deadline) = deadline {
            within("job.deadline", deadline, 0.001, SECONDS_MAX)?;
        }
        self.tasks += u64::from(tasks);
        if self.tasks > TASKS_MAX {
            return Err(invalid(
                "job.tasks",
                format!("up to here there are {} tasks; {TASKS_MAX} are possible", self.tasks),
            )
            .next("cut the trace into several"));
        }
        if self.jobs.insert(name.clone(), ()).is_some() {
            return Err(twice("job.name", "job", &name));
        }
        let task = Spread { median: task_seconds, spread: task_spread };
        let job = Job { at, name, priority, tasks, task, deadline: deadline.map(millis) };
        self.begun()?.jobs.push(job);
        Ok(())
    }

    fn interruption(&mut self, line: &InterruptionLine) -> Result<(), Failure> {
        let at = self.after_last("interruption.at", line.at)?;
        let group = self.group_of("interruption.group", &line.group)?;
        within("interruption.share", line.share, 0.0, 1.0)?;
        within("interruption.noticeSeconds", line.notice_seconds, 0.0, SECONDS_MAX)?;
        let notice = millis(line.notice_seconds);
        self.begun()?.interruptions.push(Interruption { at, group, share: line.share, notice });
        Ok(())
    }

    fn shortage(&mut self, line: &ShortageLine) -> Result<(), Failure> {
        let at = self.after_last("shortage.at", line.at)?;
        let group = self.group_of("shortage.group", &line.group)?;
        within("shortage.until", line.until, line.at, SECONDS_MAX)?;
        self.begun()?.shortages.push(Shortage { at, until: millis(line.until), group });
        Ok(())
    }

    fn finish(self) -> Result<Trace, Failure> {
        let missing = |what: &str| {
            Failure::new(Reason::MissingField, format!("the trace has no line `{what}`"))
                .next("`shoal simulate trace bursts` writes a trace to begin with")
        };
        let trace = self.trace.ok_or_else(|| missing("trace"))?;
        if trace.groups.is_empty() {
            return Err(missing("group"));
        }
        if trace.jobs.is_empty() {
            return Err(missing("job"));
        }
        Ok(trace)
    }

    fn begun(&mut self) -> Result<&mut Trace, Failure> {
        self.trace.as_mut().ok_or_else(|| {
            Failure::new(Reason::MissingField, "the first line of a trace says what it is")
                .next("begin with {\"trace\": {\"name\": \"mine\", \"seed\": 1, \"end\": 3600}}")
        })
    }

    /// A time that is not before what stands above it.
    fn after_last(&mut self, field: &str, at: f64) -> Result<u64, Failure> {
        if self.groups.is_empty() {
            return Err(Failure::new(Reason::MissingField, "something happens before there is a group of workers")
                .next("put a line with `group` above this one"));
        }
        within(field, at, 0.0, SECONDS_MAX)?;
        if at < self.last {
            return Err(invalid(field, format!("{at} comes after {} in the file, and is earlier", self.last))
                .next("sort the lines by `at`"));
        }
        self.last = at;
        Ok(millis(at))
    }

    fn group_of(&self, field: &str, name: &str) -> Result<usize, Failure> {
        self.groups.get(name).copied().ok_or_else(|| {
            let known: Vec<&str> = self.groups.keys().map(String::as_str).collect();
            invalid(field, format!("no group is called `{name}`")).next(format!("one of: {}", known.join(", ")))
        })
    }
}

fn invalid(field: &str, message: impl Into<String>) -> Failure {
    Failure::new(Reason::InvalidValue, message).field(field)
}

fn twice(field: &str, what: &str, name: &str) -> Failure {
    Failure::new(Reason::DuplicateName, format!("there are two {what}s called `{name}`"))
        .field(field)
        .next("give each its own name")
}

fn within(field: &str, value: f64, low: f64, high: f64) -> Result<(), Failure> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    let problem = if value < 0.0 && low >= 0.0 { "is negative" } else { "is out of bounds" };
    Err(invalid(field, format!("{value} {problem}")).next(format!("a number from {low} to {high}")))
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
