//! Who gets in: one job per name and spec.

use std::sync::Arc;

use super::ending::{reply_in_order, reply_with};
use super::job_state::{ActiveJob, Entry};
use super::{Control, Effect, Mutation, ReplyId, SubmitOptions};
use crate::failure::{Failure, Reason};
use crate::id::JobUid;
use crate::job::Job;
use crate::journal::{JobChange, Record};
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
    /// It is that job, which has failed and goes on.
    Resume(JobUid),
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
            Err(failure) => vec![reply_in_order(reply, Err(failure))],
            Ok((Admission::Same(uid), job)) => {
                let mut effects = self.change_active(uid, wanted(&job), now_ms);
                effects.extend(self.change_ended(uid, wanted(&job), now_ms));
                effects.push(self.reply_when_stored(reply, uid, now_ms));
                effects
            }
            Ok((Admission::Resume(uid), job)) => self.recall(uid, wanted(&job), reply),
            Ok((Admission::New, job)) => {
                let before = self.names.insert(job.name.clone(), uid);
                let mut effects = before.map_or_else(Vec::new, |before| self.give_up_resuming(before, now_ms));
                // The head that took the one before may have had a clock that was ahead of this one's.
                let latest_ms = before.and_then(|before| self.jobs.get(&before)).map_or(0, Entry::submitted_ms);
                let mut active = ActiveJob::new(job, now_ms);
                active.submitted_ms = now_ms.max(latest_ms + 1);
                let at_ms = active.submitted_ms;
                let job = active.job.clone();
                self.jobs.insert(uid, Entry::Active(Box::new(active)));
                let record = Record::Accepted { job: uid, at_ms, spec: Box::new(spec.as_ref().clone()) };
                let answer = self
                    .status_of(uid, now_ms)
                    .ok_or_else(|| Failure::internal("a job vanished while it was accepted"));
                let mut then = vec![reply_with(reply, answer), Effect::GatherFacts { job }];
                if self.mutation == Some(Mutation::AcknowledgeBeforeStored) {
                    effects.push(then.remove(0));
                }
                effects.push(Effect::Persist { records: vec![record], then });
                effects
            }
        }
    }

    fn admit(&self, uid: JobUid, spec: &Arc<ShoalJob>, options: SubmitOptions) -> Result<(Admission, Job), Failure> {
        let job = Job::parse(uid, spec.clone())?;
        self.kinds.get(job.work.kind())?;
        if self.jobs.contains_key(&uid) {
            // Uids that the head makes are new: this one is the submitter's, who says again what was heard already.
            return Ok((Admission::Same(uid), job));
        }
        let known = self.names.get(&job.name).and_then(|uid| Some((*uid, self.jobs.get(uid)?)));
        let admission = match known {
            None => Admission::New,
            Some((uid, Entry::Active(active))) => match (options.rerun, is_same_work(&active.job.spec, spec)) {
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
            Some((uid, Entry::Ended(ended))) => {
                let is_same = is_same_work(&ended.spec, spec);
                match (ended.status.phase, is_same) {
                    (Phase::Failed, true) if ended.resumable && !options.fresh => Admission::Resume(uid),
                    (Phase::Failed, true) => Admission::New,
                    (_, _) if options.rerun => Admission::New,
                    (_, true) => Admission::Same(uid),
                    (_, false) => {
                        return Err(conflict(&job.name, "has run with another spec")
                            .next("use another name, or `--rerun` to run it again with this spec"));
                    }
                }
            }
        };
        let active = self.unfinished_jobs();
        let is_one_more = matches!(admission, Admission::New | Admission::Resume(_));
        if is_one_more && active >= limits::JOBS_ACTIVE_MAX && self.mutation != Some(Mutation::AdmitAll) {
            return Err(Failure::new(Reason::Busy, format!("the head has {active} unfinished jobs and takes no more"))
                .next("submit it again later"));
        }
        Ok((admission, job))
    }
}

/// Whether two specs ask for the same work: what may be changed after the submission does not count.
fn is_same_work(one: &ShoalJob, other: &ShoalJob) -> bool {
    let work = |job: &ShoalJob| {
        let mut job = job.clone();
        (job.spec.priority, job.spec.suspend) = (0, false);
        (job.spec.active_deadline_seconds, job.spec.ttl_seconds_after_finished) = (None, None);
        // Where it runs is no part of what it does.
        (job.spec.cluster_ref, job.spec.cluster) = (None, None);
        job.spec.managed_by = None;
        job
    };
    work(one) == work(other)
}

/// What a spec says of all that may be changed.
fn wanted(job: &Job) -> JobChange {
    let spec = &job.spec.spec;
    JobChange {
        priority: Some(spec.priority),
        suspend: Some(spec.suspend),
        active_deadline_seconds: Some(spec.active_deadline_seconds),
        ttl_seconds_after_finished: Some(spec.ttl_seconds_after_finished),
    }
}

fn conflict(name: &str, what: &str) -> Failure {
    Failure::new(Reason::JobConflict, format!("a job called `{name}` {what}")).field("metadata.name")
}
