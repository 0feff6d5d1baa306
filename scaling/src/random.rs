//! The one source of chance: numbers that depend on what they are for and on the trace's seed, and on nothing else.

use shoal_core::splitmix::{SPLITMIX64_STEP, splitmix64};

/// SplitMix64. The same seed means the same on every machine and in every build, so floats go
/// through `libm` and not through the platform's library.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// Numbers for one purpose: the same whoever asks, in whatever order.
    ///
    /// That is what makes policies comparable: the tenth worker of a group takes equally long to start, and the fifth task of
    /// a job equally long to run, under all of them.
    pub(crate) fn of(seed: u64, purpose: &[u64]) -> Self {
        let mut this = Self(seed ^ 0x5CA1_E0F5_0A15_EA5E);
        for part in purpose {
            this.0 = this.next() ^ part.wrapping_mul(SPLITMIX64_STEP);
        }
        this.next();
        this
    }

    pub(crate) fn next(&mut self) -> u64 {
        let next = splitmix64(self.0);
        self.0 = self.0.wrapping_add(SPLITMIX64_STEP);
        next
    }

    /// From 0 to 1, which is not reached.
    pub(crate) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A whole number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u32, high: u32) -> u32 {
        low + (self.share() * f64::from(high - low + 1)) as u32
    }

    /// Between two numbers.
    pub(crate) fn within(&mut self, low: f64, high: f64) -> f64 {
        low + self.share() * (high - low)
    }

    /// The time to the next of events that come independently of each other.
    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log(1.0 - self.share())
    }

    /// Sizes of which few have most of the sum.
    pub(crate) fn pareto(&mut self, least: f64, shape: f64) -> f64 {
        least / libm::pow(1.0 - self.share(), 1.0 / shape)
    }

    /// Durations: half of them below the median; their logarithm has `spread` as its standard deviation.
    pub(crate) fn log_normal(&mut self, median: f64, spread: f64) -> f64 {
        let (radius, angle) = (1.0 - self.share(), self.share());
        let normal = libm::sqrt(-2.0 * libm::log(radius)) * libm::cos(2.0 * std::f64::consts::PI * angle);
        median * libm::exp(spread * normal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_has_its_own_numbers() {
        let first = |purpose: &[u64]| Random::of(7, purpose).next();
        assert_eq!(first(&[1, 2]), first(&[1, 2]));
        assert!(first(&[1, 2]) != first(&[2, 1]) && first(&[1]) != first(&[1, 0]));
        assert_ne!(Random::of(7, &[1]).next(), Random::of(8, &[1]).next());
    }

    #[test]
    fn numbers_have_the_distribution_that_they_are_asked_for() {
        let mut random = Random::of(1, &[]);
        let mut drawn: Vec<f64> = (0..20_001).map(|_| random.log_normal(10.0, 0.5)).collect();
        drawn.sort_by(f64::total_cmp);
        assert!((drawn[10_000] - 10.0).abs() < 0.3, "{}", drawn[10_000]);
        // The mean of a log-normal is exp(spread^2 / 2) above its median.
        let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
        assert!((mean - 11.33).abs() < 0.3, "{mean}");
        let waits: f64 = (0..20_000).map(|_| random.exponential(30.0)).sum();
        assert!((waits / 20_000.0 - 30.0).abs() < 1.0);
        assert!((0..1_000).all(|_| (3..=5).contains(&random.between(3, 5)) && random.pareto(2.0, 1.5) >= 2.0));
    }
}
