//! How a fit ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How the fit of one group ended. A group that cannot be fitted is a result with a status, never an
/// error: the other groups of the run are unaffected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FitStatus {
    /// Every term was estimated.
    Ok,
    /// The rows do not outnumber the terms, so nothing is left to estimate an error from.
    TooFewRows,
    /// Some features depend linearly on the ones before them; they were dropped, the rest estimated.
    RankDeficient,
    /// A moment or a coefficient is infinite or not a number.
    NonFinite,
    /// So many digits were lost to nearly dependent features that the estimates cannot be relied on; a fit over the
    /// rows themselves may still have them.
    IllConditioned,
    /// The iterations ended before the tolerance was reached; the estimates are those of the last one.
    NotConverged,
    /// The features predict some rows perfectly, classes above all, so that no finite coefficients are the most likely
    /// ones.
    Separated,
    /// All rows are of one class.
    SingleClass,
    /// The target has a value that the model has no likelihood for, like a negative count, or a third class where there
    /// may be two.
    InvalidTarget,
    /// The group has more rows than whoever trains it can hold, and the estimator needs them all.
    GroupTooLarge,
}

impl FitStatus {
    /// The status as it is written in result tables and over the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::TooFewRows => "too_few_rows",
            Self::RankDeficient => "rank_deficient",
            Self::NonFinite => "non_finite",
            Self::IllConditioned => "ill_conditioned",
            Self::NotConverged => "not_converged",
            Self::Separated => "separated",
            Self::SingleClass => "single_class",
            Self::InvalidTarget => "invalid_target",
            Self::GroupTooLarge => "group_too_large",
        }
    }

    /// What a status other than ok says of a group, in words that fit any estimator. An estimator that knows more, like
    /// which feature it is about, says so instead.
    pub const fn words(self) -> Option<&'static str> {
        match self {
            Self::Ok => None,
            Self::TooFewRows => Some("too few rows for the terms to estimate"),
            Self::RankDeficient => {
                Some("dropped features that are constant or linear combinations of those before them")
            }
            Self::NonFinite => Some("a value is infinite or not a number, or so large that its square is"),
            Self::IllConditioned => {
                Some("the features are so nearly dependent that the estimates have lost their digits")
            }
            Self::NotConverged => Some("the iterations ended before the tolerance was reached"),
            Self::Separated => Some("the features predict some rows perfectly, so no finite coefficients fit best"),
            Self::SingleClass => Some("all rows are of one class"),
            Self::InvalidTarget => Some("the target has a value that the model does not allow"),
            Self::GroupTooLarge => Some("the group has more rows than fit into the memory of a task"),
        }
    }
}

/// What a user is told of dropped features, whose 0-based indices are given.
///
/// # Panics
///
/// If a feature has no name, or none was dropped.
pub fn dropped_in_words(dropped: &[usize], feature_names: &[impl AsRef<str>], intercept: bool) -> String {
    let names: Vec<_> = dropped.iter().map(|&feature| feature_names[feature].as_ref()).collect();
    let subject = if names.len() == 1 { "it is" } else { "each is" };
    let constant = if intercept { "constant" } else { "zero" };
    format!("dropped {}: {subject} {constant} or a linear combination of the features before it", names.join(", "))
}

impl fmt::Display for FitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error, StrDeserializer};

    use super::*;

    #[test]
    fn is_read_back_from_the_words_it_is_written_as() {
        for status in [
            FitStatus::Ok,
            FitStatus::TooFewRows,
            FitStatus::RankDeficient,
            FitStatus::NonFinite,
            FitStatus::IllConditioned,
            FitStatus::NotConverged,
            FitStatus::Separated,
            FitStatus::SingleClass,
            FitStatus::InvalidTarget,
            FitStatus::GroupTooLarge,
        ] {
            let words: StrDeserializer<'_, Error> = status.as_str().into_deserializer();
            assert_eq!(FitStatus::deserialize(words), Ok(status));
            assert_eq!(status.to_string(), status.as_str());
            assert_eq!(status.words().is_none(), status == FitStatus::Ok);
        }
    }
}
