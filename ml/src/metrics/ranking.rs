//! How well scores order the rows.

/// The area under the receiver operating characteristic: the chance that a positive row scores above a negative one, where
/// a tie counts one half.
///
/// It is `(R − n₊ (n₊ + 1) / 2) / (n₊ n₋)` with `R` the sum of the positive rows' ranks, ties having the mean of their
/// ranks (H. B. Mann, D. R. Whitney, 1947). Missing without rows of both kinds, or if a score is not a number.
///
/// # Panics
///
/// If the slices differ in length.
pub fn roc_auc(positive: &[bool], scores: &[f64]) -> Option<f64> {
    assert_eq!(positive.len(), scores.len());
    if scores.iter().any(|score| score.is_nan()) {
        return None;
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|a, b| scores[*a].total_cmp(&scores[*b]));

    let mut rank_sum = 0.0;
    let mut positives = 0usize;
    // Equal by value: 0.0 and -0.0 are next to each other in the total order, and tie.
    for (before, ties) in chunks(&order, |a, b| scores[a] == scores[b]) {
        let among = ties.iter().filter(|row| positive[**row]).count();
        rank_sum += among as f64 * (before as f64 + (ties.len() as f64 + 1.0) / 2.0);
        positives += among;
    }
    let negatives = scores.len() - positives;
    let (p, n) = (positives as f64, negatives as f64);
    (positives > 0 && negatives > 0).then(|| (rank_sum - p * (p + 1.0) / 2.0) / (p * n))
}

/// Runs of items that are alike, each with the number of items before it.
fn chunks(items: &[usize], alike: impl Fn(usize, usize) -> bool) -> impl Iterator<Item = (usize, &[usize])> {
    items.chunk_by(move |a, b| alike(*a, *b)).scan(0, |before, run| {
        let start = *before;
        *before += run.len();
        Some((start, run))
    })
}
