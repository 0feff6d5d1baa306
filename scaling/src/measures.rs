//! What a run comes to, in a few numbers.

use crate::time::{Millis, hours, seconds};
use crate::trace::Trace;
use crate::world::Run;

/// What a trace came to under a policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Measures {
    /// Half of the jobs took no longer than this, in seconds from arrival to end; none where fewer than half ended.
    pub latency_p50: Option<f64>,
    /// 95 of 100 jobs took no longer than this.
    pub latency_p95: Option<f64>,
    /// Hours that workers had a node, all together: starting, working and waiting.
    pub worker_hours: f64,
    /// Those of them that no result came of: starting, waiting, and what was lost with a worker.
    pub idle_hours: f64,
    /// What the hours cost, in the unit of `costPerHour`.
    pub cost: f64,
    /// How often the number of workers asked for turned from growing to shrinking or back.
    pub turns: u32,
    /// Jobs that took longer than their deadline, or never ended.
    pub missed: u32,
    /// Jobs that have a deadline.
    pub deadlines: u32,
    /// Slot-hours of tasks that were lost with their worker.
    pub lost_hours: f64,
}

impl Measures {
    pub(crate) fn of(trace: &Trace, run: &Run) -> Self {
        let mut latencies: Vec<Option<Millis>> = run.latencies.clone();
        // A job that never ends took longer than any other.
        latencies.sort_by_key(|latency| latency.unwrap_or(Millis::MAX));
        let percentile = |share: f64| {
            let rank = (share * latencies.len() as f64).ceil() as usize;
            latencies.get(rank.max(1) - 1).copied().flatten().map(seconds)
        };
        let late = |(job, latency): (&crate::trace::Job, &Option<Millis>)| {
            job.deadline.is_some_and(|deadline| latency.is_none_or(|latency| latency > deadline))
        };
        let worker_hours = hours(run.paid);
        Self {
            latency_p50: percentile(0.5),
            latency_p95: percentile(0.95),
            worker_hours,
            idle_hours: worker_hours - run.worked / hours_in_millis(),
            cost: run.cost,
            turns: run.turns,
            missed: trace.jobs.iter().zip(&run.latencies).filter(|pair| late(*pair)).count() as u32,
            deadlines: trace.jobs.iter().filter(|job| job.deadline.is_some()).count() as u32,
            lost_hours: hours(run.lost),
        }
    }
}

fn hours_in_millis() -> f64 {
    crate::time::HOUR as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{HOUR, SECOND};
    use crate::trace::{Kind, generate};

    #[test]
    fn percentiles_are_those_of_the_nearest_rank_and_unfinished_jobs_are_the_slowest() {
        let mut trace = generate(Kind::Steady, 1);
        trace.jobs.truncate(20);
        trace.jobs.iter_mut().for_each(|job| job.deadline = Some(18 * SECOND));
        trace.jobs[0].deadline = None;
        let mut latencies: Vec<Option<Millis>> = (1..=20).rev().map(|second| Some(second * SECOND)).collect();
        latencies[1] = None;
        let run = Run {
            latencies,
            paid: 3 * HOUR,
            cost: 1.5,
            worked: HOUR as f64 * 2.0,
            lost: HOUR / 2,
            turns: 4,
            workers: Vec::new(),
            end: 0,
        };
        let measures = Measures::of(&trace, &run);
        // 1 to 18, 20, and one that did not end.
        assert_eq!((measures.latency_p50, measures.latency_p95), (Some(10.0), Some(20.0)));
        assert_eq!((measures.worker_hours, measures.idle_hours, measures.lost_hours), (3.0, 1.0, 0.5));
        // The first has no deadline, the second never ended; the others kept theirs.
        assert_eq!((measures.missed, measures.deadlines, measures.turns), (1, 19, 4));
        let none = Measures::of(&trace, &Run { latencies: vec![None; 20], ..run });
        assert_eq!((none.latency_p50, none.missed), (None, 19));
    }
}
