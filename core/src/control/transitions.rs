//! What an attempt's start and end mean for its job. The same functions serve a head that decides and one that reads in
//! its journal what another had decided.

use super::job_state::ActiveJob;
use super::pause::{Waiting, retry_pause};
use super::stage::{Holder, Left, TaskStatus};
use crate::failure::{Failure, Reason};
use crate::id::{AttemptId, TaskId, WorkerId};
use crate::limits;
use crate::task::TaskOutput;

impl ActiveJob {
    pub(super) fn attempt_started(&mut self, attempt: AttemptId, worker: &WorkerId, now_ms: u64) {
        if let Some(stage) = self.stages.get_mut(attempt.task.stage as usize) {
            stage.start(attempt, now_ms);
            self.running.insert(attempt, worker.clone());
        }
    }

    /// Another attempt of the same task starts beside the one that runs.
    pub(super) fn duplicate_started(&mut self, attempt: AttemptId, worker: &WorkerId, now_ms: u64) {
        if let Some(stage) = self.stages.get_mut(attempt.task.stage as usize) {
            stage.start_duplicate(attempt, now_ms);
            self.running.insert(attempt, worker.clone());
        }
    }

    /// Whether an attempt's end decides something about its task.
    pub(super) fn is_live(&self, attempt: AttemptId) -> bool {
        self.stages.get(attempt.task.stage as usize).is_some_and(|stage| stage.is_live(attempt))
    }

    /// Takes a result; another attempt of the task that still runs is to be called back.
    pub(super) fn attempt_succeeded(&mut self, attempt: AttemptId, holder: Holder, output: TaskOutput, now_ms: u64) {
        self.running.remove(&attempt);
        self.called_back.remove(&attempt);
        self.suspects.remove(&attempt.task);
        self.peak_memory_bytes = self.peak_memory_bytes.max(output.peak_memory_bytes);
        if let Some(stage) = self.stages.get_mut(attempt.task.stage as usize)
            && stage.is_live(attempt)
        {
            self.called_back.extend(stage.live_attempts(attempt.task.index).filter(|other| *other != attempt));
            stage.finish(attempt, holder, output, now_ms);
            // It ran to its end: whatever ended its workers before, it was not this task.
            if let Some(state) = stage.tasks.get_mut(attempt.task.index as usize) {
                (state.deaths, state.refusals) = (0, 0);
            }
        }
    }

    /// Puts the task back in the queue, or says why the job cannot go on.
    pub(super) fn attempt_failed(
        &mut self,
        attempt: AttemptId,
        worker: &WorkerId,
        failure: Failure,
        now_ms: u64,
    ) -> Option<Failure> {
        self.running.remove(&attempt);
        self.called_back.remove(&attempt);
        let stage = self.stages.get_mut(attempt.task.stage as usize)?;
        match stage.give_up(attempt) {
            // It was only to be faster, or came too late: its end counts for nothing.
            Left::Decided | Left::TheFirst => return None,
            Left::TheDuplicate => return self.first_failed(attempt, worker, failure, now_ms),
            Left::Nothing => {}
        }
        if failure.reason == Reason::HandedBack {
            self.requeue(attempt.task, now_ms);
            return None;
        }
        if failure.reason == Reason::Busy && self.is_refused_again(attempt.task, now_ms) {
            return None;
        }
        self.note_failed_attempt(attempt, worker, failure.clone());
        match (failure.reason, failure.location.attempt) {
            // The task did nothing wrong: it waits until the partition has been made again.
            (Reason::PartitionLost | Reason::PartitionCorrupt, Some(lost)) => {
                self.requeue(attempt.task, now_ms);
                self.partition_lost(lost, failure, now_ms)
            }
            _ => self.count_failure(attempt.task, worker, failure, now_ms),
        }
    }

    /// An attempt failed whose task goes on in another. Says why the job cannot go on where that one would fail, too.
    fn first_failed(
        &mut self,
        attempt: AttemptId,
        worker: &WorkerId,
        failure: Failure,
        now_ms: u64,
    ) -> Option<Failure> {
        if matches!(failure.reason, Reason::HandedBack | Reason::Busy) {
            return None;
        }
        self.note_failed_attempt(attempt, worker, failure.clone());
        if let (Reason::PartitionLost | Reason::PartitionCorrupt, Some(lost)) =
            (failure.reason, failure.location.attempt)
        {
            return self.partition_lost(lost, failure, now_ms);
        }
        let stage = self.stages.get_mut(attempt.task.stage as usize)?;
        let state = stage.tasks.get_mut(attempt.task.index as usize)?;
        state.failures += 1;
        state.failed_on.insert(worker.clone());
        state.deaths += u32::from(failure.reason == Reason::WorkerLost);
        (!failure.is_transient()).then_some(failure)
    }

    /// Somebody could not read what an attempt had written: its task runs again, once for all who miss it.
    fn partition_lost(&mut self, lost: AttemptId, failure: Failure, now_ms: u64) -> Option<Failure> {
        let task = self.stages.get(lost.task.stage as usize)?.tasks.get(lost.task.index as usize)?;
        let TaskStatus::Done { attempt, holder, .. } = &task.status else { return None };
        let has_moved = failure.location.worker.as_ref().is_some_and(|worker| *worker != holder.worker.0);
        if *attempt != lost || has_moved {
            return None;
        }
        let worker = holder.worker.clone();
        self.count_failure(lost.task, &worker, failure, now_ms)
    }

