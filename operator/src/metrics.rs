//! What the operator counts of itself.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry};
use shoal_core::Failure;

/// Bounds of a reconcile's seconds: one write takes milliseconds, a thousand pods take seconds.
const SECONDS: [f64; 10] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0];

/// The operator's metrics.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    leader: IntGauge,
    reconciles: IntCounterVec,
    seconds: HistogramVec,
}

impl Metrics {
    /// Metrics that count from zero.
    ///
    /// # Errors
    /// [`shoal_core::Reason::Internal`] where one has a name that is no name.
    pub(crate) fn new() -> Result<Self, Failure> {
        Self::registered().map_err(|error| Failure::internal("the metrics cannot be made").because(&error))
    }

    fn registered() -> prometheus::Result<Self> {
        let reconciles = Opts::new("shoal_operator_reconciles_total", "Looks at a resource, by kind and outcome.");
        let seconds = HistogramOpts::new("shoal_operator_reconcile_seconds", "Time of a look at a resource, by kind.");
        let this = Self {
            registry: Registry::new(),
            leader: IntGauge::new("shoal_operator_leader", "Whether this operator leads.")?,
            reconciles: IntCounterVec::new(reconciles, &["kind", "outcome"])?,
            seconds: HistogramVec::new(seconds.buckets(SECONDS.to_vec()), &["kind"])?,
        };
        let Self { registry, leader, reconciles, seconds } = &this;
        let all: [Box<dyn Collector>; 3] =
            [Box::new(leader.clone()), Box::new(reconciles.clone()), Box::new(seconds.clone())];
        all.into_iter().try_for_each(|metric| registry.register(metric))?;
        Ok(this)
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// This operator leads from now on.
    pub(crate) fn leads(&self) {
        self.leader.set(1);
    }

    /// A resource was looked at.
    pub(crate) fn reconciled(&self, kind: &str, took: Duration, is_done: bool) {
        self.reconciles.with_label_values(&[kind, if is_done { "done" } else { "again" }]).inc();
        self.seconds.with_label_values(&[kind]).observe(took.as_secs_f64());
    }
}
