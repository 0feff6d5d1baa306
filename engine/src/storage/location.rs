use std::fmt;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::prelude::SessionContext;
use futures::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{ListResult, ObjectMeta, ObjectStore, ObjectStoreExt};
use shoal_core::{Failure, Reason};
use url::Url;

use super::cloud::{self, Provider};
use super::{names_missing, remote_failure_of};
use crate::error::store_failure;

/// What separates the scheme of a URL from the rest; whatever has it is no local path.
const SCHEME_END: &str = "://";

/// A place that a table or a file is at, or will be, and the store that holds it.
///
/// Its name is an absolute path, or `s3://BUCKET/KEY`, `gs://BUCKET/KEY` or `az://CONTAINER/KEY` with the key as it is in the
/// bucket: nothing in it is percent-encoded. None ends with a slash.
#[derive(Clone)]
pub struct Location {
    root: Root,
    path: ObjectPath,
    store: Arc<dyn ObjectStore>,
}

/// What paths of a store start from.
#[derive(Clone, PartialEq, Eq)]
enum Root {
    /// `/` of this machine.
    Disk,
    /// A bucket, as `s3://BUCKET`, or whatever the provider of the scheme calls one.
    Bucket(String),
}

impl Location {
    /// A location as the job that names it has it: an absolute path, a `file://` URL or the URL of an object store.
    ///
    /// # Errors
    /// [`Reason::InvalidValue`] for a relative path, for another kind of URL, and where the settings of the object
    /// store in the environment cannot be used.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let refused = |message: String| Failure::new(Reason::InvalidValue, message).file(text);
        match text.split_once(SCHEME_END) {
            Some(("file", _)) => {
                let path = Url::parse(text).ok().and_then(|url| url.to_file_path().ok());
                let path = path.ok_or_else(|| refused(format!("`{text}` names no file of this machine")))?;
                Self::on_disk(&path)
            }
            Some((scheme, rest)) if !scheme.contains('/') => match Provider::of_scheme(scheme) {
                Some(provider) => Self::in_bucket(provider, text, rest),
                None => {
                    Err(refused(format!("tables at `{scheme}{SCHEME_END}` locations cannot be reached by this build"))
                        .next(format!("name a local path, or {}", cloud::forms())))
                }
            },
            _ if Path::new(text).is_absolute() => Self::on_disk(Path::new(text)),
            _ => Err(refused(format!("`{text}` is no absolute path"))),
        }
    }

    /// As [`Location::parse`]; relative paths start at the working directory.
    ///
    /// # Errors
    /// As [`Location::parse`].
    pub fn from_here(text: &str) -> Result<Self, Failure> {
        if text.contains(SCHEME_END) {
            return Self::parse(text);
        }
        let path = std::path::absolute(text)
            .map_err(|error| Failure::new(Reason::InvalidValue, format!("`{text}` is no path")).because(&error))?;
        Self::on_disk(&path)
    }

    fn on_disk(path: &Path) -> Result<Self, Failure> {
        let unusable =
            || Failure::new(Reason::InvalidValue, "the path cannot be used").file(path.display().to_string());
        let real = without_parents(path);
        if real.to_str().is_none() {
            return Err(Failure::new(Reason::InvalidValue, "the path is not UTF-8").file(path.display().to_string()));
        }
        let path = ObjectPath::from_absolute_path(&real).map_err(|error| unusable().because(&error))?;
        Ok(Self { root: Root::Disk, path, store: Arc::new(LocalFileSystem::new()) })
    }

    fn in_bucket(provider: &Provider, text: &str, rest: &str) -> Result<Self, Failure> {
        let refused = |message: &str| Failure::new(Reason::InvalidValue, message).file(text);
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if bucket.is_empty() || !bucket.chars().all(is_name) {
            return Err(
                refused(&format!("this names no {}", provider.words.bucket)).next(format!("write {}", provider.form))
            );
        }
        let path = ObjectPath::parse(key).map_err(|error| refused("the key cannot be used").because(&error))?;
        let store = provider.store(bucket).map_err(|failure| failure.file(text))?;
        Ok(Self { root: Root::Bucket(format!("{}{SCHEME_END}{bucket}", provider.scheme)), path, store })
    }

    /// A location in a store that a test brings along.
    #[cfg(test)]
    pub(crate) fn in_store(store: Arc<dyn ObjectStore>, root: &str, path: &str) -> Self {
        Self { root: Root::Bucket(root.to_owned()), path: ObjectPath::from(path), store }
    }

    /// The same place, seen through another store.
    #[cfg(test)]
    pub(crate) fn through(&self, store: Arc<dyn ObjectStore>) -> Self {
        Self { store, ..self.clone() }
    }

    /// The place of a name below this one.
    pub(crate) fn child(&self, name: &str) -> Self {
        Self { path: self.path.clone().join(name), ..self.clone() }
    }

    /// The place above; `None` at the root.
    pub(crate) fn parent(&self) -> Option<Self> {
        let mut parts: Vec<_> = self.path.parts().collect();
        parts.pop()?;
        Some(Self { path: ObjectPath::from_iter(parts), ..self.clone() })
    }

    /// The last part of its name.
    pub(crate) fn file_name(&self) -> &str {
        self.path.filename().unwrap_or_default()
    }

    /// The store.
    pub(crate) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// Its name in the store.
    pub(crate) fn path(&self) -> &ObjectPath {
        &self.path
    }

    /// What an object of the same store is called.
    pub(crate) fn name_of(&self, path: &ObjectPath) -> String {
        match &self.root {
            Root::Disk => format!("/{path}"),
            Root::Bucket(root) if path.as_ref().is_empty() => root.clone(),
            Root::Bucket(root) => format!("{root}/{path}"),
        }
    }

    /// The path of this machine, where it is one.
    pub(crate) fn local_path(&self) -> Option<PathBuf> {
        (self.root == Root::Disk).then(|| PathBuf::from(self.to_string()))
    }

    /// The store's own URL, by which a session knows it.
    fn store_url(&self) -> Result<ObjectStoreUrl, Failure> {
        match &self.root {
            Root::Disk => Ok(ObjectStoreUrl::local_filesystem()),
            Root::Bucket(root) => ObjectStoreUrl::parse(root)
                .map_err(|error| Failure::internal("a bucket has no URL").file(root).because(&error)),
        }
    }

    /// Makes the store known to a session, and gives the URL that its plans name it by.
    pub(crate) fn register(&self, ctx: &SessionContext) -> Result<ObjectStoreUrl, Failure> {
        let url = self.store_url()?;
        ctx.register_object_store(url.as_ref(), Arc::clone(&self.store));
        Ok(url)
    }

    /// The URL of a folder, as Delta's libraries want it.
    pub(crate) fn folder_url(&self) -> Result<Url, Failure> {
        let url = match &self.root {
            Root::Disk => Url::from_directory_path(self.to_string()).ok(),
            Root::Bucket(root) => Url::parse(root).ok().and_then(|mut url| {
                let parts = self.path.parts().map(|part| part.as_ref().to_owned()).chain([String::new()]);
                url.path_segments_mut().ok()?.clear().extend(parts);
                Some(url)
            }),
        };
        url.ok_or_else(|| Failure::internal("a table's folder has no URL").file(self.to_string()))
    }

    /// The file as its store sees it now.
    pub(crate) async fn head(&self) -> Result<ObjectMeta, Failure> {
        self.store.head(&self.path).await.map_err(|error| self.failure(&error))
    }

    /// As [`Location::head`]; `None` where there is no such file.
    pub(crate) async fn head_if_there(&self) -> Result<Option<ObjectMeta>, Failure> {
        match self.store.head(&self.path).await {
            Ok(meta) => Ok(Some(meta)),
            Err(error) if names_missing(&error) => Ok(None),
            Err(error) => Err(self.failure(&error)),
        }
    }

    /// Some bytes of the file.
    pub(crate) async fn read(&self, range: Range<u64>) -> Result<Bytes, Failure> {
        self.store.get_range(&self.path, range).await.map_err(|error| self.failure(&error))
    }

    /// Everything below, however deep. Nothing where there is no such folder.
    pub(crate) async fn list(&self) -> Result<Vec<ObjectMeta>, Failure> {
        self.store.list(Some(&self.path)).try_collect().await.map_err(|error| self.failure(&error))
    }

    /// Whether anything is below.
    pub(crate) async fn has_objects(&self) -> Result<bool, Failure> {
        let first = self.store.list(Some(&self.path)).try_next().await;
        first.map(|first| first.is_some()).map_err(|error| self.failure(&error))
    }

    /// What lies right in the folder.
    pub(crate) async fn entries(&self) -> Result<ListResult, Failure> {
        self.store.list_with_delimiter(Some(&self.path)).await.map_err(|error| self.failure(&error))
    }

    /// Whose store it is; `None` for a disk.
    pub(super) fn provider(&self) -> Option<&'static Provider> {
        match &self.root {
            Root::Disk => None,
            Root::Bucket(root) => root.split_once(SCHEME_END).and_then(|(scheme, _)| Provider::of_scheme(scheme)),
        }
    }

    /// The failure behind an error of the store; names this place where the error names none.
    pub(crate) fn failure(&self, error: &object_store::Error) -> Failure {
        let mut failure = remote_failure_of(self.provider(), error).unwrap_or_else(|| store_failure(error));
        if self.root != Root::Disk || failure.location.file.is_none() {
            failure.location.file = Some(self.to_string());
        }
        failure
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name_of(&self.path))
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The path with every `..` walked, through links as the operating system walks them: an object store knows no `..`.
fn without_parents(path: &Path) -> PathBuf {
    let mut walked = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                walked = walked.canonicalize().unwrap_or(walked);
                walked.pop();
            }
            Component::CurDir => {}
            other => walked.push(other),
        }
    }
    walked
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn name(text: &str) -> Result<String, Reason> {
        Location::parse(text).map(|location| location.to_string()).map_err(|failure| failure.reason)
    }

    #[test]
    fn paths_and_urls_are_locations_and_nothing_else_is() {
        for (text, expected) in [
            ("/data/my models", "/data/my models"),
            ("/data/models/", "/data/models"),
            ("/nowhere/x/../models", "/nowhere/models"),
            ("file:///data/my%20models", "/data/my models"),
            ("s3://bucket/models/", "s3://bucket/models"),
            ("s3://bucket", "s3://bucket"),
            ("s3://bucket/a b/50%/x=1?.csv", "s3://bucket/a b/50%/x=1?.csv"),
            ("gs://bucket/a b/50%/", "gs://bucket/a b/50%"),
        ] {
            assert_eq!(name(text).as_deref(), Ok(expected), "{text}");
        }
        for text in ["out/models", "ftp://h/models", "s3://", "gs:///key", "az://b*/x", "s3://bucket/a//b"] {
            assert_eq!(name(text), Err(Reason::InvalidValue), "{text}");
            assert!(Location::parse(text).unwrap_err().location.file.is_some(), "{text}");
        }
        assert!(Location::from_here("a.csv").unwrap().to_string().ends_with("/a.csv"));
        let failure = Location::from_here("abfss://bucket/a").unwrap_err();
        assert!(failure.next.unwrap().contains("az://CONTAINER/PREFIX"));
    }

    #[test]
    fn a_folder_has_a_url_that_leads_back_to_it() {
        for text in ["/data/my models", "s3://bucket/50%/my models", "gs://bucket/a", "s3://bucket"] {
            let location = Location::parse(text).unwrap();
            let url = location.folder_url().unwrap();
            assert!(url.path().ends_with('/'), "{url}");
            assert_eq!(&ObjectPath::from_url_path(url.path()).unwrap(), location.path(), "{url}");
        }
    }

    #[test]
    fn links_are_walked_before_what_is_above_them() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("far/away")).unwrap();
        std::os::unix::fs::symlink(root.join("far/away"), root.join("link")).unwrap();
        let location = Location::parse(root.join("link/../x.csv").to_str().unwrap()).unwrap();
        assert_eq!(location.local_path().unwrap(), root.join("far/x.csv"));
    }
}
