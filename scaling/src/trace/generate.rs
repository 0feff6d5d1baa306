//! Traces that are made from a seed: how work comes to clusters that train and score models.
//!
//! They were written down before any policy was run on them, and no policy's settings were chosen by them.

use super::{Group, Interruption, Job, Shortage, Spread, Trace};
use crate::random::Random;
use crate::time::{HOUR, Millis, SECOND, millis, seconds};

/// What a generated trace is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Jobs alike, at random times, at one rate.
    Steady,
    /// Nothing for a while, then many jobs at once.
    Bursts,
    /// Office hours, a lunch break and a night.
    Daily,
    /// Few jobs have most of the work, and few tasks most of a job's.
    HeavyTailed,
    /// Thirty tenants, each with jobs, times and priorities of its own.
    Tenants,
    /// Cheap nodes that are taken away, pods that find no node.
    Interruptions,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Steady, Self::Bursts, Self::Daily, Self::HeavyTailed, Self::Tenants, Self::Interruptions];

    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Bursts => "bursts",
            Self::Daily => "daily",
            Self::HeavyTailed => "heavy-tailed",
            Self::Tenants => "tenants",
            Self::Interruptions => "interruptions",
        }
    }

    /// What it is like, in a few words.
    pub fn about(self) -> &'static str {
        match self {
            Self::Steady => "2 hours; 24 tasks of about 10 s come every 30 s on average",
            Self::Bursts => "3 hours; four to eight jobs of 60 tasks within 20 s, then nothing for about 20 minutes",
            Self::Daily => "24 hours; up to 90 jobs an hour by day, one now and then by night",
            Self::HeavyTailed => "4 hours; a job a minute, of 4 to 4,000 tasks, a tenth of which take half of the time",
            Self::Tenants => "3 hours; 30 tenants, tasks of 1 to 60 s, three priorities",
            Self::Interruptions => {
                "3 hours; spot workers go by the dozen, one pod in 25 finds no node, none does for 10 minutes"
            }
        }
    }
}

/// Makes the trace of a kind: the same for the same seed.
pub fn generate(kind: Kind, seed: u64) -> Trace {
    let mut random = Random::of(seed, &[kind as u64]);
    let mut trace = Trace {
        name: kind.name().to_owned(),
        about: kind.about().to_owned(),
        seed,
        end: 0,
        groups: vec![workers("workers", 40, 0.20)],
        jobs: Vec::new(),
        interruptions: Vec::new(),
        shortages: Vec::new(),
    };
    match kind {
        Kind::Steady => steady(&mut trace, &mut random),
        Kind::Bursts => bursts(&mut trace, &mut random),
        Kind::Daily => daily(&mut trace, &mut random),
        Kind::HeavyTailed => heavy_tailed(&mut trace, &mut random),
        Kind::Tenants => tenants(&mut trace, &mut random),
        Kind::Interruptions => interruptions(&mut trace, &mut random),
    }
    trace.jobs.sort_by_key(|job| job.at);
    for (job, number) in trace.jobs.iter_mut().zip(1..) {
        job.name = format!("{}{number}", job.name);
    }
    trace
}

/// Two slots, and half a minute from a pod to a worker: an image of this project on a node that has to be found first.
fn workers(name: &str, max_workers: u32, cost_per_hour: f64) -> Group {
    let start = Spread { median: 30.0, spread: 0.3 };
    Group { name: name.to_owned(), slots: 2, min_workers: 0, max_workers, cost_per_hour, start, never_ready: 0.0 }
}

fn job(at: Millis, tasks: u32, median: f64, spread: f64, deadline: f64) -> Job {
    let task = Spread { median, spread };
    Job { at, name: "job-".to_owned(), priority: 0, tasks, task, deadline: Some(millis(deadline)) }
}

/// Times of events that come independently of each other.
fn poisson(random: &mut Random, from: Millis, until: Millis, mean: f64) -> Vec<Millis> {
    let mut times = Vec::new();
    let mut at = from + millis(random.exponential(mean));
    while at < until {
        times.push(at);
        at += millis(random.exponential(mean)).max(1);
    }
    times
}

fn steady(trace: &mut Trace, random: &mut Random) {
    trace.end = 2 * HOUR;
    for at in poisson(random, 0, trace.end, 30.0) {
        trace.jobs.push(job(at, random.between(16, 32), 10.0, 0.4, 120.0));
    }
}

fn bursts(trace: &mut Trace, random: &mut Random) {
    trace.end = 3 * HOUR;
    let mut at = 60 * SECOND;
    while at < trace.end - HOUR / 4 {
        for _ in 0..random.between(4, 8) {
            let later = millis(random.within(0.0, 20.0));
            trace.jobs.push(job(at + later, random.between(40, 80), 8.0, 0.5, 300.0));
        }
        at += millis(random.within(900.0, 1_500.0));
    }
}

