//! Finds what lies at a location: a file, files, a Delta table, or nothing.

use std::path::Path;

use shoal_core::{Failure, Reason};

use super::InputFile;
use crate::nearest::nearest;
use crate::storage::Location;

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

/// Looks at a location.
pub(super) async fn find(location: &Location) -> Result<Found, Failure> {
    let found = match location.local_path() {
        Some(path) => find_on_disk(location, &path).await?,
        None => find_in_bucket(location).await?,
    };
    match (found, glob_root(&location.to_string())) {
        (Some(found), _) => Ok(found),
        (None, Some(root)) => find_glob(location, &Location::parse(root)?).await,
        (None, None) => Err(missing(location).await),
    }
}

/// A disk knows folders, also empty ones.
async fn find_on_disk(location: &Location, path: &Path) -> Result<Option<Found>, Failure> {
    match tokio::fs::metadata(path).await {
        Ok(metadata) if metadata.is_dir() => {
            if tokio::fs::try_exists(path.join(DELTA_LOG)).await.unwrap_or(false) {
                return Ok(Some(Found::Delta));
            }
            list(location, |_| true).await.map(|files| Some(Found::Files(files)))
        }
        Ok(metadata) => {
            let file = InputFile { path: location.to_string(), bytes: metadata.len(), rows: None };
            Ok(Some(Found::File(file)))
        }
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(Failure::new(Reason::TableUnreadable, "the table may not be read")
            .file(location.to_string())
            .because(&error)),
    }
}

/// A bucket knows keys; a folder is what some of them begin with.
async fn find_in_bucket(location: &Location) -> Result<Option<Found>, Failure> {
    // First of all, because an answer to this says also whether the bucket is there.
    if location.child(DELTA_LOG).has_objects().await? {
        return Ok(Some(Found::Delta));
    }
    if let Some(meta) = location.head_if_there().await? {
        return Ok(Some(Found::File(InputFile { path: location.to_string(), bytes: meta.size, rows: None })));
    }
    let files = list(location, |_| true).await?;
    Ok((!files.is_empty()).then_some(Found::Files(files)))
}

fn is_missing(error: &std::io::Error) -> bool {
    // A file in the place of a folder is `NotADirectory`: the rest of the path is as missing as can be.
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

async fn find_glob(location: &Location, root: &Location) -> Result<Found, Failure> {
    let name = location.to_string();
    let pattern = glob::Pattern::new(&name).map_err(|error| {
        Failure::new(Reason::InvalidValue, format!("`{name}` is no pattern of paths")).file(&name).because(&error)
    })?;
    // A star stays within one folder, as in a shell.
    let options = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::new() };
    if root.local_path().is_some_and(|root| !root.is_dir()) {
        return Err(missing(root).await);
    }
    let files = list(root, |path| pattern.matches_with(path, options)).await?;
    if files.is_empty() {
        return Err(Failure::new(Reason::TableNotFound, "no file matches the pattern")
            .file(name)
            .next(format!("look at what is in `{root}`")));
    }
    Ok(Found::Files(files))
}

/// The deepest folder above every match of a glob; `None` for a path without wildcards.
fn glob_root(location: &str) -> Option<&str> {
    let wildcard = location.find(['*', '?', '['])?;
    let folder = location[..wildcard].rfind('/').unwrap_or_default();
    Some(if folder == 0 { "/" } else { &location[..folder] })
}

async fn list(folder: &Location, keep: impl Fn(&str) -> bool) -> Result<Vec<InputFile>, Failure> {
    let found = folder.list().await?;
    let depth = folder.path().parts_count();
    let mut files = Vec::with_capacity(found.len());
    for meta in found {
        let path = folder.name_of(&meta.location);
        // Some tools make an empty object to stand for a folder.
        if meta.location == *folder.path() || !keep(&path) {
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
async fn missing(location: &Location) -> Failure {
    let failure =
        Failure::new(Reason::TableNotFound, format!("there is nothing at `{location}`")).file(location.to_string());
    let mut part = location.clone();
    while let Some(parent) = part.parent() {
        let Some(names) = names_in(&parent).await else {
            part = parent;
            continue;
        };
        let wanted = part.file_name();
        return failure.next(match nearest(wanted, names.iter().map(String::as_str)) {
            Some(name) => format!("did you mean `{}`?", parent.child(name)),
            None => format!("the folder `{parent}` has no `{wanted}`"),
        });
    }
    failure
}

/// What can be seen right in a folder; `None` where there is no folder.
async fn names_in(folder: &Location) -> Option<Vec<String>> {
    let is_root = folder.path().as_ref().is_empty();
    if folder.local_path().is_some_and(|path| !path.is_dir()) {
        return None;
    }
    let entries = folder.entries().await.ok()?;
    let paths = entries.common_prefixes.iter().chain(entries.objects.iter().map(|object| &object.location));
    let mut names: Vec<String> = paths.filter_map(|path| Some(path.filename()?.to_owned())).collect();
    names.retain(|name| !is_hidden(name));
    names.sort();
    (is_root || folder.local_path().is_some() || !names.is_empty()).then_some(names)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_is_looked_for_below_its_deepest_plain_folder() {
        assert_eq!(glob_root("/a/b/*.csv"), Some("/a/b"));
        assert_eq!(glob_root("/a/b?/c/*.csv"), Some("/a"));
        assert_eq!(glob_root("/*.csv"), Some("/"));
        assert_eq!(glob_root("s3://bucket/a/*/b.csv"), Some("s3://bucket/a"));
        assert_eq!(glob_root("/a/b.csv"), None);
    }
}
