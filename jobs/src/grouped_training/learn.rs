//! Looks which categories there are: once per job, so that a term means the same in every model.

use shoal_core::Failure;
use shoal_core::runner::TaskContext;
use shoal_core::spec::v1alpha1::Encode;
use shoal_core::task::{Assignment, Counters, TaskOutput};
use shoal_core::{Payload, Reason};
use shoal_engine::columns::{CategoryColumn, ResolvedColumns, categories_in};
use shoal_engine::session::task_session;
use shoal_engine::table::{scan, scan_failure};
use shoal_ml::encode::{Encoder, Unknown, Vocabulary};

use super::tasks::{LearnStage, Learned, MapTask};

/// Categories of a `oneHot` column at the most: each is a term of every model.
const ONE_HOT_MAX: usize = 256;

/// Categories of an `ordinal` column at the most: every task of the job and every model carries their list.
const ORDINAL_MAX: usize = 10_000;

/// Of any column.
pub(super) const CATEGORIES_MAX: usize = ORDINAL_MAX;

/// Buckets of `hash` where the job does not say.
const BUCKETS: u32 = 32;

pub(super) async fn run(assignment: &Assignment, context: &TaskContext) -> Result<TaskOutput, Failure> {
    let LearnStage { table, columns } = assignment.common.read()?;
    let split: MapTask = assignment.payload.read()?;
    let ctx = task_session(context.memory_bytes, &context.scratch)?;
    let mut learned = Learned(Vec::new());
    for column in columns.categories.iter().filter(|column| is_learned(column)) {
        context.cancelled.check()?;
        let rows = scan(&ctx, &table, &split).await?;
        let found = match categories_in(&ctx, rows, &columns, column, limit(column) + 1).await {
            Ok(found) => found?,
            Err(error) => return Err(scan_failure(&ctx, error, &table, &split).await),
        };
        learned.0.push(found);
    }
    let counters = Counters::default();
    Ok(TaskOutput { counters, payload: Payload::of(&learned)?, ..TaskOutput::default() })
}

/// Whether any column has categories that have to be looked for.
pub(super) fn has_to_learn(columns: &ResolvedColumns) -> bool {
    columns.categories.iter().any(is_learned)
}

pub(super) fn is_learned(column: &CategoryColumn) -> bool {
    column.encode != Encode::Hash
}

fn limit(column: &CategoryColumn) -> usize {
    match column.encode {
        Encode::OneHot => ONE_HOT_MAX,
        Encode::Ordinal => ORDINAL_MAX,
        Encode::Hash => 0,
    }
}

/// The encoders of a job's columns, from what the tasks found: the same whatever was cut into which split.
///
/// # Errors
/// With the field's path, where a column has too many categories for what it is to become.
pub(super) fn encoders(columns: &ResolvedColumns, found: &[Learned], model: &str) -> Result<Vec<Encoder>, Failure> {
    let mut learned = 0;
    let encoder = |(index, column): (usize, &CategoryColumn)| {
        let unknown = Unknown::Ignore;
        if !is_learned(column) {
            return Ok(Encoder::Hash { buckets: column.buckets.unwrap_or(BUCKETS) });
        }
        let limit = limit(column);
        let mut vocabulary = Vocabulary::new(limit);
        let of_tasks = found.iter().filter_map(|task| task.0.get(learned)).flatten();
        of_tasks.for_each(|category| vocabulary.push(category));
        learned += 1;
        if vocabulary.overflowed() {
            let path = format!("spec.groupedTraining.model.{model}.categorical[{index}].encode");
            let message = format!("`{}` has more than {limit} categories", column.name);
            return Err(Failure::new(Reason::InvalidValue, message)
                .field(path)
                .column(&column.name)
                .next("set `encode: hash`, or put rare categories together in an expression"));
        }
        let categories = vocabulary.into_categories();
        Ok(match column.encode {
            Encode::Ordinal => Encoder::Ordinal { categories, unknown },
            Encode::OneHot | Encode::Hash => Encoder::OneHot { categories, drop_first: column.drop_first, unknown },
        })
    };
    columns.categories.iter().enumerate().map(encoder).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use shoal_engine::columns::TargetColumn;

    use super::*;

    fn columns(encodes: &[Encode]) -> ResolvedColumns {
        let category = |(index, encode): (usize, &Encode)| CategoryColumn {
            name: format!("c{index}"),
            expression: format!("c{index}"),
            is_column: true,
            encode: *encode,
            drop_first: true,
            buckets: None,
        };
        let target = TargetColumn {
            name: "y".into(),
            expression: "y".into(),
            is_column: true,
            is_boolean: false,
            is_text: false,
        };
        ResolvedColumns {
            keys: Vec::new(),
            features: Vec::new(),
            categories: encodes.iter().enumerate().map(category).collect(),
            target: Some(target),
            frame: Vec::new(),
            weight: None,
            fold: None,
            filter: None,
        }
    }

    fn task(of_columns: &[&[&str]]) -> Learned {
        Learned(of_columns.iter().map(|names| names.iter().map(|name| (*name).to_owned()).collect()).collect())
    }

    #[test]
    fn what_tasks_found_is_put_together_in_any_order() {
        let columns = columns(&[Encode::OneHot, Encode::Hash, Encode::Ordinal]);
        let tasks = [task(&[&["west", "east"], &["b"]]), task(&[&["north"], &["a", "b"]])];
        let found = encoders(&columns, &tasks, "ols").unwrap();
        let [second, first] = tasks;
        assert_eq!(encoders(&columns, &[first, second], "ols").unwrap(), found);
        assert_eq!(found[0].terms("c0"), ["c0=north", "c0=west"]);
        assert_eq!(found[1], Encoder::Hash { buckets: 32 });
        let categories = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(found[2], Encoder::Ordinal { categories, unknown: Unknown::Ignore });
    }

    #[test]
    fn too_many_categories_are_refused_at_their_field() {
        let names: Vec<String> = (0..=ONE_HOT_MAX).map(|name| name.to_string()).collect();
        let failure = encoders(&columns(&[Encode::OneHot]), &[Learned(vec![names])], "glm").unwrap_err();
        let path = failure.location.field_path.as_deref();
        assert_eq!(path, Some("spec.groupedTraining.model.glm.categorical[0].encode"));
    }
}
