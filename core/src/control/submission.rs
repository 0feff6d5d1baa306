//! Who gets in: one job per name and spec.

use std::sync::Arc;

use super::ending::reply_with;
use super::job_state::{ActiveJob, Entry};
use super::{Control, Effect, ReplyId, SubmitOptions};
use crate::failure::{Failure, Reason};
use crate::id::JobUid;
use crate::job::Job;
use crate::journal::Record;
use crate::limits;
use crate::report::Phase;
use crate::spec::v1alpha1::ShoalJob;

/// What becomes of a submission.
#[derive(Debug, PartialEq)]
enum Admission {
    /// It is a job of its own.
    New,
    /// It is that job, submitted again.
    Same(JobUid),
}

impl Control {
    pub(super) fn submit(
        &mut self,
        uid: JobUid,
        spec: Arc<ShoalJob>,
        options: SubmitOptions,
        reply: ReplyId,
        now_ms: u64,
    ) -> Vec<Effect> {
        match self.admit(uid, &spec, options) {
            Err(failure) => vec![reply_with(reply, Err(failure))],
            Ok((Admission::Same(uid), _)) => vec![self.reply_when_stored(reply, uid, now_ms)],
            Ok((Admission::New, job)) => {
                self.names.insert(job.name.clone(), uid);
                let active = ActiveJob::new(job, now_ms);
                let job = active.job.clone();
                self.jobs.insert(uid, Entry::Active(Box::new(active)));
                let record = Record::Accepted { job: uid, at_ms: now_ms, spec: Box::new(spec.as_ref().clone()) };
                let answer = self
                    .status_of(uid, now_ms)
                    .ok_or_else(|| Failure::internal("a job vanished while it was accepted"));
                vec![Effect::Persist {
                    records: vec![record],
                    then: vec![reply_with(reply, answer), Effect::GatherFacts { job }],
                }]
            }
        }
    }

    fn admit(&self, uid: JobUid, spec: &Arc<ShoalJob>, options: SubmitOptions) -> Result<(Admission, Job), Failure> {
        let job = Job::parse(uid, spec.clone())?;
        self.kinds.get(job.work.kind())?;
        let known = self.names.get(&job.name).and_then(|uid| Some((*uid, self.jobs.get(uid)?)));
        let admission = match known {
            None => Admission::New,
            Some((uid, Entry::Active(active))) => match (options.rerun, active.job.spec == *spec) {
                (false, true) => Admission::Same(uid),
                (false, false) => {
                    return Err(conflict(&job.name, "runs with another spec")
                        .next("use another name, or wait until it has ended"));
                }
                (true, _) => {
                    return Err(
                        conflict(&job.name, "still runs").next(format!("`shoal job cancel {}` ends it", job.name))
                    );
                }
            },
            Some((uid, Entry::Ended { spec: known, status })) => match (options.rerun, known == spec, status.phase) {
                (true, _, _) | (false, true, Phase::Failed) => Admission::New,
                (false, true, _) => Admission::Same(uid),
                (false, false, _) => {
                    return Err(conflict(&job.name, "has run with another spec")
                        .next("use another name, or `--rerun` to run it again with this spec"));
                }
            },
        };
        let active = self.jobs.values().filter(|entry| entry.active().is_some()).count();
        if admission == Admission::New && active >= limits::JOBS_ACTIVE_MAX {
            return Err(Failure::new(Reason::Busy, format!("the head has {active} unfinished jobs and takes no more"))
                .next("submit it again later"));
        }
        Ok((admission, job))
    }
}

fn conflict(name: &str, what: &str) -> Failure {
    Failure::new(Reason::JobConflict, format!("a job called `{name}` {what}")).field("metadata.name")
}
