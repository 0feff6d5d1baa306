//! A cluster in which a trace happens while a policy scales it: events in the order of time.
//!
//! Workers, pods and the scheduler are models; what a policy decides is carried out a second after what it saw, as a
//! sample has to be fetched and pods have to be written. A target is kept as controllers keep it: what leaves or is taken
//! away is replaced without the policy's doing.

mod jobs;
mod look;
mod workers;

use std::collections::BTreeMap;
use std::iter::repeat;

use crate::policy::{Policy, Wish};
use crate::time::{HOUR, Millis, SECOND};
use crate::trace::Trace;
use jobs::Jobs;
use workers::Worker;

/// From a sample to what is done about it.
const ACT_DELAY: Millis = SECOND;
/// From the end of a pod's last process until its node is free.
const TERMINATION: Millis = 2 * SECOND;
/// Jobs that are unfinished so long after the end of a trace will stay so.
const OVERTIME: Millis = 24 * HOUR;

/// What the numbers of a purpose are for.
#[derive(Clone, Copy)]
enum Chance {
    Start = 1,
    Task,
    NeverReady,
    Interrupted,
}

/// A worker of a world: the number of its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WorkerId(pub(crate) u32);

#[derive(Debug)]
enum Event {
    Arrives(usize),
    Starts(WorkerId),
    Ends {
        worker: WorkerId,
        job: usize,
        task: u32,
    },
    /// A worker that was told to leave for the so-manieth time has no time left, or nothing to do.
    Leaves {
        worker: WorkerId,
        time: u32,
    },
    Interrupts(usize),
    ShortageEnds(usize),
    Looks,
    Acts(Wish),
    TraceEnds,
}

/// What came of a trace under a policy.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// From each job's arrival to its end, where it ended.
    pub(crate) latencies: Vec<Option<Millis>>,
    /// Time of workers on nodes, all together.
    pub(crate) paid: Millis,
    /// What that costs.
    pub(crate) cost: f64,
    /// Share of that time in which slots worked for results that count.
    pub(crate) worked: f64,
    /// Slot time that was lost with workers.
    pub(crate) lost: Millis,
    /// How often the number of workers that were asked for went up after it had gone down, or the other way round.
    pub(crate) turns: u32,
    /// When there were how many workers on nodes.
    pub(crate) workers: Vec<(Millis, u32)>,
    /// When it ended.
    pub(crate) end: Millis,
}

pub(crate) struct World<'a> {
    trace: &'a Trace,
    policy: Box<dyn Policy>,
    now: Millis,
    events: BTreeMap<(Millis, u64), Event>,
    sequence: u64,
    jobs: Jobs<'a>,
    /// All that there ever were, by their numbers.
    workers: Vec<Worker>,
    /// Those that are there, oldest first.
    live: Vec<WorkerId>,
    /// Pods of each group so far.
    created: Vec<u32>,
    targets: Vec<u32>,
    /// Time from creation to readiness, and of how many, by group.
    starts: Vec<(Millis, u32)>,
    rose: Option<bool>,
    run: Run,
}

/// Runs a trace under a policy.
pub(crate) fn run(trace: &Trace, policy: Box<dyn Policy>) -> Run {
    let run = Run {
        latencies: vec![None; trace.jobs.len()],
        paid: 0,
        cost: 0.0,
        worked: 0.0,
        lost: 0,
        turns: 0,
        workers: vec![(0, 0)],
        end: 0,
    };
    let mut world = World {
        trace,
        policy,
        now: 0,
        events: BTreeMap::new(),
        sequence: 0,
        jobs: Jobs::new(trace),
        workers: Vec::new(),
        live: Vec::new(),
        created: vec![0; trace.groups.len()],
        targets: trace.groups.iter().map(|group| group.min_workers).collect(),
        starts: vec![(0, 0); trace.groups.len()],
        rose: None,
        run,
    };
    world.begin();
    while let Some(((at, _), event)) = world.events.pop_first() {
        world.now = at;
        world.handle(event);
        if world.is_over() {
            break;
        }
    }
    world.finish()
}

impl World<'_> {
    fn begin(&mut self) {
        let trace = self.trace;
        for (index, job) in trace.jobs.iter().enumerate() {
            self.at(job.at, Event::Arrives(index));
        }
        for (index, interruption) in trace.interruptions.iter().enumerate() {
            self.at(interruption.at, Event::Interrupts(index));
        }
        for (index, shortage) in trace.shortages.iter().enumerate() {
            self.at(shortage.until, Event::ShortageEnds(index));
        }
        self.at(trace.end, Event::TraceEnds);
        self.keep_targets();
        self.at(0, Event::Looks);
    }

    fn at(&mut self, time: Millis, event: Event) {
        self.events.insert((time, self.sequence), event);
        self.sequence += 1;
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Arrives(job) => {
                self.jobs.arrive(job);
                self.dispatch();
                if self.policy.is_told_of_arrivals() {
                    self.look();
                }
            }
            Event::Starts(worker) => self.started(worker),
            Event::Ends { worker, job, task } => self.task_ended(worker, job, task),
            Event::Leaves { worker, time } => self.may_leave(worker, time),
            Event::Interrupts(interruption) => self.interrupt(interruption),
            Event::ShortageEnds(shortage) => self.shortage_ended(self.trace.shortages[shortage].group),
            Event::Looks => {
                self.look();
                self.at(self.now + self.policy.interval(), Event::Looks);
            }
            Event::Acts(wish) => self.act(&wish),
            Event::TraceEnds => {}
        }
    }

    fn is_over(&self) -> bool {
        self.now >= self.trace.end && self.jobs.are_done() || self.now > self.trace.end + OVERTIME
    }

    fn look(&mut self) {
        let seen = self.seen();
        let wish = self.policy.look(&seen);
        self.at(self.now + ACT_DELAY, Event::Acts(wish));
    }

    fn act(&mut self, wish: &Wish) {
        for worker in &wish.stay {
            self.take_back(*worker);
        }
        for worker in &wish.leave {
            if self.workers[worker.0 as usize].is_staying() {
                self.leave(*worker, self.now + self.policy.grace());
            }
        }
        for worker in &wish.delete {
            self.delete(*worker);
        }
        let mut targets = if wish.targets.is_empty() { self.targets.clone() } else { wish.targets.clone() };
        for ((target, group), more) in
            targets.iter_mut().zip(&self.trace.groups).zip(wish.more.iter().chain(repeat(&0)))
        {
            *target = (*target + more).clamp(group.min_workers, group.max_workers);
        }
        self.set_targets(targets);
        self.keep_targets();
        self.dispatch();
    }

    fn set_targets(&mut self, targets: Vec<u32>) {
        let (was, is): (u32, u32) = (self.targets.iter().sum(), targets.iter().sum());
        if is != was {
            let rises = is > was;
            self.run.turns += u32::from(self.rose.is_some_and(|rose| rose != rises));
            self.rose = Some(rises);
        }
        self.targets = targets;
    }

    fn finish(mut self) -> Run {
        for id in self.live.clone() {
            self.remove(id);
        }
        self.run.end = self.now;
        self.run.latencies = self.jobs.latencies();
        self.run
    }
}

#[cfg(test)]
mod tests;
