//! What many seeds come to.

use std::collections::BTreeMap;
use std::fmt;

use crate::Outcome;

/// Sums over seeds.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Seeds that were run.
    pub seeds: u64,
    /// Events of all of them.
    pub events: u64,
    /// What was met: how often, and by how many seeds.
    pub met: BTreeMap<String, (u64, u64)>,
    /// The seeds whose invariants did not hold, by the invariant's name.
    pub failed: BTreeMap<u64, String>,
}

impl Summary {
    /// Adds what came of a seed.
    pub fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.events += outcome.events;
        for (what, times) in &outcome.met {
            let (all, seeds) = self.met.entry(what.clone()).or_default();
            *all += times;
            *seeds += 1;
        }
        if let Some(violation) = &outcome.violation {
            self.failed.insert(outcome.seed, violation.invariant.to_owned());
        }
    }

    /// Adds the sums of other seeds.
    pub fn join(&mut self, other: Self) {
        let Self { seeds, events, met, failed } = other;
        self.seeds += seeds;
        self.events += events;
        for (what, (times, by)) in met {
            let (all, seeds) = self.met.entry(what).or_default();
            *all += times;
            *seeds += by;
        }
        self.failed.extend(failed);
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<60} {:>10} {:>10}", "what was met", "times", "seeds")?;
        for (what, (times, seeds)) in &self.met {
            writeln!(f, "{what:<60} {times:>10} {seeds:>10}")?;
        }
        Ok(())
    }
}
