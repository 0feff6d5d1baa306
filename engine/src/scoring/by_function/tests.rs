use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};
use shoal_core::Reason;
use shoal_core::functions::{FailedGroup, Groups, Predicting, Returns};
use shoal_core::spec::v1alpha1::{Returned, ReturnedType};

use super::*;
use crate::columns::KeyColumn;
use crate::group_apply::GroupCutter;

fn column(name: &str, data_type: DataType) -> FrameColumn {
    FrameColumn { name: name.to_owned(), data_type, key: None }
}

/// Rows of firms; the function sees `x`, and the output has `firm` as well.
fn scoring() -> FunctionScoring {
    let kept =
        |place, name: &str, data_type| KeptFrom { place, column: KeptColumn { name: name.to_owned(), data_type } };
    FunctionScoring {
        columns: ResolvedColumns {
            keys: vec![KeyColumn { name: "firm".to_owned(), data_type: DataType::Int64 }],
            frame: vec![column("x", DataType::Float64), column("firm", DataType::UInt16)],
            features: Vec::new(),
            categories: Vec::new(),
            target: None,
            weight: None,
            fold: None,
            filter: None,
        },
        seen: 1,
        kept: vec![kept(1, "firm", DataType::Int32), kept(0, "x", DataType::Float64)],
        models: vec![column("model", DataType::Binary), column("slope", DataType::Float64)],
        statuses: vec!["ok".to_owned()],
        returns: vec![Returned { name: "prediction".to_owned(), data_type: ReturnedType::Float64 }],
    }
}

