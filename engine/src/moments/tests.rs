//! The functions inside queries, against moments that are folded row by row.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::datasource::MemTable;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext, col};
use proptest::prelude::*;
use shoal_ml::Moments;

use super::accumulate::{Input, MomentsAccumulator};
use super::{MomentsColumn, merge_moments_udaf, moments_udaf};

const VARIABLES: usize = 3;

/// A key and its variables.
type Row = (Option<i64>, [Option<f64>; VARIABLES]);

/// Moments and dropped rows by key.
type Groups = BTreeMap<Option<i64>, (Moments, u64)>;

fn rows(max: usize) -> impl Strategy<Value = Vec<Row>> {
    let value = prop_oneof![
        20 => (-1e3..1e3).prop_map(Some),
        1 => Just(None),
        1 => Just(Some(f64::NAN)),
        1 => Just(Some(f64::INFINITY)),
    ];
    prop::collection::vec((prop::option::of(0..5_i64), prop::array::uniform3(value)), 1..max)
}

fn batch(rows: &[Row]) -> RecordBatch {
    let key: ArrayRef = Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>());
    let variable = |index: usize| Arc::new(rows.iter().map(|row| row.1[index]).collect::<Float64Array>()) as ArrayRef;
    let columns = [("key", key, true), ("x1", variable(0), true), ("x2", variable(1), true), ("y", variable(2), true)];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn expected(rows: &[Row]) -> Groups {
    let mut groups = Groups::new();
    for (key, values) in rows {
        let (moments, dropped) = groups.entry(*key).or_insert_with(|| (Moments::new(VARIABLES), 0));
        match values.map(|value| value.unwrap_or(f64::NAN)) {
            values if values.iter().all(|value| value.is_finite()) => moments.as_mut().push(&values),
            _ => *dropped += 1,
        }
    }
    groups
}

fn found(batches: &[RecordBatch]) -> Groups {
    let mut groups = Groups::new();
    for batch in batches {
        let keys = batch.column(0).as_primitive::<Int64Type>();
        let states = MomentsColumn::new(batch.column(1), VARIABLES).unwrap();
        for row in 0..batch.num_rows() {
            let moments = states.get(row);
            let owned = Moments {
                count: moments.count as f64,
                mean: moments.mean.to_vec(),
                comoment: moments.comoment.to_vec(),
            };
            let key = keys.is_valid(row).then(|| keys.value(row));
            assert!(groups.insert(key, (owned, states.dropped(row))).is_none(), "{key:?} is there twice");
        }
    }
    groups
}

fn assert_same(found: &Groups, expected: &Groups) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    let close = |a: &[f64], b: &[f64]| {
        // Sums of up to some thousand squares of values below 1000.
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-6 + 1e-9 * b.abs())
    };
    for (key, (expected, dropped)) in expected {
        let (found, found_dropped) = &found[key];
        assert_eq!((found.count, found_dropped), (expected.count, dropped), "{key:?}");
        assert!(close(&found.mean, &expected.mean), "{key:?}: {found:?}, {expected:?}");
        assert!(close(&found.comoment, &expected.comoment), "{key:?}: {found:?}, {expected:?}");
    }
}

fn moments_by_key(rows: DataFrame) -> DataFrame {
    let moments = moments_udaf(VARIABLES).call(vec![col("x1"), col("x2"), col("y")]).alias("moments");
    rows.aggregate(vec![col("key")], vec![moments]).unwrap()
}

