//! What the head counts.

use std::time::Duration;

use prometheus::{
    GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};
use shoal_core::autoscaling::signal;
use shoal_core::control::{Control, Demand, WorkerPhase, WorkerStatus};
use shoal_core::journal::Record;
use shoal_core::{AttemptId, Failure};
use shoal_wire::memory::Memory;

/// Bounds of the buckets for waiting times, in seconds.
const QUEUE_SECONDS: [f64; 9] = [0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0, 300.0, 1_800.0];

/// The head's metrics. Counters follow the journal's records; gauges are set when somebody looks.
#[derive(Clone)]
pub(crate) struct HeadMetrics {
    pub(crate) registry: Registry,
    attempts: IntCounterVec,
    rows: IntCounterVec,
    exchanged_bytes: IntCounter,
    queue_seconds: Histogram,
    pub(crate) received_bytes: IntCounter,
    jobs: IntGaugeVec,
    tasks: IntGaugeVec,
    slots: IntGaugeVec,
    workers: IntGaugeVec,
    memory_bytes: IntGaugeVec,
    leads: IntGauge,
    demand: DemandMetrics,
}

/// What autoscalers go by: see [`signal`].
#[derive(Clone)]
struct DemandMetrics {
    queued_seconds: GaugeVec,
    queued_tasks: GaugeVec,
    running_seconds: GaugeVec,
    running_tasks: GaugeVec,
    slots: GaugeVec,
    expected_workers: GaugeVec,
    held_bytes: GaugeVec,
    unfinished_jobs: GaugeVec,
    as_of: GaugeVec,
}

impl DemandMetrics {
    fn new() -> Result<Self, prometheus::Error> {
        let by_class = |name: &str, help: &str| GaugeVec::new(Opts::new(name, help), &signal::CLASS_LABELS);
        // Of a single series, too: a head that does not lead has none of them.
        let single = |name: &str, help: &str| GaugeVec::new(Opts::new(name, help), &[]);
        Ok(Self {
            queued_seconds: by_class(
                "shoal_queued_slot_seconds",
                "Estimated seconds of a slot that tasks take which wait, by class of work.",
            )?,
            queued_tasks: by_class("shoal_queued_tasks", "Tasks that wait, by class of work.")?,
            running_seconds: by_class(
                "shoal_running_slot_seconds",
                "Estimated seconds of a slot that running tasks still take, by class of work.",
            )?,
            running_tasks: by_class("shoal_running_tasks", "Tasks that run, by class of work.")?,
            slots: GaugeVec::new(
                Opts::new("shoal_capacity_slots", "Slots of workers, by what they do."),
                &[signal::STATE_LABEL],
            )?,
            expected_workers: single(
                "shoal_expected_workers",
                "Workers that were there before the head was restarted, and have not come back yet.",
            )?,
            held_bytes: single(
                "shoal_held_partition_bytes",
                "Bytes of partitions on workers that somebody still has to read.",
            )?,
            unfinished_jobs: single(
                "shoal_unfinished_jobs",
                "Jobs that have not ended, also those without a task yet.",
            )?,
            as_of: single(
                "shoal_signal_timestamp_seconds",
                "When work and capacity were as told, in seconds since 1970-01-01 UTC.",
            )?,
        })
    }

    /// All of them.
    fn gauges(&self) -> [&GaugeVec; 9] {
        let Self { queued_seconds, queued_tasks, running_seconds, running_tasks, slots, .. } = self;
        let Self { expected_workers, held_bytes, unfinished_jobs, as_of, .. } = self;
        [
            queued_seconds,
            queued_tasks,
            running_seconds,
            running_tasks,
            slots,
            expected_workers,
            held_bytes,
            unfinished_jobs,
            as_of,
        ]
    }

