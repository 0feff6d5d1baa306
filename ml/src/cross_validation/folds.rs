//! The moments of all folds but one.

use crate::moments::Moments;

/// For each of `folds` the moments of all others, merged: of those before it, which are carried on from fold to fold, and
/// of those after it, carried likewise from the other end.
pub fn complements(folds: &[Moments]) -> Vec<Moments> {
    let Some(first) = folds.first() else {
        return Vec::new();
    };
    let empty = Moments::new(first.mean.len());
    let mut after = Vec::with_capacity(folds.len());
    let mut merged = empty.clone();
    for fold in folds.iter().rev() {
        after.push(merged.clone());
        merged.as_mut().merge(fold.as_ref());
    }
    let mut before = empty;
    let with_both = folds.iter().zip(after.into_iter().rev()).map(|(fold, after)| {
        let mut others = before.clone();
        others.as_mut().merge(after.as_ref());
        before.as_mut().merge(fold.as_ref());
        others
    });
    with_both.collect()
}
