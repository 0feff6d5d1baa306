//! How uneven the tasks of a stage are, from the attempts that are kept of a job.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::history::{AttemptOutcome, AttemptReport};

/// How uneven the tasks of one stage are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StageSkew {
    /// Name of the stage.
    pub stage: String,
    /// Tasks that it is told from: those whose attempt is kept.
    pub tasks: u32,
    /// Seconds of the tasks.
    pub seconds: Spread<f64>,
    /// Rows that the tasks read; none where no task tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_in: Option<Spread<u64>>,
}

/// The middle of some numbers, and the largest of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Spread<T> {
    /// The median; of an even number the lower of the two in the middle.
    pub median: T,
    /// The largest.
    pub largest: T,
    /// Which task that is; of equal ones the first.
    pub task: u32,
}

/// How uneven the tasks of each stage are, in the order of the stages' first ends. A stage of one task is not uneven. Of a
/// task that ran to its end more than once, its partitions having been lost, the last run counts.
pub fn skew_of_stages(attempts: &[AttemptReport]) -> Vec<StageSkew> {
    let mut stages: Vec<&str> = Vec::new();
    let mut finished: BTreeMap<&str, BTreeMap<u32, &AttemptReport>> = BTreeMap::new();
    for attempt in attempts.iter().filter(|attempt| attempt.outcome == AttemptOutcome::Succeeded) {
        if !finished.contains_key(attempt.stage.as_str()) {
            stages.push(&attempt.stage);
        }
        finished.entry(&attempt.stage).or_default().insert(attempt.task, attempt);
    }
    let skew = |stage: &str| {
        let tasks = finished.get(stage).filter(|tasks| tasks.len() > 1)?;
        let seconds = |(task, attempt): (&u32, &&AttemptReport)| Some((*task, attempt.seconds?));
        let rows = |(task, attempt): (&u32, &&AttemptReport)| Some((*task, attempt.took.as_ref()?.rows_in));
        Some(StageSkew {
            stage: stage.to_owned(),
            tasks: u32::try_from(tasks.len()).unwrap_or(u32::MAX),
            seconds: spread(tasks.iter().filter_map(seconds).collect(), f64::total_cmp)?,
            rows_in: spread(tasks.iter().filter_map(rows).collect(), u64::cmp),
        })
    };
    stages.into_iter().filter_map(skew).collect()
}

/// None of no numbers.
fn spread<T: Copy>(mut of_tasks: Vec<(u32, T)>, order: fn(&T, &T) -> std::cmp::Ordering) -> Option<Spread<T>> {
    of_tasks.sort_by(|(task, number), (other, of_other)| order(number, of_other).then(other.cmp(task)));
    let (_, median) = *of_tasks.get(of_tasks.len().checked_sub(1)? / 2)?;
    let (task, largest) = *of_tasks.last()?;
    Some(Spread { median, largest, task })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::history::AttemptTook;

    fn attempt(stage: &str, task: u32, seconds: f64, rows_in: u64) -> AttemptReport {
        AttemptReport {
            stage: stage.to_owned(),
            task,
            attempt: 1,
            worker: "w".to_owned(),
            speculative: false,
            started_ms: 1,
            seconds: Some(seconds),
            outcome: AttemptOutcome::Succeeded,
            reason: None,
            message: None,
            took: Some(AttemptTook { rows_in, ..AttemptTook::default() }),
        }
    }

    #[test]
    fn the_middle_and_the_largest_are_told_per_stage() {
        type Tasks<'a> = &'a [(f64, u64)];
        type Seconds = Option<(f64, f64, u32)>;
        let cases: [(Tasks<'_>, Seconds, (u64, u64, u32)); 4] = [
            (&[(1.0, 10)], None, (0, 0, 0)),
            (&[(1.0, 10), (3.0, 5)], Some((1.0, 3.0, 1)), (5, 10, 0)),
            (&[(2.0, 7), (2.0, 7), (2.0, 7)], Some((2.0, 2.0, 0)), (7, 7, 0)),
            (&[(9.0, 0), (1.0, 0), (2.0, 4), (1.5, 0), (1.2, 0)], Some((1.5, 9.0, 0)), (0, 4, 2)),
        ];
        for (tasks, seconds, rows) in cases {
            let attempts: Vec<_> =
                (0..).zip(tasks).map(|(task, (seconds, rows))| attempt("map", task, *seconds, *rows)).collect();
            let skew = skew_of_stages(&attempts);
            let told = skew.first().map(|skew| (skew.seconds.median, skew.seconds.largest, skew.seconds.task));
            assert_eq!(told, seconds, "{tasks:?}");
            if let Some(skew) = skew.first() {
                let told = skew.rows_in.unwrap();
                assert_eq!((told.median, told.largest, told.task), rows, "{tasks:?}");
            }
        }
    }

    #[test]
    fn only_what_counted_counts_and_once() {
        let lost = AttemptReport { outcome: AttemptOutcome::Failed, ..attempt("map", 0, 99.0, 0) };
        let runs = AttemptReport { outcome: AttemptOutcome::Running, seconds: None, ..attempt("map", 3, 0.0, 0) };
        let of_an_older_head = AttemptReport { took: None, ..attempt("reduce", 0, 2.0, 0) };
        let also = AttemptReport { took: None, ..attempt("reduce", 1, 4.0, 0) };
        let twice = [attempt("map", 0, 50.0, 1), attempt("map", 1, 1.0, 2), attempt("map", 0, 2.0, 3)];
        let mut attempts = vec![lost, runs, of_an_older_head, also];
        attempts.extend(twice);
        let skew = skew_of_stages(&attempts);
        let told: Vec<_> = skew.iter().map(|skew| (skew.stage.as_str(), skew.tasks, skew.seconds.largest)).collect();
        assert_eq!(told, [("reduce", 2, 4.0), ("map", 2, 2.0)]);
        assert_eq!((skew[0].rows_in, skew[1].rows_in.unwrap().largest), (None, 3));
    }
}
