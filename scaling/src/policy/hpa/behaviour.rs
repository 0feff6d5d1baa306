//! `behavior` of `autoscaling/v2`: windows of recommendations, and how fast replicas may change.

use std::collections::VecDeque;

use crate::time::{Millis, SECOND};

/// How fast replicas may change in one direction.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// `stabilizationWindowSeconds`.
    pub(super) window: Millis,
    /// `policies`, of which the one counts that allows the most (`selectPolicy: Max`).
    pub(super) policies: Vec<Rate>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    pub(super) change: Change,
    /// `periodSeconds`.
    pub(super) period: Millis,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Pods(u32),
    Percent(u32),
}

/// Both directions.
#[derive(Clone, Debug)]
pub(crate) struct Behaviour {
    pub(super) up: Rules,
    pub(super) down: Rules,
}

impl Default for Behaviour {
    /// `GenerateHPAScaleUpRules` and `GenerateHPAScaleDownRules` of `pkg/apis/autoscaling/v2/defaults.go`.
    fn default() -> Self {
        let rate = |change| Rate { change, period: 15 * SECOND };
        Self {
            up: Rules { window: 0, policies: vec![rate(Change::Pods(4)), rate(Change::Percent(100))] },
            down: Rules { window: 300 * SECOND, policies: vec![rate(Change::Percent(100))] },
        }
    }
}

impl Behaviour {
    /// KEP-853, story 1.
    pub(crate) fn as_fast_as_possible() -> Self {
        let policies = vec![Rate { change: Change::Percent(900), period: 60 * SECOND }];
        Self { up: Rules { window: 0, policies }, ..Self::default() }
    }
}

/// What there is, and its bounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replicas {
    pub(crate) current: u32,
    pub(crate) min: u32,
    pub(crate) max: u32,
}

/// What an autoscaler remembers.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// When which number was recommended.
    pub(super) recommendations: VecDeque<(Millis, u32)>,
    /// When how many replicas were added.
    pub(super) added: VecDeque<(Millis, u32)>,
    /// When how many were taken away.
    pub(super) removed: VecDeque<(Millis, u32)>,
}

impl History {
    /// Replicas that may be, where `desired` would be right; remembers both.
    pub(crate) fn normalise(&mut self, behaviour: &Behaviour, replicas: Replicas, desired: u32, now: Millis) -> u32 {
        let stabilised = self.stabilise(behaviour, replicas.current, desired, now);
        let allowed = self.limit(behaviour, replicas, stabilised, now);
        if allowed > replicas.current {
            self.added.push_back((now, allowed - replicas.current));
        } else if allowed < replicas.current {
            self.removed.push_back((now, replicas.current - allowed));
        }
        let rules = [&behaviour.up, &behaviour.down];
        let longest = rules.iter().flat_map(|rules| &rules.policies).map(|rate| rate.period).max().unwrap_or(0);
        for events in [&mut self.added, &mut self.removed] {
            events.retain(|(at, _)| at + longest > now);
        }
        allowed
    }

    /// The lowest recommendation of one window bounds growth, the highest of the other bounds shrinking.
    pub(super) fn stabilise(&mut self, behaviour: &Behaviour, current: u32, desired: u32, now: Millis) -> u32 {
        let (up, down) = (behaviour.up.window, behaviour.down.window);
        let within = |window: Millis| {
            self.recommendations.iter().filter(move |(at, _)| at + window > now).map(|(_, count)| *count)
        };
        let floor = within(up).chain([desired]).min().unwrap_or(desired);
        let ceiling = within(down).chain([desired]).max().unwrap_or(desired);
        self.recommendations.retain(|(at, _)| at + up.max(down) > now);
        self.recommendations.push_back((now, desired));
        current.max(floor).min(ceiling)
    }

