//! Random numbers that are the same on every machine, in every version.
//!
//! A fit that samples rows must not depend on the worker that runs it nor on the library that it was built with, so the
//! generator is ours, tiny, and pinned by its published outputs in a test.

/// Splitmix64: the `n`-th output is a mix of `seed + n · γ`, so the state is a counter and any seed is as good as another.
///
/// Source: G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

/// The odd integer nearest to 2^64 divided by the golden ratio.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

impl Random {
    #[cfg(test)]
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A generator for one part of the work, unrelated to those of the others: what a part draws then does not depend on
    /// how much the parts before it drew.
    pub(crate) fn stream(seed: u64, part: u64) -> Self {
        Self(mix(seed.wrapping_add(GAMMA) ^ mix(part.wrapping_add(GAMMA))))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mix(self.0)
    }

    /// Evenly from `0..bound`, for `bound > 0`.
    ///
    /// The high half of a 64 by 64 bit product (D. Lemire, "Fast random integer generation in an interval", 2019) without
    /// its rejection step: the bias is below `bound / 2^64`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// Puts `count` evenly drawn items, without repetition, at the front (Fisher and Yates).
    pub(crate) fn draw<T>(&mut self, items: &mut [T], count: usize) {
        for place in 0..count.min(items.len()) {
            let other = place + self.below(items.len() - place);
            items.swap(place, other);
        }
    }
}

fn mix(state: u64) -> u64 {
    let mut z = state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_published_numbers() {
        let mut random = Random::new(1_234_567);
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!([(); 3].map(|()| random.next()), expected);
    }

    #[test]
    fn streams_of_one_seed_differ_from_each_other_and_from_other_seeds() {
        let mut firsts: Vec<_> =
            (0..50).flat_map(|seed| (0..50).map(move |part| Random::stream(seed, part).next())).collect();
        firsts.sort_unstable();
        firsts.dedup();
        assert_eq!(firsts.len(), 2500);
    }

    #[test]
    fn each_item_is_drawn_as_often_as_the_others() {
        let mut counts = [0u32; 5];
        let mut random = Random::new(7);
        for _ in 0..10_000 {
            let mut items = [0, 1, 2, 3, 4];
            random.draw(&mut items, 2);
            assert_ne!(items[0], items[1]);
            counts[items[0]] += 1;
            counts[items[1]] += 1;
        }
        // 4,000 each, with a standard deviation of 49.
        assert!(counts.iter().all(|count| count.abs_diff(4000) < 250), "{counts:?}");
    }
}