fn daily(trace: &mut Trace, random: &mut Random) {
    trace.end = 24 * HOUR;
    // Jobs an hour, from midnight on.
    const RATES: [f64; 24] = [
        2.0, 1.0, 1.0, 1.0, 2.0, 4.0, 8.0, 20.0, 50.0, 80.0, 90.0, 80.0, 40.0, 60.0, 90.0, 90.0, 80.0, 50.0, 20.0,
        10.0, 8.0, 6.0, 4.0, 2.0,
    ];
    for (hour, rate) in (0_u64..).zip(RATES) {
        for at in poisson(random, hour * HOUR, (hour + 1) * HOUR, 3_600.0 / rate) {
            trace.jobs.push(job(at, random.between(8, 60), random.within(4.0, 20.0), 0.5, 300.0));
        }
    }
}

fn heavy_tailed(trace: &mut Trace, random: &mut Random) {
    trace.end = 4 * HOUR;
    for at in poisson(random, 0, trace.end - HOUR / 2, 60.0) {
        let tasks = random.pareto(4.0, 1.1).min(4_000.0) as u32;
        let median = random.within(2.0, 6.0);
        trace.jobs.push(job(at, tasks, median, 1.2, 300.0 + 0.5 * f64::from(tasks)));
    }
}

fn tenants(trace: &mut Trace, random: &mut Random) {
    trace.end = 3 * HOUR;
    for tenant in 0..30 {
        let (median, tasks) = (random.within(0.0, 1.0), random.between(5, 60));
        // As many tenants with tasks of 1 to 8 s as with tasks of 8 to 60 s.
        let median = if tenant % 2 == 0 { 1.0 + 7.0 * median } else { 8.0 + 52.0 * median };
        let priority = [0, 0, 0, 5, 10][tenant % 5];
        let first = millis(random.within(0.0, 900.0));
        // A third comes by the clock, the others as they like.
        let times = if tenant % 3 == 0 {
            (0..).map(|turn| first + turn * HOUR / 4).take_while(|at| *at < trace.end).collect()
        } else {
            poisson(random, first, trace.end, 900.0)
        };
        for at in times {
            let mut job = job(at, tasks, median, 0.6, 120.0 + 10.0 * median);
            (job.name, job.priority) = (format!("tenant-{tenant}-"), priority);
            trace.jobs.push(job);
        }
    }
}

fn interruptions(trace: &mut Trace, random: &mut Random) {
    trace.end = 3 * HOUR;
    let mut spot = workers("spot", 40, 0.06);
    spot.never_ready = 0.04;
    let mut on_demand = workers("on-demand", 20, 0.20);
    on_demand.never_ready = 0.04;
    trace.groups = vec![spot, on_demand];
    for at in poisson(random, 0, trace.end, 60.0) {
        trace.jobs.push(job(at, random.between(20, 60), 15.0, 0.5, 300.0));
    }
    for at in poisson(random, HOUR / 6, trace.end, 900.0) {
        trace.interruptions.push(Interruption { at, group: 0, share: random.within(0.2, 0.8), notice: 30 * SECOND });
    }
    let at = millis(random.within(1.2, 1.6) * seconds(HOUR));
    trace.shortages.push(Shortage { at, until: at + HOUR / 6, group: 0 });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slot-hours that a trace's tasks take about.
    fn slot_hours(trace: &Trace) -> f64 {
        let of = |job: &Job| f64::from(job.tasks) * job.task.median * (job.task.spread * job.task.spread / 2.0).exp();
        trace.jobs.iter().map(of).sum::<f64>() / 3_600.0
    }

    #[test]
    fn a_seed_makes_one_trace() {
        for kind in Kind::ALL {
            assert_eq!(generate(kind, 3), generate(kind, 3));
            assert_ne!(generate(kind, 3).jobs, generate(kind, 4).jobs, "{kind:?}");
        }
    }

    #[test]
    fn traces_fit_their_clusters() {
        for kind in Kind::ALL {
            for seed in 1..4 {
                let trace = generate(kind, seed);
                assert!(trace.jobs.is_sorted_by_key(|job| job.at), "{kind:?}");
                let slots: u32 = trace.groups.iter().map(|group| group.slots * group.max_workers).sum();
                let share = slot_hours(&trace) / (f64::from(slots) * trace.end as f64 / HOUR as f64);
                assert!((0.02..0.6).contains(&share), "{kind:?}, seed {seed}: {share} of all slots");
                assert!(trace.jobs.iter().all(|job| job.tasks > 0), "{kind:?}");
            }
        }
    }
}
