//! The world: processes, what they share, and the time that passes for all of them.

mod calls;
mod drains;
mod faults;
mod heads;
mod inputs;
mod operations;
mod streams;
mod tasks;
mod workers;

use std::collections::{BTreeMap, BTreeSet};

use shoal_core::control::Mutation;
use shoal_core::lease::EpochGate;

use crate::fault::{Fault, Moment};
use crate::invariants::{Checked, Ledger, Violation};
use crate::lake::Lake;
use crate::message::{Action, ClientInput, HeadKey, WorkerKey};
use crate::queue::Queue;
use crate::random::Random;
use crate::scenario::Scenario;
use crate::store::Store;
use calls::Client;
pub(crate) use heads::Head;
pub(crate) use streams::Carried;
use streams::Stream;
pub(crate) use workers::Process;

/// A job has to end within so long after the last fault, in virtual milliseconds: every pause and grace that a job can
/// meet on its way fits in, one after the other.
const CALM_MAX_MS: u64 = 900_000;

/// How long the world goes on after all users know how their jobs ended: late messages are part of it.
const AFTERWARDS_MS: u64 = 5_000;

/// Writes a line of the trace; costs nothing where there is none.
macro_rules! note {
    ($world:expr, $($text:tt)*) => {
        if $world.trace.is_some() {
            let line = format!("{:>9.3} s  {}", $world.now_ms as f64 / 1_000.0, format!($($text)*));
            $world.trace.get_or_insert_default().push(line);
        }
    };
}
pub(crate) use note;

pub(crate) struct World {
    pub(crate) now_ms: u64,
    queue: Queue<Action>,
    random: Random,
    scenario: Scenario,
    mutation: Option<Mutation>,
    heads: Vec<Head>,
    workers: Vec<Process>,
    clients: Vec<Client>,
    streams: BTreeMap<u64, Stream>,
    streams_opened: u64,
    store: Store,
    lake: Lake,
    ledger: Ledger,
    /// Until when a worker and a head do not hear each other.
    cuts: BTreeMap<(usize, usize), u64>,
    /// Until when two workers do not reach each other.
    peer_cuts: BTreeMap<(usize, usize), u64>,
    /// Until when a head does not reach the journal.
    store_cuts: BTreeMap<usize, u64>,
    slow_network_until_ms: u64,
    healed: bool,
    jobs_submitted: u64,
    /// When each start of a worker was.
    started: BTreeMap<WorkerKey, u64>,
    ambushes: BTreeSet<(Moment, Fault)>,
    pub(crate) met: BTreeMap<String, u64>,
    pub(crate) events: u64,
    pub(crate) trace: Option<Vec<String>>,
    violation: Option<Violation>,
}

impl World {
    pub(crate) fn new(seed: u64, mutation: Option<Mutation>, trace: bool) -> Self {
        let mut random = Random::new(seed);
        let scenario = Scenario::draw(&mut random, &mut Random::new(!seed));
        let mut this = Self {
            now_ms: 0,
            queue: Queue::default(),
            random,
            mutation,
            heads: (0..scenario.heads).map(|_| Head::default()).collect(),
            workers: (0..scenario.workers).map(|index| Process::new(index, scenario.slots)).collect(),
            clients: (0..scenario.jobs.len()).map(|index| Client::new(index, &scenario)).collect(),
            streams: BTreeMap::new(),
            streams_opened: 0,
            store: Store::new(scenario.heads > 1, EpochGate::new(0).mutated(mutation)),
            lake: Lake::default(),
            ledger: Ledger::default(),
            cuts: BTreeMap::new(),
            peer_cuts: BTreeMap::new(),
            store_cuts: BTreeMap::new(),
            slow_network_until_ms: 0,
            healed: false,
            jobs_submitted: 0,
            started: BTreeMap::new(),
            ambushes: BTreeSet::new(),
            met: BTreeMap::new(),
            events: 0,
            trace: trace.then(Vec::new),
            violation: None,
            scenario,
        };
        this.set_out();
        this
    }

