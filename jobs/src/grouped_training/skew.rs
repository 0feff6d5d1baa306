//! Which groups have so many rows that they are to share a bucket with none. Pure.

use super::tasks::Sample;

/// Groups that get a bucket of their own at the most: each row is compared with all of them.
const OWN_MAX: usize = 8;

/// A group that is told of has this part of the rows at the least: with fewer it fits into a bucket like others.
const LARGE_PART: u64 = 64;

/// Keeps of all groups of a sample those that have many of its rows, the largest first.
pub(super) fn keep_large(sample: &mut Sample) {
    let rows = sample.rows;
    sample.large.retain(|group| group.rows.saturating_mul(LARGE_PART) >= rows);
    sample.large.sort_unstable_by_key(|group| (std::cmp::Reverse(group.rows), group.hash));
    sample.large.truncate(OWN_MAX);
}

/// The groups that have at least as many rows as the average of so many buckets, by the hashes of their keys.
///
/// A bucket that such a group falls into has twice as many as others, or more, and all groups that share it wait for one
/// task. Of a sample with one group nothing is learned: the input is sorted, and the next rows are another group's.
pub(super) fn own_buckets(sample: Option<&Sample>, buckets: u32) -> Vec<u64> {
    let Some(sample) = sample.filter(|sample| sample.groups > 1 && buckets > 1) else { return Vec::new() };
    let is_hot = |rows: u64| rows.saturating_mul(buckets.into()) >= sample.rows;
    sample.large.iter().filter(|group| is_hot(group.rows)).map(|group| group.hash).collect()
}

/// What is reported of them.
pub(super) fn in_words(own: usize) -> Option<String> {
    match own {
        0 => None,
        1 => Some("a group has so many rows that a task trains it alone".to_owned()),
        _ => Some(format!("{own} groups have so many rows that each is trained by a task alone")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tasks::LargeGroup;
    use super::*;

    /// A sample of groups with so many rows; their hashes count up from 0.
    fn sample(rows: &[u64]) -> Sample {
        let large = (0..).zip(rows).map(|(hash, rows)| LargeGroup { hash, rows: *rows }).collect();
        let mut sample = Sample { rows: rows.iter().sum(), groups: rows.len() as u64, key_bytes: 0, large };
        keep_large(&mut sample);
        sample
    }

    #[test]
    fn a_group_that_fills_a_bucket_gets_its_own() {
        // (rows of groups, buckets, groups with their own)
        for (rows, buckets, own) in [
            (vec![50, 25, 25], 2, vec![0]),
            (vec![10, 50, 40], 3, vec![1, 2]),
            (vec![10; 100], 8, vec![]),
            (vec![13, 10, 10, 10, 10, 10, 10, 10, 10, 10], 8, vec![0]),
            (vec![100], 8, vec![]),
            (vec![99, 1], 1, vec![]),
            (vec![], 8, vec![]),
        ] {
            assert_eq!(own_buckets(Some(&sample(&rows)), buckets), own, "{rows:?} in {buckets}");
        }
        assert_eq!(own_buckets(None, 8), Vec::<u64>::new());
    }

    proptest! {
        #[test]
        fn few_get_their_own_and_none_that_is_smaller_than_one_that_does_not(
            rows in prop::collection::vec(1..1000_u64, 2..80),
            buckets in 2..64_u32,
        ) {
            let own = own_buckets(Some(&sample(&rows)), buckets);
            prop_assert!(own.len() <= OWN_MAX);
            let least = own.iter().map(|hash| rows[*hash as usize]).min();
            let others = (0..rows.len()).filter(|group| !own.contains(&(*group as u64)));
            let most = others.map(|group| rows[group]).max();
            prop_assert!(least.zip(most).is_none_or(|(least, most)| least >= most));
        }
    }
}
