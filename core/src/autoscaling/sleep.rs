//! Whether a cluster has nothing to do, and for how long.

use super::capacity::Group;
use super::constants::{SAMPLES_TO_SHRINK, ms};
use super::decision::ClusterSize;
use super::facts::{Facts, HeadState, WorkFacts};
use super::history::History;
use super::policy::Policy;

fn has_work(work: &WorkFacts) -> bool {
    work.unfinished_jobs > 0 || work.classes.iter().any(|class| class.queued_tasks + class.running_tasks > 0)
}

/// Whether an unfinished job is known of.
pub(super) fn is_needed(facts: &Facts) -> bool {
    facts.unfinished_jobs.value().is_some_and(|jobs| *jobs > 0)
        || (facts.head == HeadState::Running && facts.work.value().is_some_and(has_work))
}

/// Lets the cluster fall asleep, where everything is known.
pub(super) fn advance(history: &mut History, facts: &Facts, groups: &[Group<'_>], policy: &Policy, now_ms: u64) {
    if is_needed(facts) || groups.iter().any(|group| group.busy > 0) {
        history.idle_since_ms = None;
        history.asleep = false;
        return;
    }
    let since_ms = *history.idle_since_ms.get_or_insert(now_ms);
    let is_over = |timeout| now_ms.saturating_sub(since_ms) >= ms(timeout);
    if policy.idle_timeout.is_none() {
        history.asleep = false;
    } else if policy.idle_timeout.is_some_and(is_over) && history.samples >= SAMPLES_TO_SHRINK {
        history.asleep = true;
    }
}

/// What a cluster that sleeps, or does not, has. The head goes when nobody is left who could hand something over.
pub(super) fn size(is_asleep: bool, policy: &Policy, facts: &Facts) -> ClusterSize {
    let has_workers = facts.groups.iter().any(|group| group.workers.value().is_none_or(|workers| !workers.is_empty()));
    match (is_asleep, policy.head_may_sleep && !has_workers) {
        (false, _) => ClusterSize::Awake,
        (true, false) => ClusterSize::HeadOnly,
        (true, true) => ClusterSize::Asleep,
    }
}
