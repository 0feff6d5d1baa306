//! What a job kind is to the rest of the code: a planner without IO, after one step of finding out facts.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use async_trait::async_trait;

use crate::failure::{Failure, Reason};
use crate::job::Job;
use crate::payload::Payload;
use crate::publish::CommitIntent;
use crate::task::{StagePlan, TaskOutput};

/// A kind of job: how it is checked, planned and published. Registered once, by name, in a [`Kinds`].
#[async_trait]
pub trait JobKind: Send + Sync {
    /// The name of its member of `spec`, as `groupedTraining`.
    fn name(&self) -> &'static str;

    /// Finds out what planning needs: pins the input's version, lists files, reads schemas. Reads no rows beyond what
    /// the schema takes. Runs again from nothing when a head restarts before the first stage.
    ///
    /// # Errors
    /// Whatever is wrong with the input or the output, as the user would have to mend it.
    async fn facts(&self, job: &Job) -> Result<Payload, Failure>;

    /// Decides what comes next, from facts and what the stages so far reported. Pure: the same arguments give the same
    /// step, on any head.
    ///
    /// # Errors
    /// What makes the whole job fail: nothing is published then.
    fn plan(&self, job: &Job, facts: &Payload, done: &[StageOutcome], capacity: Capacity) -> Result<Planned, Failure>;
}

/// What a kind plans. A panic of it fails the job that it plans: in the head it would come again with each new lead, and end
/// the work on every other job.
///
/// # Errors
/// As [`JobKind::plan`]; an internal failure for a panic.
pub(crate) fn plan(
    kind: &dyn JobKind,
    job: &Job,
    facts: &Payload,
    done: &[StageOutcome],
    capacity: Capacity,
) -> Result<Planned, Failure> {
    catch_unwind(AssertUnwindSafe(|| kind.plan(job, facts, done, capacity))).unwrap_or_else(|panic| {
        let failure = Failure::internal(format!("planning a job of kind `{}` panicked", kind.name()));
        Err(failure.because_of_panic(panic.as_ref()))
    })
}

/// What the cluster offers at the moment of planning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Tasks that can run at the same time, at least 1.
    pub slots: u32,
}

/// A finished stage: its name and what each of its tasks reported, in the order of the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct StageOutcome {
    /// Name of the stage.
    pub name: String,
    /// Reports, one per task.
    pub outputs: Vec<TaskOutput>,
}

/// A decision of a planner, with its reasons for the report.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// What comes next.
    pub step: Step,
    /// Why, in sentences for the user; shown in the report.
    pub notes: Vec<String>,
}

/// What comes next in a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Run these tasks.
    Run(StagePlan),
    /// All is done: publish.
    Publish(CommitIntent),
}

/// The kinds of this build, by name.
#[derive(Clone, Default)]
pub struct Kinds(BTreeMap<&'static str, Arc<dyn JobKind>>);

impl Kinds {
    /// The registry with these kinds.
    pub fn new(kinds: impl IntoIterator<Item = Arc<dyn JobKind>>) -> Self {
        Self(kinds.into_iter().map(|kind| (kind.name(), kind)).collect())
    }

    /// The kind of that name.
    ///
    /// # Errors
    /// [`Reason::UnknownKind`] where this build has none.
    pub fn get(&self, name: &str) -> Result<Arc<dyn JobKind>, Failure> {
        self.0.get(name).cloned().ok_or_else(|| {
            let known = self.0.keys().copied().collect::<Vec<_>>().join(", ");
            Failure::new(Reason::UnknownKind, format!("this head cannot run jobs of kind `{name}`"))
                .next(format!("it knows: {known}"))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Panics;

    #[async_trait]
    impl JobKind for Panics {
        fn name(&self) -> &'static str {
            "panics"
        }

        async fn facts(&self, _: &Job) -> Result<Payload, Failure> {
            Ok(Payload::default())
        }

        fn plan(&self, _: &Job, _: &Payload, done: &[StageOutcome], _: Capacity) -> Result<Planned, Failure> {
            panic!("{} stages are too many", done.len())
        }
    }

    #[test]
    fn a_kind_that_panics_fails_its_job() {
        let spec = json!({
            "apiVersion": "shoal.dev/v1alpha1",
            "kind": "ShoalJob",
            "metadata": {"name": "job"},
            "spec": {"groupedTraining": {
                "input": {"table": "/in.csv"},
                "groupBy": ["g"],
                "model": {"ols": {"target": "y", "features": ["x"]}},
                "output": {"table": "/out"},
            }},
        });
        let uid = serde_json::from_value(json!("00000000-0000-0000-0000-000000000001")).unwrap();
        let job = Job::parse(uid, Arc::new(serde_json::from_value(spec).unwrap())).unwrap();
        let failure = plan(&Panics, &job, &Payload::default(), &[], Capacity { slots: 1 }).unwrap_err();
        assert_eq!(
            (failure.reason, failure.causes.as_slice()),
            (Reason::Internal, &["0 stages are too many".to_owned()][..])
        );
    }
}
