//! A head and workers that do what they are told at once.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use shoal_core::Payload;
use shoal_core::control::{Control, Effect, EffectLoop, Event, Outside, ReplyId, SubmitOptions, WorkerInfo};
use shoal_core::journal::Record;
use shoal_core::publish::PublishedTable;
use shoal_core::task::TaskOutput;
use shoal_core::{AttemptId, Failure, JobUid, Reason, WorkerId};
use uuid::Uuid;

use super::journal::FileJournal;
use super::{Measured, Size};
use crate::kind::{Shape, file_of, kinds, spec};
use crate::scenario::JobScenario;

/// How long a task takes, in virtual milliseconds: heartbeats and ticks fall in between as they would.
const TASK_MS: u64 = 10_000;

/// How often each worker says that it lives.
const BEAT_MS: u64 = 1_000;

/// How often time passes for the head.
const TICK_MS: u64 = 100;

/// What effects reach: lists of what is to be done.
#[derive(Default)]
struct Reached {
    append: Option<Vec<Record>>,
    assigned: VecDeque<(WorkerId, AttemptId)>,
    events: VecDeque<Event>,
    assignments: u64,
}

impl Outside for Reached {
    fn append(&mut self, records: Vec<Record>) {
        self.append = Some(records);
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::GatherFacts { job } => {
                self.events.push_back(Event::FactsGathered { job: job.uid, result: Ok(Payload::default()) });
            }
            Effect::Assign { worker, assignment, .. } => {
                self.assignments += 1;
                self.assigned.push_back((worker, assignment.attempt));
            }
            Effect::Publish { intent } => {
                let table = PublishedTable { name: intent.output, table: intent.table, version: 0, rows: 0 };
                self.events.push_back(Event::Published { job: intent.job, result: Ok(table) });
            }
            _ => {}
        }
    }

    fn observe(&mut self, _: &[Record], _: &Control) {}
}

pub(super) struct Cluster {
    size: Size,
    effect_loop: EffectLoop,
    reached: Reached,
    journal: FileJournal,
    /// What the workers run, the first to end in front: when it ends, where, what.
    running: VecDeque<(u64, WorkerId, AttemptId)>,
    /// The same by worker.
    held: BTreeMap<WorkerId, Vec<AttemptId>>,
    now_ms: u64,
    ticked_ms: u64,
    /// Whose heartbeat comes next.
    beats: u32,
    beaten_ms: u64,
    done: u64,
}

impl Cluster {
    pub(super) fn start(size: Size) -> Result<Self, Failure> {
        let mut reached = Reached::default();
        let effect_loop = EffectLoop::start(Control::new(kinds()), Vec::new(), &mut reached);
        let mut this = Self {
            size,
            effect_loop,
            reached,
            journal: FileJournal::create()?,
            running: VecDeque::new(),
            held: BTreeMap::new(),
            now_ms: 1_700_000_000_000,
            ticked_ms: 0,
            beats: 0,
            beaten_ms: 0,
            done: 0,
        };
        this.submit_all()?;
        this.join_all()?;
        Ok(this)
    }

    fn submit_all(&mut self) -> Result<(), Failure> {
        for index in 0..self.size.jobs {
            let share = self.size.tasks / self.size.jobs + u32::from(index < self.size.tasks % self.size.jobs);
            let job = JobScenario::plain(Shape { splits: share, buckets: 0, poison: None });
            let spec = spec(&format!("job-{index}"), &job, &format!("/table-{index}"));
            let uid = JobUid(Uuid::from_u128(u128::from(index) + 1));
            let options = SubmitOptions::default();
            self.handle(Event::Submit { uid, spec, options, reply: ReplyId(u64::from(index)) })?;
        }
        Ok(())
    }

    fn worker(index: u32) -> WorkerId {
        WorkerId(format!("worker-{index:05}"))
    }

    fn join_all(&mut self) -> Result<(), Failure> {
        for index in 0..self.size.workers {
            let flight_url = format!("http://10.0.{}.{}:8472", index / 256, index % 256);
            let worker = WorkerInfo::new(Self::worker(index), "1", flight_url, self.size.slots);
            self.handle(Event::WorkerJoined { worker })?;
        }
        Ok(())
    }

