//! What travels between workers: one state per group, or the rows. Pure.

use shoal_core::job::Strategy;
use shoal_core::units::size_in_words;
use shoal_ml::Needs;

use super::tasks::{Exchange, Sample};

/// The strategy, and why, for the report.
#[derive(Debug, PartialEq)]
pub(super) struct Decision {
    pub(super) exchange: Exchange,
    /// Buckets, where the job says how many.
    pub(super) buckets: Option<u32>,
    /// States of a split for each of its rows, where that is known or estimated.
    pub(super) states_per_row: Option<f64>,
    pub(super) note: String,
}

/// Bytes of a float or a count.
const WORD: u64 = 8;

/// Bytes of one group's state without its key: two counts, the means, and the upper triangle of the comoments.
fn state_bytes(variables: u64) -> u64 {
    WORD * (2 + variables + variables * (variables + 1) / 2)
}

/// Bytes of a split's states that a core finds in its cache as rows of all groups come in turn. With more, each row waits for
/// memory, which takes longer than dealing it to a part of the groups and folding it there: of 10 million rows of 3 variables
/// 100,000 groups were trained sooner by states, 200,000 and more by rows, on a processor with 32 MiB for two cores.
const STATES_BYTES_MAX: f64 = (16 << 20) as f64;

/// How many times the bytes of states rows may be before moving them takes longer than waiting for memory.
const ROWS_SHARE_MAX: f64 = 32.0;

/// What is known of an input before any of its rows is read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    /// Rows that one map task reads.
    pub(super) rows_per_split: Option<u64>,
    /// How many groups there are at the most.
    pub(super) groups_max: Option<u64>,
    /// Key columns.
    pub(super) keys: u64,
    /// Columns of numbers that a model is made of.
    pub(super) variables: u64,
}

impl Known {
    /// The most bytes that a split's states can take, where that is little enough for states to travel whatever the data is.
    pub(super) fn few_states(&self) -> Option<f64> {
        // A key that bounds the groups is a whole number.
        let as_states = self.groups_max? as f64 * (self.keys * WORD + state_bytes(self.variables)) as f64;
        let as_rows = self.rows_per_split? as f64 * ((self.keys + self.variables) * WORD) as f64;
        Some(as_states).filter(|bytes| *bytes <= as_rows.min(STATES_BYTES_MAX))
    }
}

/// Takes what the job asks for; else what is done sooner, by what is known or as estimated from a sample of the input scaled to
/// a split: states where they are fewer bytes than rows and are folded in a core's cache, or are by far fewer bytes.
pub(super) fn decide(asked: Strategy, needs: Needs, sample: Option<&Sample>, known: Known) -> Decision {
    let Known { rows_per_split, groups_max, keys: _, variables } = known;
    let states_per_row = groups_max.zip(rows_per_split).map(|(groups, rows)| groups as f64 / rows.max(1) as f64);
    let decided = |exchange, note: String| Decision { exchange, buckets: None, states_per_row, note };
    let sample = match (asked, sample) {
        (Strategy::Auto | Strategy::Aggregate, _) if needs == Needs::Rows => {
            return decided(
                Exchange::Rows,
                "strategy bucket: the model is trained from the rows of a group".to_owned(),
            );
        }
        (Strategy::Aggregate, _) => {
            return decided(Exchange::States, "strategy aggregate: the job asks for it".to_owned());
        }
        (Strategy::Bucket(buckets), _) => {
            let note = "strategy bucket: the job asks for it".to_owned();
            return Decision { exchange: Exchange::Rows, buckets, states_per_row, note };
        }
        (Strategy::Auto, None | Some(Sample { rows: 0, .. })) => {
            let note = match (known.few_states(), groups_max) {
                (Some(bytes), Some(groups)) => format!(
                    "strategy aggregate: by the input's statistics a split has at most {groups} groups, which are {} as states",
                    size_in_words(bytes as u64)
                ),
                _ => "strategy aggregate: the sample has no rows".to_owned(),
            };
            return decided(Exchange::States, note);
        }
        (Strategy::Auto, Some(sample)) => sample,
    };
    let rows = rows_per_split.unwrap_or(sample.rows).max(sample.rows);
    let groups = groups_among(rows, sample.rows, sample.groups);
    let key_bytes = sample.key_bytes as f64 / sample.groups.max(1) as f64;
    let as_states = groups * (key_bytes + state_bytes(variables) as f64);
    let as_rows = rows as f64 * (key_bytes + (variables * WORD) as f64);
    let is_by_states = as_states <= as_rows.min(STATES_BYTES_MAX) || as_states * ROWS_SHARE_MAX <= as_rows;
    let (exchange, name) = if is_by_states { (Exchange::States, "aggregate") } else { (Exchange::Rows, "bucket") };
    // Else it is the fewer bytes.
    let why = if !is_by_states && as_states <= as_rows { ", and no cache holds the states" } else { "" };
    let note = format!(
        "strategy {name}: a split of {rows} rows in about {groups:.0} groups is {} as states and {} as rows{why} (measured on {} rows with {} groups)",
        size_in_words(as_states as u64),
        size_in_words(as_rows as u64),
        sample.rows,
        sample.groups,
    );
    Decision { states_per_row: Some(groups / rows.max(1) as f64), ..decided(exchange, note) }
}

