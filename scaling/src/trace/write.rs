//! Writes a trace as [`super::parse`] reads it.

use super::read::{GroupLine, InterruptionLine, JobLine, Line, ShortageLine, TraceLine};
use super::{Group, Trace};
use crate::time::seconds;

/// The trace as JSON lines, in the order of time.
pub fn write(trace: &Trace) -> String {
    let Trace { name, about, seed, end, groups, jobs, interruptions, shortages } = trace;
    let first = TraceLine { name: name.clone(), about: about.clone(), seed: *seed, end: seconds(*end) };
    let mut lines = vec![Line::Trace(first)];
    lines.extend(groups.iter().map(group_line));
    let mut happens: Vec<(u64, Line)> = jobs
        .iter()
        .map(|job| {
            let line = JobLine {
                at: seconds(job.at),
                name: job.name.clone(),
                priority: job.priority,
                tasks: job.tasks,
                task_seconds: job.task.median,
                task_spread: job.task.spread,
                deadline: job.deadline.map(seconds),
            };
            (job.at, Line::Job(line))
        })
        .collect();
    happens.extend(interruptions.iter().map(|it| {
        let notice_seconds = seconds(it.notice);
        let group = groups[it.group].name.clone();
        (it.at, Line::Interruption(InterruptionLine { at: seconds(it.at), group, share: it.share, notice_seconds }))
    }));
    happens.extend(shortages.iter().map(|it| {
        let group = groups[it.group].name.clone();
        (it.at, Line::Shortage(ShortageLine { at: seconds(it.at), until: seconds(it.until), group }))
    }));
    happens.sort_by_key(|(at, _)| *at);
    lines.extend(happens.into_iter().map(|(_, line)| line));
    let mut text = String::new();
    for line in lines {
        // Texts and finite numbers: nothing that JSON does not have.
        text.push_str(&serde_json::to_string(&line).unwrap_or_default());
        text.push('\n');
    }
    text
}

fn group_line(group: &Group) -> Line {
    let Group { name, slots, min_workers, max_workers, cost_per_hour, start, never_ready } = group;
    Line::Group(GroupLine {
        name: name.clone(),
        slots: *slots,
        min_workers: *min_workers,
        max_workers: *max_workers,
        cost_per_hour: *cost_per_hour,
        start_seconds: start.median,
        start_spread: start.spread,
        never_ready: *never_ready,
    })
}
