//! Users' functions that running attempts call: what workers tell of them, and what it means where a worker is gone or too many
//! processes died.

use super::job_state::{ActiveJob, Entry};
use super::stage::{StageState, TaskStatus};
use super::{Control, Effect};
use crate::calling::{CallsSoFar, ProcessDeaths};
use crate::failure::{Failure, Reason};
use crate::id::{AttemptId, JobUid, WorkerId};

impl Control {
    /// Takes what a worker says of the functions that its attempts call; of those that it does not name there is nothing to say.
    pub(super) fn note_calls(
        &mut self,
        worker: &WorkerId,
        instance: &str,
        calls: &[(AttemptId, CallsSoFar)],
        now_ms: u64,
    ) -> Vec<Effect> {
        let Some(state) = self.roster.instance(worker, instance) else { return Vec::new() };
        let mut jobs_with_deaths: Vec<JobUid> = Vec::new();
        for attempt in &state.running {
            let active = self.jobs.get_mut(&attempt.task.job).and_then(Entry::active_mut);
            let stage = active.and_then(|active| active.stages.get_mut(attempt.task.stage as usize));
            let Some(stage) = stage else { continue };
            let told = calls.iter().find(|(told, _)| told == attempt).map(|(_, calls)| calls);
            stage.live.note_calls(*attempt, told);
            if told.is_some_and(|calls| !calls.deaths.is_none()) && !jobs_with_deaths.contains(&attempt.task.job) {
                jobs_with_deaths.push(attempt.task.job);
            }
        }
        jobs_with_deaths.into_iter().flat_map(|uid| self.end_where_processes_keep_dying(uid, now_ms)).collect()
    }

    /// Gives a job up under which more processes died than may.
    pub(super) fn end_where_processes_keep_dying(&mut self, uid: JobUid, now_ms: u64) -> Vec<Effect> {
        let active = self.jobs.get(&uid).and_then(Entry::active).filter(|active| active.is_running());
        match active.and_then(ActiveJob::processes_keep_dying) {
            Some(failure) => self.end(uid, failure, now_ms),
            None => Vec::new(),
        }
    }
}

impl ActiveJob {
    /// Why the job is given up, where more processes of its function died than may: in all tasks that are done, and in those
    /// that run as far as their workers have told. What runs again counts once.
    pub(super) fn processes_keep_dying(&self) -> Option<Failure> {
        let deaths_max = self.job.failure_policy.max_process_deaths;
        let running = |stage: &StageState| stage.live.calls_of_tasks().map(|calls| calls.deaths.count).sum::<u64>();
        let died: u64 = self.stages.iter().map(|stage| stage.counters.process_deaths + running(stage)).sum();
        (died > u64::from(deaths_max)).then(|| self.process_deaths().give_up(deaths_max))
    }

    fn process_deaths(&self) -> ProcessDeaths {
        let mut deaths = ProcessDeaths::default();
        for stage in &self.stages {
            for task in &stage.tasks {
                if let TaskStatus::Done { output, .. } = &task.status {
                    deaths.add(&output.deaths);
                }
            }
            stage.live.calls_of_tasks().for_each(|calls| deaths.add(&calls.deaths));
        }
        deaths
    }

    /// Why an attempt is lost with its worker, with the group that the function was called for, where its worker had said that.
    pub(super) fn blaming_group(&self, attempt: AttemptId, failure: &Failure) -> Failure {
        let mut failure = failure.clone();
        let stage = self.stages.get(attempt.task.stage as usize);
        let group = stage.and_then(|stage| stage.live.calls(attempt)?.group.as_ref());
        if let Some(group) = group.filter(|_| failure.reason == Reason::WorkerLost) {
            failure.message =
                format!("{}; the last that it said was that the function runs for `{group}`", failure.message);
            failure.location.group = Some(group.clone());
        }
        failure
    }
}