    /// Takes an event and all that follows from it at once.
    fn handle(&mut self, event: Event) -> Result<(), Failure> {
        self.reached.events.push_back(event);
        while let Some(event) = self.reached.events.pop_front() {
            self.effect_loop.handle(event, self.now_ms, &mut self.reached);
            while let Some(records) = self.reached.append.take() {
                let stored = self.journal.append(&records);
                self.effect_loop.stored(stored, &mut self.reached)?;
            }
            while let Some((worker, attempt)) = self.reached.assigned.pop_front() {
                self.held.entry(worker.clone()).or_default().push(attempt);
                self.running.push_back((self.now_ms + TASK_MS, worker, attempt));
            }
        }
        Ok(())
    }

    /// Lets time pass until so many tasks are done.
    pub(super) fn work_until(&mut self, tasks: u64) -> Result<(), Failure> {
        while self.done < tasks {
            let next = self.running.front().map(|(at_ms, ..)| *at_ms);
            if next.is_some_and(|at_ms| at_ms <= self.now_ms) {
                let Some((_, worker, attempt)) = self.running.pop_front() else { continue };
                let output = TaskOutput { files: vec![file_of(attempt, 1)], ..TaskOutput::default() };
                self.done += 1;
                if let Some(held) = self.held.get_mut(&worker) {
                    held.retain(|other| *other != attempt);
                }
                self.handle(Event::AttemptFinished { worker, instance: "1".into(), attempt, result: Ok(output) })?;
            } else if next.is_none() && self.now_ms > self.ticked_ms + TASK_MS {
                return Err(Failure::internal("nothing runs and nothing is handed out"));
            } else {
                self.pass_time()?;
            }
        }
        Ok(())
    }

    /// A millisecond: some heartbeats, and a tick now and then.
    fn pass_time(&mut self) -> Result<(), Failure> {
        self.now_ms += 1;
        let due = u64::from(self.size.workers) * (self.now_ms % BEAT_MS + 1) / BEAT_MS;
        if self.now_ms / BEAT_MS != self.beaten_ms {
            (self.beaten_ms, self.beats) = (self.now_ms / BEAT_MS, 0);
        }
        while u64::from(self.beats) < due {
            let worker = Self::worker(self.beats);
            self.beats += 1;
            let running = self.held.get(&worker).cloned().unwrap_or_default();
            let beat = Event::Heartbeat {
                worker,
                instance: "1".into(),
                running,
                permille: Vec::new(),
                calls: Vec::new(),
                peak_memory_bytes: 0,
            };
            self.handle(beat)?;
        }
        if self.now_ms >= self.ticked_ms + TICK_MS {
            self.ticked_ms = self.now_ms;
            self.handle(Event::Tick)?;
        }
        Ok(())
    }

    /// The head is gone; another reads its records, and all workers come back with what they run.
    pub(super) fn lose_head(mut self, measured: &mut Measured) -> Result<Self, Failure> {
        let mut reached = Reached { assignments: self.reached.assignments, ..Reached::default() };
        drop(std::mem::replace(
            &mut self.effect_loop,
            EffectLoop::start(Control::new(kinds()), Vec::new(), &mut reached),
        ));
        let start = Instant::now();
        let records = self.journal.load()?;
        measured.load_seconds = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let (control, effects) = Control::recover(kinds(), records, self.now_ms)?;
        measured.recover_seconds = start.elapsed().as_secs_f64();
        let start = Instant::now();
        self.effect_loop = EffectLoop::start(control, effects, &mut reached);
        self.reached = reached;
        self.join_all()?;
        let before = self.assigned();
        self.work_until(self.done + 1)?;
        measured.adopt_seconds = start.elapsed().as_secs_f64();
        if self.assigned() == before {
            return Err(Failure::internal("a recovered head hands nothing out"));
        }
        Ok(self)
    }

    /// Every job has succeeded, and every task has run once: those that ran when the head was lost, too.
    pub(super) fn check_end(&self) -> Result<(), Failure> {
        let statuses = self.effect_loop.control().list(self.now_ms);
        let open = statuses.iter().filter(|status| status.phase != shoal_core::report::Phase::Succeeded).count();
        let expected = u64::from(self.size.tasks);
        if open > 0 || statuses.len() != self.size.jobs as usize || self.assigned() != expected {
            let message = format!("{open} jobs are open; {} tasks were handed out, not {expected}", self.assigned());
            return Err(Failure::new(Reason::Internal, message));
        }
        Ok(())
    }

    pub(super) fn done(&self) -> u64 {
        self.done
    }

    pub(super) fn assigned(&self) -> u64 {
        self.reached.assignments
    }

    pub(super) fn records(&self) -> u64 {
        self.journal.records
    }
}
