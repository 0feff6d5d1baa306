//! The files that a job names and brings along: found on this machine, named in its spec by what is in them, and uploaded where
//! the head has them not.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use shoal_core::blobs::{BlobSource, BlobStream, Digest, Hashing, LocalFiles, check_size, clean};
use shoal_core::limits::UPLOADS_MAX;
use shoal_core::spec::v1alpha1::{BroughtAlong, ShoalJob, Upload};
use shoal_core::{Failure, Reason};

/// Bytes that are read at a time.
pub(crate) const PIECE_BYTES: usize = 256 << 10;

/// Folders in folders: a link that leads back would else be followed for ever.
const DEPTH_MAX: usize = 32;

/// What Python writes beside modules.
const COMPILED: &str = "__pycache__";

/// Names in a job what is in the files that it brings along, which lie in the folder of its file, and says where they are. A
/// job that names that already stays as it is.
///
/// # Errors
/// [`Reason::InvalidFunction`] and [`Reason::InvalidEnvironment`] for a file that cannot be read; [`Reason::InvalidValue`] for
/// one that is too large, and for too many.
pub(crate) fn find(job: &mut ShoalJob, folder: &Path) -> Result<LocalFiles, Failure> {
    let mut local = LocalFiles::new();
    for function in job.brought_along_mut().filter(|function| function.uploads.is_none()) {
        let mut found = Found { folder, uploads: BTreeMap::new(), local: &mut local };
        found.of_function(&function)?;
        let uploads: Vec<Upload> = found.uploads.into_values().collect();
        if uploads.len() > UPLOADS_MAX {
            let message =
                format!("{} files are too many for a job to bring along: {UPLOADS_MAX} are possible", uploads.len());
            return Err(Failure::new(Reason::InvalidValue, message)
                .field(format!("{}.files", function.path))
                .next("make a wheel of them, and name its folder in `environment.wheels`"));
        }
        *function.uploads = Some(uploads).filter(|uploads| !uploads.is_empty());
    }
    Ok(local)
}

struct Found<'a> {
    /// What relative paths start at.
    folder: &'a Path,
    uploads: BTreeMap<String, Upload>,
    local: &'a mut LocalFiles,
}

impl Found<'_> {
    fn of_function(&mut self, function: &BroughtAlong<'_>) -> Result<(), Failure> {
        let told =
            |failure, reason, member: &str, next| told(failure, reason, format!("{}.{member}", function.path), next);
        if let Some(file) = function.file {
            let next = "name the file that has the function, relative to the job file";
            self.file(&clean(file)).map_err(|failure| told(failure, Reason::InvalidFunction, "file", next))?;
        }
        for (file, index) in function.files.iter().flatten().zip(0..) {
            let next = "name files and folders that are there, relative to the job file";
            let field = format!("files[{index}]");
            self.any(&clean(file), DEPTH_MAX)
                .map_err(|failure| told(failure, Reason::InvalidFunction, &field, next))?;
        }
        let Some(environment) = function.environment else { return Ok(()) };
        if let Some(file) = &environment.requirements {
            let next = "name the file that lists the packages, relative to the job file";
            let field = "environment.requirements";
            self.file(&clean(file)).map_err(|failure| told(failure, Reason::InvalidEnvironment, field, next))?;
        }
        // An absolute path is one of the workers'.
        if let Some(wheels) = environment.wheels.as_ref().filter(|wheels| !Path::new(wheels).is_absolute()) {
            let next = "name the folder with the wheels, relative to the job file";
            self.wheels(&clean(wheels))
                .map_err(|failure| told(failure, Reason::InvalidEnvironment, "environment.wheels", next))?;
        }
        Ok(())
    }

    /// A file, or all of a folder.
    fn any(&mut self, path: &str, depth: usize) -> Result<(), Failure> {
        if self.folder.join(path).is_dir() { self.below(path, depth) } else { self.file(path) }
    }

    /// What is in a folder, however deep, but what is hidden or made by Python.
    fn below(&mut self, path: &str, depth: usize) -> Result<(), Failure> {
        if depth == 0 {
            let message = format!("more than {DEPTH_MAX} folders lie in each other: a link may lead back");
            return Err(Failure::new(Reason::InvalidValue, message).file(self.folder.join(path).display().to_string()));
        }
        for name in self.names(path)? {
            if name != COMPILED {
                self.any(&joined(path, &name), depth - 1)?;
            }
        }
        Ok(())
    }

    /// The files right in a folder.
    fn wheels(&mut self, path: &str) -> Result<(), Failure> {
        let names = self.names(path)?;
        if names.is_empty() {
            return Err(Failure::new(Reason::InvalidEnvironment, "the folder of wheels is empty")
                .file(self.folder.join(path).display().to_string()));
        }
        for name in names {
            let path = joined(path, &name);
            if self.folder.join(&path).is_file() {
                self.file(&path)?;
            }
        }
        Ok(())
    }

    /// The names in a folder that are not hidden, in their order.
    fn names(&self, path: &str) -> Result<Vec<String>, Failure> {
        let place = self.folder.join(path);
        let unreadable = |error: std::io::Error| unreadable(&place, "folder", &error);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&place).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name();
            let name = name.into_string().map_err(|name| {
                Failure::new(Reason::InvalidValue, "the name of a file is not UTF-8")
                    .file(place.join(name).display().to_string())
            })?;
            if !name.starts_with('.') {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn file(&mut self, path: &str) -> Result<(), Failure> {
        let place = self.folder.join(path);
        let (digest, bytes) = hash(&place)?;
        self.uploads.insert(path.to_owned(), Upload { path: path.to_owned(), sha256: digest.hex().to_owned(), bytes });
        self.local.insert(digest, place);
        Ok(())
    }
}

