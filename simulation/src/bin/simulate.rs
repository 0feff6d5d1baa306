//! Runs many seeds, or replays one.
//!
//! ```text
//!   simulate --seeds N [--first S]      N seeds from S on
//!   simulate --seed S --trace           the story of one
//! ```

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use shoal_simulation::{Outcome, run, run_all};

/// How often progress is shown.
const PROGRESS: Duration = Duration::from_secs(5);

struct Arguments {
    seeds: u64,
    first: u64,
    seed: Option<u64>,
    trace: bool,
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)) {
        Err(message) => {
            eprintln!("{message}");
            eprintln!("use: simulate --seeds N [--first S] | --seed S [--trace]");
            ExitCode::from(2)
        }
        Ok(Arguments { seed: Some(seed), trace, .. }) => replay(seed, trace),
        Ok(Arguments { seeds, first, .. }) => many(first, seeds),
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments = Arguments { seeds: 1_000, first: 0, seed: None, trace: false };
    while let Some(word) = words.next() {
        let mut number = || {
            let text = words.next().ok_or_else(|| format!("{word} needs a number"))?;
            text.parse().map_err(|_| format!("`{text}` is no number"))
        };
        match word.as_str() {
            "--seeds" => arguments.seeds = number()?,
            "--first" => arguments.first = number()?,
            "--seed" => arguments.seed = Some(number()?),
            "--trace" => arguments.trace = true,
            _ => return Err(format!("`{word}` is no option")),
        }
    }
    Ok(arguments)
}

fn replay(seed: u64, trace: bool) -> ExitCode {
    let outcome = run(seed, None, trace);
    for line in &outcome.trace {
        println!("{line}");
    }
    match outcome.violation {
        None => {
            println!("seed {seed} held over {} events", outcome.events);
            ExitCode::SUCCESS
        }
        Some(violation) => {
            println!("seed {seed}: {} does not hold: {}", violation.invariant, violation.details);
            ExitCode::FAILURE
        }
    }
}

fn many(first: u64, seeds: u64) -> ExitCode {
    let start = Instant::now();
    let shown = Mutex::new(start);
    let progress = |outcome: &Outcome, ended: usize| {
        // At once: whoever has seen enough need not wait for the rest.
        if let Some(violation) = &outcome.violation {
            let (seed, invariant) = (outcome.seed, &violation.invariant);
            println!("seed {seed}: {invariant} does not hold; replay it with: make simulate SEED={seed}");
        }
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.elapsed() > PROGRESS {
            *shown = Instant::now();
            println!("{ended} of {seeds} seeds after {:.0} s", start.elapsed().as_secs_f64());
        }
    };
    let summary = run_all(&(first..first + seeds).collect::<Vec<_>>(), progress);
    let seconds = start.elapsed().as_secs_f64();
    print!("{summary}");
    println!("{} events in {seconds:.1} s: {:.0} events/s", summary.events, summary.events as f64 / seconds);
    let mut by_invariant = BTreeMap::<&str, u64>::new();
    summary.failed.values().for_each(|invariant| *by_invariant.entry(invariant).or_default() += 1);
    for (invariant, seeds) in by_invariant {
        println!("{invariant} did not hold in {seeds} seeds");
    }
    let held = summary.seeds - summary.failed.len() as u64;
    println!("{held} of {seeds} seeds held");
    if held == seeds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
