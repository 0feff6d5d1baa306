//! A bucket or a folder that keeps what is to outlive a cluster.

use async_trait::async_trait;
use object_store::ObjectStoreExt;
use shoal_core::Failure;
use shoal_core::archive::Archive;

use crate::storage::{Location, names_missing, write_failure};

/// Files below a location.
#[derive(Clone, Debug)]
pub struct FileArchive(Location);

impl FileArchive {
    /// The archive at a URL or path; relative paths start at the working directory. Nothing is looked at yet.
    ///
    /// # Errors
    /// As [`Location::parse`].
    pub fn at(text: &str) -> Result<Self, Failure> {
        Location::from_here(text).map(Self)
    }

    fn place(&self, name: &str) -> Location {
        name.split('/').filter(|part| !part.is_empty()).fold(self.0.clone(), |place, part| place.child(part))
    }
}

#[async_trait]
impl Archive for FileArchive {
    fn uri(&self, name: &str) -> String {
        self.place(name).to_string()
    }

    async fn write(&self, name: &str, content: Vec<u8>) -> Result<(), Failure> {
        let place = self.place(name);
        let written = place.store().put(place.path(), content.into()).await;
        written.map(drop).map_err(|error| write_failure(&place, &error))
    }

    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        let place = self.place(name);
        let read = async { place.store().get(place.path()).await?.bytes().await };
        match read.await {
            Ok(bytes) => Ok(Some(bytes.to_vec())),
            Err(error) if names_missing(&error) => Ok(None),
            Err(error) => Err(place.failure(&error)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_written_is_read_and_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("not/there/yet");
        let archive = FileArchive::at(root.to_str().unwrap()).unwrap();
        assert_eq!(archive.read("jobs/a/job.json").await.unwrap(), None);
        for content in ["first", "second, longer", "third"] {
            archive.write("jobs/a/job.json", content.into()).await.unwrap();
            assert_eq!(archive.read("jobs/a/job.json").await.unwrap().unwrap(), content.as_bytes());
        }
        assert_eq!(archive.uri("jobs/a"), root.join("jobs/a").to_str().unwrap());
        assert_eq!(archive.uri(""), root.to_str().unwrap());
        let files: Vec<_> = std::fs::read_dir(root.join("jobs/a")).unwrap().collect();
        assert_eq!(files.len(), 1, "{files:?}");
    }

    #[tokio::test]
    async fn a_place_that_takes_nothing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let archive = FileArchive::at(file.to_str().unwrap()).unwrap();
        let failure = archive.write("jobs/a/job.json", Vec::new()).await.unwrap_err();
        assert!(failure.location.file.unwrap().ends_with("file/jobs/a/job.json"));
    }
}