    pub(super) fn limit(&self, behaviour: &Behaviour, replicas: Replicas, desired: u32, now: Millis) -> u32 {
        let Replicas { current, min, max } = replicas;
        let count = |events: &VecDeque<(Millis, u32)>, period: Millis| {
            events.iter().filter(|(at, _)| at + period > now).map(|(_, count)| f64::from(*count)).sum::<f64>()
        };
        let start =
            |rate: &Rate| f64::from(current) - count(&self.added, rate.period) + count(&self.removed, rate.period);
        if desired > current {
            let most = |rate: &Rate| match rate.change {
                Change::Pods(pods) => start(rate) + f64::from(pods),
                Change::Percent(percent) => (start(rate) * (1.0 + f64::from(percent) / 100.0)).ceil(),
            };
            let limit = behaviour.up.policies.iter().map(most).fold(f64::from(current), f64::max);
            desired.min(limit as u32).min(max)
        } else if desired < current {
            let least = |rate: &Rate| match rate.change {
                Change::Pods(pods) => start(rate) - f64::from(pods),
                Change::Percent(percent) => (start(rate) * (1.0 - f64::from(percent) / 100.0)).trunc(),
            };
            let limit = behaviour.down.policies.iter().map(least).fold(f64::INFINITY, f64::min);
            desired.max(limit.clamp(0.0, f64::from(current)) as u32).max(min)
        } else {
            desired.clamp(min, max)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Millis = 60 * SECOND;

    fn rules(policies: &[(Change, Millis)]) -> Rules {
        Rules {
            window: 0,
            policies: policies.iter().map(|(change, period)| Rate { change: *change, period: *period }).collect(),
        }
    }

    /// Events within the period, and one a second outside of it, as `generateEvents` of the tests makes them.
    fn events(changes: &[u32], period: Millis, now: Millis) -> VecDeque<(Millis, u32)> {
        let inside = changes.iter().enumerate().map(|(index, change)| (now - index as u64 * SECOND, *change));
        inside.chain([(now - period - SECOND, 42)]).collect()
    }

    /// `horizontal_test.go`, the cases of scaling up with rates, with and without events in the period.
    #[test]
    fn growth_is_as_fast_as_in_the_controllers_tests() {
        use Change::{Percent, Pods};
        let now = 10 * MINUTE;
        for (policies, changes, current, desired, max, expected) in [
            (&[(Pods(4), MINUTE), (Percent(100), MINUTE)][..], &[][..], 10, 50, 1000, 20),
            (&[(Pods(100), MINUTE), (Percent(100), MINUTE)], &[], 10, 500, 1000, 110),
            (&[(Pods(2), MINUTE), (Percent(100), MINUTE)], &[], 10, 500, 1000, 20),
            (&[(Pods(100), MINUTE)], &[], 10, 50, 1000, 50),
            (&[(Percent(10000), MINUTE)], &[], 10, 50, 1000, 50),
            (&[(Pods(30), MINUTE)], &[], 10, 50, 1000, 40),
            (&[(Percent(200), MINUTE)], &[], 10, 50, 1000, 30),
            (&[(Percent(100), MINUTE)], &[1, 2, 3, 4, 5], 100, 500, 1000, 170),
            (&[(Pods(300), MINUTE)], &[1, 5, 9], 100, 500, 200, 200),
            (&[(Percent(10000), MINUTE)], &[1, 5, 9], 100, 500, 200, 200),
            (&[(Pods(5), 2 * MINUTE), (Percent(0), 2 * MINUTE)], &[1, 5, 9], 100, 500, 1000, 100),
            (&[(Pods(150), 2 * MINUTE)], &[1, 5, 9], 100, 500, 1000, 235),
            (&[(Percent(200), 2 * MINUTE)], &[1, 5, 9], 100, 500, 1000, 255),
        ] {
            let behaviour = Behaviour { up: rules(policies), ..Behaviour::default() };
            let history = History { added: events(changes, policies[0].1, now), ..History::default() };
            let replicas = Replicas { current, min: 1, max };
            assert_eq!(history.limit(&behaviour, replicas, desired, now), expected, "{policies:?} after {changes:?}");
        }
    }

    /// The same for scaling down.
    #[test]
    fn shrinking_is_as_fast_as_in_the_controllers_tests() {
        use Change::{Percent, Pods};
        let (now, period) = (10 * MINUTE, 2 * MINUTE);
        for (policy, changes, min, current, desired, expected) in [
            (Percent(100), &[][..], 1, 10, 5, 5),
            (Pods(100), &[], 1, 10, 0, 1),
            (Percent(100), &[], 5, 10, 2, 5),
            (Pods(5), &[], 1, 10, 2, 5),
            (Percent(50), &[], 1, 10, 5, 5),
            (Pods(115), &[1, 5, 9], 1, 100, 0, 1),
            (Pods(130), &[1, 5, 9], 5, 100, 0, 5),
            (Percent(100), &[1, 5, 9], 5, 100, 2, 5),
            (Pods(5), &[1, 5, 9], 1, 100, 2, 100),
            (Percent(50), &[2, 4, 6], 1, 100, 0, 56),
            (Percent(10), &[10, 10, 10], 1, 100, 0, 100),
            (Percent(1000), &[10, 10, 10], 1, 10, 5, 5),
        ] {
            let behaviour = Behaviour { down: rules(&[(policy, period)]), ..Behaviour::default() };
            let history = History { removed: events(changes, period, now), ..History::default() };
            let replicas = Replicas { current, min, max: 1000 };
            assert_eq!(history.limit(&behaviour, replicas, desired, now), expected, "{policy:?} after {changes:?}");
        }
    }

    /// `TestNormalizeDesiredReplicas`: five minutes in which the highest recommendation counts, and only these are kept.
    #[test]
    fn recommendations_are_stabilised_as_in_the_controllers_tests() {
        let now = 20 * MINUTE;
        for (ago, desired, expected, kept) in [
            (&[][..], 5, 5, 1),
            (&[(2, 4), (1, 5)], 3, 5, 3),
            (&[(2, 1), (1, 2)], 3, 3, 3),
            (&[(10, 10), (9, 9)], 3, 3, 1),
            (&[(10, 10), (9, 9), (2, 5), (1, 4)], 3, 5, 3),
        ] {
            let recommendations = ago.iter().map(|(minutes, count)| (now - minutes * MINUTE, *count)).collect();
            let mut history = History { recommendations, ..History::default() };
            // What is there is no bound to what the tests look at: it is as high as any recommendation.
            let stabilised = history.stabilise(&Behaviour::default(), 1000, desired, now);
            assert_eq!((stabilised, history.recommendations.len()), (expected, kept), "{ago:?}");
        }
    }

    /// KEP-853, story 1: 1, 10, 100, 1000.
    #[test]
    fn as_fast_as_possible_is_tenfold_a_minute() {
        let (behaviour, mut history) = (Behaviour::as_fast_as_possible(), History::default());
        let mut current = 1;
        let steps: Vec<u32> = (0..13)
            .map(|step| {
                let replicas = Replicas { current, min: 1, max: 2000 };
                current = history.normalise(&behaviour, replicas, 2000, step * 15 * SECOND);
                current
            })
            .collect();
        assert_eq!(steps, [10, 10, 10, 10, 100, 100, 100, 100, 1000, 1000, 1000, 1000, 2000]);
    }
}
