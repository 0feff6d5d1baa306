//! Guesses what a misspelt name was meant to be.

/// How alike two names must be, from 0 to 1, before one is offered for the other: two letters in five may differ.
const ALIKE: f64 = 0.6;

/// The candidate most like `wanted`, where any is like enough. Case counts only between candidates that are alike but
/// for it.
pub(crate) fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = strsim::normalized_damerau_levenshtein;
    let folded = wanted.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (likeness(&folded, &candidate.to_lowercase()), likeness(wanted, candidate), candidate))
        .filter(|(folded, _, _)| *folded >= ALIKE)
        .max_by(|left, right| left.0.total_cmp(&right.0).then(left.1.total_cmp(&right.1)))
        .map(|(_, _, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likest_is_offered_and_nothing_where_nothing_is_like() {
        assert_eq!(nearest("captal", ["value", "capital"]), Some("capital"));
        assert_eq!(nearest("Year", ["years", "year"]), Some("year"));
        assert_eq!(nearest("valu", ["value", "Value"]), Some("value"));
        assert_eq!(nearest("x", ["capital"]), None);
        assert_eq!(nearest("x", []), None);
    }
}