    fn set(&self, demand: &Demand, now_ms: u64) {
        self.reset();
        for (class, work) in &demand.work {
            let priority = class.priority.to_string();
            let labels = [signal::SHAPE_SLOT, signal::ANY_GROUP, priority.as_str()];
            self.queued_seconds.with_label_values(&labels).set(work.queued_seconds);
            self.queued_tasks.with_label_values(&labels).set(work.queued_tasks as f64);
            self.running_seconds.with_label_values(&labels).set(work.running_seconds);
            self.running_tasks.with_label_values(&labels).set(work.running_tasks as f64);
        }
        for (state, slots) in [
            (signal::READY, demand.ready_slots),
            (signal::BUSY, demand.busy_slots),
            (signal::DRAINING, demand.draining_slots),
            (signal::DISK_FULL, demand.full_slots),
        ] {
            self.slots.with_label_values(&[state]).set(slots as f64);
        }
        for (gauge, value) in [
            (&self.expected_workers, demand.expected_workers as f64),
            (&self.held_bytes, demand.held_bytes as f64),
            (&self.unfinished_jobs, demand.unfinished_jobs as f64),
            (&self.as_of, Duration::from_millis(now_ms).as_secs_f64()),
        ] {
            gauge.with_label_values::<&str>(&[]).set(value);
        }
    }

    fn reset(&self) {
        self.gauges().into_iter().for_each(GaugeVec::reset);
    }
}

impl HeadMetrics {
    pub(crate) fn new() -> Result<Self, Failure> {
        Self::register().map_err(|error| Failure::internal("the head's metrics cannot be registered").because(&error))
    }

    fn register() -> Result<Self, prometheus::Error> {
        let metrics = Self {
            registry: Registry::new(),
            attempts: IntCounterVec::new(
                Opts::new("shoal_attempts_total", "Attempts by kind, stage and outcome."),
                &["kind", "stage", "outcome"],
            )?,
            rows: IntCounterVec::new(
                Opts::new("shoal_rows_total", "Rows that kept attempts read and wrote."),
                &["kind", "stage", "direction"],
            )?,
            exchanged_bytes: IntCounter::new(
                "shoal_exchanged_bytes_total",
                "Bytes that kept attempts pulled from other workers over Flight.",
            )?,
            queue_seconds: Histogram::with_opts(
                HistogramOpts::new("shoal_task_queue_seconds", "How long tasks waited for a slot.")
                    .buckets(QUEUE_SECONDS.to_vec()),
            )?,
            received_bytes: IntCounter::new("shoal_head_received_bytes_total", "Bytes of messages from workers.")?,
            jobs: IntGaugeVec::new(Opts::new("shoal_jobs", "Jobs by kind and phase."), &["kind", "phase"])?,
            tasks: IntGaugeVec::new(
                Opts::new("shoal_tasks", "Tasks of unfinished jobs by kind, stage and state."),
                &["kind", "stage", "state"],
            )?,
            slots: IntGaugeVec::new(Opts::new("shoal_slots", "Slots of all workers, in all and in use."), &["state"])?,
            workers: IntGaugeVec::new(Opts::new("shoal_workers", "Workers by state."), &["state"])?,
            memory_bytes: IntGaugeVec::new(
                Opts::new("shoal_head_memory_bytes", "Memory of the head\'s process: now, and the most so far."),
                &["state"],
            )?,
            leads: IntGauge::new("shoal_head_leads", "1 while this head leads, 0 while another one does.")?,
            demand: DemandMetrics::new()?,
        };
        let collectors: [Box<dyn prometheus::core::Collector>; 11] = [
            Box::new(metrics.attempts.clone()),
            Box::new(metrics.rows.clone()),
            Box::new(metrics.exchanged_bytes.clone()),
            Box::new(metrics.queue_seconds.clone()),
            Box::new(metrics.received_bytes.clone()),
            Box::new(metrics.jobs.clone()),
            Box::new(metrics.tasks.clone()),
            Box::new(metrics.slots.clone()),
            Box::new(metrics.workers.clone()),
            Box::new(metrics.memory_bytes.clone()),
            Box::new(metrics.leads.clone()),
        ];
        for collector in collectors {
            metrics.registry.register(collector)?;
        }
        for gauge in metrics.demand.gauges() {
            metrics.registry.register(Box::new(gauge.clone()))?;
        }
        Ok(metrics)
    }

