//! Which pieces of a table have no key in common, told from the ranges of their values. Pure.

/// What a piece's values of a key column are known to be among.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) bounds: Bounds,
    /// Whether a value may be missing, which is a key like any other.
    pub(super) may_be_null: bool,
}

/// What values that are not missing are known to be among.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Bounds {
    /// Nobody knows.
    Unknown,
    /// There are none.
    Empty,
    /// From here to there, both ends included. They need not be values of the piece: a cut text is a bound as well.
    Between(Bound, Bound),
}

/// A value of a key's logical type; only those of one column are compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Bound {
    /// A whole number, also one of days, microseconds or the units of a decimal.
    Integer(i128),
    /// A text, compared by its bytes.
    Text(String),
}

impl Range {
    /// Of values that are known in no way.
    pub(super) fn unknown() -> Self {
        Self { bounds: Bounds::Unknown, may_be_null: true }
    }

    /// Of a column that is not there.
    pub(super) fn nulls() -> Self {
        Self { bounds: Bounds::Empty, may_be_null: true }
    }

    /// Between two bounds; nothing is known where they are in the wrong order.
    pub(super) fn between(low: Bound, high: Bound, may_be_null: bool) -> Self {
        let bounds = if low <= high { Bounds::Between(low, high) } else { Bounds::Unknown };
        Self { bounds, may_be_null }
    }
}

/// How many different keys there are at the most, by the ranges of all pieces, one per key column; none where a column's values
/// are not whole numbers or nobody knows them.
pub(super) fn keys_max(ranges: &[Vec<Range>]) -> Option<u64> {
    let columns = ranges.first().map_or(0, Vec::len);
    (0..columns).try_fold(1, |keys: u64, column| {
        Some(keys.saturating_mul(values_max(ranges.iter().map(|of_piece| &of_piece[column]))?))
    })
}

/// How many different values a column has at the most.
fn values_max<'a>(ranges: impl Iterator<Item = &'a Range>) -> Option<u64> {
    let (mut ends, mut may_be_null) = (None::<(i128, i128)>, false);
    for range in ranges {
        may_be_null |= range.may_be_null;
        match &range.bounds {
            Bounds::Empty => {}
            Bounds::Between(Bound::Integer(low), Bound::Integer(high)) => {
                let (lowest, highest) = ends.unwrap_or((*low, *high));
                ends = Some((lowest.min(*low), highest.max(*high)));
            }
            Bounds::Unknown | Bounds::Between(..) => return None,
        }
    }
    let values = ends.map_or(0, |(low, high)| high.saturating_sub(low).saturating_add(1));
    Some(u64::try_from(values).unwrap_or(u64::MAX).saturating_add(u64::from(may_be_null)))
}

/// Puts pieces together that may have a key in common, directly or over others; `ranges` has those of each piece, one per
/// key column. Two keys that differ in one column differ, so what is apart in the first column is apart, and what is not
/// may be in the next. Pieces come in their order, and lists of them in that of their first ones.
pub(super) fn clusters(ranges: &[Vec<Range>]) -> Vec<Vec<usize>> {
    let columns = ranges.first().map_or(0, Vec::len);
    let all = vec![(0..ranges.len()).collect::<Vec<usize>>()];
    let mut clusters = (0..columns).fold(all, |clusters, column| {
        clusters.into_iter().flat_map(|pieces| apart(pieces, |piece| &ranges[piece][column])).collect()
    });
    clusters.iter_mut().for_each(|pieces| pieces.sort_unstable());
    clusters.sort_unstable();
    clusters
}