fn joined(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{}/{name}", folder.trim_end_matches('/')) }
}

fn told(failure: Failure, reason: Reason, field: String, next: &str) -> Failure {
    let failure = Failure { reason, ..failure }.field(field);
    match failure.next {
        Some(_) => failure,
        None => failure.next(next),
    }
}

pub(crate) fn hash(place: &Path) -> Result<(Digest, u64), Failure> {
    let unreadable = |error: std::io::Error| unreadable(place, "file", &error);
    let mut file = File::open(place).map_err(unreadable)?;
    check_size(file.metadata().map_err(unreadable)?.len())
        .map_err(|failure| failure.file(place.display().to_string()))?;
    let (mut hashing, mut piece) = (Hashing::default(), vec![0; PIECE_BYTES]);
    loop {
        match file.read(&mut piece).map_err(unreadable)? {
            0 => break,
            read => hashing.add(&piece[..read]).map_err(|failure| failure.file(place.display().to_string()))?,
        }
    }
    let bytes = hashing.bytes();
    Ok((hashing.digest(), bytes))
}

/// A file, or a folder, of which `what` says so.
fn unreadable(place: &Path, what: &str, error: &std::io::Error) -> Failure {
    let message = match error.kind() {
        std::io::ErrorKind::NotFound => format!("there is no such {what}"),
        _ => format!("the {what} cannot be read"),
    };
    Failure::new(Reason::InvalidValue, message).because(error).file(place.display().to_string())
}

/// The files of a job where they lie, for whoever is on the same machine and runs it without a head.
pub(crate) struct InPlace(pub(crate) LocalFiles);

#[async_trait]
impl BlobSource for InPlace {
    async fn open(&self, digest: &Digest) -> Result<Option<BlobStream>, Failure> {
        let Some(place) = self.0.get(digest) else { return Ok(None) };
        let file = tokio::fs::File::open(place).await.map_err(|error| unreadable(place, "file", &error))?;
        Ok(Some(pieces(file, place.clone())))
    }
}

