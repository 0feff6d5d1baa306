//! Results on their way to the head. A stream that breaks does not say what had arrived, so results that were sent are
//! kept for a while and sent again on the next one; the head takes the first of each.

use std::collections::VecDeque;

use shoal_core::{AttemptId, JobUid};
use shoal_wire::proto::AttemptFinished;
use shoal_wire::proto::attempt_finished::Result as Ended;

use crate::limits::{RESULT_BYTES_KEPT_MAX, RESULTS_KEPT_MAX};

/// Results in the order in which their attempts ended.
#[derive(Default)]
pub(crate) struct Results {
    kept: VecDeque<Kept>,
    bytes: usize,
}

struct Kept {
    attempt: AttemptId,
    message: AttemptFinished,
    sent: bool,
}

impl Results {
    /// Keeps a result until it is sent, and after that as long as there is room.
    pub(crate) fn push(&mut self, attempt: AttemptId, message: AttemptFinished) {
        self.bytes += size(&message);
        self.kept.push_back(Kept { attempt, message, sent: false });
        while self.kept.len() > RESULTS_KEPT_MAX || self.bytes > RESULT_BYTES_KEPT_MAX {
            // One that was never sent is not dropped: slots bound how many of those there can be.
            let Some(oldest) = self.kept.iter().position(|kept| kept.sent) else { break };
            self.remove(oldest);
        }
    }

    /// Results that the present stream has not carried yet; from now on it has.
    pub(crate) fn take_unsent(&mut self) -> Vec<AttemptFinished> {
        let unsent = self.kept.iter_mut().filter(|kept| !kept.sent);
        unsent
            .map(|kept| {
                kept.sent = true;
                kept.message.clone()
            })
            .collect()
    }

    /// Whether any was never sent, or not on the present stream.
    pub(crate) fn has_unsent(&self) -> bool {
        self.kept.iter().any(|kept| !kept.sent)
    }

    /// Says that another stream begins, which has carried nothing yet.
    pub(crate) fn send_again(&mut self) {
        self.kept.iter_mut().for_each(|kept| kept.sent = false);
    }

    /// Sends the result of an attempt again, where it is still there.
    pub(crate) fn repeat(&mut self, attempt: AttemptId) -> bool {
        let found = self.kept.iter_mut().find(|kept| kept.attempt == attempt);
        found.map(|kept| kept.sent = false).is_some()
    }

    /// Drops the results of a job that needs them no more.
    pub(crate) fn forget(&mut self, job: JobUid) {
        while let Some(index) = self.kept.iter().position(|kept| kept.sent && kept.attempt.task.job == job) {
            self.remove(index);
        }
    }

    fn remove(&mut self, index: usize) {
        if let Some(kept) = self.kept.remove(index) {
            self.bytes -= size(&kept.message);
        }
    }
}

fn size(message: &AttemptFinished) -> usize {
    let result = match &message.result {
        Some(Ended::OutputJson(json) | Ended::FailureJson(json)) => json.len(),
        None => 0,
    };
    result + message.log.iter().map(|line| line.text.len()).sum::<usize>()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use shoal_core::TaskId;
    use uuid::Uuid;

    use super::*;

    fn attempt(job: u128, index: usize) -> AttemptId {
        let task = TaskId { job: JobUid(Uuid::from_u128(job)), stage: 0, index: index as u32 };
        AttemptId { task, number: 1 }
    }

    fn push(results: &mut Results, job: u128, index: usize, bytes: usize) {
        let attempt = attempt(job, index);
        let result = Some(Ended::OutputJson(vec![0; bytes]));
        results.push(attempt, AttemptFinished { attempt: attempt.to_string(), result, ..AttemptFinished::default() });
    }

    fn taken(results: &mut Results) -> usize {
        results.take_unsent().len()
    }

    #[test]
    fn each_is_sent_once_per_stream_until_its_job_is_released() {
        let mut results = Results::default();
        push(&mut results, 1, 0, 1);
        push(&mut results, 2, 0, 1);
        assert_eq!((taken(&mut results), taken(&mut results)), (2, 0));
        results.send_again();
        assert_eq!(taken(&mut results), 2);
        assert!(results.repeat(attempt(2, 0)) && !results.repeat(attempt(3, 0)));
        assert_eq!(taken(&mut results), 1);
        results.forget(JobUid(Uuid::from_u128(1)));
        results.send_again();
        assert_eq!(taken(&mut results), 1);
    }

    #[test]
    fn only_results_that_were_sent_are_dropped() {
        let mut results = Results::default();
        (0..RESULTS_KEPT_MAX + 10).for_each(|index| push(&mut results, 1, index, 1));
        assert_eq!(taken(&mut results), RESULTS_KEPT_MAX + 10);
        push(&mut results, 1, 9_999, 1);
        assert_eq!(results.kept.len(), RESULTS_KEPT_MAX);
        push(&mut results, 1, 10_000, RESULT_BYTES_KEPT_MAX);
        assert_eq!((results.kept.len(), results.bytes), (2, RESULT_BYTES_KEPT_MAX + 1));
        assert_eq!(taken(&mut results), 2);
    }
}