/// Cuts pieces where no range of a column goes on.
fn apart<'a>(pieces: Vec<usize>, range_of: impl Fn(usize) -> &'a Range) -> Vec<Vec<usize>> {
    let mut with_values: Vec<(&Bound, &Bound, usize)> = Vec::new();
    let mut with_nulls: Vec<usize> = Vec::new();
    for piece in &pieces {
        match &range_of(*piece).bounds {
            Bounds::Unknown => return vec![pieces],
            Bounds::Empty => with_nulls.push(*piece),
            Bounds::Between(low, high) => with_values.push((low, high, *piece)),
        }
    }
    with_values.sort_unstable();
    let mut apart: Vec<Vec<usize>> = Vec::new();
    let mut reached: Option<&Bound> = None;
    for (low, high, piece) in with_values {
        match apart.last_mut() {
            // The next range begins where the last ones end: that may be one key.
            Some(last) if reached.is_some_and(|reached| low <= reached) => last.push(piece),
            _ => apart.push(vec![piece]),
        }
        reached = reached.max(Some(high));
    }
    // A missing key is one key: whoever may have it belongs together.
    let (nullable, mut apart): (Vec<_>, Vec<_>) =
        apart.into_iter().partition(|pieces| pieces.iter().any(|piece| range_of(*piece).may_be_null));
    with_nulls.extend(nullable.into_iter().flatten());
    if !with_nulls.is_empty() {
        apart.push(with_nulls);
    }
    apart
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn of(low: i128, high: i128) -> Range {
        Range::between(Bound::Integer(low), Bound::Integer(high), false)
    }

    fn nullable(low: i128, high: i128) -> Range {
        Range::between(Bound::Integer(low), Bound::Integer(high), true)
    }

    fn by_one(ranges: &[Range]) -> Vec<Vec<usize>> {
        clusters(&ranges.iter().map(|range| vec![range.clone()]).collect::<Vec<_>>())
    }

    #[test]
    fn pieces_are_together_where_one_key_may_be_in_both() {
        assert_eq!(by_one(&[of(1, 3), of(4, 6), of(7, 7)]), [vec![0], vec![1], vec![2]]);
        assert_eq!(by_one(&[of(1, 3), of(3, 6), of(7, 7)]), [vec![0, 1], vec![2]], "the last key goes on");
        assert_eq!(by_one(&[of(7, 9), of(1, 3), of(2, 2)]), [vec![0], vec![1, 2]], "in any order");
        assert_eq!(by_one(&[of(1, 9), of(2, 3), of(5, 6)]), [vec![0, 1, 2]], "within another");
        assert_eq!(by_one(&[of(1, 2), Range::unknown(), of(7, 8)]), [vec![0, 1, 2]]);
        assert_eq!(by_one(&[of(1, 2), of(9, 8)]), [vec![0, 1]], "bounds that cannot be are none");
        assert_eq!(by_one(&[]), Vec::<Vec<usize>>::from([vec![]]));
    }

    #[test]
    fn a_missing_key_is_one_key_wherever_it_is() {
        assert_eq!(by_one(&[nullable(1, 2), of(3, 4), nullable(5, 6)]), [vec![0, 2], vec![1]]);
        assert_eq!(by_one(&[Range::nulls(), of(3, 4), Range::nulls()]), [vec![0, 2], vec![1]]);
        assert_eq!(by_one(&[Range::nulls(), of(3, 4), of(5, 6)]), [vec![0], vec![1], vec![2]]);
    }

    #[test]
    fn what_the_first_column_leaves_together_the_next_one_may_part() {
        let text = |low: &str, high: &str| Range::between(Bound::Text(low.into()), Bound::Text(high.into()), false);
        let ranges =
            [vec![text("a", "b"), of(1, 9)], vec![text("b", "b"), of(10, 12)], vec![text("c", "c"), of(1, 20)]];
        assert_eq!(clusters(&ranges), [vec![0], vec![1], vec![2]]);
        let ranges = [vec![Range::unknown(), of(1, 2)], vec![Range::unknown(), of(3, 4)]];
        assert_eq!(clusters(&ranges), [vec![0], vec![1]]);
    }

    /// A key of a number and a text, either of which may be missing.
    type Key = (Option<i8>, Option<String>);

    fn key() -> impl Strategy<Value = Key> {
        (prop::option::weighted(0.9, -6..6_i8), prop::option::weighted(0.9, "[ab]{0,3}"))
    }

    /// The range of some values, wider than these at either end now and then, as cut texts make it.
    fn range<T>(values: &[Option<T>], low: impl Fn(&T) -> Bound, high: impl Fn(&T) -> Bound) -> Range {
        let known = || values.iter().flatten();
        let may_be_null = values.iter().any(Option::is_none);
        match (known().map(low).min(), known().map(high).max()) {
            (Some(low), Some(high)) => Range::between(low, high, may_be_null),
            _ => Range { bounds: Bounds::Empty, may_be_null },
        }
    }

    fn ranges_of(keys: &[Key], is_cut: bool) -> Vec<Range> {
        let (numbers, texts): (Vec<_>, Vec<_>) = keys.iter().cloned().unzip();
        let number = |value: &i8| Bound::Integer(i128::from(*value));
        let cut = |text: &String| if is_cut { text.chars().take(1).collect() } else { text.clone() };
        let low = |text: &String| Bound::Text(cut(text));
        let high = |text: &String| Bound::Text(if is_cut { cut(text) + "\u{10ffff}" } else { text.clone() });
        vec![range(&numbers, number, number), range(&texts, low, high)]
    }

    proptest! {
        #[test]
        fn no_key_is_in_two_clusters_and_every_piece_in_one(
            mut keys in prop::collection::vec(key(), 1..60),
            is_sorted in any::<bool>(),
            is_cut in any::<bool>(),
            piece_rows in 1..8_usize,
        ) {
            if is_sorted {
                keys.sort();
            }
            let pieces: Vec<&[Key]> = keys.chunks(piece_rows).collect();
            let ranges: Vec<Vec<Range>> = pieces.iter().map(|keys| ranges_of(keys, is_cut)).collect();
            let clusters = clusters(&ranges);
            prop_assert!(clusters.iter().all(|pieces| pieces.is_sorted()));
            let all: BTreeSet<usize> = clusters.iter().flatten().copied().collect();
            prop_assert_eq!(all.len(), clusters.iter().map(Vec::len).sum::<usize>());
            prop_assert_eq!(all, (0..pieces.len()).collect::<BTreeSet<_>>());
            let mut cluster_of = BTreeMap::new();
            for (number, cluster) in clusters.iter().enumerate() {
                for key in cluster.iter().flat_map(|piece| pieces[*piece]) {
                    prop_assert_eq!(*cluster_of.entry(key).or_insert(number), number);
                }
            }
        }

        #[test]
        fn sorted_numbers_that_end_with_each_piece_are_all_apart(starts in prop::collection::btree_set(-50..50_i128, 1..20)) {
            let starts: Vec<i128> = starts.into_iter().collect();
            let ranges: Vec<Range> = starts.iter().zip(&starts[1..]).map(|(low, next)| of(*low, next - 1)).collect();
            if !ranges.is_empty() {
                prop_assert_eq!(by_one(&ranges).len(), ranges.len());
            }
        }
    }

    #[test]
    fn whole_numbers_bound_how_many_keys_there_are() {
        let nulls = |range: Range| Range { may_be_null: true, ..range };
        let text = Range::between(Bound::Text("a".into()), Bound::Text("b".into()), false);
        let extreme = of(i128::from(i64::MIN), i128::from(i64::MAX));
        for (ranges, expected) in [
            (vec![vec![of(0, 9)], vec![of(5, 19)]], Some(20)),
            (vec![vec![of(-5, 4)], vec![nulls(of(3, 3))]], Some(11)),
            (vec![vec![Range::nulls()], vec![of(3, 3)]], Some(2)),
            (vec![vec![of(0, 9), of(0, 1)], vec![of(0, 0), of(1, 2)]], Some(30)),
            (vec![vec![extreme.clone(), extreme]], Some(u64::MAX)),
            (vec![vec![of(0, 9)], vec![Range::unknown()]], None),
            (vec![vec![of(0, 9), text]], None),
        ] {
            assert_eq!(keys_max(&ranges), expected, "{ranges:?}");
        }
    }
}
