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
}

impl FitStatus {
    /// The status as it is written in result tables and over the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::TooFewRows => "too_few_rows",
            Self::RankDeficient => "rank_deficient",
            Self::NonFinite => "non_finite",
        }
    }
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
        for status in [FitStatus::Ok, FitStatus::TooFewRows, FitStatus::RankDeficient, FitStatus::NonFinite] {
            let words: StrDeserializer<'_, Error> = status.as_str().into_deserializer();
            assert_eq!(FitStatus::deserialize(words), Ok(status));
            assert_eq!(status.to_string(), status.as_str());
        }
    }
}
