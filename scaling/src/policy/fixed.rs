//! Always as many workers: what one does who trusts no autoscaler.

use super::{Policy, Seen, Wish};
use crate::time::{HOUR, Millis, seconds};
use crate::trace::{Job, Trace};

pub(super) const ABOUT: [&str; 2] = [
    "as many workers as the first group may have, all the time",
    "as many workers of the first group as are busy for 70 % of the trace, which only who knows all of it can choose",
];

/// How busy a cluster is that somebody sized with care.
const BUSY: f64 = 0.7;

pub(super) struct Fixed {
    workers: u32,
}

impl Fixed {
    pub(super) fn new(trace: &Trace, advised: bool) -> Self {
        let group = &trace.groups[0];
        let workers = if advised { for_all_work(trace).clamp(1, group.max_workers) } else { group.max_workers };
        Self { workers }
    }
}

fn for_all_work(trace: &Trace) -> u32 {
    let work = |job: &Job| f64::from(job.tasks) * job.task.median * libm::exp(job.task.spread * job.task.spread / 2.0);
    let slots = trace.jobs.iter().map(work).sum::<f64>() / seconds(trace.end) / BUSY;
    (slots / f64::from(trace.groups[0].slots)).ceil() as u32
}

impl Policy for Fixed {
    fn interval(&self) -> Millis {
        HOUR
    }

    fn look(&mut self, seen: &Seen<'_>) -> Wish {
        seen.with_first(self.workers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Kind, generate};

    #[test]
    fn one_is_the_most_and_one_is_what_the_work_takes() {
        let trace = generate(Kind::Steady, 1);
        assert_eq!(Fixed::new(&trace, false).workers, 40);
        // 24 tasks of 10.8 s every 30 s are 8.7 slots; at 70 % busy these are 6.2 workers of 2.
        let advised = Fixed::new(&trace, true).workers;
        assert!((5..=8).contains(&advised), "{advised}");
    }
}
