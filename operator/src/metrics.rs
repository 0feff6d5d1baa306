//! What the operator counts of itself.

use std::collections::HashMap;
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::proto::LabelPair;
use prometheus::{GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry};
use shoal_core::Failure;

/// Bounds of a reconcile's seconds: one write takes milliseconds, a thousand pods take seconds.
const SECONDS: [f64; 10] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0];

/// Labels of the cluster that a metric is about. Prometheus itself says `namespace` for that of the operator.
const NAMESPACE: &str = "cluster_namespace";
const CLUSTER: &str = "cluster";

/// The operator's metrics.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    leader: IntGauge,
    reconciles: IntCounterVec,
    seconds: HistogramVec,
    /// Workers of clusters that this operator scales.
    workers: GaugeVec,
    start_seconds: GaugeVec,
    metrics_available: GaugeVec,
    decisions: IntCounterVec,
}

/// A group of a cluster, as the operator sees it.
pub(crate) struct GroupSize<'a> {
    pub(crate) name: &'a str,
    pub(crate) desired: u32,
    pub(crate) current: u32,
    /// How long its workers take to start, where that was measured.
    pub(crate) start_seconds: Option<f64>,
    /// The rule that decided.
    pub(crate) rule: &'static str,
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
            workers: GaugeVec::new(
                Opts::new("shoal_operator_scaling_workers", "Workers of groups that the operator scales, by state."),
                &[NAMESPACE, CLUSTER, "worker_group", "state"],
            )?,
            start_seconds: GaugeVec::new(
                Opts::new("shoal_operator_worker_start_seconds", "Median of the last starts of a group's workers."),
                &[NAMESPACE, CLUSTER, "worker_group"],
            )?,
            metrics_available: GaugeVec::new(
                Opts::new(
                    "shoal_operator_scaling_metrics_available",
                    "Whether there is anything to scale a cluster by.",
                ),
                &[NAMESPACE, CLUSTER],
            )?,
            decisions: IntCounterVec::new(
                Opts::new(
                    "shoal_operator_scaling_decisions_total",
                    "Decisions on a group's size, by the rule that decided.",
                ),
                &[NAMESPACE, CLUSTER, "rule"],
            )?,
        };
        let Self { registry, leader, reconciles, seconds, workers, start_seconds, metrics_available, decisions } =
            &this;
        let all: [Box<dyn Collector>; 7] = [
            Box::new(leader.clone()),
            Box::new(reconciles.clone()),
            Box::new(seconds.clone()),
            Box::new(workers.clone()),
            Box::new(start_seconds.clone()),
            Box::new(metrics_available.clone()),
            Box::new(decisions.clone()),
        ];
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

    /// It was decided how large the groups of a cluster are to be.
    pub(crate) fn scaled(&self, [namespace, cluster]: &[String; 2], is_known: bool, groups: &[GroupSize<'_>]) {
        let of_cluster = [namespace.as_str(), cluster.as_str()];
        self.metrics_available.with_label_values(&of_cluster).set(f64::from(u8::from(is_known)));
        for group in groups {
            for (state, number) in [("desired", group.desired), ("current", group.current)] {
                self.workers.with_label_values(&[namespace, cluster, group.name, state]).set(number.into());
            }
            if let Some(seconds) = group.start_seconds {
                self.start_seconds.with_label_values(&[namespace, cluster, group.name]).set(seconds);
            }
            self.decisions.with_label_values(&[namespace, cluster, group.rule]).inc();
        }
    }

    /// A cluster is gone, or others say how large it is.
    pub(crate) fn no_longer_scaled(&self, namespace: &str, cluster: &str) {
        let Self { workers, start_seconds, metrics_available, decisions, .. } = self;
        for gauges in [workers, start_seconds, metrics_available] {
            series_of(gauges, namespace, cluster).iter().for_each(|labels| drop(gauges.remove(&borrowed(labels))));
        }
        series_of(decisions, namespace, cluster).iter().for_each(|labels| drop(decisions.remove(&borrowed(labels))));
    }
}

/// The labels of each series of a metric that is about that cluster.
fn series_of(metric: &impl Collector, namespace: &str, cluster: &str) -> Vec<HashMap<String, String>> {
    let families = metric.collect();
    let series = families.iter().flat_map(|family| family.get_metric()).map(|metric| {
        let pair = |label: &LabelPair| (label.name().to_owned(), label.value().to_owned());
        metric.get_label().iter().map(pair).collect::<HashMap<String, String>>()
    });
    let is_of =
        |labels: &HashMap<String, String>, name: &str, value: &str| labels.get(name).is_some_and(|it| it == value);
    series.filter(|labels| is_of(labels, NAMESPACE, namespace) && is_of(labels, CLUSTER, cluster)).collect()
}

fn borrowed(labels: &HashMap<String, String>) -> HashMap<&str, &str> {
    labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn of_a_cluster_that_is_not_scaled_any_more_nothing_is_left() {
        let metrics = Metrics::new().unwrap();
        let group = |name| GroupSize { name, desired: 2, current: 1, start_seconds: Some(3.0), rule: "Work" };
        let names = |cluster: &str| ["n".to_owned(), cluster.to_owned()];
        metrics.scaled(&names("a"), true, &[group("cpu"), group("gpu")]);
        metrics.scaled(&names("b"), false, &[group("cpu")]);
        let series = |cluster: &str| {
            let families = metrics.registry().gather();
            let labels = families.iter().flat_map(|family| family.get_metric()).flat_map(|metric| metric.get_label());
            labels.filter(|label| label.name() == CLUSTER && label.value() == cluster).count()
        };
        assert_eq!((series("a"), series("b")), (8, 5));
        metrics.no_longer_scaled("n", "a");
        assert_eq!((series("a"), series("b")), (0, 5));
    }
}
