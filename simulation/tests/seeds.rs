//! Fresh seeds every time, and those that once found something.
#![allow(clippy::unwrap_used)]

use std::time::{SystemTime, UNIX_EPOCH};

use shoal_simulation::{Summary, run, run_all};

/// Fresh seeds of one test run: what fits in some seconds of an unoptimised build.
const FRESH: u64 = 300;

/// Which seeds are fresh; unset, the clock says.
const FIRST: &str = "SHOAL_SIMULATION_FIRST_SEED";

/// Runs seeds, all of them to their end.
fn run_seeds(seeds: &[u64]) -> Summary {
    let summary = run_all(seeds, |_, _| ());
    assert_eq!(summary.seeds, seeds.len() as u64);
    summary
}

fn assert_all_held(summary: &Summary) {
    let failed: Vec<String> = summary
        .failed
        .iter()
        .map(|(seed, invariant)| format!("{invariant} does not hold: make simulate SEED={seed}"))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn fresh_seeds_hold() {
    let by_clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() * 1_000;
    let first = std::env::var(FIRST).map_or_else(|_| by_clock(), |text| text.parse().unwrap());
    println!("seeds {first} to {}; repeat them with {FIRST}={first}", first + FRESH - 1);
    let summary = run_seeds(&(first..first + FRESH).collect::<Vec<_>>());
    println!("{summary}");
    assert_all_held(&summary);
    for fault in [
        "head crashes",
        "head pauses",
        "head gives its lead up",
        "journal is full",
        "worker crashes",
        "journal's answers are lost",
        "an old head's append is refused",
    ] {
        assert!(summary.met.contains_key(fault), "no seed met this: {fault}");
    }
}

#[test]
fn kept_seeds_hold() {
    let kept = include_str!("kept-seeds.txt").lines().filter(|line| !line.starts_with('#'));
    let seeds: Vec<u64> = kept.map(|line| line.split_whitespace().next().unwrap().parse().unwrap()).collect();
    assert_all_held(&run_seeds(&seeds));
}

#[test]
fn a_seed_tells_the_same_story_twice() {
    for seed in 0..5 {
        let (one, two) = (run(seed, None, true), run(seed, None, true));
        assert!(one.trace.len() > 20, "seed {seed} has no story");
        assert_eq!((one.trace, one.events, one.met), (two.trace, two.events, two.met), "seed {seed}");
    }
}
