//! The first rows of the largest file, and what they say of all.

use std::collections::HashSet;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::prelude::SessionContext;
use shoal_core::Failure;
use shoal_core::spec::v1alpha1::TableFormat;
use shoal_engine::columns::{categories_in, select};
use shoal_engine::error::engine_failure;
use shoal_engine::keys::{canonical_keys, hash_keys};
use shoal_engine::session::task_session;
use shoal_engine::table::{InputFile, Split, sample, scan_failure};
use shoal_ml::encode::Encoder;

use super::super::learn::{CATEGORIES_MAX, is_learned};
use super::super::tasks::{Facts, Learned};
use super::estimate::Seen;
use crate::dry_run::Lent;
use crate::planning::{bytes_of, known_rows, largest};

/// Rows that are read at the most: about one row group, a fraction of a second.
const ROWS_MAX: usize = 128 * 1024;

/// Rows of a text file that are measured, where nobody says how many it has.
const MEASURED_ROWS: usize = 1_000;

/// Where rows are taken from.
pub(super) struct Source<'a> {
    facts: &'a Facts,
    ctx: SessionContext,
    file: &'a InputFile,
}

impl<'a> Source<'a> {
    pub(super) fn open(facts: &'a Facts, lent: &Lent) -> Result<Self, Failure> {
        let ctx = task_session(lent.memory_bytes, &lent.scratch)?;
        Ok(Self { facts, ctx, file: largest(&facts.files)? })
    }

    /// Categories of the columns whose categories are learned.
    pub(super) async fn categories(&self) -> Result<Learned, Failure> {
        let mut learned = Learned(Vec::new());
        for column in self.facts.columns.categories.iter().filter(|column| is_learned(column)) {
            let rows = self.rows(ROWS_MAX).await?;
            let found = categories_in(&self.ctx, rows, &self.facts.columns, column, CATEGORIES_MAX + 1).await;
            learned.0.push(match found {
                Ok(found) => found?,
                Err(error) => return Err(self.failure(error).await),
            });
        }
        Ok(learned)
    }

    /// The rows that a training reads of them.
    pub(super) async fn read(&self, encoders: &[Encoder]) -> Result<Sample, Failure> {
        let Facts { columns, files, table, .. } = self.facts;
        let selected = select(&self.ctx, self.rows(ROWS_MAX).await?, columns, encoders)?;
        let keys = columns.keys.len();
        let batches = match selected.collect().await {
            Ok(batches) => batches,
            Err(error) => return Err(self.failure(error).await),
        };
        let batches = batches.iter().map(|batch| canonical_keys(batch, keys)).collect::<Result<Vec<_>, _>>()?;
        let hashes = batches.iter().map(|batch| hash_keys(&batch.columns()[..keys])).collect::<Result<Vec<_>, _>>()?;
        let rows_kept: u64 = batches.iter().map(|batch| batch.num_rows() as u64).sum();
        // What the job's condition leaves out is counted by reading once more.
        let rows_read = match (&columns.filter, self.file.rows) {
            (None, _) => rows_kept,
            (Some(_), Some(rows)) => rows.min(ROWS_MAX as u64),
            (Some(_), None) => match self.rows(ROWS_MAX).await?.count().await {
                Ok(rows) => rows as u64,
                Err(error) => return Err(self.failure(error).await),
            },
        };
        let is_whole = files.len() == 1 && rows_read < ROWS_MAX as u64;
        let known = known_rows(files);
        let rows_of_input = match (known, is_whole) {
            (Some(rows), _) => rows,
            (None, true) => rows_read,
            (None, false) => ((bytes_of(files) as f64 / self.bytes_of_row(table.format).await?) as u64).max(rows_read),
        };
        let file = self.file.path.clone();
        Ok(Sample {
            batches,
            hashes,
            file,
            rows_read,
            is_whole,
            rows_of_input,
            is_counted: known.is_some() || is_whole,
        })
    }

    async fn rows(&self, rows_max: usize) -> Result<datafusion::dataframe::DataFrame, Failure> {
        sample(&self.ctx, &self.facts.table, std::slice::from_ref(self.file), rows_max).await
    }

    async fn failure(&self, error: datafusion::error::DataFusionError) -> Failure {
        let split = Split::whole(std::slice::from_ref(self.file));
        scan_failure(&self.ctx, error, &self.facts.table, &split).await
    }

    /// About how many bytes of its file a row takes, as text.
    async fn bytes_of_row(&self, format: TableFormat) -> Result<f64, Failure> {
        let batches = match self.rows(MEASURED_ROWS).await?.collect().await {
            Ok(batches) => batches,
            Err(error) => return Err(self.failure(error).await),
        };
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let bytes: usize = batches.iter().map(|batch| bytes_as_text(batch, format)).sum();
        Ok(bytes as f64 / rows.max(1) as f64)
    }
}

/// About how many bytes rows take as lines of a text file.
fn bytes_as_text(batch: &RecordBatch, format: TableFormat) -> usize {
    let options = FormatOptions::default();
    let of_column = |(field, column): (&arrow::datatypes::FieldRef, &arrow::array::ArrayRef)| {
        let Ok(values) = ArrayFormatter::try_new(column, &options) else { return 0 };
        let texts: usize = (0..column.len()).map(|row| values.value(row).to_string().len()).sum();
        // A comma; and in JSON the name with its quotes and a colon.
        let around = if format == TableFormat::Ndjson { field.name().len() + 4 } else { 1 };
        texts + around * column.len()
    };
    batch.schema_ref().fields().iter().zip(batch.columns()).map(of_column).sum()
}

/// Rows as a training reads them.
pub(super) struct Sample {
    batches: Vec<RecordBatch>,
    /// The hash of each row's key.
    hashes: Vec<Vec<u64>>,
    pub(super) file: String,
    /// Rows before the job's condition has left any out.
    pub(super) rows_read: u64,
    /// Whether they are the whole input.
    pub(super) is_whole: bool,
    rows_of_input: u64,
    /// Whether the rows of the input are counted.
    is_counted: bool,
}

impl Sample {
    pub(super) fn rows(&self) -> u64 {
        self.batches.iter().map(|batch| batch.num_rows() as u64).sum()
    }

    /// What it says of the input.
    pub(super) fn seen(&self) -> Seen {
        let hashes = || self.hashes.iter().flatten();
        let groups = hashes().collect::<HashSet<_>>().len() as u64;
        let runs = 1 + hashes().zip(hashes().skip(1)).filter(|(one, next)| one != next).count() as u64;
        Seen {
            rows_read: self.rows_read,
            rows: self.rows(),
            groups,
            runs,
            is_whole: self.is_whole,
            rows_of_input: self.rows_of_input,
            is_counted: self.is_counted,
        }
    }

    /// The rows of the groups that come first.
    pub(super) fn first_groups(&self, most: usize) -> Result<Vec<Vec<RecordBatch>>, Failure> {
        let mut first: Vec<u64> = Vec::new();
        for hash in self.hashes.iter().flatten() {
            if first.len() == most {
                break;
            }
            if !first.contains(hash) {
                first.push(*hash);
            }
        }
        first.into_iter().map(|hash| self.group(hash)).collect()
    }

    fn group(&self, hash: u64) -> Result<Vec<RecordBatch>, Failure> {
        let rows_of = |(batch, hashes): (&RecordBatch, &Vec<u64>)| {
            let is_of: BooleanArray = hashes.iter().map(|of| Some(*of == hash)).collect();
            filter_record_batch(batch, &is_of).map_err(|error| engine_failure(&error.into()))
        };
        self.batches.iter().zip(&self.hashes).map(rows_of).collect()
    }
}
