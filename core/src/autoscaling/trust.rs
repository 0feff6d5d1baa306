//! Whether facts are complete, fresh and possible. Where one is not, sizes are held.

use super::constants::{FACT_AGE_MAX, FACT_AHEAD_MAX, ms};
use super::facts::{Facts, GroupFacts, HeadState, Observed, WorkClass, WorkFacts, WorkerState};
use super::policy::Policy;
use super::report::Hold;
use super::trouble::SignalTrouble;

/// Why nothing can be decided by these facts, if something is in the way.
pub(super) fn hold(facts: &Facts, policy: &Policy, now_ms: u64) -> Option<Hold> {
    let of_groups = || policy.groups.iter().find_map(|group| of_group(facts, &group.name, now_ms));
    jobs(facts, now_ms).or_else(of_groups).or_else(|| work(facts, now_ms))
}

/// Why nobody knows which jobs are unfinished.
pub(super) fn jobs(facts: &Facts, now_ms: u64) -> Option<Hold> {
    fresh(&facts.unfinished_jobs, now_ms).err().map(Hold::Jobs)
}

fn work(facts: &Facts, now_ms: u64) -> Option<Hold> {
    if facts.head != HeadState::Running {
        return Some(Hold::HeadStarts);
    }
    fresh(&facts.work, now_ms).and_then(possible_work).err().map(Hold::Work)
}

fn of_group(facts: &Facts, name: &str, now_ms: u64) -> Option<Hold> {
    let mut named = facts.groups.iter().filter(|group| group.name == name);
    let (Some(group), None) = (named.next(), named.next()) else {
        return Some(Hold::GroupUnknown { group: name.to_owned() });
    };
    let trouble = fresh(&group.workers, now_ms).and_then(|_| possible_workers(group)).err()?;
    Some(Hold::Workers { group: name.to_owned(), trouble })
}

fn fresh<T>(fact: &Observed<T>, now_ms: u64) -> Result<&T, SignalTrouble> {
    match fact {
        Observed::Missing(trouble) => Err(trouble.clone()),
        Observed::Known { at_ms, value } => {
            let age_ms = now_ms.saturating_sub(*at_ms);
            let ahead_ms = at_ms.saturating_sub(now_ms);
            if age_ms <= ms(FACT_AGE_MAX) && ahead_ms <= ms(FACT_AHEAD_MAX) {
                return Ok(value);
            }
            let seconds = |ms: u64| i64::try_from(ms / 1_000).unwrap_or(i64::MAX);
            Err(SignalTrouble::Stale { age_seconds: seconds(age_ms) - seconds(ahead_ms) })
        }
    }
}

fn possible_work(work: &WorkFacts) -> Result<(), SignalTrouble> {
    work.classes.iter().try_for_each(|class| {
        possible_seconds(class, "queued", class.queued_slot_seconds, class.queued_tasks)?;
        possible_seconds(class, "running", class.running_slot_seconds, class.running_tasks)
    })
}

fn possible_seconds(class: &WorkClass, what: &str, seconds: f64, tasks: u64) -> Result<(), SignalTrouble> {
    let series = || format!("{what} work of priority {}", class.priority);
    match seconds {
        seconds if seconds.is_nan() => Err(SignalTrouble::NotANumber { series: series() }),
        seconds if seconds.is_infinite() => Err(SignalTrouble::Infinite { series: series() }),
        seconds if seconds < 0.0 => Err(SignalTrouble::Negative { series: series() }),
        seconds if seconds > 0.0 && tasks == 0 => {
            Err(SignalTrouble::Contradictory { what: format!("{} takes {seconds} s and is no task", series()) })
        }
        _ => Ok(()),
    }
}

fn possible_workers(group: &GroupFacts) -> Result<(), SignalTrouble> {
    let slots = group.shape.slots;
    let contradicts = |what: String| Err(SignalTrouble::Contradictory { what });
    if slots == 0 {
        return contradicts("its workers have no slots".to_owned());
    }
    for worker in group.workers.value().into_iter().flatten() {
        match worker.state {
            WorkerState::Busy { busy_slots } | WorkerState::Draining { busy_slots } if busy_slots > slots => {
                return contradicts(format!("tasks run in {busy_slots} of the {slots} slots of {}", worker.id));
            }
            _ => {}
        }
    }
    Ok(())
}
