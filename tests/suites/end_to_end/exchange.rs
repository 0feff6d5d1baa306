//! What moves between workers, counted on both ends; and what the head must never hold.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shoal_testkit::eventually;
use shoal_tests::cluster::{Head, Worker};
use shoal_tests::data::{SKEWED_FEATURES, SKEWED_GROUPS, Skewed, skewed};
use shoal_tests::http::{metric, metric_names};
use shoal_tests::oracle::{Fit, read_delta, statsmodels};
use shoal_tests::table::{ByKey, assert_agrees, assert_same, by_key, without_models};
use shoal_tests::{job, slots};

use crate::place::Place;

const SERVED: &str = "shoal_flight_bytes_served_total";
const FETCHED: &str = "shoal_flight_bytes_fetched_total";

/// So little that rows of 20,000 groups do not fit into the part of it that is for partitions.
const MEMORY: &str = "16Mi";

/// A head and two workers that have nothing in common but the network, the input and the output.
struct Cluster {
    place: Place,
    head: Head,
    workers: [Worker; 2],
}

/// What came of a job.
struct Trained {
    status: Value,
    models: ByKey,
    /// Bytes of partitions that were seen in the scratch folders.
    most_on_disk: f64,
}

impl Cluster {
    fn start() -> Self {
        let place = Place::new();
        let head = Head::start(&place.join("state"), &[]);
        let start = |name: &str| Worker::start_private(&head, name, 1, &place.join(name), &["--memory", MEMORY]);
        let workers = ["one", "two"].map(start);
        head.wait_for_workers(2);
        Self { place, head, workers }
    }

    fn counted(&self, name: &str) -> f64 {
        self.workers.iter().map(|worker| metric(&worker.metrics(), name, &[])).sum()
    }

    /// Runs a job by a strategy, compares what the workers count, and gives its status and table.
    fn train(&self, job: &Value, strategy: &str, key: &str) -> Trained {
        let before = self.counted(FETCHED);
        let file = self.place.job(&job::with_strategy(job.clone(), strategy));
        self.head.submit(&file, &[]).succeeded();
        let mut most_on_disk = 0.0_f64;
        let status = eventually("the job ends", || {
            most_on_disk = most_on_disk.max(self.on_disk());
            let status = self.head.job(strategy);
            ["Succeeded", "Failed"].contains(&status["phase"].as_str()?).then_some(status)
        });
        assert_eq!(status["phase"], "Succeeded", "{status:#}");

        let fetched = self.counted(FETCHED);
        assert!(fetched > before, "{strategy}: nothing was exchanged: {status:#}");
        assert_eq!(self.counted(SERVED), fetched, "{strategy}: what was handed out is what arrived");
        assert_eq!(status["report"]["counters"]["bytesFetched"], fetched - before, "{strategy}: the report agrees");
        let table = job["spec"]["groupedTraining"]["output"]["table"].as_str().unwrap();
        Trained { status, models: by_key(&without_models(read_delta(table.as_ref())), &[key]), most_on_disk }
    }

    fn on_disk(&self) -> f64 {
        let of = |worker: &Worker| metric(&worker.metrics(), "shoal_worker_partition_bytes", &["place=\"disk\""]);
        self.workers.iter().map(of).sum()
    }

    /// The head hears of partitions, but never has their content; and workers let go of it.
    fn assert_nothing_is_kept(&self) {
        let (metrics, exchanged) = (self.head.metrics(), self.counted(FETCHED));
        assert_eq!(metric(&metrics, "shoal_exchanged_bytes_total", &[]), exchanged);
        let received = metric(&metrics, "shoal_head_received_bytes_total", &[]);
        assert!(received > 0.0 && received < exchanged / 20.0, "the head received {received} of {exchanged} bytes");
        let known: BTreeSet<&str> = metric_names(&metrics).into_iter().collect();
        // What workers say that they hold is no data.
        let told = "shoal_held_partition_bytes";
        let is_of_data = |name: &&&str| (name.contains("partition") || name.contains("flight")) && **name != told;
        let suspicious: Vec<&&str> = known.iter().filter(is_of_data).collect();
        assert!(suspicious.is_empty(), "a head has no {suspicious:?}");
        for worker in &self.workers {
            eventually("partitions are freed after the commit", || {
                (metric(&worker.metrics(), "shoal_worker_partition_bytes", &[]) == 0.0).then_some(())
            });
        }
    }
}

#[test]
fn grunfeld_is_exchanged_by_both_strategies() {
    let _slots = slots::take(4);
    let cluster = Cluster::start();
    let trained = ["aggregate", "bucket"].map(|strategy| {
        let job = job::grunfeld(strategy, &cluster.place.join(strategy));
        cluster.train(&job, strategy, "firm").models
    });
    assert_same(&trained[0], &trained[1]);
    assert_eq!(trained[0].len(), 11);
}

#[test]
fn twenty_thousand_skewed_groups_are_exchanged_by_both_strategies() {
    let _slots = slots::take(4);
    let cluster = Cluster::start();
    let data = cluster.place.join("data");
    let made = skewed(&data);
    let [by_state, by_row] = ["aggregate", "bucket"].map(|strategy| {
        let job = job::training(strategy, &data, "store", &SKEWED_FEATURES, "sales", &cluster.place.join(strategy));
        let trained = cluster.train(&job, strategy, "store");
        assert_counted(&trained.status, &made);
        trained
    });
    assert!(by_row.most_on_disk > 0.0, "rows lie in the scratch folders, which the other worker cannot read");
    let [by_state, by_row] = [by_state.models, by_row.models];
    assert_complete(&by_state, &made);
    assert_same(&by_state, &by_row);
    cluster.assert_nothing_is_kept();

    let sample = Fit { table: &data, keys: &["store"], features: &SKEWED_FEATURES, target: "sales", every: 97 };
    let sample = by_key(&statsmodels(&sample), &["store"]);
    assert!(sample.len() > 150, "{} groups were fitted", sample.len());
    assert_agrees(&by_state, &sample);
}

/// What the report says of the groups is what was generated.
fn assert_counted(status: &Value, made: &Skewed) {
    let counters = &status["report"]["counters"];
    let failed = made.single + made.no_target + made.deficient;
    assert_eq!(counters["groupsFailed"], failed, "{status:#}");
    assert_eq!(counters["groupsOk"], SKEWED_GROUPS - failed, "{status:#}");
    assert!(status["report"]["peakMemoryBytes"].as_u64().unwrap() > 0, "{status:#}");
}

/// Every group is there, with every one of its rows.
fn assert_complete(models: &ByKey, made: &Skewed) {
    let count = |status: &str| models.values().filter(|model| model["status"] == status).count();
    let sum = |column: &str| models.values().map(|model| model[column].as_u64().unwrap()).sum::<u64>();
    assert_eq!(models.len(), SKEWED_GROUPS);
    assert_eq!(sum("rows_used") + sum("rows_dropped"), made.rows, "no row is lost or counted twice");
    assert_eq!(count("too_few_rows"), made.single + made.no_target);
    assert_eq!(count("rank_deficient"), made.deficient);
    assert!(models.contains_key(&json!([null]).to_string()), "a null key is a group of its own");
}
