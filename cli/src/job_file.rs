//! A job file: read, parsed, its paths made absolute, and its files found.

use std::path::{Component, Path, PathBuf};

use shoal_core::blobs::LocalFiles;
use shoal_core::limits::JOB_FILE_BYTES_MAX;
use shoal_core::spec::parse_job;
use shoal_core::spec::v1alpha1::ShoalJob;
use shoal_core::{Failure, Reason};

use crate::uploads;

/// A job file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JobFile {
    /// Its path as the user typed it.
    pub(crate) name: String,
    /// What is in it.
    pub(crate) text: String,
    /// The folder that it lies in: absolute, without links.
    pub(crate) folder: PathBuf,
}

impl JobFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Reason::InvalidValue`] where it cannot be read, [`Reason::MalformedDocument`] where it is no text or too large
    /// for a job.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let unreadable = |error: std::io::Error| {
            Failure::new(Reason::InvalidValue, format!("the job file `{name}` cannot be read"))
                .because(&error)
                .file(&name)
                .next("name a job file that is there; examples/ has some")
        };
        let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
        if bytes > JOB_FILE_BYTES_MAX as u64 {
            return Err(Failure::new(Reason::MalformedDocument, format!("a file of {bytes} bytes is no job file"))
                .file(name)
                .next("put the data into a table, and the table's path into the job file"));
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let real = path.canonicalize().map_err(unreadable)?;
        let folder = real.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Self { name, text, folder })
    }

    /// The job in it, its tables' local paths absolute; and the files that it brings along, named in it by what is in them.
    ///
    /// # Errors
    /// What [`parse_job`] and [`uploads::find`] say.
    pub(crate) fn job(&self) -> Result<(ShoalJob, LocalFiles), Failure> {
        let mut job = with_absolute_paths(parse_job(&self.text, &self.name)?, &self.folder);
        let files = uploads::find(&mut job, &self.folder)?;
        Ok((job, files))
    }
}

/// The job with the relative paths of its tables made absolute: they start at `folder`, which is where its file lies.
fn with_absolute_paths(mut job: ShoalJob, folder: &Path) -> ShoalJob {
    let mut paths = Vec::new();
    if let Some(training) = &mut job.spec.grouped_training {
        paths.extend([&mut training.input.table, &mut training.output.table]);
    }
    if let Some(scoring) = &mut job.spec.grouped_scoring {
        paths.extend([&mut scoring.models.table, &mut scoring.input.table, &mut scoring.output.table]);
    }
    for path in paths {
        *path = absolute(path, folder);
    }
    job
}

fn absolute(table: &str, folder: &Path) -> String {
    if table.contains("://") || Path::new(table).is_absolute() {
        return table.to_owned();
    }
    // Leading `..` are walked, so that a report shows the path that a person would write. The folder has no links, so
    // that nothing else can be meant.
    let mut path = folder.to_owned();
    let mut leading = true;
    for component in Path::new(table).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if leading => {
                path.pop();
            }
            other => {
                leading = false;
                path.push(other);
            }
        }
    }
    path.display().to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const JOB: &str = "
apiVersion: shoal.dev/v1alpha1
kind: ShoalJob
metadata: {name: a}
spec:
  groupedTraining:
    input: {table: data/in.csv}
    groupBy: [firm]
    model: {ols: {target: y, features: [x]}}
    output: {table: ../out/models}
";

    #[test]
    fn relative_paths_start_at_the_folder_of_the_file() {
        let folder = Path::new("/jobs/here");
        for (table, expected) in [
            ("data/in.csv", "/jobs/here/data/in.csv"),
            ("./data/*.csv", "/jobs/here/data/*.csv"),
            ("../out/models", "/jobs/out/models"),
            ("./../../out", "/out"),
            ("../../../../out", "/out"),
            ("link/../out", "/jobs/here/link/../out"),
            ("/data/in.csv", "/data/in.csv"),
            ("s3://bucket/in", "s3://bucket/in"),
        ] {
            assert_eq!(absolute(table, folder), expected, "{table}");
        }
    }

    #[test]
    fn a_file_is_read_and_all_its_tables_are_absolute() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("jobs");
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("job.yaml");
        std::fs::write(&path, JOB).unwrap();
        let (job, _) = JobFile::read(&path).unwrap().job().unwrap();
        let training = job.spec.grouped_training.unwrap();
        let root = root.path().canonicalize().unwrap();
        assert_eq!(Path::new(&training.input.table), root.join("jobs/data/in.csv"));
        assert_eq!(Path::new(&training.output.table), root.join("out/models"));
    }

    #[test]
    fn what_is_no_job_file_is_the_users_input() {
        let folder = tempfile::tempdir().unwrap();
        let missing = JobFile::read(&folder.path().join("none.yaml")).unwrap_err();
        assert!(missing.reason == Reason::InvalidValue && missing.next.is_some());
        let large = folder.path().join("large.yaml");
        std::fs::write(&large, vec![b' '; JOB_FILE_BYTES_MAX + 1]).unwrap();
        assert_eq!(JobFile::read(&large).unwrap_err().reason, Reason::MalformedDocument);
        assert_eq!(JobFile::read(folder.path()).unwrap_err().reason, Reason::InvalidValue);
    }
}