/// The content of a file, piece by piece.
pub(crate) fn pieces(file: tokio::fs::File, place: PathBuf) -> BlobStream {
    futures::stream::try_unfold((file, place), |(mut file, place)| async move {
        use tokio::io::AsyncReadExt;
        let mut piece = vec![0; PIECE_BYTES];
        match file.read(&mut piece).await {
            Ok(0) => Ok(None),
            Ok(read) => {
                piece.truncate(read);
                Ok(Some((Bytes::from(piece), (file, place))))
            }
            Err(error) => Err(unreadable(&place, "file", &error)),
        }
    })
    .boxed()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn job(python: Value) -> ShoalJob {
        serde_json::from_value(json!({
            "apiVersion": "shoal.dev/v1alpha1", "kind": "ShoalJob", "metadata": {"name": "a"},
            "spec": {"groupedTraining": {
                "input": {"table": "in"}, "groupBy": ["g"], "model": {"python": python}, "output": {"table": "out"},
            }},
        }))
        .unwrap()
    }

    fn python(members: Value) -> Value {
        let mut python = json!({"returns": [{"name": "n", "type": "int64"}]});
        python.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        python
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("model.py", "import helpers"),
            ("helpers.py", "x = 1"),
            ("package/__init__.py", ""),
            ("package/deep/data.json", "{}"),
            ("package/__pycache__/a.pyc", "compiled"),
            ("package/.git/config", "hidden"),
            ("wheels/a.whl", "a wheel"),
            ("wheels/more/b.whl", "not in it"),
            ("requirements.txt", "a"),
        ] {
            let place = folder.path().join(file);
            std::fs::create_dir_all(place.parent().unwrap()).unwrap();
            std::fs::write(place, text).unwrap();
        }
        folder
    }

    fn paths(job: &ShoalJob) -> Vec<&str> {
        job.uploads().map(|upload| upload.path.as_str()).collect()
    }

    #[test]
    fn all_that_a_job_names_travels_and_nothing_else() {
        let folder = folder();
        let environment = json!({"requirements": "requirements.txt", "wheels": "./wheels/"});
        let files = json!(["./helpers.py", "package"]);
        let mut one = job(python(json!({"file": "./model.py", "files": files, "environment": environment})));
        let local = find(&mut one, folder.path()).unwrap();
        let expected = [
            "helpers.py",
            "model.py",
            "package/__init__.py",
            "package/deep/data.json",
            "requirements.txt",
            "wheels/a.whl",
        ];
        assert_eq!(paths(&one), expected);
        assert_eq!(local.len(), expected.len());
        let upload = one.uploads().find(|upload| upload.path == "helpers.py").unwrap();
        assert_eq!(local[&Digest::of_hex(&upload.sha256).unwrap()], folder.path().join("helpers.py"));
        assert_eq!(upload.bytes, 5);
        // What was found once is not looked for again: a spec of a head may be submitted as it is.
        let mut again = one.clone();
        assert!(find(&mut again, Path::new("/none")).unwrap().is_empty() && again == one);
    }

    #[test]
    fn a_function_that_predicts_brings_its_files_along_too() {
        let folder = folder();
        let mut job: ShoalJob = serde_json::from_value(json!({
            "apiVersion": "shoal.dev/v1alpha1", "kind": "ShoalJob", "metadata": {"name": "a"},
            "spec": {"groupedScoring": {
                "models": {"table": "m"}, "input": {"table": "i.csv"}, "output": {"table": "out"},
                "python": {"file": "model.py", "files": ["helpers.py"]},
            }},
        }))
        .unwrap();
        let local = find(&mut job, folder.path()).unwrap();
        assert_eq!((paths(&job), local.len()), (vec!["helpers.py", "model.py"], 2));
        let missing = &mut job.spec.grouped_scoring.as_mut().unwrap().python.as_mut().unwrap();
        (missing.file, missing.uploads) = (Some("none.py".into()), None);
        let failure = find(&mut job, folder.path()).unwrap_err();
        assert_eq!(failure.location.field_path.as_deref(), Some("spec.groupedScoring.python.file"));
    }

    #[test]
    fn a_changed_file_makes_another_job_and_a_moved_one_does_not() {
        let (here, there) = (folder(), folder());
        let spec = || job(python(json!({"file": "model.py", "files": ["helpers.py"]})));
        let found = |folder: &Path| {
            let mut job = spec();
            find(&mut job, folder).unwrap();
            job
        };
        assert_eq!(found(here.path()), found(there.path()));
        std::fs::write(there.path().join("helpers.py"), "x = 2").unwrap();
        assert_ne!(found(here.path()), found(there.path()));
    }

    #[test]
    fn what_cannot_travel_is_named_with_its_field() {
        let folder = folder();
        std::fs::create_dir(folder.path().join("empty")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("package"), folder.path().join("package/deep/back")).unwrap();
        for (members, reason, field, message) in [
            (json!({"file": "none.py"}), Reason::InvalidFunction, "file", "no such file"),
            (json!({"file": "package"}), Reason::InvalidFunction, "file", "cannot be read"),
            (json!({"code": "x", "files": ["none.py"]}), Reason::InvalidFunction, "files[0]", "no such file"),
            (
                json!({"code": "x", "files": ["helpers.py", "package"]}),
                Reason::InvalidFunction,
                "files[1]",
                "lead back",
            ),
            (
                json!({"code": "x", "environment": {"requirements": "none.txt"}}),
                Reason::InvalidEnvironment,
                "environment.requirements",
                "no such file",
            ),
            (
                json!({"code": "x", "environment": {"packages": ["a"], "wheels": "empty"}}),
                Reason::InvalidEnvironment,
                "environment.wheels",
                "empty",
            ),
        ] {
            let failure = find(&mut job(python(members)), folder.path()).unwrap_err();
            assert_eq!(
                (failure.reason, failure.location.field_path.unwrap()),
                (reason, format!("spec.groupedTraining.model.python.{field}"))
            );
            assert!(failure.message.contains(message) && failure.next.is_some(), "{}", failure.message);
        }
        let large = File::create(folder.path().join("large.bin")).unwrap();
        large.set_len(shoal_core::limits::BLOB_BYTES_MAX + 1).unwrap();
        let failure = find(&mut job(python(json!({"code": "x", "files": ["large.bin"]}))), folder.path()).unwrap_err();
        assert!(failure.message.contains("too many") && failure.location.file.is_some(), "{failure:?}");
    }

    #[test]
    fn an_absolute_folder_of_wheels_is_one_of_the_workers() {
        let environment = json!({"packages": ["a"], "wheels": "/opt/wheels"});
        let mut job = job(python(json!({"code": "x", "environment": environment})));
        assert!(find(&mut job, Path::new("/none")).unwrap().is_empty());
        assert_eq!(job.uploads().count(), 0);
    }

    #[tokio::test]
    async fn files_in_place_are_read_as_they_are() {
        let folder = folder();
        let mut job = job(python(json!({"file": "model.py"})));
        let source = InPlace(find(&mut job, folder.path()).unwrap());
        let digest = Digest::of_hex(&job.uploads().next().unwrap().sha256).unwrap();
        let file = shoal_core::blobs::File { path: "model.py".into(), digest, bytes: 14 };
        assert_eq!(shoal_core::blobs::read(&source, &file, 100).await.unwrap(), b"import helpers");
        std::fs::write(folder.path().join("model.py"), "changed since").unwrap();
        assert_eq!(shoal_core::blobs::read(&source, &file, 100).await.unwrap_err().reason, Reason::CorruptFile);
    }
}
