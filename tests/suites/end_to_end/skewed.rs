//! 20,000 groups of very different sizes, with everything in them that real tables have.

use std::sync::OnceLock;

use serde_json::{Value, json};
use shoal_tests::data::{SKEWED_FEATURES, SKEWED_GROUPS, Skewed, skewed};
use shoal_tests::oracle::{Fit, read_delta, statsmodels};
use shoal_tests::table::{ByKey, assert_agrees, assert_same, by_key};
use shoal_tests::{job, slots};

use crate::place::Place;

struct Generated {
    place: Place,
    made: Skewed,
}

/// Made once for all tests of this file.
fn generated() -> &'static Generated {
    static GENERATED: OnceLock<Generated> = OnceLock::new();
    GENERATED.get_or_init(|| {
        let place = Place::new();
        let made = skewed(&place.join("data"));
        Generated { place, made }
    })
}

fn trained(strategy: &str) -> (Value, ByKey) {
    let _slots = slots::take(3);
    let place = Place::new();
    let (input, output) = (generated().place.join("data"), place.join("models"));
    let job = job::training("skewed", &input, "store", &SKEWED_FEATURES, "sales", &output);
    let status = place.run(&job::with_strategy(job, strategy)).succeeded();
    (status, by_key(&read_delta(&output), &["store"]))
}

fn count(models: &ByKey, holds: impl Fn(&Value) -> bool) -> usize {
    models.values().filter(|model| holds(model)).count()
}

fn sum(models: &ByKey, column: &str) -> u64 {
    models.values().map(|model| model[column].as_u64().unwrap()).sum()
}

#[test]
fn both_strategies_give_the_same_table() {
    let Generated { made, place } = generated();
    let (by_state, states) = trained("aggregate");
    let (by_row, rows) = trained("bucket");

    assert_eq!(states.len(), SKEWED_GROUPS);
    assert_eq!(sum(&states, "rows_used") + sum(&states, "rows_dropped"), made.rows, "no row is lost or counted twice");
    assert_eq!(count(&states, |model| model["status"] == "too_few_rows"), made.single + made.no_target);
    assert_eq!(count(&states, |model| model["status"] == "rank_deficient"), made.deficient);
    let failed = (made.single + made.no_target + made.deficient) as u64;
    assert_eq!(count(&states, |model| model["status"] == "ok"), SKEWED_GROUPS - failed as usize);
    assert!(states.contains_key(&json!([null]).to_string()), "a null key is a group of its own");
    assert_same(&states, &rows);

    for status in [&by_state, &by_row] {
        let counters = &status["report"]["counters"];
        assert_eq!(counters["groupsFailed"], failed, "{status:#}");
        assert_eq!(counters["groupsOk"], SKEWED_GROUPS as u64 - failed, "{status:#}");
        assert!(counters["bytesFetched"].as_u64().unwrap() > 0, "{status:#}");
        assert!(status["report"]["peakMemoryBytes"].as_u64().unwrap() > 0, "{status:#}");
    }

    let sample =
        Fit { table: &place.join("data"), keys: &["store"], features: &SKEWED_FEATURES, target: "sales", every: 97 };
    let sample = by_key(&statsmodels(&sample), &["store"]);
    assert!(sample.len() > 150, "{} groups were fitted", sample.len());
    assert_agrees(&states, &sample);
}