    /// Counts what records say.
    pub(crate) fn observe(&self, records: &[Record], control: &Control) {
        let count = |attempt: &AttemptId, outcome: &str| {
            if let Some((kind, stage)) = control.stage_of(*attempt) {
                self.attempts.with_label_values(&[kind, stage, outcome]).inc();
            }
        };
        for record in records {
            match record {
                Record::AttemptStarted { attempt, queued_ms, .. } => {
                    count(attempt, "started");
                    self.queue_seconds.observe(Duration::from_millis(*queued_ms).as_secs_f64());
                }
                Record::AttemptFinished { attempt, output, .. } => {
                    count(attempt, "succeeded");
                    self.exchanged_bytes.inc_by(output.counters.bytes_fetched);
                    if let Some((kind, stage)) = control.stage_of(*attempt) {
                        self.rows.with_label_values(&[kind, stage, "in"]).inc_by(output.counters.rows_in);
                        self.rows.with_label_values(&[kind, stage, "out"]).inc_by(output.counters.rows_out);
                    }
                }
                Record::AttemptFailed { attempt, .. } => count(attempt, "failed"),
                Record::Accepted { .. }
                | Record::Facts { .. }
                | Record::StagePlanned { .. }
                | Record::PartitionsMoved { .. }
                | Record::TimeUsed { .. }
                | Record::Updated { .. }
                | Record::Ending { .. }
                | Record::Resumed { .. }
                | Record::Intent { .. }
                | Record::Published { .. }
                | Record::Ended { .. }
                | Record::History { .. }
                | Record::Forgotten { .. } => {}
            }
        }
    }

    /// Sets the gauges to what the machine holds now.
    pub(crate) fn set_gauges(&self, control: &Control, now_ms: u64) {
        let gauge = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        for gauges in [&self.jobs, &self.tasks] {
            gauges.reset();
        }
        for job in control.list(now_ms) {
            self.jobs.with_label_values(&[job.kind.as_str(), &format!("{:?}", job.phase)]).inc();
        }
        for (kind, stage, counts) in control.task_counts() {
            for (state, number) in [("pending", counts.pending), ("running", counts.running), ("done", counts.done)] {
                self.tasks.with_label_values(&[kind, stage, state]).add(gauge(number));
            }
        }
        self.set_memory();
        self.leads.set(1);
        self.demand.set(&control.demand(now_ms), now_ms);
        let workers = control.workers();
        let standing = |worker: &WorkerStatus| match worker.state {
            WorkerPhase::Expected => "expected",
            WorkerPhase::Draining => "draining",
            WorkerPhase::Ready if worker.disk_full => "disk_full",
            WorkerPhase::Ready => "ready",
        };
        for state in ["expected", "draining", "disk_full", "ready"] {
            let number = workers.iter().filter(|worker| standing(worker) == state).count();
            self.workers.with_label_values(&[state]).set(gauge(number as u64));
        }
        self.slots.with_label_values(&["total"]).set(workers.iter().map(|worker| i64::from(worker.slots)).sum());
        self.slots.with_label_values(&["used"]).set(workers.iter().map(|worker| i64::from(worker.used)).sum());
    }

    /// Sets the gauges of a head that does not lead.
    pub(crate) fn set_standby(&self) {
        for gauges in [&self.jobs, &self.tasks, &self.workers, &self.slots] {
            gauges.reset();
        }
        self.demand.reset();
        self.set_memory();
        self.leads.set(0);
    }

    fn set_memory(&self) {
        let gauge = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let memory = Memory::now();
        self.memory_bytes.with_label_values(&["resident"]).set(gauge(memory.resident));
        self.memory_bytes.with_label_values(&["peak"]).set(gauge(memory.peak));
    }
}