    /// Puts everything in the queue that the scenario has.
    fn set_out(&mut self) {
        for head in 0..self.heads.len() {
            let at = self.random.below(100);
            self.queue.put(at, Action::StartHead(head));
        }
        for worker in 0..self.workers.len() {
            let at = self.random.below(1_000);
            self.queue.put(at, Action::StartWorker(worker));
        }
        for (client, job) in self.scenario.jobs.iter().enumerate() {
            self.queue.put(job.submit_ms, Action::Client(client, ClientInput::Next));
        }
        for (at, fault) in &self.scenario.faults {
            self.queue.put(*at, Action::Fault(*fault));
        }
        for (at, moment, fault) in &self.scenario.ambushes {
            self.queue.put(*at, Action::Ambush(*moment, *fault));
        }
        self.queue.put(self.scenario.faults_end_ms, Action::HealAll);
        note!(
            self,
            "{} heads, {} workers with {} slots, {} jobs, faults until {} ms",
            self.scenario.heads,
            self.scenario.workers,
            self.scenario.slots,
            self.scenario.jobs.len(),
            self.scenario.faults_end_ms
        );
    }

    /// Lets everything happen, until all users know how their jobs ended.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub(crate) fn run(&mut self) -> Checked {
        let mut quiet_since_ms = None;
        while let Some((at_ms, action)) = self.queue.next() {
            self.now_ms = at_ms;
            self.events += 1;
            self.act(action);
            if let Some(violation) = self.violation.take() {
                note!(self, "VIOLATION {}: {}", violation.invariant, violation.details);
                return Err(violation);
            }
            if self.healed && self.clients.iter().all(Client::is_done) {
                let since = *quiet_since_ms.get_or_insert(at_ms);
                if at_ms >= since + AFTERWARDS_MS {
                    break;
                }
            }
            self.every_job_ends()?;
        }
        Ok(())
    }

    fn every_job_ends(&self) -> Checked {
        let late = self.now_ms > self.scenario.faults_end_ms + CALM_MAX_MS;
        let waiting = self.clients.iter().find(|client| late && !client.is_done());
        crate::invariants::hold("every_job_ends", waiting.is_none(), || {
            format!("{} s after the last fault {:?} has not ended", CALM_MAX_MS / 1_000, waiting.map(Client::name))
        })
    }

    /// Remembers what does not hold; the first counts.
    fn check(&mut self, checked: Checked) {
        if let Err(violation) = checked {
            self.violation.get_or_insert(violation);
        }
    }

    fn meet(&mut self, what: impl Into<String>) {
        *self.met.entry(what.into()).or_default() += 1;
    }

    /// How long a message takes now.
    fn delay(&mut self) -> u64 {
        let (low, high) = self.scenario.delay_ms;
        let delay = self.random.between(low, high);
        if self.now_ms < self.slow_network_until_ms { delay * 10 + self.random.below(1_500) } else { delay }
    }

    fn after(&mut self, ms: u64, action: Action) {
        self.queue.put(self.now_ms + ms, action);
    }

    fn head_key(&self, head: usize) -> HeadKey {
        HeadKey { head, life: self.heads[head].life }
    }

    fn worker_key(&self, worker: usize) -> WorkerKey {
        WorkerKey { worker, life: self.workers[worker].life }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::StartHead(head) => self.start_head(head),
            Action::StartWorker(worker) => self.start_worker(worker),
            Action::Head(key, input) => self.head_hears(key, input),
            Action::Worker(key, input) => self.worker_hears(key, input),
            Action::Client(client, input) => self.client_hears(client, input),
            Action::Store(key, request) => self.store_hears(key, request),
            Action::Lake(key, operation, request) => self.lake_hears(key, operation, request),
            Action::Fault(fault) => self.fault(fault, None),
            Action::FaultAt(fault, head) => self.fault(fault, Some(head)),
            Action::Carry(stream, carried) => self.carry(stream, carried),
            Action::Ambush(moment, fault) => {
                self.ambushes.insert((moment, fault));
            }
            Action::Heal(healing) => self.heal(healing),
            Action::HealAll => self.heal_all(),
        }
    }
}
