//! Which paths of the head's own machine a job may name.

use std::path::{Component, Path, PathBuf};

use shoal_core::{Failure, Job, Reason};

/// What a head reads and writes of its own machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalPaths {
    /// Everything: the caller is on the same machine.
    Any,
    /// Only what lies under these folders; none at all where the list is empty.
    Under(Vec<PathBuf>),
}

impl LocalPaths {
    /// Checks every table and file that a job names.
    ///
    /// # Errors
    /// [`Reason::LocalPathRefused`] with the field's path: it is a relative path, which only its client could
    /// resolve, or lies outside of what is allowed.
    pub fn check(&self, job: &Job) -> Result<(), Failure> {
        job.work.places().into_iter().filter(|(_, table)| !is_elsewhere(table)).try_for_each(|(field, table)| {
            self.check_path(Path::new(table)).map_err(|failure| failure.field(field).file(table))
        })
    }

    fn check_path(&self, path: &Path) -> Result<(), Failure> {
        if !path.is_absolute() {
            return Err(Failure::new(
                Reason::LocalPathRefused,
                format!("`{}` is relative to a folder that the head does not know", path.display()),
            )
            .next("give an absolute path, or submit with `shoal job submit`, which makes it absolute"));
        }
        let Self::Under(folders) = self else { return Ok(()) };
        let resolved = resolve(path);
        if folders.iter().any(|folder| resolved.starts_with(resolve(folder))) {
            return Ok(());
        }
        Err(Failure::new(
            Reason::LocalPathRefused,
            format!("the head may not read or write `{}` on its own machine", path.display()),
        )
        .next("put the table where the head may reach it, or start the head with `--allow-local DIR`"))
    }
}

/// Whether a table is a URL that leads to no file of this machine. Whatever is not written plainly is taken for a path.
fn is_elsewhere(table: &str) -> bool {
    table.split_once("://").is_some_and(|(scheme, _)| {
        scheme != "file"
            && scheme.starts_with(|first: char| first.is_ascii_lowercase())
            && scheme.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c))
    })
}

/// The path without `..` and, as far as it exists, without links: what is compared is where it leads.
fn resolve(path: &Path) -> PathBuf {
    let mut resolved = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                resolved.pop();
            }
            Component::CurDir => {}
            other => {
                resolved.push(other);
                if let Ok(real) = resolved.canonicalize() {
                    resolved = real;
                }
            }
        }
    }
    resolved
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_what_leads_into_an_allowed_folder_passes() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir_all(&data).unwrap();
        std::os::unix::fs::symlink("/etc", data.join("link")).unwrap();
        let under = LocalPaths::Under(vec![data.clone()]);
        let cases = [
            (data.join("a.csv"), true),
            (data.join("new/folder"), true),
            (data.join("../other/a.csv"), false),
            (data.join("x/../../a.csv"), false),
            (data.join("link/passwd"), false),
            (folder.path().join("data-2/a.csv"), false),
            (PathBuf::from("/etc/passwd"), false),
            (PathBuf::from("a.csv"), false),
        ];
        for (path, allowed) in cases {
            assert_eq!(under.check_path(&path).is_ok(), allowed, "{}", path.display());
        }
        for (table, expected) in [
            ("s3://bucket/rows", true),
            ("az://container/rows", true),
            ("file:///etc/passwd", false),
            ("FILE:///etc/passwd", false),
            (" file:///etc/passwd", false),
            ("fi\tle:///etc/passwd", false),
            ("://x", false),
            ("/etc/s3://x", false),
        ] {
            assert_eq!(is_elsewhere(table), expected, "{table}");
        }
        assert!(LocalPaths::Any.check_path(Path::new("/etc/passwd")).is_ok());
        assert!(LocalPaths::Any.check_path(Path::new("a.csv")).is_err());
        assert!(LocalPaths::Under(Vec::new()).check_path(&data).is_err());
    }
}