/// How many different groups so many rows hold, told from so many that are seen among so many drawn.
///
/// If all groups are equally likely, r draws from G groups show G·(1 − exp(−r/G)) of them (the occupancy problem, Feller
/// 1968, II.5). That is solved for G from the sample and evaluated at the whole. Skew and clustering make the result too
/// small, which errs towards states; it is never below what the sample shows.
pub(super) fn groups_among(rows: u64, drawn: u64, seen: u64) -> f64 {
    let (drawn, seen, rows) = (drawn as f64, seen as f64, rows as f64);
    let shown = |groups: f64, draws: f64| groups * -(-draws / groups).exp_m1();
    if seen >= drawn {
        // No key came twice: there may be as many as there are rows.
        return rows;
    }
    let (mut low, mut high) = (seen, drawn * drawn);
    // Bisection of a rising function: 100 halvings end below the distance of two floats.
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if shown(middle, drawn) < seen { low = middle } else { high = middle }
    }
    shown(high, rows).max(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(rows: u64, groups: u64) -> Option<Sample> {
        Some(Sample { rows, groups, key_bytes: groups * 8, large: Vec::new() })
    }

    #[test]
    fn states_travel_where_groups_are_large_and_rows_where_they_are_small() {
        // (rows looked at, groups among them, rows of a split, variables, expected)
        let cases = [
            (220, 11, None, 3, Exchange::States),
            (100_000, 100_000, None, 3, Exchange::Rows),
            (100_000, 50_000, None, 3, Exchange::Rows),
            (100_000, 30_000, None, 3, Exchange::States),
            // A shuffled table: the sample shows nearly every group once or twice, the split a hundred times.
            (100_000, 63_212, Some(5_000_000), 3, Exchange::States),
            (100_000, 63_212, Some(150_000), 3, Exchange::Rows),
            // A million groups of ten rows: fewer bytes as states, but no cache holds them.
            (131_072, 122_900, Some(5_000_000), 3, Exchange::Rows),
            // So many rows to a group that moving them costs more.
            (131_072, 122_900, Some(500_000_000), 3, Exchange::States),
            // States grow with the square of the variables.
            (100_000, 30_000, None, 30, Exchange::Rows),
            (100_000, 4_000, None, 30, Exchange::States),
            (1, 1, Some(1_000), 3, Exchange::Rows),
        ];
        for (rows, groups, split, variables, expected) in cases {
            let known = Known { rows_per_split: split, variables, ..Known::default() };
            let decision = decide(Strategy::Auto, Needs::Moments, sample(rows, groups).as_ref(), known);
            assert_eq!(decision.exchange, expected, "{rows} {groups} {split:?} {variables}: {}", decision.note);
            assert!(decision.note.contains("measured on"), "{}", decision.note);
        }
    }

    #[test]
    fn rows_travel_where_the_model_is_trained_from_them() {
        for asked in [Strategy::Auto, Strategy::Aggregate] {
            let known = Known { rows_per_split: Some(5_000_000), variables: 3, ..Known::default() };
            let decision = decide(asked, Needs::Rows, None, known);
            assert_eq!((decision.exchange, decision.buckets), (Exchange::Rows, None), "{}", decision.note);
        }
    }

    #[test]
    fn what_the_job_asks_for_is_taken() {
        let (many_groups, known) = (sample(100, 100), Known { variables: 3, ..Known::default() });
        let aggregate = decide(Strategy::Aggregate, Needs::Moments, many_groups.as_ref(), known);
        assert_eq!(aggregate.exchange, Exchange::States);
        let bucket = decide(Strategy::Bucket(Some(64)), Needs::Moments, sample(100, 1).as_ref(), known);
        assert_eq!((bucket.exchange, bucket.buckets), (Exchange::Rows, Some(64)));
    }

    #[test]
    fn few_groups_that_statistics_prove_need_no_sample() {
        let known = |groups_max, rows_per_split| Known { rows_per_split, groups_max, keys: 1, variables: 3 };
        for (known, expected) in [
            (known(Some(1_000), Some(5_000_000)), true),
            (known(Some(100_000), Some(5_000_000)), true),
            // No cache holds the states of so many.
            (known(Some(1_000_000), Some(5_000_000)), false),
            // As many as rows: there may be fewer.
            (known(Some(1_000), Some(1_000)), false),
            (known(None, Some(5_000_000)), false),
            (known(Some(1_000), None), false),
        ] {
            assert_eq!(known.few_states().is_some(), expected, "{known:?}");
        }
        let decision = decide(Strategy::Auto, Needs::Moments, None, known(Some(1_000), Some(5_000_000)));
        let why = "strategy aggregate: by the input's statistics a split has at most 1000 groups, which are 93.8 KiB as states";
        assert_eq!((decision.exchange, decision.note.as_str()), (Exchange::States, why));
    }

    #[test]
    fn an_occupied_share_tells_the_number_of_groups() {
        // 100,000 draws from 100,000 groups show 1 − 1/e of them.
        let groups = groups_among(u64::MAX >> 20, 100_000, 63_212);
        assert!((groups - 100_000.0).abs() < 10.0, "{groups}");
    }
}