async fn table(context: &SessionContext, partitions: Vec<Vec<RecordBatch>>) -> DataFrame {
    let schema = partitions[0][0].schema();
    context.read_table(Arc::new(MemTable::try_new(schema, partitions).unwrap())).unwrap()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_query_over_partitions_gives_what_folding_gives(rows in rows(300), batch_rows in 1..50_usize) {
        let batches: Vec<RecordBatch> = rows.chunks(batch_rows).map(batch).collect();
        let partitions: Vec<Vec<RecordBatch>> = batches.chunks(2).map(<[_]>::to_vec).collect();
        let config = SessionConfig::new().with_target_partitions(3).with_batch_size(64);
        let groups = block_on(async {
            let context = SessionContext::new_with_config(config);
            moments_by_key(table(&context, partitions).await).collect().await.unwrap()
        });
        assert_same(&found(&groups), &expected(&rows));
    }

    #[test]
    fn states_merge_to_the_same_however_rows_are_split(rows in rows(200), split in 1..60_usize, reverse: bool) {
        let merged = block_on(async {
            let context = SessionContext::new();
            let mut states = Vec::new();
            for part in rows.chunks(split) {
                states.extend(moments_by_key(table(&context, vec![vec![batch(part)]]).await).collect().await.unwrap());
            }
            if reverse {
                states.reverse();
            }
            let merge = merge_moments_udaf(VARIABLES).call(vec![col("moments")]).alias("moments");
            let partitions = states.chunks(2).map(<[_]>::to_vec).collect();
            let merged = table(&context, partitions).await.aggregate(vec![col("key")], vec![merge]).unwrap();
            merged.collect().await.unwrap()
        });
        assert_same(&found(&merged), &expected(&rows));
    }

    #[test]
    fn groups_can_be_taken_out_in_pieces(rows in rows(100), first in 0..6_usize, filter_seed in any::<u64>()) {
        let keep: Vec<bool> = (0..rows.len()).map(|row| filter_seed >> (row % 64) & 1 == 1).collect();
        let kept: Vec<Row> = rows.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(row, _)| *row).collect();
        let columns = batch(&rows).columns()[1..].to_vec();
        let groups: Vec<usize> = rows.iter().map(|row| row.0.map_or(5, |key| key as usize)).collect();

        let mut accumulator = MomentsAccumulator::grouped(Input::Rows, VARIABLES);
        let filter = BooleanArray::from(keep);
        GroupsAccumulator::update_batch(&mut accumulator, &columns, &groups, Some(&filter), 6).unwrap();
        let pieces = [accumulator.evaluate(EmitTo::First(first)).unwrap(), accumulator.evaluate(EmitTo::All).unwrap()];
        prop_assert_eq!((pieces[0].len(), pieces[1].len()), (first, 6 - first));

        // States of single rows, merged, are the same again.
        let states = MomentsAccumulator::grouped(Input::Rows, VARIABLES).convert_to_state(&columns, Some(&filter)).unwrap();
        let mut merging = MomentsAccumulator::grouped(Input::Moments, VARIABLES);
        GroupsAccumulator::merge_batch(&mut merging, &states, &groups, 6).unwrap();
        let merged = merging.state(EmitTo::All).unwrap().remove(0);

        let keys: ArrayRef = Arc::new(Int64Array::from(vec![Some(0), Some(1), Some(2), Some(3), Some(4), None]));
        let together = arrow::compute::concat(&[pieces[0].as_ref(), pieces[1].as_ref()]).unwrap();
        let mut expected = expected(&kept);
        for key in [Some(0), Some(1), Some(2), Some(3), Some(4), None] {
            expected.entry(key).or_insert_with(|| (Moments::new(VARIABLES), 0));
        }
        for states in [together, merged] {
            let columns = [("key", Arc::clone(&keys), true), ("moments", states, true)];
            assert_same(&found(&[RecordBatch::try_from_iter_with_nullable(columns).unwrap()]), &expected);
        }
    }
}

#[test]
fn a_query_without_groups_gives_one_state() {
    let rows = vec![(None, [Some(1.0), Some(2.0), Some(3.0)]), (None, [Some(2.0), None, Some(1.0)])];
    let groups = block_on(async {
        let context = SessionContext::new();
        let moments = moments_udaf(VARIABLES).call(vec![col("x1"), col("x2"), col("y")]);
        table(&context, vec![vec![batch(&rows)]])
            .await
            .aggregate(vec![], vec![moments])
            .unwrap()
            .collect()
            .await
            .unwrap()
    });
    let states = MomentsColumn::new(groups[0].column(0), VARIABLES).unwrap();
    assert_eq!((states.get(0).count, states.dropped(0), states.get(0).mean), (1, 1, &[1.0, 2.0, 3.0][..]));
}

#[test]
fn integers_are_cast_and_distinct_is_refused() {
    let outcome = block_on(async {
        let context = SessionContext::new();
        context.register_udaf(moments_udaf(2));
        let counts = context.sql("SELECT moments(value, value)['count'] FROM generate_series(1, 10)").await.unwrap();
        let distinct = context.sql("SELECT moments(DISTINCT value, value) FROM generate_series(1, 10)").await;
        let distinct = match distinct {
            Ok(query) => query.collect().await,
            Err(error) => Err(error),
        };
        (counts.collect().await.unwrap(), distinct)
    });
    assert_eq!(outcome.0[0].column(0).as_primitive::<arrow::datatypes::UInt64Type>().value(0), 10);
    assert!(outcome.1.unwrap_err().to_string().contains("DISTINCT"));
}

#[test]
fn too_many_groups_for_memory_spill_and_come_out_whole() {
    let rows: Vec<Row> = (0..40_000_i64)
        .map(|row| (Some(row % 20_000), [Some(row as f64), Some((row % 7) as f64), Some((row % 11) as f64)]))
        .collect();
    let scratch = tempfile::tempdir().unwrap();
    let (groups, spills) = block_on(async {
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(3 << 20)))
            .with_temp_file_path(scratch.path())
            .build_arc()
            .unwrap();
        // As many groups as rows at first: partial aggregation must not be given up for states of single rows.
        let mut config = SessionConfig::new().with_target_partitions(1).with_batch_size(1024);
        config.options_mut().execution.sort_spill_reservation_bytes = 64 << 10;
        let context = SessionContext::new_with_config_rt(config, runtime);
        let batches = rows.chunks(1024).map(batch).collect();
        let plan = moments_by_key(table(&context, vec![batches]).await).create_physical_plan().await.unwrap();
        let groups = collect(Arc::clone(&plan), context.task_ctx()).await.unwrap();
        (groups, spill_count(plan.as_ref()))
    });
    assert!(spills > 0, "nothing was spilled");
    assert!(groups.iter().all(|batch| matches!(batch.column(1).data_type(), DataType::Struct(_))));
    assert_same(&found(&groups), &expected(&rows));
}

fn spill_count(plan: &dyn ExecutionPlan) -> usize {
    let own = plan.metrics().and_then(|metrics| metrics.spill_count()).unwrap_or_default();
    own + plan.children().into_iter().map(|child| spill_count(child.as_ref())).sum::<usize>()
}