/// Models of these firms as `models_frame` selects them, each of so many bytes; those of odd firms have failed.
fn models(firms: &[Option<i64>], bytes: usize) -> RecordBatch {
    let status = |firm: &Option<i64>| if firm.is_some_and(|firm| firm % 2 == 1) { "raised" } else { "ok" };
    let pickle = vec![7; bytes];
    let columns: [(&str, ArrayRef); 4] = [
        ("key_0", Arc::new(Int64Array::from(firms.to_vec()))),
        ("status", Arc::new(StringArray::from_iter_values(firms.iter().map(status)))),
        ("model_0", Arc::new(BinaryArray::from_iter_values(firms.iter().map(|_| &pickle)))),
        ("model_1", Arc::new(firms.iter().map(|firm| firm.map(|firm| firm as f64)).collect::<Float64Array>())),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn held(batches: &[RecordBatch]) -> HeldModels {
    let mut held = HeldModels::new(&scoring()).unwrap();
    batches.iter().for_each(|batch| held.hold(batch.clone()).unwrap());
    held
}

/// Groups of these firms, with as many rows as their place and one; `x` counts all rows.
fn groups(firms: &[Option<i64>]) -> Groups {
    let of_rows: Vec<Option<i64>> =
        firms.iter().zip(1..).flat_map(|(firm, rows)| std::iter::repeat_n(*firm, rows)).collect();
    let ends = (1..=firms.len() as u64).map(|place| place * (place + 1) / 2).collect();
    let keys: ArrayRef = Arc::new(Int64Array::from(firms.to_vec()));
    Groups {
        rows: columns_of(&of_rows, 0),
        keys: RecordBatch::try_from_iter([("firm", keys)]).unwrap(),
        ends,
        pieces: None,
        predicting: None,
    }
}

fn columns_of(firms: &[Option<i64>], first: usize) -> RecordBatch {
    let x: ArrayRef = Arc::new(Float64Array::from_iter_values((0..firms.len()).map(|row| (first + row) as f64)));
    let firms: arrow::array::UInt16Array = firms.iter().map(|firm| firm.map(|firm| firm as u16)).collect();
    RecordBatch::try_from_iter([("x", x), ("firm", Arc::new(firms) as ArrayRef)]).unwrap()
}

fn models_of(groups: &Groups) -> &RecordBatch {
    &groups.predicting.as_ref().unwrap().models
}

fn numbers(batch: &RecordBatch, name: &str) -> Vec<Option<f64>> {
    batch[name].as_primitive::<Float64Type>().iter().collect()
}

fn texts(batch: &RecordBatch, name: &str) -> Vec<Option<String>> {
    batch[name].as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
}

#[test]
fn each_group_meets_its_model_whichever_batch_that_was_in() {
    let mut held = held(&[models(&[Some(8), None], 3), models(&[Some(2), Some(4)], 3)]);
    let met = held.meet(groups(&[Some(4), Some(8), None, Some(2)])).unwrap();
    assert_eq!(met.without, None);
    let [groups] = met.called.as_slice() else { panic!("{met:?}") };
    assert_eq!(groups.ends, [1, 3, 6, 10]);
    let models = models_of(groups);
    assert_eq!(numbers(models, "slope"), [Some(4.0), Some(8.0), None, Some(2.0)]);
    assert_eq!(
        models.schema().fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(),
        ["model", "slope"]
    );
}

#[test]
fn groups_without_a_model_are_told_and_keep_their_rows() {
    let mut held = held(&[models(&[Some(2), Some(3)], 3)]);
    let met = held.meet(groups(&[Some(3), Some(2), Some(6), None])).unwrap();
    let [called] = met.called.as_slice() else { panic!("{met:?}") };
    assert_eq!(
        (called.keys.column(0).as_primitive::<Int64Type>().values().as_ref(), called.ends.as_slice()),
        (&[2][..], &[2][..])
    );
    assert_eq!(numbers(&called.rows, "x"), [Some(1.0), Some(2.0)]);
    let without = met.without.unwrap();
    assert_eq!(without.ends, [1, 4, 8]);
    let [batch] = Predictions::new(&scoring()).unpredicted(&without).unwrap().try_into().unwrap();
    let reasons: Vec<&str> = batch["reason"].as_string::<i32>().iter().flatten().collect();
    assert_eq!(reasons[0], "model_failed: raised");
    assert!(reasons[1..].iter().all(|reason| *reason == "no_model"), "{reasons:?}");
    assert_eq!(numbers(&batch, "x"), [0, 3, 4, 5, 6, 7, 8, 9].map(|row| Some(f64::from(row))));
    assert_eq!(batch["prediction"].null_count(), 8);
    // The same groups again: they have none still.
    assert_eq!(held.meet(groups(&[Some(6)])).unwrap().called.len(), 0);
}

#[test]
fn large_models_make_short_messages_and_no_model_is_cut() {
    let firms: Vec<Option<i64>> = (0..20).map(|firm| Some(firm * 2)).collect();
    let mut held = held(&[models(&firms, 1 << 20)]);
    let met = held.meet(groups(&firms)).unwrap();
    assert!((4..=6).contains(&met.called.len()), "{}", met.called.len());
    for groups in &met.called {
        let kept = &groups.predicting.as_ref().unwrap().kept;
        assert_eq!((groups.rows.num_columns(), numbers(kept, "x")), (1, numbers(&groups.rows, "x")));
    }
    let found: Vec<Option<f64>> = met.called.iter().flat_map(|groups| numbers(models_of(groups), "slope")).collect();
    assert_eq!(found, firms.iter().map(|firm| firm.map(|firm| firm as f64)).collect::<Vec<_>>());
    let rows: Vec<Option<f64>> = met.called.iter().flat_map(|groups| numbers(&groups.rows, "x")).collect();
    assert_eq!(rows, (0..210).map(|row| Some(f64::from(row))).collect::<Vec<_>>());
}

#[test]
fn a_second_model_of_a_group_is_refused() {
    let mut held = held(&[models(&[Some(2), Some(4)], 3)]);
    let failure = held.hold(models(&[Some(6), Some(4)], 3)).unwrap_err();
    assert_eq!((failure.reason, failure.location.group.as_deref()), (Reason::DuplicateName, Some("firm=4")));
}

fn returns(groups: Groups, predictions: &[f64], group_of_row: Vec<u32>, failed: Vec<FailedGroup>) -> Returns {
    let values: ArrayRef = Arc::new(Float64Array::from(predictions.to_vec()));
    let kept = groups.rows.project(&[1, 0]).unwrap();
    let groups = Groups { predicting: Some(Predicting { models: groups.keys.clone(), kept }), ..groups };
    Returns {
        groups,
        rows: RecordBatch::try_from_iter([("prediction", values)]).unwrap(),
        group_of_row,
        failed,
        counted: Default::default(),
        took: Vec::new(),
    }
}

#[test]
fn each_row_has_its_prediction_or_why_there_is_none() {
    let table = Predictions::new(&scoring());
    let groups = groups(&[Some(2), Some(4), Some(6)]);
    let failed = FailedGroup {
        group: 1,
        status: "raised".to_owned(),
        error_type: Some("ValueError".to_owned()),
        message: "ValueError: no".to_owned(),
        trace: Some("a.py:3 in predict: raise".to_owned()),
    };
    let returns = returns(groups, &[0.5, 3.5, 4.5, 5.5], vec![0, 2, 2, 2], vec![failed]);
    let [batch] = table.predicted(&returns).unwrap().try_into().unwrap();
    assert_eq!(batch.schema(), *table.schema());
    assert_eq!(batch["firm"].as_primitive::<Int32Type>().values(), &[2, 4, 4, 6, 6, 6]);
    assert_eq!(numbers(&batch, "prediction"), [Some(0.5), None, None, Some(3.5), Some(4.5), Some(5.5)]);
    let why = Some("raised: ValueError: no".to_owned());
    assert_eq!(texts(&batch, "reason"), [None, why.clone(), why, None, None, None]);
    assert_eq!(texts(&batch, "trace")[2].as_deref(), Some("a.py:3 in predict: raise"));
}

#[test]
fn predictions_for_other_rows_than_were_asked_about_are_refused() {
    let table = Predictions::new(&scoring());
    for group_of_row in [vec![0, 1], vec![0, 0, 1], vec![0, 1, 1, 1]] {
        let groups = groups(&[Some(2), Some(4)]);
        let returns = returns(groups, &vec![1.0; group_of_row.len()], group_of_row, Vec::new());
        assert_eq!(table.predicted(&returns).unwrap_err().reason, Reason::Internal);
    }
}

#[test]
fn rows_of_a_long_message_come_in_batches() {
    let table = Predictions::new(&scoring());
    let firms = vec![Some(5); 20_000];
    let batches = table.too_large(columns_of(&firms, 0)).unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [8_192, 8_192, 3_616]);
    let reason = "group_too_large: the group has more rows than fit into the memory of a task";
    assert!(batches.iter().flat_map(|batch| texts(batch, "reason")).all(|found| found.as_deref() == Some(reason)));
}

fn messages(max: u64, batches: &[RecordBatch]) -> Vec<Message> {
    let mut messages = Messages::new(&scoring(), max);
    let mut cutter = GroupCutter::new(1);
    for batch in batches {
        cutter.push(batch, &mut messages).unwrap();
    }
    cutter.end(&mut messages).unwrap();
    messages.close().unwrap();
    std::iter::from_fn(|| messages.take()).collect()
}

/// Rows as they come out of an exchange.
fn exchanged(firms: Range<i64>, rows: usize) -> RecordBatch {
    let firms: Vec<Option<i64>> = firms.flat_map(|firm| std::iter::repeat_n(Some(firm), rows)).collect();
    let keys: ArrayRef = Arc::new(Int64Array::from(firms.clone()));
    let [x, firm] = columns_of(&firms, 0).columns().to_vec().try_into().unwrap();
    RecordBatch::try_from_iter([("key_0", keys), ("column_0", x), ("column_1", firm)]).unwrap()
}

#[test]
fn a_group_that_memory_does_not_hold_keeps_its_rows_and_its_neighbours_theirs() {
    let found = messages(1_000, &[exchanged(1..3, 5), exchanged(2..3, 500), exchanged(2..4, 7)]);
    let too_large: usize = found
        .iter()
        .map(|message| match message {
            Message::TooLarge(rows) => rows.num_rows(),
            Message::Groups(_) => 0,
        })
        .sum();
    assert_eq!(too_large, 5 + 500 + 7);
    let [groups] = found
        .iter()
        .filter_map(|message| match message {
            Message::Groups(groups) => Some(groups),
            Message::TooLarge(_) => None,
        })
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    assert_eq!(groups.keys.column(0).as_primitive::<Int64Type>().values(), &[1, 3]);
    assert_eq!(groups.ends, [5, 12]);
}
