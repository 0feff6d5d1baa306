//! Cuts a table into splits: a pure function of its files.

use shoal_core::limits::STAGE_TASKS_MAX;
use shoal_core::spec::v1alpha1::TableFormat;

use super::{FileSlice, InputFile, PinnedTable, Split};

/// Cuts a table into splits of about `target_bytes`, in the order of its files. Every byte of every file is in exactly
/// one slice.
///
/// - Parquet files are cut into ranges. A row group is read with the range that holds its first byte, so ranges that
///   tile the file read each row group once, and ranges finer than row groups only make empty tasks.
/// - Files of JSON lines are cut anywhere: a line is read with the range that holds its first byte, and no line break is
///   within a line.
/// - CSV files stay whole: a quoted value may hold line breaks, so no byte but the first is known to start a line.
/// - Delta files stay whole: deletion vectors, partition values and renamed columns are applied per file by the table's
///   own reader.
/// - Small pieces share a split.
///
/// The target grows where the splits would otherwise be more than a stage may have tasks.
pub fn splits(table: &PinnedTable, files: &[InputFile], target_bytes: u64) -> Vec<Split> {
    let total: u64 = files.iter().map(|file| file.bytes).sum();
    // Two neighbours together always exceed the target (or they would share a split), hence the half.
    let least = total.div_ceil((STAGE_TASKS_MAX / 2) as u64);
    let target = target_bytes.max(least).max(1);
    pack(files.iter().flat_map(|file| slices(table.format, file, target)), target)
}

fn slices(format: TableFormat, file: &InputFile, target: u64) -> Vec<FileSlice> {
    match format {
        TableFormat::Csv | TableFormat::Delta => vec![FileSlice::whole(file)],
        TableFormat::Parquet | TableFormat::Ndjson => {
            let pieces = file.bytes.div_ceil(target).max(1);
            let cut = |index: u64| {
                let at = u128::from(file.bytes) * u128::from(index) / u128::from(pieces);
                u64::try_from(at).expect("a part of a u64 is a u64")
            };
            (0..pieces)
                .map(|index| FileSlice {
                    path: file.path.clone(),
                    start: cut(index),
                    end: cut(index + 1),
                    file_bytes: file.bytes,
                })
                .collect()
        }
    }
}

/// Puts neighbours together as long as they fit.
fn pack(slices: impl Iterator<Item = FileSlice>, target: u64) -> Vec<Split> {
    let mut splits: Vec<Split> = Vec::new();
    for slice in slices {
        let bytes = slice.end - slice.start;
        match splits.last_mut() {
            Some(last) if last.bytes + bytes <= target => {
                last.slices.push(slice);
                last.bytes += bytes;
            }
            _ => splits.push(Split { slices: vec![slice], bytes }),
        }
    }
    splits
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::datatypes::Schema;
    use proptest::prelude::*;

    use super::*;

    fn table(format: TableFormat) -> PinnedTable {
        PinnedTable { location: "/t".into(), format, version: None, schema: Arc::new(Schema::empty()) }
    }

    fn files(sizes: &[u64]) -> Vec<InputFile> {
        let file = |(index, bytes): (usize, &u64)| InputFile { path: format!("/t/{index}"), bytes: *bytes, rows: None };
        sizes.iter().enumerate().map(file).collect()
    }

    #[test]
    fn small_files_share_a_split_and_large_ones_are_cut() {
        let made = splits(&table(TableFormat::Parquet), &files(&[10, 20, 250, 30]), 100);
        assert_eq!(made.iter().map(|split| split.bytes).collect::<Vec<_>>(), [30, 83, 83, 84, 30]);
        let made = splits(&table(TableFormat::Csv), &files(&[10, 20, 250, 30]), 100);
        assert_eq!(made.iter().map(|split| split.bytes).collect::<Vec<_>>(), [30, 250, 30]);
        assert_eq!(splits(&table(TableFormat::Delta), &[], 100), []);
    }

    #[test]
    fn a_tiny_target_makes_no_more_splits_than_a_stage_may_have() {
        let made = splits(&table(TableFormat::Parquet), &files(&[1 << 40]), 0);
        assert!(made.len() <= STAGE_TASKS_MAX, "{}", made.len());
    }

    proptest! {
        #[test]
        fn slices_tile_all_files_and_none_twice(
            sizes in prop::collection::vec(0_u64..10_000, 0..40),
            target in 0_u64..20_000,
            format in prop::sample::select(vec![TableFormat::Csv, TableFormat::Ndjson, TableFormat::Parquet, TableFormat::Delta]),
        ) {
            let files = files(&sizes);
            let made = splits(&table(format), &files, target);
            let mut rest = made.iter().flat_map(|split| &split.slices);
            for file in &files {
                let mut covered = 0;
                loop {
                    let slice = rest.next().unwrap();
                    prop_assert_eq!(&slice.path, &file.path);
                    prop_assert_eq!(slice.start, covered);
                    prop_assert_eq!(slice.file_bytes, file.bytes);
                    covered = slice.end;
                    if covered == file.bytes { break; }
                }
            }
            prop_assert!(rest.next().is_none());
            for split in &made {
                prop_assert_eq!(split.bytes, split.slices.iter().map(|slice| slice.end - slice.start).sum::<u64>());
            }
        }
    }
}
