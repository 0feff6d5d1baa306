//! The classes of a group: the values of its target.

use shoal_ml::FitStatus;

use crate::models::training::Training;

/// Classes that a group may have at the most. More are a target that is no class, and a model of each would cost
/// gigabytes.
pub(crate) const CLASSES_MAX: usize = 1_000;

/// The classes of a group, ascending, and of which one each row is.
#[derive(Debug, PartialEq)]
pub(crate) struct Labels {
    pub(crate) values: Vec<f64>,
    pub(crate) of_rows: Vec<usize>,
}

/// Why a group's target gives no classes to tell apart.
pub(crate) type NoClasses = (FitStatus, Option<String>);

impl Labels {
    /// The classes among the values of a target; `most` is how many there may be.
    pub(crate) fn of(target: &[f64], most: Option<usize>) -> Result<Self, NoClasses> {
        let limit = most.unwrap_or(CLASSES_MAX);
        let mut values: Vec<f64> = Vec::new();
        for value in target {
            // 0 and −0 are one class.
            let value = value + 0.0;
            if let Err(place) = values.binary_search_by(|class| class.total_cmp(&value)) {
                if values.len() == limit {
                    return Err((FitStatus::InvalidTarget, Some(too_many(most))));
                }
                values.insert(place, value);
            }
        }
        match values.len() {
            0 => return Err((FitStatus::TooFewRows, None)),
            1 => return Err((FitStatus::SingleClass, None)),
            _ => {}
        }
        let of_rows = target.iter().map(|value| values.partition_point(|class| *class < value + 0.0)).collect();
        Ok(Self { values, of_rows })
    }
}

fn too_many(most: Option<usize>) -> String {
    match most {
        Some(most) => format!("the target has more than {most} values: set `multinomial: true` for more classes"),
        None => format!("the target has more than {CLASSES_MAX} values: it is no class"),
    }
}

/// What classes are called: by their number, and those of a boolean target `false` and `true`. Where there are `texts`,
/// values are places among them.
pub(crate) fn names(training: &Training, texts: &[String], values: &[f64]) -> Vec<String> {
    let name = |value: &f64| match (training.boolean_target, *value == 0.0) {
        _ if training.text_target => texts.get(*value as usize).cloned().unwrap_or_default(),
        (true, true) => "false".to_owned(),
        (true, false) => "true".to_owned(),
        // Rust writes the shortest number that reads back as the same.
        (false, _) => value.to_string(),
    };
    values.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_classes_in_their_order() {
        let labels = Labels::of(&[2.0, -0.0, 2.0, 0.0, 1.5], None);
        assert_eq!(labels, Ok(Labels { values: vec![0.0, 1.5, 2.0], of_rows: vec![2, 0, 2, 0, 1] }));
    }

    #[test]
    fn too_few_and_too_many_are_told() {
        assert_eq!(Labels::of(&[], None), Err((FitStatus::TooFewRows, None)));
        assert_eq!(Labels::of(&[3.0, 3.0], None), Err((FitStatus::SingleClass, None)));
        let many: Vec<f64> = (0..1_001).map(f64::from).collect();
        assert!(Labels::of(&many[1..], None).is_ok());
        assert!(Labels::of(&many, None).is_err_and(|(status, _)| status == FitStatus::InvalidTarget));
        let third = Labels::of(&[1.0, 2.0, 3.0], Some(2));
        assert!(third.is_err_and(|(_, words)| words.is_some_and(|words| words.contains("multinomial"))));
    }
}
