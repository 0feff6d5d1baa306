//! Numbers that look like chance and follow from what they are for: the same on every machine and in every build.

/// What the state grows by from one number to the next.
pub const SPLITMIX64_STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// The number that comes next in that state (SplitMix64: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number
/// Generators", 2014).
pub fn splitmix64(state: u64) -> u64 {
    let mut mixed = state.wrapping_add(SPLITMIX64_STEP);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_that_are_published() {
        // Of the seed 1234567, as the authors' program gives them.
        let mut state = 1_234_567_u64;
        for expected in [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423_u64] {
            assert_eq!(splitmix64(state), expected);
            state = state.wrapping_add(SPLITMIX64_STEP);
        }
    }
}
