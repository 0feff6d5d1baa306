//! Metrics against scikit-learn, merged and whole.

use proptest::prelude::*;
use serde_json::json;
use shoal_ml::metrics::{Confusion, LogLoss, RegressionErrors, median_absolute_percentage_error, roc_auc};

use crate::data::Numbers;
use crate::oracle::{ask, assert_all_close, numbers};

#[test]
fn are_those_of_scikit_learn() {
    for seed in 0..4 {
        let mut random = Numbers::new(seed);
        let rows = 40 + random.below(60);
        // Some targets are 0, and the mean is large against the spread.
        let offset = [0.0, 1e6][seed as usize % 2];
        let target: Vec<f64> = (0..rows).map(|row| if row % 9 == 0 { 0.0 } else { offset + random.normal() }).collect();
        let prediction: Vec<f64> = target.iter().map(|value| value + 0.3 * random.normal()).collect();
        let classes = 4;
        let probabilities: Vec<f64> = (0..rows)
            .flat_map(|_| {
                let parts: Vec<f64> = (0..classes).map(|_| random.uniform()).collect();
                let sum: f64 = parts.iter().sum();
                parts.into_iter().map(move |part| part / sum)
            })
            .collect();
        let actual: Vec<usize> = (0..rows).map(|_| random.below(classes)).collect();
        let predicted: Vec<usize> =
            actual.iter().map(|class| [*class, random.below(classes)][random.below(2)]).collect();
        let positive: Vec<bool> = actual.iter().map(|class| *class > 1).collect();
        // Scores of few distinct values, so that most tie.
        let score: Vec<f64> =
            positive.iter().map(|positive| (random.below(6) as f64 + f64::from(u8::from(*positive))) / 4.0).collect();

        let answer = ask(
            "metrics_sklearn.py",
            &json!({
                "target": target, "prediction": prediction,
                "classes": {
                    "actual": actual, "predicted": predicted,
                    "probabilities": probabilities.chunks(classes).collect::<Vec<_>>(),
                },
                "auc": {"positive": positive, "score": score},
            }),
        );
        let errors = RegressionErrors::of(&target, &prediction);
        let confusion = Confusion::of(classes, &actual, &predicted);
        let single = [
            ("mse", errors.mse()),
            ("rmse", errors.rmse()),
            ("mae", errors.mae()),
            ("r2", errors.r2()),
            ("mape", errors.mean_absolute_percentage_error()),
            ("median_ape", median_absolute_percentage_error(&target, &prediction)),
            ("accuracy", confusion.accuracy()),
            ("macro_f1", confusion.macro_f1()),
            ("log_loss", LogLoss::of(classes, &actual, &probabilities).mean()),
            ("auc", roc_auc(&positive, &score)),
        ];
        for (name, value) in single {
            let expected = answer[name].as_f64().unwrap();
            let value = value.unwrap();
            assert!((value - expected).abs() <= 1e-12 * expected.abs().max(1e-3), "{name}: {value} and not {expected}");
        }
        let of_classes = |metric: fn(&Confusion, usize) -> Option<f64>| -> Vec<f64> {
            (0..classes).map(|class| metric(&confusion, class).unwrap()).collect()
        };
        assert_all_close(&of_classes(Confusion::precision), &numbers(&answer["precision"]), 1e-14);
        assert_all_close(&of_classes(Confusion::recall), &numbers(&answer["recall"]), 1e-14);
        assert_all_close(&of_classes(Confusion::f1), &numbers(&answer["f1"]), 1e-14);
    }
}

#[test]
fn what_the_rows_do_not_define_is_missing() {
    let none = RegressionErrors::default();
    assert_eq!([none.mse(), none.rmse(), none.mae(), none.r2(), none.mean_absolute_percentage_error()], [None; 5]);
    let constant = RegressionErrors::of(&[0.0, 0.0], &[0.0, 1.0]);
    assert_eq!((constant.r2(), constant.mean_absolute_percentage_error()), (None, None));
    assert_eq!(constant.mse(), Some(0.5));
    assert_eq!(median_absolute_percentage_error(&[0.0], &[1.0]), None);
    let confusion = Confusion::of(3, &[0, 0], &[0, 1]);
    assert_eq!((confusion.precision(0), confusion.recall(0)), (Some(1.0), Some(0.5)));
    assert_eq!((confusion.precision(1), confusion.recall(1)), (Some(0.0), None));
    assert_eq!((confusion.precision(2), confusion.f1(2)), (None, None));
    assert_eq!((Confusion::new(2).accuracy(), Confusion::new(2).macro_f1()), (None, None));
    assert_eq!(roc_auc(&[true, true], &[0.1, 0.2]), None);
    assert_eq!(roc_auc(&[true, false], &[f64::NAN, 0.2]), None);
    assert_eq!(roc_auc(&[true, false], &[0.0, -0.0]), Some(0.5));
    assert_eq!(LogLoss::default().mean(), None);
    assert!((LogLoss::of(2, &[0], &[0.0, 1.0]).mean().unwrap() - 36.04).abs() < 0.01);
}

proptest! {
    #[test]
    fn sums_of_parts_are_those_of_the_whole(
        rows in prop::collection::vec((-1e3..1e3, -1e3..1e3, 0..3usize, 0..3usize), 2..80), cut in any::<prop::sample::Index>(),
    ) {
        let cut = cut.index(rows.len());
        let errors = |rows: &[(f64, f64, usize, usize)]| {
            let (targets, predictions): (Vec<f64>, Vec<f64>) = rows.iter().map(|row| (row.0, row.1)).unzip();
            RegressionErrors::of(&targets, &predictions)
        };
        let confusion = |rows: &[(f64, f64, usize, usize)]| {
            let (actual, predicted): (Vec<usize>, Vec<usize>) = rows.iter().map(|row| (row.2, row.3)).unzip();
            Confusion::of(3, &actual, &predicted)
        };
        for (first, second) in [(&rows[..cut], &rows[cut..]), (&rows[cut..], &rows[..cut])] {
            let mut merged = errors(first);
            merged.merge(&errors(second));
            let whole = errors(&rows);
            prop_assert_eq!(merged.count(), whole.count());
            for metric in [RegressionErrors::mse, RegressionErrors::mae, RegressionErrors::r2,
                RegressionErrors::mean_absolute_percentage_error] {
                let (merged, whole) = (metric(&merged).unwrap(), metric(&whole).unwrap());
                prop_assert!((merged - whole).abs() <= 1e-9 * whole.abs().max(1.0), "{} and not {}", merged, whole);
            }
            let mut merged = confusion(first);
            merged.merge(&confusion(second));
            prop_assert_eq!(merged, confusion(&rows));
        }
    }
}
