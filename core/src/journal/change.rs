use serde::{Deserialize, Deserializer, Serialize};

use crate::failure::{Failure, Reason};
use crate::limits::{JOB_SECONDS_MAX, PRIORITIES};

/// What a user may change of a job after its submission; what is absent stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct JobChange {
    /// Jobs with a higher priority get free slots first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1000, max = 1000))]
    pub priority: Option<i32>,
    /// Whether the job hands its running tasks back and starts no others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// Seconds after which the job fails, counted as before; `null` for no limit.
    #[serde(deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<u64>", range(min = 1, max = 31_536_000))]
    pub active_deadline_seconds: Option<Option<u64>>,
    /// Seconds for which the job is listed after its end, also once it has ended; `null` for as long as by default.
    #[serde(deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<u64>", range(min = 0, max = 31_536_000))]
    pub ttl_seconds_after_finished: Option<Option<u64>>,
}

/// Tells `null`, which takes a value away, from what is absent, which changes nothing.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl JobChange {
    /// What is wrong with it.
    ///
    /// # Errors
    /// [`Reason::InvalidValue`] for a value that the schema does not allow.
    pub fn check(&self) -> Result<(), Failure> {
        let Self { priority, suspend: _, active_deadline_seconds, ttl_seconds_after_finished } = self;
        let seconds = |seconds: &Option<Option<u64>>| seconds.flatten().map(i128::from);
        let most = i128::from(JOB_SECONDS_MAX);
        let priorities = i128::from(*PRIORITIES.start())..=i128::from(*PRIORITIES.end());
        for (field, value, possible) in [
            ("priority", priority.map(i128::from), priorities),
            ("activeDeadlineSeconds", seconds(active_deadline_seconds), 1..=most),
            ("ttlSecondsAfterFinished", seconds(ttl_seconds_after_finished), 0..=most),
        ] {
            if let Some(value) = value.filter(|value| !possible.contains(value)) {
                let why = format!("{value} is not possible: {} to {} are", possible.start(), possible.end());
                return Err(Failure::new(Reason::InvalidValue, why).field(field));
            }
        }
        Ok(())
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
