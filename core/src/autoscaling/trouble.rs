//! Why metrics are none to decide by. As long as there is such a reason nothing is made larger or smaller.

use std::fmt;

/// What is wrong with metrics, or with who was asked for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignalTrouble {
    /// Nobody answers there.
    Unreachable {
        /// What happened.
        what: String,
    },
    /// There was no answer in time.
    TimedOut {
        /// How long it was waited for, in seconds.
        seconds: u64,
    },
    /// The answer was a refusal, or that something failed.
    Refused {
        /// Status of HTTP.
        status: u16,
        /// What was asked.
        url: String,
    },
    /// The answer is longer than any that makes sense.
    TooLong {
        /// Most bytes that are read.
        bytes: u64,
    },
    /// What credentials there are for it cannot be used.
    Credentials {
        /// Why.
        what: String,
    },
    /// Prometheus could not do what it was asked.
    QueryFailed {
        /// Its words.
        what: String,
    },
    /// It is not what it should be.
    Malformed {
        /// Where.
        what: String,
    },
    /// A series is missing.
    Absent {
        /// Name of its metric.
        metric: String,
    },
    /// A series is there twice.
    Duplicate {
        /// The series.
        series: String,
    },
    /// A value is no number.
    NotANumber {
        /// The series.
        series: String,
    },
    /// A value is infinite.
    Infinite {
        /// The series.
        series: String,
    },
    /// What cannot be less than nothing is.
    Negative {
        /// The series.
        series: String,
    },
    /// No head that was asked leads, or one that does not tells of work.
    NotLeading {
        /// What it is, where there are several.
        head: String,
    },
    /// Several heads say that they lead.
    SeveralLead,
    /// What is told was so too long ago, or will be.
    Stale {
        /// How long ago, in seconds; negative for what is yet to come.
        age_seconds: i64,
    },
    /// Not all is known yet.
    Partial {
        /// What is not.
        what: String,
    },
    /// One value contradicts another.
    Contradictory {
        /// Which.
        what: String,
    },
}

impl SignalTrouble {
    /// A name that programs can rely on: the reason of the condition `MetricsAvailable`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "SourceUnreachable",
            Self::TimedOut { .. } => "SourceTimedOut",
            Self::Refused { status: 401 | 403, .. } => "SourceUnauthorized",
            Self::Refused { status: 404, .. } => "SourceNotFound",
            Self::Refused { .. } => "SourceFailed",
            Self::TooLong { .. } => "AnswerTooLong",
            Self::Credentials { .. } => "CredentialsUnusable",
            Self::QueryFailed { .. } => "QueryFailed",
            Self::Malformed { .. } => "AnswerMalformed",
            Self::Absent { .. } => "SeriesAbsent",
            Self::Duplicate { .. } => "SeriesDuplicate",
            Self::NotANumber { .. } => "ValueNotANumber",
            Self::Infinite { .. } => "ValueInfinite",
            Self::Negative { .. } => "ValueNegative",
            Self::NotLeading { .. } => "HeadDoesNotLead",
            Self::SeveralLead => "SeveralHeadsLead",
            Self::Stale { .. } => "MetricsStale",
            Self::Partial { .. } => "MetricsPartial",
            Self::Contradictory { .. } => "MetricsContradictory",
        }
    }
}

impl fmt::Display for SignalTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { what } => write!(f, "nobody answers: {what}"),
            Self::TimedOut { seconds } => write!(f, "there was no answer within {seconds} s"),
            Self::Refused { status: status @ (401 | 403), url } => {
                write!(f, "{url} answers {status}: the credentials are missing, or no longer right")
            }
            Self::Refused { status, url } => write!(f, "{url} answers {status}"),
            Self::TooLong { bytes } => write!(f, "the answer has more than {bytes} bytes"),
            Self::Credentials { what } => write!(f, "the credentials cannot be used: {what}"),
            Self::QueryFailed { what } => write!(f, "the query fails: {what}"),
            Self::Malformed { what } => write!(f, "{what}"),
            Self::Absent { metric } => write!(f, "there is no series of {metric}"),
            Self::Duplicate { series } => write!(f, "{series} is there twice: the query has to tell its labels apart"),
            Self::NotANumber { series } => write!(f, "{series} is not a number"),
            Self::Infinite { series } => write!(f, "{series} is infinite"),
            Self::Negative { series } => write!(f, "{series} is negative"),
            Self::NotLeading { head } if head.is_empty() => write!(f, "the head does not lead"),
            Self::NotLeading { head } => write!(f, "{head} tells of work and does not lead"),
            Self::SeveralLead => write!(f, "several heads say that they lead"),
            Self::Stale { age_seconds } if *age_seconds < 0 => {
                write!(f, "what is told is as of {} s from now: the clocks differ", -age_seconds)
            }
            Self::Stale { age_seconds } => write!(f, "what is told was so {age_seconds} s ago"),
            Self::Partial { what } | Self::Contradictory { what } => write!(f, "{what}"),
        }
    }
}
