use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Float64Type, Int32Type, Int64Type};
use shoal_core::functions::{FailedGroup, Groups, Returns};
use shoal_core::spec::v1alpha1::{Returned, ReturnedType};

use super::{FunctionTable, Packed, Packer};
use crate::columns::{FrameColumn, KeyColumn, ResolvedColumns};
use crate::group_apply::{GroupCutter, GroupTrainer};

/// A frame of the value, the key as it is in the table, and another value.
fn columns() -> ResolvedColumns {
    let seen = |name: &str, data_type, key| FrameColumn { name: name.to_owned(), data_type, key };
    ResolvedColumns {
        keys: vec![KeyColumn { name: "firm".to_owned(), data_type: DataType::Int64 }],
        frame: vec![
            seen("x", DataType::Float64, None),
            seen("firm", DataType::Int32, Some(0)),
            seen("name", DataType::Utf8, None),
        ],
        features: Vec::new(),
        categories: Vec::new(),
        target: None,
        weight: None,
        fold: None,
        filter: None,
    }
}

/// Rows of firms, in their order: the key, and what is selected beside it.
fn rows(firms: &[i64]) -> RecordBatch {
    let key: ArrayRef = Arc::new(Int64Array::from(firms.to_vec()));
    let x: ArrayRef = Arc::new(Float64Array::from_iter_values((0..firms.len()).map(|row| row as f64)));
    let name: ArrayRef = Arc::new(StringArray::from_iter_values(firms.iter().map(|firm| format!("firm {firm}"))));
    RecordBatch::try_from_iter([("firm", key), ("__variable_0", x), ("__variable_1", name)]).unwrap()
}

fn packed(packer: &mut Packer, batches: &[RecordBatch]) -> Vec<Packed> {
    let mut cutter = GroupCutter::new(1);
    for batch in batches {
        cutter.push(batch, packer).unwrap();
    }
    cutter.end(packer).unwrap();
    packer.close().unwrap();
    std::iter::from_fn(|| packer.take()).collect()
}

fn groups(packed: &Packed) -> &Groups {
    match packed {
        Packed::Groups(groups) => groups,
        Packed::TooLarge(..) => panic!("{packed:?}"),
    }
}

#[test]
fn groups_come_whole_with_their_keys_as_the_table_has_them() {
    let mut packer = Packer::new(&columns(), u64::MAX);
    let packed = packed(&mut packer, &[rows(&[1, 1, 2]), rows(&[2, 2]), rows(&[3])]);
    let [message] = packed.as_slice() else { panic!("{packed:?}") };
    let Groups { rows, keys, ends, pieces: None, predicting: None } = groups(message) else { panic!("{message:?}") };
    assert_eq!(ends, &[2, 5, 6]);
    assert_eq!(keys.column(0).as_primitive::<Int64Type>().values(), &[1, 2, 3]);
    assert_eq!(rows["x"].as_primitive::<Float64Type>().values(), &[0.0, 1.0, 2.0, 0.0, 1.0, 0.0]);
    assert_eq!(rows["firm"].as_primitive::<Int32Type>().values(), &[1, 1, 2, 2, 2, 3]);
    assert_eq!(
        rows.schema().fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(),
        ["x", "firm", "name"]
    );
    assert_eq!(rows["name"].as_string::<i32>().value(4), "firm 2");
}

#[test]
fn messages_hold_many_groups_and_no_group_is_cut() {
    let firms: Vec<i64> = (0..40_000).map(|row| row / 10).collect();
    let batches: Vec<RecordBatch> = firms.chunks(8_192).map(rows).collect();
    let packed = packed(&mut Packer::new(&columns(), u64::MAX), &batches);
    assert!((2..10).contains(&packed.len()), "{}", packed.len());
    let ends: Vec<Vec<u64>> = packed.iter().map(|message| groups(message).ends.clone()).collect();
    assert_eq!(ends.iter().map(Vec::len).sum::<usize>(), 4_000);
    for (ends, message) in ends.iter().zip(&packed) {
        assert!(ends.iter().zip(1_u64..).all(|(end, group)| *end == 10 * group));
        assert_eq!(groups(message).rows.num_rows() as u64, *ends.last().unwrap());
    }
}

#[test]
fn a_group_that_nobody_can_hold_is_told_of_and_its_neighbours_are_not_lost() {
    let mut packer = Packer::new(&columns(), 2_000);
    let many = vec![2; 1_000];
    let packed = packed(&mut packer, &[rows(&[1]), rows(&many), rows(&many), rows(&[3, 3])]);
    let [before, Packed::TooLarge(key, rows), after] = packed.as_slice() else { panic!("{packed:?}") };
    assert_eq!((groups(before).len(), groups(after).ends.as_slice()), (1, &[2][..]));
    assert_eq!((key.column(0).as_primitive::<Int64Type>().value(0), *rows), (2, 2_000));
}

