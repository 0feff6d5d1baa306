//! The head's side: which tasks wait, and which one is next.

use crate::policy::SeenJob;
use crate::time::{Millis, seconds};
use crate::trace::Trace;

/// Jobs of a trace as they come and go.
pub(super) struct Jobs<'a> {
    trace: &'a Trace,
    all: Vec<Job>,
    /// That arrived and are unfinished, oldest first.
    active: Vec<usize>,
    unfinished: usize,
    waiting: u32,
}

#[derive(Clone, Default)]
struct Job {
    /// Tasks up to this one have begun.
    next: u32,
    /// Of those, the ones that were lost with their worker.
    returned: Vec<u32>,
    running: u32,
    finished: u32,
    finished_time: Millis,
    recent_seconds: Option<f64>,
    latency: Option<Millis>,
}

impl<'a> Jobs<'a> {
    pub(super) fn new(trace: &'a Trace) -> Self {
        let all = vec![Job::default(); trace.jobs.len()];
        Self { trace, unfinished: all.len(), all, active: Vec::new(), waiting: 0 }
    }

    pub(super) fn arrive(&mut self, job: usize) {
        self.active.push(job);
        self.waiting += self.trace.jobs[job].tasks;
    }

    pub(super) fn are_done(&self) -> bool {
        self.unfinished == 0
    }

    pub(super) fn any_waiting(&self) -> bool {
        self.waiting > 0
    }

    /// Takes the next task: of the highest priority, of the job that runs the fewest, as heads do.
    pub(super) fn next(&mut self) -> Option<(usize, u32)> {
        let left = |job: &usize| self.waiting_of(*job) > 0;
        let order = |job: &&usize| (-self.trace.jobs[**job].priority, self.all[**job].running, **job);
        let job = *self.active.iter().filter(|job| left(job)).min_by_key(order)?;
        let state = &mut self.all[job];
        state.running += 1;
        self.waiting -= 1;
        let task = state.returned.pop().unwrap_or_else(|| {
            state.next += 1;
            state.next - 1
        });
        Some((job, task))
    }

    /// A task has ended after that time.
    pub(super) fn finish(&mut self, job: usize, took: Millis, now: Millis) {
        let state = &mut self.all[job];
        state.running -= 1;
        state.finished += 1;
        state.finished_time += took;
        let took = seconds(took);
        state.recent_seconds = Some(state.recent_seconds.map_or(took, |recent| (recent + took) / 2.0));
        if state.finished == self.trace.jobs[job].tasks {
            state.latency = Some(now - self.trace.jobs[job].at);
            self.active.retain(|active| *active != job);
            self.unfinished -= 1;
        }
    }

    /// A task was lost, and waits again.
    pub(super) fn lose(&mut self, job: usize, task: u32) {
        let state = &mut self.all[job];
        state.running -= 1;
        state.returned.push(task);
        self.waiting += 1;
    }

    pub(super) fn latencies(&self) -> Vec<Option<Millis>> {
        self.all.iter().map(|job| job.latency).collect()
    }

    /// What can be seen of those that are unfinished; `running` says since when which job's tasks run.
    pub(super) fn seen(&self, running: impl Iterator<Item = (usize, Millis)>, now: Millis) -> Vec<SeenJob> {
        let mut seen: Vec<SeenJob> = self
            .active
            .iter()
            .map(|job| {
                let Job { running, finished, finished_time, recent_seconds, .. } = &self.all[*job];
                SeenJob {
                    priority: self.trace.jobs[*job].priority,
                    tasks: self.trace.jobs[*job].tasks,
                    waiting: self.waiting_of(*job),
                    running: *running,
                    finished: *finished,
                    finished_time: *finished_time,
                    recent_seconds: *recent_seconds,
                    ran: Vec::new(),
                }
            })
            .collect();
        for (job, since) in running {
            // Jobs arrive in the order of their numbers.
            if let Ok(place) = self.active.binary_search(&job) {
                seen[place].ran.push(now - since);
            }
        }
        seen
    }

    fn waiting_of(&self, job: usize) -> u32 {
        self.trace.jobs[job].tasks - self.all[job].next + self.all[job].returned.len() as u32
    }
}
