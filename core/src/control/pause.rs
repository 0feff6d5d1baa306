//! How long something waits before it is tried again.

use std::time::Duration;

use crate::id::{JobUid, TaskId};
use crate::limits;
use crate::splitmix::splitmix64;

/// What a pause is for: those for different things are spread apart, those for the same thing are always the same.
#[derive(Clone, Copy, Debug)]
pub(super) enum Waiting {
    Task(TaskId),
    Commit(JobUid),
}

/// A pause after so many failures: doubling from [`limits::RETRY_PAUSE`] to [`limits::RETRY_PAUSE_MAX`], and of that
/// between half and all, so that tasks that failed together over one thing do not come back to it together.
pub(super) fn retry_pause(waiting: Waiting, failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let longest = (limits::RETRY_PAUSE * 2u32.pow(doublings)).min(limits::RETRY_PAUSE_MAX);
    longest.mul_f64(0.5 + spread(waiting, failures) / 2.0)
}

/// From 0 to 1, evenly, without chance.
fn spread(waiting: Waiting, failures: u32) -> f64 {
    let (uid, place) = match waiting {
        Waiting::Task(task) => (task.job, (u64::from(task.stage) << 32) | u64::from(task.index)),
        Waiting::Commit(uid) => (uid, u64::MAX),
    };
    let (high, low) = uid.0.as_u64_pair();
    let bits = high ^ low.rotate_left(17) ^ place.rotate_left(31) ^ u64::from(failures);
    splitmix64(bits) as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(index: u32) -> Waiting {
        Waiting::Task(TaskId { job: JobUid(uuid::Uuid::from_u128(7)), stage: 1, index })
    }

    #[test]
    fn pauses_double_to_a_limit_and_lie_between_half_and_all_of_it() {
        for (failures, longest_ms) in [(1, 200), (2, 400), (3, 800), (8, 25_600), (9, 30_000), (4_000, 30_000)] {
            for index in 0..100 {
                let pause = retry_pause(task(index), failures).as_millis();
                assert!((longest_ms / 2..=longest_ms).contains(&pause), "{failures} failures: {pause} ms");
            }
        }
    }

    #[test]
    fn tasks_that_failed_together_come_back_apart() {
        let mut tenths = [0; 10];
        for index in 0..1_000 {
            let share = spread(task(index), 1);
            tenths[((share * 10.0) as usize).min(9)] += 1;
        }
        assert!(tenths.iter().all(|count| (60..=140).contains(count)), "{tenths:?}");
    }
}
