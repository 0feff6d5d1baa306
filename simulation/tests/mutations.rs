//! The simulation can find mistakes: each of these is built into the shipped code, and an invariant finds it.
#![allow(clippy::unwrap_used)]

use shoal_simulation::{Mutation, run};

/// Seeds within which a mistake has to be found.
const SEEDS: u64 = 400;

/// Asserts that a mistake is found, by one of those invariants, and that the same seed holds without it.
fn assert_caught(mutation: Mutation, by: &[&str]) {
    for seed in 0..SEEDS {
        let Some(violation) = run(seed, Some(mutation), false).violation else { continue };
        if !by.contains(&violation.invariant) {
            continue;
        }
        println!("{mutation:?} is caught by {} with seed {seed}: {}", violation.invariant, violation.details);
        assert_eq!(run(seed, None, false).violation, None, "seed {seed} does not hold without the mistake either");
        return;
    }
    panic!("{SEEDS} seeds did not find {mutation:?}");
}

#[test]
fn a_fence_that_is_skipped_is_noticed() {
    assert_caught(Mutation::SkipFence, &["fenced_means_fenced"]);
}

#[test]
fn an_acknowledgement_before_the_journal_has_it_is_noticed() {
    assert_caught(Mutation::AcknowledgeBeforeStored, &["acknowledged_means_stored", "no_accepted_job_is_lost"]);
}

#[test]
fn a_commit_without_a_look_for_its_application_id_is_noticed() {
    assert_caught(Mutation::CommitWithoutLooking, &["at_most_one_commit_per_job"]);
}

#[test]
fn an_intent_that_is_dropped_is_noticed() {
    assert_caught(Mutation::DropIntent, &["a_commit_is_the_stored_intent"]);
}

#[test]
fn files_that_are_cleaned_up_early_are_noticed() {
    assert_caught(Mutation::CleanUpEarly, &["no_file_of_a_commit_is_missing", "nothing_is_committed_after_the_end"]);
}

#[test]
fn the_result_of_a_revoked_lease_is_noticed() {
    assert_caught(Mutation::AcceptRevoked, &["no_result_of_a_revoked_lease", "no_task_acknowledged_twice"]);
}

#[test]
fn a_running_task_that_is_not_adopted_is_noticed() {
    assert_caught(Mutation::ForgetToAdopt, &["one_lease_per_task"]);
}

#[test]
fn a_task_for_a_draining_worker_is_noticed() {
    assert_caught(Mutation::AssignToDraining, &["no_task_for_a_draining_worker"]);
}

#[test]
fn a_door_that_lets_everybody_in_is_noticed() {
    assert_caught(Mutation::AdmitAll, &["queues_are_bounded"]);
}

#[test]
fn a_commit_beside_an_attempt_that_still_writes_is_noticed() {
    assert_caught(Mutation::CommitBesideBeaten, &["nothing_beaten_writes_beside_a_commit"]);
}
