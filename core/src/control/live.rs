//! Since when a stage's attempts run, and which of its tasks run twice.

use std::collections::BTreeMap;

use crate::calling::CallsSoFar;
use crate::id::AttemptId;

/// The live attempts of a stage beyond what its tasks say.
#[derive(Debug, Default)]
pub(super) struct Live {
    attempts: BTreeMap<AttemptId, Run>,
    /// What their workers last said of the functions that they call.
    calls: BTreeMap<AttemptId, CallsSoFar>,
    /// The attempt that runs beside the first one, by task.
    duplicates: BTreeMap<u32, AttemptId>,
    /// Every duplicate that there was: a task gets one, however that ends.
    had: BTreeMap<u32, AttemptId>,
    won: usize,
}

/// What is known of an attempt that runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// When it began, by this head's clock.
    pub(super) started_ms: u64,
    /// What of its time had passed, in thousandths, and when its worker said so.
    pub(super) told: Option<(u16, u64)>,
}

impl Live {
    pub(super) fn start(&mut self, attempt: AttemptId, now_ms: u64) {
        self.attempts.insert(attempt, Run { started_ms: now_ms, told: None });
    }

    /// Its worker says what of its time has passed.
    pub(super) fn note_permille(&mut self, attempt: AttemptId, permille: u16, now_ms: u64) {
        if let Some(run) = self.attempts.get_mut(&attempt) {
            run.told = (permille > 0).then_some((permille.min(999), now_ms));
        }
    }

    /// Its worker says what becomes of the function that it calls.
    pub(super) fn note_calls(&mut self, attempt: AttemptId, calls: Option<&CallsSoFar>) {
        match calls {
            Some(calls) if self.attempts.contains_key(&attempt) => drop(self.calls.insert(attempt, calls.clone())),
            _ => drop(self.calls.remove(&attempt)),
        }
    }

    /// What its worker last said of the function that it calls.
    pub(super) fn calls(&self, attempt: AttemptId) -> Option<&CallsSoFar> {
        self.calls.get(&attempt)
    }

    /// What is known of the functions that live attempts call: of two at one task that of which more is.
    pub(super) fn calls_of_tasks(&self) -> impl Iterator<Item = &CallsSoFar> {
        let mut of_tasks: BTreeMap<u32, &CallsSoFar> = BTreeMap::new();
        for (attempt, calls) in &self.calls {
            let known = of_tasks.entry(attempt.task.index).or_insert(calls);
            if calls.deaths.count > known.deaths.count {
                *known = calls;
            }
        }
        of_tasks.into_values()
    }

    pub(super) fn start_duplicate(&mut self, attempt: AttemptId, now_ms: u64) {
        self.start(attempt, now_ms);
        self.duplicates.insert(attempt.task.index, attempt);
        self.had.insert(attempt.task.index, attempt);
    }

    /// The attempt that runs beside the first one of a task.
    pub(super) fn duplicate(&self, index: u32) -> Option<AttemptId> {
        self.duplicates.get(&index).copied()
    }

    /// Whether a task had its duplicate.
    pub(super) fn had_duplicate(&self, index: u32) -> bool {
        self.had.contains_key(&index)
    }

    /// One has ended without a result.
    pub(super) fn end(&mut self, attempt: AttemptId) {
        self.attempts.remove(&attempt);
        self.calls.remove(&attempt);
        if self.duplicate(attempt.task.index) == Some(attempt) {
            self.duplicates.remove(&attempt.task.index);
        }
    }

    /// The first one of a task has ended: the one beside it takes its place.
    pub(super) fn promote(&mut self, index: u32) -> Option<AttemptId> {
        self.duplicates.remove(&index)
    }

    /// One has finished its task; any other is no longer live. Says how long it ran, in milliseconds.
    pub(super) fn finish(&mut self, attempt: AttemptId, now_ms: u64) -> u32 {
        let started_ms = self.attempts.get(&attempt).map_or(now_ms, |run| run.started_ms);
        self.won += usize::from(self.had.get(&attempt.task.index) == Some(&attempt));
        self.forget(attempt);
        u32::try_from(now_ms.saturating_sub(started_ms)).unwrap_or(u32::MAX)
    }

    /// Nothing of the attempt's task is live any more.
    pub(super) fn forget(&mut self, attempt: AttemptId) {
        let index = attempt.task.index;
        self.duplicates.remove(&index);
        let first = AttemptId { number: 0, ..attempt };
        let last = AttemptId { number: u32::MAX, ..attempt };
        while let Some((attempt, _)) = self.attempts.range(first..=last).next() {
            let attempt = *attempt;
            self.attempts.remove(&attempt);
            self.calls.remove(&attempt);
        }
    }

    /// What another head's clock said is of no use: they count as begun now.
    pub(super) fn start_over(&mut self, now_ms: u64) {
        self.attempts.values_mut().for_each(|run| *run = Run { started_ms: now_ms, told: None });
    }

    /// The live attempts, and how long each has run at `now_ms`, in milliseconds.
    pub(super) fn running(&self, now_ms: u64) -> impl Iterator<Item = (AttemptId, u64)> + '_ {
        self.attempts.iter().map(move |(attempt, run)| (*attempt, now_ms.saturating_sub(run.started_ms)))
    }

    /// The live attempts, and what is known of each.
    pub(super) fn attempts(&self) -> impl Iterator<Item = (AttemptId, Run)> + '_ {
        self.attempts.iter().map(|(attempt, run)| (*attempt, *run))
    }

    /// Tasks that run twice now.
    pub(super) fn running_twice(&self) -> usize {
        self.duplicates.len()
    }

    /// Duplicates that were started.
    pub(super) fn started_twice(&self) -> usize {
        self.had.len()
    }

    /// Duplicates that were the first to finish.
    pub(super) fn won(&self) -> usize {
        self.won
    }
}
