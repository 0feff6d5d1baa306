//! What users' functions count, as Prometheus reads it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::{IntCounterVec, Opts, Registry};
use shoal_core::Failure;
use shoal_core::tally::Tally;

use crate::limits::JOBS_COUNTED_MAX;
use crate::metrics::register;

/// Sums over the attempts that succeeded here, of the jobs that counted last. Clones are handles on the same.
#[derive(Clone)]
pub(crate) struct FunctionCounters {
    metric: IntCounterVec,
    /// The jobs that are shown, the one that counted the longest ago first.
    jobs: Arc<Mutex<VecDeque<Job>>>,
}

struct Job {
    name: String,
    tally: Tally,
}

impl FunctionCounters {
    pub(crate) fn new(registry: &Registry) -> Result<Self, Failure> {
        let help = "What users' functions counted, by job and by their own names.";
        let metric = IntCounterVec::new(Opts::new("shoal_function_counter_total", help), &["job", "name"]);
        Ok(Self { metric: register(registry, metric)?, jobs: Arc::default() })
    }

    /// Adds what an attempt counted.
    pub(crate) fn add(&self, job: &str, counted: &Tally) {
        if counted.is_empty() {
            return;
        }
        // Nothing in it is ever half done that matters.
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let known = jobs.iter().position(|known| known.name == job).and_then(|place| jobs.remove(place));
        let before = known.map(|known| known.tally).unwrap_or_default();
        if jobs.len() == JOBS_COUNTED_MAX
            && let Some(oldest) = jobs.pop_front()
        {
            for (name, _) in oldest.tally.iter() {
                // It is there: it was counted.
                let _ = self.metric.remove_label_values(&[oldest.name.as_str(), name]);
            }
        }
        let mut tally = before.clone();
        tally.add(counted);
        for (name, sum) in tally.iter() {
            // Names beyond the last that a job may have are in neither.
            let increase = sum - before.iter().find(|(known, _)| *known == name).map_or(0, |(_, sum)| sum);
            self.metric.with_label_values(&[job, name]).inc_by(increase);
        }
        jobs.push_back(Job { name: job.to_owned(), tally });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use shoal_core::limits::TALLY_NAMES_MAX;

    use super::*;

    fn shown(registry: &Registry) -> Vec<(String, String, f64)> {
        let families = registry.gather();
        let series = families.iter().flat_map(|family| family.get_metric());
        let label = |metric: &prometheus::proto::Metric, at: usize| metric.get_label()[at].value().to_owned();
        series.map(|metric| (label(metric, 0), label(metric, 1), metric.get_counter().get_value())).collect()
    }

    #[test]
    fn attempts_of_a_job_are_summed_and_jobs_are_bounded() {
        let registry = Registry::new();
        let counters = FunctionCounters::new(&registry).unwrap();
        counters.add("a", &Tally::default());
        assert!(shown(&registry).is_empty());
        counters.add("a", &[("skipped", 3)].into_iter().collect());
        counters.add("a", &[("skipped", 4), ("bad", 1)].into_iter().collect());
        let of_a = |name: &str, sum| ("a".to_owned(), name.to_owned(), sum);
        assert_eq!(shown(&registry), [of_a("bad", 1.0), of_a("skipped", 7.0)]);
        for job in 0..JOBS_COUNTED_MAX {
            counters.add(&format!("job {job}"), &[("skipped", 1)].into_iter().collect());
        }
        assert_eq!(shown(&registry).len(), JOBS_COUNTED_MAX);
        assert!(shown(&registry).iter().all(|(job, ..)| job != "a"));
    }

    #[test]
    fn names_of_a_job_are_bounded() {
        let registry = Registry::new();
        let counters = FunctionCounters::new(&registry).unwrap();
        for name in 0..TALLY_NAMES_MAX + 5 {
            counters.add("a", &[(format!("n{name}").as_str(), 1)].into_iter().collect());
        }
        assert_eq!(shown(&registry).len(), TALLY_NAMES_MAX);
    }
}