#[test]
fn a_group_that_nobody_can_hold_comes_in_pieces_where_these_are_wanted() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("attempt");
    let mut packer = Packer::new(&columns(), 2_000).with_pieces_in(folder.clone());
    let many: Vec<i64> = vec![2; 50_000];
    let batches = [rows(&[1]), rows(&many), rows(&many), rows(&many), rows(&[3, 3])];
    let packed = packed(&mut packer, &batches);
    let [before, large, after] = packed.as_slice() else { panic!("{packed:?}") };
    assert_eq!((groups(before).len(), groups(after).ends.as_slice()), (1, &[2][..]));
    let large = groups(large);
    assert_eq!((large.ends.as_slice(), large.rows.num_rows()), (&[150_000][..], 0));
    assert_eq!(large.keys.column(0).as_primitive::<Int64Type>().values(), &[2]);
    let pieces = &large.pieces.as_ref().unwrap().0;
    assert_eq!(pieces.rows(), [1 << 16, 1 << 16, 150_000 - (2 << 16)]);
    // As often as they are asked for, in any order.
    let read: Vec<RecordBatch> = [2, 0, 1, 0].into_iter().map(|piece| pieces.read(piece).unwrap()).collect();
    assert_eq!(read[1], read[3]);
    let x = |batch: &RecordBatch| batch["x"].as_primitive::<Float64Type>().values().to_vec();
    let all = [x(&read[1]), x(&read[2]), x(&read[0])].concat();
    assert!(all.iter().enumerate().all(|(row, x)| *x == (row % 50_000) as f64));
    assert!(read.iter().all(|batch| batch.schema() == large.rows.schema()));
    assert!(read[0]["firm"].as_primitive::<Int32Type>().values().iter().all(|firm| *firm == 2));
    assert!(pieces.read(3).is_err());
    // Nobody has to tidy up.
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn pieces_of_wide_rows_have_few_of_them() {
    let scratch = tempfile::tempdir().unwrap();
    let mut columns = columns();
    columns.frame.retain(|seen| seen.name == "name");
    let mut packer = Packer::new(&columns, 2_000).with_pieces_in(scratch.path().to_owned());
    let keys: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![5]))];
    let wide: ArrayRef = Arc::new(StringArray::from_iter_values((0..3_000).map(|_| "x".repeat(10_000))));
    packer.rows(&[wide], 0..3_000).unwrap();
    packer.finish(&keys, 0).unwrap();
    let message = packer.take().unwrap();
    let rows = groups(&message).pieces.as_ref().unwrap().0.rows().to_vec();
    assert_eq!(rows.iter().sum::<u64>(), 3_000);
    assert!(rows.len() == 4 && rows.iter().all(|rows| *rows < 850), "{rows:?}");
}

#[test]
fn a_function_may_see_nothing_but_keys() {
    let mut columns = columns();
    columns.frame.retain(|seen| seen.key.is_some());
    let mut packer = Packer::new(&columns, u64::MAX);
    let keys: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![5]))];
    packer.rows(&[], 0..3).unwrap();
    packer.finish(&keys, 0).unwrap();
    packer.close().unwrap();
    let message = packer.take().unwrap();
    assert_eq!(groups(&message).rows["firm"].as_primitive::<Int32Type>().values(), &[5, 5, 5]);
}

#[test]
fn a_row_per_result_and_one_for_each_group_that_failed() {
    let returns = [Returned { name: "slope".to_owned(), data_type: ReturnedType::Float64 }];
    let table = FunctionTable::new(&[Field::new("firm", DataType::Int64, true)], &returns);
    let keys: ArrayRef = Arc::new(Int64Array::from(vec![10, 20, 30, 40]));
    let slopes: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0]));
    let failed = FailedGroup {
        group: 1,
        status: "raised".to_owned(),
        error_type: Some("ValueError".to_owned()),
        message: "ValueError: no".to_owned(),
        trace: None,
    };
    let returned = Returns {
        groups: Groups {
            rows: rows(&[0; 10]),
            keys: RecordBatch::try_from_iter([("firm", keys)]).unwrap(),
            ends: vec![1, 3, 6, 10],
            pieces: None,
            predicting: None,
        },
        rows: RecordBatch::try_from_iter([("slope", slopes)]).unwrap(),
        // The third group returned two rows, the last one none.
        group_of_row: vec![0, 2, 2],
        failed: vec![failed],
        counted: Default::default(),
        took: Vec::new(),
    };
    let (batch, counts) = table.rows(&returned).unwrap();
    assert_eq!((counts.ok, counts.failed, counts.rows_used), (3, 1, 10));
    assert_eq!(batch["firm"].as_primitive::<Int64Type>().values(), &[10, 20, 30, 30]);
    assert_eq!(batch["status"].as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["ok", "raised", "ok", "ok"]);
    assert_eq!(batch["message"].as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["ValueError: no"]);
    assert_eq!(batch["rows_used"].as_primitive::<Int64Type>().values(), &[1, 2, 3, 3]);
    let slopes: Vec<Option<f64>> = batch["slope"].as_primitive::<Float64Type>().iter().collect();
    assert_eq!(slopes, [Some(1.0), None, Some(2.0), Some(3.0)]);
}
