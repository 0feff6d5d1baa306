//! Names of things. Each has a type of its own, so that one is never taken for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One submission of a job. A rerun of the same job has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct JobUid(#[schemars(with = "String")] pub Uuid);

impl JobUid {
    /// The application id under which a job's commit stands in a Delta log.
    pub fn application_id(&self) -> String {
        format!("shoal/{self}")
    }
}

impl fmt::Display for JobUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of a worker: unique in a cluster, chosen by whoever starts it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct WorkerId(pub String);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A task: the unit of retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskId {
    /// The job that it belongs to.
    pub job: JobUid,
    /// Place of its stage among the job's stages, from 0.
    pub stage: u32,
    /// Place of the task in its stage, from 0.
    pub index: u32,
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.job, self.stage, self.index)
    }
}

/// One run of a task. Written as `JOB-STAGE-INDEX-NUMBER`, in file names too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId {
    /// The task that is run.
    pub task: TaskId,
    /// Which run it is, from 1.
    pub number: u32,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.task, self.number)
    }
}

/// A text that is no attempt id.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no attempt id: JOB-STAGE-INDEX-NUMBER is expected")]
pub struct ParseAttemptIdError(String);

impl FromStr for AttemptId {
    type Err = ParseAttemptIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            // A uid has dashes of its own, so the text is read from its end.
            let mut parts = text.rsplitn(4, '-');
            let number = parts.next()?.parse().ok()?;
            let index = parts.next()?.parse().ok()?;
            let stage = parts.next()?.parse().ok()?;
            let job = JobUid(parts.next()?.parse().ok()?);
            Some(AttemptId { task: TaskId { job, stage, index }, number })
        };
        parse().ok_or_else(|| ParseAttemptIdError(text.to_owned()))
    }
}

impl Serialize for AttemptId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AttemptId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for AttemptId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AttemptId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string"})
    }
}
