//! One thing that is wrong with a document, and how it becomes a failure.

use super::document::at_mark;
use super::path::FieldPath;
use super::place::{Mark, Place};
use crate::failure::{Failure, Reason};

/// Problems that are listed beside the first: what a reader can take in at once.
const LISTED_MAX: usize = 20;

/// Characters of a user's text that a message repeats.
const QUOTED_MAX: usize = 80;

/// One thing that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) path: FieldPath,
    pub(super) reason: Reason,
    /// A sentence without its full stop.
    pub(super) message: String,
    /// What to do about it, where something can be said.
    pub(super) next: Option<String>,
    /// The field that an unknown one was most likely to be.
    pub(super) meant: Option<FieldPath>,
}

impl Problem {
    pub(super) fn new(path: FieldPath, reason: Reason, message: String) -> Self {
        Self { path, reason, message, next: None, meant: None }
    }

    pub(super) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    pub(super) fn meant(mut self, meant: FieldPath) -> Self {
        self.meant = Some(meant);
        self
    }

    /// Where a reader should look: at the name where that is wrong, else at the value.
    fn mark(&self, document: &Place) -> Mark {
        let place = document.nearest(&self.path);
        if self.reason == Reason::UnknownField { place.key } else { place.focus }
    }
}

/// The first of the problems in the document's order, with the others as its causes; none where there is none.
pub(super) fn failure_of(mut problems: Vec<Problem>, document: &Place) -> Option<Failure> {
    problems.sort_by_cached_key(|problem| (problem.mark(document), problem.path.clone()));
    let mut problems = problems.into_iter();
    let first = problems.next()?;
    let mut failure = at_mark(Failure::new(first.reason, first.message.clone()), first.mark(document));
    failure.next = first.next.clone();
    failure.location.field_path = Some(first.path.to_string()).filter(|path| !path.is_empty());
    let rest = problems.len();
    failure.causes.extend(
        problems
            .take(LISTED_MAX)
            .map(|problem| format!("line {}: {}: {}", problem.mark(document).line, problem.path, problem.message)),
    );
    if rest > LISTED_MAX {
        failure.causes.push(format!("and {} more", rest - LISTED_MAX));
    }
    Some(failure)
}

/// A user's text as a message repeats it: short and on one line.
pub(super) fn quoted(text: &str) -> String {
    let mut short: String = text.chars().take(QUOTED_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(QUOTED_MAX).is_some() {
        short.push('…');
    }
    format!("`{short}`")
}

/// The names in a row, each quoted.
pub(super) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(quoted).collect::<Vec<_>>().join(", ")
}

/// The known name that a mistyped one most likely means, if one is near enough.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// Below this share of equal letters a suggestion misleads more than it helps.
    const NEAR: f64 = 0.6;
    let typed: String = name.chars().take(QUOTED_MAX).collect::<String>().to_lowercase();
    known
        .into_iter()
        .map(|known| (strsim::normalized_damerau_levenshtein(&typed, &known.to_lowercase()), known))
        .filter(|(similarity, _)| *similarity >= NEAR)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_is_named_and_a_far_one_is_not() {
        let known = ["groupBy", "input", "output", "onMissing"];
        assert_eq!(nearest("groupBY", known), Some("groupBy"));
        assert_eq!(nearest("group_by", known), Some("groupBy"));
        assert_eq!(nearest("inptu", known), Some("input"));
        assert_eq!(nearest("colour", known), None);
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(quoted("a\nb"), "`a b`");
        assert_eq!(quoted(&"é".repeat(100)).chars().count(), QUOTED_MAX + 3);
    }
}
