//! Where tables lie. Locations are strings and files are found through an object store; this build knows the local file
//! system.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use shoal_core::{Failure, Reason};
use url::Url;

use super::InputFile;
use crate::error::store_failure;
use crate::nearest::nearest;

/// The folder that makes a folder a Delta table.
const DELTA_LOG: &str = "_delta_log";

/// What lies at a location.
pub(super) enum Found {
    /// One file.
    File(InputFile),
    /// A folder, or the files that a glob matches, in the order of their paths; hidden files are left out.
    Files(Vec<InputFile>),
    /// A Delta table.
    Delta,
}

/// The store that holds all locations of this build.
pub(super) fn store() -> Arc<dyn ObjectStore> {
    Arc::new(LocalFileSystem::new())
}

/// A location as an absolute path; `file://` URLs are paths too.
pub(super) fn absolute(location: &str) -> Result<String, Failure> {
    let path = match Url::parse(location) {
        Ok(url) if url.scheme() == "file" => url
            .to_file_path()
            .map_err(|()| Failure::new(Reason::InvalidValue, format!("`{location}` names no file of this machine")))?,
        Ok(url) if location.contains("://") => {
            return Err(Failure::new(
                Reason::InvalidValue,
                format!("tables at `{}://` locations cannot be read by this build", url.scheme()),
            )
            .next("copy the table to a local folder and name that"));
        }
        _ => PathBuf::from(location),
    };
    let path = std::path::absolute(&path)
        .map_err(|error| Failure::new(Reason::InvalidValue, format!("`{location}` is no path")).because(&error))?;
    path.into_os_string()
        .into_string()
        .map_err(|_| Failure::new(Reason::InvalidValue, format!("the path of `{location}` is not UTF-8")))
}

/// A file's name in the store.
pub(super) fn object_path(path: &str) -> Result<ObjectPath, Failure> {
    ObjectPath::from_absolute_path(path)
        .map_err(|error| Failure::new(Reason::TableUnreadable, "the path cannot be used").file(path).because(&error))
}

/// A file as the store sees it now.
pub(super) async fn head(path: &str) -> Result<ObjectMeta, Failure> {
    store().head(&object_path(path)?).await.map_err(|error| store_failure(&error).file(path))
}

/// Looks at an absolute location.
pub(super) async fn find(location: &str) -> Result<Found, Failure> {
    match tokio::fs::metadata(location).await {
        Ok(metadata) if metadata.is_dir() => {
            if tokio::fs::try_exists(Path::new(location).join(DELTA_LOG)).await.unwrap_or(false) {
                return Ok(Found::Delta);
            }
            list(location, |_| true).await.map(Found::Files)
        }
        Ok(metadata) => Ok(Found::File(InputFile { path: location.to_owned(), bytes: metadata.len(), rows: None })),
        Err(error) if is_missing(&error) => match glob_root(location) {
            Some(root) => find_glob(location, &root).await,
            None => Err(missing(location)),
        },
        Err(error) => {
            Err(Failure::new(Reason::TableUnreadable, "the table may not be read").file(location).because(&error))
        }
    }
}

fn is_missing(error: &std::io::Error) -> bool {
    // A file in the place of a folder is `NotADirectory`: the rest of the path is as missing as can be.
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

async fn find_glob(location: &str, root: &str) -> Result<Found, Failure> {
    let pattern = glob::Pattern::new(location).map_err(|error| {
        Failure::new(Reason::InvalidValue, format!("`{location}` is no pattern of paths")).because(&error)
    })?;
    // A star stays within one folder, as in a shell.
    let options = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::new() };
    if !Path::new(root).is_dir() {
        return Err(missing(root));
    }
    let files = list(root, |path| pattern.matches_with(path, options)).await?;
    if files.is_empty() {
        return Err(Failure::new(Reason::TableNotFound, "no file matches the pattern")
            .file(location)
            .next(format!("look at what is in `{root}`")));
    }
    Ok(Found::Files(files))
}

/// The deepest folder above every match of a glob; `None` for a path without wildcards.
fn glob_root(location: &str) -> Option<String> {
    let wildcard = location.find(['*', '?', '['])?;
    let folder = location[..wildcard].rfind('/').unwrap_or_default();
    Some(if folder == 0 { "/".to_owned() } else { location[..folder].to_owned() })
}

async fn list(folder: &str, keep: impl Fn(&str) -> bool) -> Result<Vec<InputFile>, Failure> {
    let prefix = object_path(folder)?;
    let found: Vec<ObjectMeta> =
        store().list(Some(&prefix)).try_collect().await.map_err(|error| store_failure(&error).file(folder))?;
    let depth = prefix.parts_count();
    let mut files = Vec::with_capacity(found.len());
    for meta in found {
        let path = format!("/{}", meta.location);
        if !keep(&path) {
            continue;
        }
        let mut inside = meta.location.parts().skip(depth);
        if inside.clone().any(|part| part.as_ref() == DELTA_LOG) {
            return Err(Failure::new(Reason::TableUnreadable, "the folder holds Delta tables and is none itself")
                .file(path)
                .next("name the folder of one Delta table"));
        }
        if !inside.any(|part| is_hidden(part.as_ref())) {
            files.push(InputFile { path, bytes: meta.size, rows: None });
        }
    }
    files.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(files)
}

/// What Hadoop's readers leave out too: `_SUCCESS`, `.part-0.crc`, `_temporary/`. A Hive partition may begin with `_`.
fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || (name.starts_with('_') && !name.contains('='))
}

/// Says which part of a path is missing, and what it may have been meant to be.
fn missing(location: &str) -> Failure {
    let failure = Failure::new(Reason::TableNotFound, format!("there is nothing at `{location}`")).file(location);
    let mut part = Path::new(location);
    while let Some(parent) = part.parent() {
        if parent.is_dir() {
            let wanted = part.file_name().unwrap_or_default().to_string_lossy();
            let names = siblings(parent);
            let folder = parent.display();
            return failure.next(match nearest(&wanted, names.iter().map(String::as_str)) {
                Some(name) => format!("did you mean `{}`?", parent.join(name).display()),
                None => format!("the folder `{folder}` has no `{wanted}`"),
            });
        }
        part = parent;
    }
    failure
}

fn siblings(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !is_hidden(name))
        .collect();
    names.sort();
    names
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_is_looked_for_below_its_deepest_plain_folder() {
        assert_eq!(glob_root("/a/b/*.csv").as_deref(), Some("/a/b"));
        assert_eq!(glob_root("/a/b?/c/*.csv").as_deref(), Some("/a"));
        assert_eq!(glob_root("/*.csv").as_deref(), Some("/"));
        assert_eq!(glob_root("/a/b.csv"), None);
    }

    #[test]
    fn only_local_locations_are_taken() {
        assert_eq!(absolute("file:///a/b%20c.csv").unwrap(), "/a/b c.csv");
        assert_eq!(absolute("/a/b").unwrap(), "/a/b");
        assert!(absolute("a.csv").unwrap().ends_with("/a.csv"));
        assert_eq!(absolute("s3://bucket/a").unwrap_err().reason, Reason::InvalidValue);
    }
}
