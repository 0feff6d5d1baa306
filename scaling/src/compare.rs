//! Runs a trace under several policies, and says how each of the others is beside Shoal.

use std::fmt;

use shoal_core::Failure;

use crate::measures::Measures;
use crate::policy::{Choice, Scaler};
use crate::time::Millis;
use crate::trace::Trace;
use crate::world;

/// A policy's run of a trace.
#[derive(Clone, Debug)]
pub struct Compared {
    /// Which policy.
    pub choice: Choice,
    /// What came of it.
    pub measures: Measures,
    /// How it is beside Shoal by the latency that half of the jobs keep below, where Shoal ran, too.
    pub by_p50: Option<Verdict>,
    /// The same by the latency of the slowest twentieth.
    pub by_p95: Option<Verdict>,
    pub(crate) workers: Vec<(Millis, u32)>,
    pub(crate) end: Millis,
}

/// How another policy is beside Shoal, in time and in worker hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is slower and takes more hours, or is no better in one and worse in the other.
    ShoalInBoth,
    /// It is faster and takes more hours.
    ShoalInHours,
    /// It takes fewer hours and is slower.
    ShoalInTime,
    /// Neither is ahead in anything.
    Equal,
    /// It is faster and takes fewer hours, or no more in one: what must not be.
    OtherInBoth,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ShoalInBoth => "shoal ahead in both",
            Self::ShoalInHours => "faster, more hours",
            Self::ShoalInTime => "slower, fewer hours",
            Self::Equal => "equal",
            Self::OtherInBoth => "AHEAD OF SHOAL",
        })
    }
}

impl Verdict {
    fn of(other: (Option<f64>, f64), shoal: (Option<f64>, f64)) -> Self {
        let time = |latency: Option<f64>| latency.unwrap_or(f64::INFINITY);
        let (time, hours) = (time(other.0).total_cmp(&time(shoal.0)), other.1.total_cmp(&shoal.1));
        match (time.is_lt(), hours.is_lt(), time.is_gt(), hours.is_gt()) {
            (true, _, _, true) => Self::ShoalInHours,
            (_, true, true, _) => Self::ShoalInTime,
            (false, false, false, false) => Self::Equal,
            (true, ..) | (_, true, ..) => Self::OtherInBoth,
            _ => Self::ShoalInBoth,
        }
    }
}

/// Runs a trace under each of some policies.
///
/// # Errors
/// [`shoal_core::Reason::Internal`] where Shoal has no policy for a spec with nothing but defaults.
pub fn compare(trace: &Trace, choices: &[Choice]) -> Result<Vec<Compared>, Failure> {
    let mut compared = choices
        .iter()
        .map(|choice| {
            let run = world::run(trace, choice.policy(trace)?);
            let measures = Measures::of(trace, &run);
            let (workers, end) = (run.workers, run.end);
            Ok(Compared { choice: *choice, measures, by_p50: None, by_p95: None, workers, end })
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    let shoal = compared.iter().find(|it| it.choice.scaler == Scaler::Shoal).map(|it| it.measures.clone());
    if let Some(shoal) = shoal {
        for it in compared.iter_mut().filter(|it| it.choice.scaler != Scaler::Shoal) {
            let (other, hours) = (&it.measures, (it.measures.worker_hours, shoal.worker_hours));
            it.by_p50 = Some(Verdict::of((other.latency_p50, hours.0), (shoal.latency_p50, hours.1)));
            it.by_p95 = Some(Verdict::of((other.latency_p95, hours.0), (shoal.latency_p95, hours.1)));
        }
    }
    Ok(compared)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::trace::{Kind, generate};

    #[test]
    fn a_verdict_is_about_both() {
        let shoal = (Some(10.0), 5.0);
        for (other, expected) in [
            ((Some(11.0), 6.0), Verdict::ShoalInBoth),
            ((Some(11.0), 5.0), Verdict::ShoalInBoth),
            ((None, 5.0), Verdict::ShoalInBoth),
            ((Some(9.0), 6.0), Verdict::ShoalInHours),
            ((Some(11.0), 4.0), Verdict::ShoalInTime),
            ((None, 4.0), Verdict::ShoalInTime),
            ((Some(10.0), 5.0), Verdict::Equal),
            ((Some(9.0), 4.0), Verdict::OtherInBoth),
            ((Some(9.0), 5.0), Verdict::OtherInBoth),
            ((Some(10.0), 4.0), Verdict::OtherInBoth),
        ] {
            assert_eq!(Verdict::of(other, shoal), expected, "{other:?}");
        }
    }

    #[test]
    fn a_trace_has_one_result() {
        let trace = generate(Kind::Bursts, 5);
        let choices: Vec<Choice> = Scaler::ALL.into_iter().flat_map(Scaler::choices).collect();
        let (first, second) = (compare(&trace, &choices).unwrap(), compare(&trace, &choices).unwrap());
        let measures = |compared: &[Compared]| compared.iter().map(|it| it.measures.clone()).collect::<Vec<_>>();
        assert_eq!(measures(&first), measures(&second));
        assert!(first.iter().all(|it| it.measures.latency_p95.is_some()), "a policy left jobs undone");
    }

    #[test]
    fn all_of_a_clusters_workers_are_the_fastest_and_pay_the_most() {
        for kind in [Kind::Steady, Kind::Bursts, Kind::HeavyTailed, Kind::Tenants] {
            let choices: Vec<Choice> = Scaler::ALL.into_iter().flat_map(Scaler::choices).collect();
            let compared = compare(&generate(kind, 2), &choices).unwrap();
            let fixed = compared.iter().find(|it| it.choice.name() == "fixed").expect("it ran").measures.clone();
            for it in &compared {
                let name = it.choice.name();
                assert!(it.measures.latency_p50 >= fixed.latency_p50, "{kind:?}, {name}: {:?}", it.measures);
                assert!(it.measures.worker_hours <= fixed.worker_hours, "{kind:?}, {name}: {:?}", it.measures);
                // Whatever worked, worked for the same tasks.
                let worked = it.measures.worker_hours - it.measures.idle_hours;
                assert!((worked - (fixed.worker_hours - fixed.idle_hours)).abs() < 1e-6, "{kind:?}, {name}");
            }
        }
    }
}