    fn requeue(&mut self, task: TaskId, now_ms: u64) {
        if let Some(stage) = self.stages.get_mut(task.stage as usize) {
            stage.requeue(task.index, now_ms);
        }
    }

    /// A worker had no slot for the task, as something else has not ended there yet: it never ran, and waits for a while.
    /// Not where that goes on and on.
    fn is_refused_again(&mut self, task: TaskId, now_ms: u64) -> bool {
        let stage = self.stages.get_mut(task.stage as usize);
        let Some(state) = stage.and_then(|stage| stage.tasks.get_mut(task.index as usize)) else { return false };
        state.refusals += 1;
        let refusals = state.refusals;
        let is_one_more = refusals <= limits::REFUSALS_MAX;
        if is_one_more {
            self.requeue(task, now_ms + retry_pause(Waiting::Task(task), refusals).as_millis() as u64);
        }
        is_one_more
    }

    /// Counts a failed run and puts the task back in the queue; or says why the job cannot go on.
    fn count_failure(&mut self, task: TaskId, worker: &WorkerId, failure: Failure, now_ms: u64) -> Option<Failure> {
        let attempts_max = self.job.failure_policy.max_task_attempts;
        let stage = self.stages.get_mut(task.stage as usize)?;
        let state = stage.tasks.get_mut(task.index as usize)?;
        state.failures += 1;
        state.failed_on.insert(worker.clone());
        if failure.reason == Reason::WorkerLost {
            state.deaths += 1;
            if state.deaths >= limits::TASK_DEATHS_SUSPECT {
                self.suspects.insert(task);
            }
        }
        let (failures, deaths) = (state.failures, state.deaths);
        let pause = retry_pause(Waiting::Task(task), failures).as_millis() as u64;
        // Also where its job ends over it: the job may go on later, and the task does not run any more.
        stage.requeue(task.index, now_ms + pause);
        if !failure.is_transient() {
            return Some(failure);
        }
        if deaths >= limits::TASK_DEATHS_MAX {
            let function = self.job.work.function().map(|function| function.field.clone());
            return Some(kills_workers(failure, &stage.plan.name, task.index, deaths, function));
        }
        if failures >= attempts_max {
            return Some(exhausted(failure, &stage.plan.name, task.index, failures));
        }
        None
    }
}

/// The last failure of a task that has failed too often, saying so.
fn exhausted(mut failure: Failure, stage: &str, index: u32, failures: u32) -> Failure {
    failure.causes.insert(0, failure.message.clone());
    failure.message =
        format!("task {index} of stage `{stage}` failed {failures} times, the last time because {}", failure.message);
    failure
}

/// A task whose every run ended with its worker, the last one while nothing else ran there.
fn kills_workers(failure: Failure, stage: &str, index: u32, deaths: u32, function: Option<String>) -> Failure {
    let message = format!(
        "{deaths} workers ended while they ran task {index} of stage `{stage}`, the last of them while it ran nothing else"
    );
    let message = match &failure.location.group {
        Some(group) => format!("{message} but the function for `{group}`"),
        None => message,
    };
    let mut told = Failure::new(Reason::TaskKillsWorkers, message)
        .next("look at the workers' logs and exit codes: most often the task needs more memory than a worker has");
    told.location = failure.location;
    if let Some(path) = function {
        let takes = match &told.location.group {
            Some(_) => "this group takes",
            None => "groups of this task take",
        };
        // What its processes take is taken of the worker's container, which may go with all that is in it.
        told = told.field(format!("{path}.processMemoryLimit")).next(format!(
            "look at the workers' logs and exit codes: most often {takes} more memory in the function than there is, so that \
             the container is ended with its worker. With a `processMemoryLimit` such a group is a row that says so"
        ));
    }
    told.causes = std::iter::once(failure.message).chain(failure.causes).collect();
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_calls_a_function_names_what_bounds_its_memory() {
        let lost = || Failure::new(Reason::WorkerLost, "`w3` is silent");
        let told = kills_workers(lost(), "reduce", 7, 3, Some("spec.groupedTraining.model.python".into()));
        assert_eq!(told.reason, Reason::TaskKillsWorkers);
        assert!(told.message.contains("task 7 of stage `reduce`"), "{told}");
        let path = "spec.groupedTraining.model.python.processMemoryLimit";
        assert_eq!(told.location.field_path.as_deref(), Some(path));
        assert!(told.next.is_some_and(|next| next.contains("`processMemoryLimit`")));
        assert_eq!(told.causes, ["`w3` is silent"]);
        assert_eq!(kills_workers(lost(), "reduce", 7, 3, None).location.field_path, None);
        let mut with_group = lost();
        with_group.location.group = Some("firm=a".into());
        let told = kills_workers(with_group, "reduce", 7, 3, Some("spec.groupedTraining.model.python".into()));
        assert!(told.message.ends_with("while it ran nothing else but the function for `firm=a`"), "{told}");
        assert!(told.next.is_some_and(|next| next.contains("this group takes more memory")));
        assert_eq!(told.location.group.as_deref(), Some("firm=a"));
    }
}
