//! What a worker counts, as Prometheus reads it.

use std::time::Instant;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use shoal_core::Failure;
use shoal_wire::memory::Memory;

use crate::function_counters::FunctionCounters;

/// What partitions and their exchange count.
#[derive(Clone)]
pub struct StoreMetrics {
    /// Bytes of partitions in memory.
    pub(crate) memory_bytes: IntGauge,
    /// Bytes of partitions on disk.
    pub(crate) disk_bytes: IntGauge,
    /// Bytes of messages handed to other workers.
    pub(crate) served_bytes: IntCounter,
    /// Bytes of messages that came from other workers.
    pub(crate) fetched_bytes: IntCounter,
}

impl StoreMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// [`shoal_core::Reason::Internal`] where the registry has metrics of these names.
    pub fn new(registry: &Registry) -> Result<Self, Failure> {
        let bytes = register(
            registry,
            IntGaugeVec::new(
                Opts::new("shoal_worker_partition_bytes", "Bytes of partitions that the worker holds, by place."),
                &["place"],
            ),
        )?;
        Ok(Self {
            memory_bytes: bytes.with_label_values(&["memory"]),
            disk_bytes: bytes.with_label_values(&["disk"]),
            served_bytes: register(
                registry,
                IntCounter::new("shoal_flight_bytes_served_total", "Bytes of partitions handed to other workers."),
            )?,
            fetched_bytes: register(
                registry,
                IntCounter::new("shoal_flight_bytes_fetched_total", "Bytes of partitions read from other workers."),
            )?,
        })
    }
}

/// What is counted of a full disk.
#[derive(Clone)]
pub(crate) struct DiskMetrics {
    /// 1 while it counts as full.
    pub(crate) full: IntGauge,
    /// Times that something found no room on it.
    pub(crate) full_total: IntCounter,
}

impl DiskMetrics {
    pub(crate) fn new(registry: &Registry) -> Result<Self, Failure> {
        Ok(Self {
            full: register(
                registry,
                IntGauge::new("shoal_worker_disk_full", "1 while the scratch disk counts as full: no tasks then."),
            )?,
            full_total: register(
                registry,
                IntCounter::new("shoal_worker_disk_full_total", "Times that something found no room for scratch."),
            )?,
        })
    }
}

/// What a worker counts.
#[derive(Clone)]
pub(crate) struct Metrics {
    pub(crate) registry: Registry,
    pub(crate) store: StoreMetrics,
    pub(crate) disk: DiskMetrics,
    /// Attempts that run, by kind and stage.
    pub(crate) running: IntGaugeVec,
    /// Attempts that ended, by kind, stage and state.
    pub(crate) finished: IntCounterVec,
    /// Slots that attempts occupy.
    pub(crate) slots_used: IntGauge,
    /// Actors started again, by actor.
    pub(crate) restarts: IntCounterVec,
    /// What users' functions counted.
    pub(crate) functions: FunctionCounters,
    /// Times the stream to the head was opened.
    pub(crate) connects: IntCounter,
    /// How long it took from the start to the first of them, in seconds.
    start_seconds: Gauge,
    /// When it began to start.
    began: Instant,
}

impl Metrics {
    pub(crate) fn new(slots: u32) -> Result<Self, Failure> {
        let registry = Registry::new();
        let total = IntGauge::new("shoal_worker_slots", "Tasks that the worker can run at the same time.");
        register(&registry, total)?.set(slots.into());
        register(&registry, ProcessMemory::new())?;
        Ok(Self {
            store: StoreMetrics::new(&registry)?,
            disk: DiskMetrics::new(&registry)?,
            running: register(
                &registry,
                IntGaugeVec::new(
                    Opts::new("shoal_worker_tasks_running", "Attempts that run, by kind of job and stage."),
                    &["kind", "stage"],
                ),
            )?,
            finished: register(
                &registry,
                IntCounterVec::new(
                    Opts::new("shoal_worker_tasks_finished_total", "Attempts that ended, by kind, stage and state."),
                    &["kind", "stage", "state"],
                ),
            )?,
            slots_used: register(&registry, IntGauge::new("shoal_worker_slots_used", "Slots that attempts occupy."))?,
            restarts: register(
                &registry,
                IntCounterVec::new(
                    Opts::new("shoal_worker_actor_restarts_total", "Actors that failed and were started again."),
                    &["actor"],
                ),
            )?,
            functions: FunctionCounters::new(&registry)?,
            connects: register(
                &registry,
                IntCounter::new("shoal_worker_head_connects_total", "Times that a head welcomed the worker."),
            )?,
            start_seconds: register(
                &registry,
                Gauge::new(
                    "shoal_worker_start_seconds",
                    "Seconds from the start until a head welcomed the worker for the first time; 0 before.",
                ),
            )?,
            began: Instant::now(),
            registry,
        })
    }

    /// A head has welcomed the worker.
    pub(crate) fn welcomed(&self) {
        if self.connects.get() == 0 {
            self.start_seconds.set(self.began.elapsed().as_secs_f64());
        }
        self.connects.inc();
    }
}

pub(crate) fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    metric: prometheus::Result<C>,
) -> Result<C, Failure> {
    metric
        .and_then(|metric| registry.register(Box::new(metric.clone())).map(|()| metric))
        .map_err(|error| Failure::internal("a metric cannot be registered").because(&error))
}

/// Asks the kernel whenever it is read, so that nobody has to do so in between.
#[derive(Clone)]
struct ProcessMemory {
    resident: IntGauge,
    peak: IntGauge,
}

impl ProcessMemory {
    fn new() -> prometheus::Result<Self> {
        Ok(Self {
            resident: IntGauge::new("shoal_worker_memory_bytes", "Memory of the worker's process.")?,
            peak: IntGauge::new("shoal_worker_memory_peak_bytes", "The most memory that the process ever took.")?,
        })
    }
}

impl Collector for ProcessMemory {
    fn desc(&self) -> Vec<&Desc> {
        [self.resident.desc(), self.peak.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Memory { resident, peak } = Memory::now();
        // A process with 2^63 bytes of memory can be waited for.
        self.resident.set(resident as i64);
        self.peak.set(peak as i64);
        [self.resident.collect(), self.peak.collect()].concat()
    }
}
