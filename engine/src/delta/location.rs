use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use deltalake::{DeltaTable, DeltaTableBuilder};
use shoal_core::{Failure, Reason};
use url::Url;

use crate::error::delta_failure;

/// The folder of a table: an absolute path or a `file://` URL, which is what this build can write to.
///
/// # Errors
/// [`Reason::InvalidValue`] for any other URL and for a relative path.
pub(crate) fn local_folder(table: &str) -> Result<PathBuf, Failure> {
    let refused = |message: String| Failure::new(Reason::InvalidValue, message).file(table);
    let path = match Url::parse(table) {
        Ok(url) if url.scheme() == "file" => {
            url.to_file_path().map_err(|()| refused(format!("`{table}` names no folder of this machine")))?
        }
        Ok(url) if table.contains("://") => {
            return Err(refused(format!("tables at `{}://` locations cannot be written by this build", url.scheme()))
                .next("name a local folder"));
        }
        _ => PathBuf::from(table),
    };
    if path.is_absolute() { Ok(path) } else { Err(refused(format!("`{table}` is no absolute path"))) }
}

/// The failure behind an error of writing, creating or deleting at a path.
pub(crate) fn write_failure(path: &Path, error: &(dyn Error + 'static)) -> Failure {
    let kind = io_error(error).map(io::Error::kind);
    let failure = match kind {
        Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge) => {
            Failure::new(Reason::ResourcesExhausted, "the disk is full").next("free some space and run the job again")
        }
        Some(io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
            Failure::new(Reason::Io, "writing there is not allowed")
                .next("give the user that Shoal runs as the right to write there, or name another folder")
        }
        _ => Failure::new(Reason::Io, "writing failed"),
    };
    failure.file(path.display().to_string()).because(error)
}

/// The first error of the operating system in a chain.
pub(super) fn io_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    let mut current = Some(error);
    while let Some(error) = current {
        if let Some(io) = error.downcast_ref() {
            return Some(io);
        }
        current = error.source();
    }
    None
}

/// The folder as Delta's libraries want it named.
fn folder_url(folder: &Path) -> Result<Url, Failure> {
    Url::from_directory_path(folder)
        .map_err(|()| Failure::internal("a table's folder has no URL").file(folder.display().to_string()))
}

/// The table in a folder, not loaded; there may be none.
pub(super) fn table_at(folder: &Path) -> Result<DeltaTable, Failure> {
    DeltaTableBuilder::from_url(folder_url(folder)?)
        .and_then(DeltaTableBuilder::build)
        .map_err(|error| delta_failure(&error).file(folder.display().to_string()))
}

/// The newest version of the table in a folder, or `None` where no commit is there.
pub(super) async fn open(folder: &Path) -> Result<Option<DeltaTable>, Failure> {
    let failed = |error| delta_failure(&error).file(folder.display().to_string());
    let mut table = table_at(folder)?;
    if !table.verify_deltatable_existence().await.map_err(failed)? {
        return Ok(None);
    }
    table.load().await.map_err(failed)?;
    Ok(Some(table))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_file_urls_are_folders_and_nothing_else_is() {
        assert_eq!(local_folder("/data/my models").unwrap(), Path::new("/data/my models"));
        assert_eq!(local_folder("file:///data/my%20models").unwrap(), Path::new("/data/my models"));
        for table in ["s3://bucket/models", "out/models"] {
            let failure = local_folder(table).unwrap_err();
            assert_eq!((failure.reason, failure.location.file.as_deref()), (Reason::InvalidValue, Some(table)));
        }
    }

    #[test]
    fn a_full_disk_is_told_from_other_errors() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let wrapped = parquet::errors::ParquetError::External(Box::new(full));
        assert_eq!(write_failure(Path::new("/x"), &wrapped).reason, Reason::ResourcesExhausted);
        assert_eq!(write_failure(Path::new("/x"), &io::Error::other("?")).reason, Reason::Io);
    }
}
