//! Tables as input: found and pinned once by the head, cut into splits, scanned slice by slice by workers.
//!
//! ```text
//!   InputTable --pin--> (PinnedTable, files) --splits--> Split --scan--> DataFrame
//!   (in the spec)       (what is read, exactly)          (a task)        (lazy, all columns)
//! ```

mod clusters;
mod csv;
mod delta;
mod diagnosis;
mod find;
mod ndjson;
mod parquet;
mod pin;
mod scan;
mod splits;
mod widen;

use datafusion::arrow::datatypes::SchemaRef;
use serde::{Deserialize, Serialize};
use shoal_core::spec::v1alpha1::TableFormat;

pub use clusters::{Cluster, ProvenKeys, proven_keys};
pub use diagnosis::scan_failure;
pub use pin::pin;
pub use scan::{sample, scan};
pub use splits::splits;

pub(crate) use diagnosis::diagnose;
pub(crate) use scan::provider;

/// Everything that a worker needs to read a slice of exactly this table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PinnedTable {
    /// Where it is: an absolute path or URL of a file or folder, or a glob.
    pub location: String,
    /// How its files are written.
    pub format: TableFormat,
    /// The version that is read, for Delta tables.
    pub version: Option<u64>,
    /// The columns as every slice of the table shows them, whatever the types in its single file.
    pub schema: SchemaRef,
}

/// A file of a pinned table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InputFile {
    /// Absolute path or URL; for Delta tables the path as it stands in the log.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Rows in it, where a footer or a log says so.
    #[serde(default)]
    pub rows: Option<u64>,
}

/// A range of a file's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileSlice {
    /// The file, as in [`InputFile::path`].
    pub path: String,
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// Size of the whole file: a reader needs it to find a Parquet footer, and a file that has another size by then is
    /// no longer the one that was pinned.
    pub file_bytes: u64,
}

impl FileSlice {
    /// The whole of a file.
    pub fn whole(file: &InputFile) -> Self {
        Self { path: file.path.clone(), start: 0, end: file.bytes, file_bytes: file.bytes }
    }

    /// Whether it is the whole of its file.
    pub fn is_whole(&self) -> bool {
        self.start == 0 && self.end == self.file_bytes
    }
}

/// What one task reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Split {
    /// Slices in the order of the table's files.
    pub slices: Vec<FileSlice>,
    /// Bytes of all slices.
    pub bytes: u64,
}

impl Split {
    /// The split of these slices, those that follow each other in a file as one.
    pub fn of(slices: impl IntoIterator<Item = FileSlice>) -> Self {
        let mut joined: Vec<FileSlice> = Vec::new();
        for slice in slices {
            match joined.last_mut() {
                Some(last) if last.path == slice.path && last.end == slice.start => last.end = slice.end,
                _ => joined.push(slice),
            }
        }
        Self { bytes: joined.iter().map(|slice| slice.end - slice.start).sum(), slices: joined }
    }

    /// The split that is the whole table.
    pub fn whole(files: &[InputFile]) -> Self {
        Self { slices: files.iter().map(FileSlice::whole).collect(), bytes: files.iter().map(|file| file.bytes).sum() }
    }
}

/// How the CSV files of a table are written. Quoted values may hold line breaks, so a file is never read from its
/// middle.
pub(crate) mod dialect {
    /// Between two values of a line.
    pub(crate) const DELIMITER: u8 = b',';
    /// Around values that hold a delimiter or a line break; doubled inside them.
    pub(crate) const QUOTE: u8 = b'"';
    /// The first line of each file names the columns.
    pub(crate) const HAS_HEADER: bool = true;
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod testing;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
