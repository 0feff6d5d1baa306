//! Whether tasks may read whole groups, so that no rows have to be exchanged. Pure.

use shoal_core::limits::STAGE_TASKS_MAX;
use shoal_engine::columns::KeyColumn;
use shoal_engine::table::{Cluster, Split};

/// Bytes of a cluster's rows at the most: it is read by one task, which sorts on its disk what its memory does not hold.
const CLUSTER_BYTES_MAX: u64 = 256 << 20;

/// How many times its share of the rows one task may have. An exchange would deal them evenly, and costs about as much as
/// reading them once more.
const SHARES_MAX: u64 = 2;

/// How a clustered input is read.
#[derive(Debug, PartialEq)]
pub(super) enum Reading {
    /// By tasks that have whole groups each.
    WholeGroups(Vec<Split>),
    /// As one that is not clustered: why not otherwise.
    AsRowsLie(String),
}

/// Cuts clusters into a task's worth each, in their order, as long as no task gets much more than others.
///
/// `row_bytes` are those of a row in memory, `task_bytes` those of the rows that a task holds.
pub(super) fn reading(clusters: &[Cluster], row_bytes: u64, slots: u32, task_bytes: u64) -> Reading {
    let rows: u64 = clusters.iter().map(|cluster| cluster.rows).sum();
    let largest = clusters.iter().map(|cluster| cluster.rows).max().unwrap_or(0);
    let slots = u64::from(slots.max(1));
    if largest > rows.div_ceil(slots).saturating_mul(SHARES_MAX)
        || largest.saturating_mul(row_bytes) > CLUSTER_BYTES_MAX
    {
        return Reading::AsRowsLie(format!("{largest} of {rows} rows lie in one range of keys"));
    }
    let rounds = rows.saturating_mul(row_bytes).div_ceil(task_bytes.saturating_mul(slots)).max(1);
    // Two neighbours together always exceed the target, or they would share a task.
    let least = rows.div_ceil((STAGE_TASKS_MAX / 2) as u64);
    let target = rows.div_ceil(rounds.saturating_mul(slots)).max(least).max(1);
    let mut tasks: Vec<(u64, Vec<&Cluster>)> = Vec::new();
    for cluster in clusters {
        match tasks.last_mut() {
            Some((rows, task)) if *rows + cluster.rows <= target => {
                *rows += cluster.rows;
                task.push(cluster);
            }
            _ => tasks.push((cluster.rows, vec![cluster])),
        }
    }
    // Within a cluster slices stay in the order of the input's rows, on which the last bit of sums depends.
    let split =
        |(_, task): (u64, Vec<&Cluster>)| Split::of(task.into_iter().flat_map(|cluster| cluster.split.slices.clone()));
    Reading::WholeGroups(tasks.into_iter().map(split).collect())
}

/// The columns that the input is clustered by, for the report.
pub(super) fn in_words(keys: &[KeyColumn]) -> String {
    keys.iter().map(|key| format!("`{}`", key.name)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shoal_engine::table::FileSlice;

    use super::*;

    /// Clusters of so many rows in one file, of 100 bytes each.
    fn clusters(rows: &[u64]) -> Vec<Cluster> {
        let slice = |(start, _): (u64, &u64)| FileSlice {
            path: "/t.parquet".into(),
            start: start * 100,
            end: start * 100 + 100,
            file_bytes: rows.len() as u64 * 100,
        };
        let made = (0..).zip(rows).map(|it| Cluster { rows: *it.1, split: Split::of([slice(it)]) });
        made.collect()
    }

    fn tasks(reading: &Reading) -> Option<Vec<u64>> {
        match reading {
            Reading::WholeGroups(splits) => Some(splits.iter().map(|split| split.bytes / 100).collect()),
            Reading::AsRowsLie(_) => None,
        }
    }

    #[test]
    fn clusters_fill_the_slots_unless_one_has_too_much() {
        // (rows of clusters, slots, clusters of each task)
        for (rows, slots, expected) in [
            (vec![10; 8], 4, Some(vec![2, 2, 2, 2])),
            (vec![10; 9], 4, Some(vec![2, 2, 2, 2, 1])),
            (vec![10, 10], 4, Some(vec![1, 1])),
            (vec![10, 10, 60], 4, None),
            (vec![10, 10, 60], 2, Some(vec![2, 1])),
            (vec![10, 10, 60], 1, Some(vec![3])),
        ] {
            let reading = reading(&clusters(&rows), 8, slots, 1 << 20);
            assert_eq!(tasks(&reading), expected, "{rows:?} on {slots}");
        }
        let why = reading(&clusters(&[10, 10, 60]), 8, 4, 1 << 20);
        assert_eq!(why, Reading::AsRowsLie("60 of 80 rows lie in one range of keys".into()));
    }

    #[test]
    fn a_task_gets_no_more_than_it_holds_unless_a_cluster_has_more() {
        let many = reading(&clusters(&[10; 16]), 8, 2, 160);
        assert_eq!(tasks(&many), Some(vec![2; 8]));
        let huge = reading(&clusters(&[1 << 30, 1 << 30]), 8, 2, 160);
        assert_eq!(tasks(&huge), None);
    }

    proptest! {
        #[test]
        fn every_cluster_is_in_one_task_as_a_whole(
            rows in prop::collection::vec(1..1000_u64, 2..60),
            slots in 1..20_u32,
            task_bytes in 8..100_000_u64,
        ) {
            let clusters = clusters(&rows);
            if let Reading::WholeGroups(splits) = reading(&clusters, 8, slots, task_bytes) {
                prop_assert!(splits.len() <= STAGE_TASKS_MAX);
                let slices: Vec<&FileSlice> = splits.iter().flat_map(|split| &split.slices).collect();
                prop_assert!(slices.windows(2).all(|pair| pair[0].end == pair[1].start));
                prop_assert_eq!(slices.iter().map(|slice| slice.end - slice.start).sum::<u64>(), rows.len() as u64 * 100);
                prop_assert!(slices.iter().all(|slice| slice.start % 100 == 0 && slice.end % 100 == 0));
            }
        }
    }
}
