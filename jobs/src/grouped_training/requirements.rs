//! Makes of what a job wants to have installed a text that means the same on every worker.

use shoal_core::blobs::BlobSource;
use shoal_core::functions::Requirements;
use shoal_core::job::{Function, Installed, Packages};
use shoal_core::{Failure, Reason};

use super::program::{file_name, text_of};

/// The member of the function in the spec.
const FIELD: &str = "environment";

/// What the worker's side of a function needs, and the oldest that it is tested with.
const NEEDED: &str = "pyarrow";
const NEEDED_REQUIREMENT: &str = "pyarrow>=15";

/// Options that name another file.
const OTHER_FILES: [&str; 6] = ["-r", "--requirement", "-c", "--constraint", "-e", "--editable"];

/// The requirements of a function's environment; their file is read.
pub(super) async fn requirements(
    function: &Function,
    installed: &Installed,
    blobs: &dyn BlobSource,
) -> Result<Requirements, Failure> {
    gathered(function, installed, blobs).await.map_err(|mut failure| {
        let member = failure.location.field_path.take();
        failure.location.field_path = member.map(|member| format!("{}.{member}", function.field));
        failure
    })
}

async fn gathered(function: &Function, installed: &Installed, blobs: &dyn BlobSource) -> Result<Requirements, Failure> {
    let Installed { packages, wheels, index_url } = installed;
    let (text, file) = match packages {
        Packages::Listed(packages) => (complete(&packages.join("\n")).map_err(|wrong| wrong.failure(None))?, None),
        Packages::File(path) => {
            let refused = |failure: Failure| {
                let failure = failure.field(format!("{FIELD}.requirements"));
                match failure.next {
                    Some(_) => failure,
                    None => failure.next("name the file that lists the packages, relative to the job file"),
                }
            };
            let wrong = |wrong: super::program::NoText| wrong.failure(Reason::InvalidEnvironment, path);
            let text = text_of(function, path, blobs, wrong).await.map_err(refused)?;
            (complete(&text).map_err(|wrong| wrong.failure(Some(path)))?, Some(file_name(path)))
        }
    };
    let wheel_files = wheels.as_deref().map(|folder| function.uploaded_below(folder)).unwrap_or_default();
    Ok(Requirements { text, file, wheels: wheels.clone(), wheel_files, index_url: index_url.clone() })
}

/// What cannot be carried to a worker, or is not to be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Wrong {
    #[error("`{1}` names another file, which does not travel to workers")]
    OtherFile(u64, String),
    #[error("a URL has a password in it, which would stand in the head's journal")]
    Password(u64),
    #[error("requirements with hashes have to name all packages, and `{NEEDED}` is not there")]
    HashesWithoutNeeded,
}

impl Wrong {
    fn failure(self, path: Option<&String>) -> Failure {
        let (line, next) = match &self {
            Self::OtherFile(line, _) => {
                (Some(*line), "write what is in it here; what is not in an index goes into a folder of `wheels`")
            }
            Self::Password(line) => {
                (Some(*line), "give it to the workers instead: in a `.netrc`, or as `PIP_INDEX_URL` or `UV_INDEX_URL`")
            }
            Self::HashesWithoutNeeded => (None, "add `pyarrow` with its hashes: every function's process needs it"),
        };
        let mut failure = Failure::new(Reason::InvalidEnvironment, self.to_string()).next(next);
        failure = match path {
            None => failure.field(format!("{FIELD}.packages")),
            Some(path) => failure.field(format!("{FIELD}.requirements")).file(path),
        };
        match (line, path) {
            (Some(line), Some(_)) => failure.line(line),
            _ => failure,
        }
    }
}

/// The requirements, and what every environment needs.
fn complete(text: &str) -> Result<String, Wrong> {
    let (mut has_hashes, mut has_needed) = (false, false);
    for (line, number) in text.lines().zip(1_u64..) {
        let line = without_comment(line);
        if names_another_file(line) {
            return Err(Wrong::OtherFile(number, line.to_owned()));
        }
        if has_password(line) {
            return Err(Wrong::Password(number));
        }
        has_hashes |= line.contains("--hash");
        has_needed |= project(line) == NEEDED;
    }
    match (has_needed, has_hashes) {
        (true, _) => Ok(text.to_owned()),
        (false, true) => Err(Wrong::HashesWithoutNeeded),
        (false, false) => Ok(format!("{}\n{NEEDED_REQUIREMENT}\n", text.trim_end())),
    }
}

/// Whether a line stands for what is in another file, or in a folder beside it.
fn names_another_file(line: &str) -> bool {
    let first = line.split(|c: char| c.is_whitespace() || c == '=').next().unwrap_or_default();
    // `-rbase.txt` is one as well.
    let is_short = |option: &str| option.len() == 2 && line.starts_with(option);
    first.starts_with('.') || OTHER_FILES.iter().any(|option| first == *option || is_short(option))
}

/// A `#` begins a comment at the beginning of a line, and after a space.
fn without_comment(line: &str) -> &str {
    let is_comment = |at: &usize| *at == 0 || line[..*at].ends_with(char::is_whitespace);
    let end = line.match_indices('#').map(|(at, _)| at).find(is_comment).unwrap_or(line.len());
    line[..end].trim()
}

/// Whether somebody's password is in a URL: `https://name:password@host`.
fn has_password(line: &str) -> bool {
    line.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', ' ', '?', '#']).next().unwrap_or_default();
        authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
    })
}

/// The name that a requirement begins with, as indexes compare names.
fn project(line: &str) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name = line.split(|c: char| !is_name(c)).next().unwrap_or_default();
    name.to_ascii_lowercase().replace(['_', '.'], "-")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_every_environment_needs_is_added_where_it_is_not_named() {
        assert_eq!(complete("numpy==2.1\n").unwrap(), "numpy==2.1\npyarrow>=15\n");
        assert_eq!(complete("").unwrap(), "\npyarrow>=15\n");
        for named in ["pyarrow", "a\nPyArrow[x]>=21 # why", "pyarrow @ https://host/pyarrow.whl", "pyarrow;x\n"] {
            assert_eq!(complete(named).unwrap(), named);
        }
        for other in ["pyarrow-hotfix", "# pyarrow", "a # pyarrow", "mypyarrow"] {
            assert!(complete(other).unwrap().ends_with("\npyarrow>=15\n"), "{other}");
        }
        assert_eq!(complete("a==1 --hash=sha256:b"), Err(Wrong::HashesWithoutNeeded));
        assert!(complete("a==1 \\\n  --hash=sha256:b\npyarrow==21 --hash=sha256:c").is_ok());
    }

    #[test]
    fn what_does_not_travel_is_refused_with_its_line() {
        for line in
            ["-r base.txt", "-rbase.txt", "--requirement=b", "-c limits.txt", "-e .", "./package", "../a.whl", "."]
        {
            assert_eq!(complete(&format!("# first\n{line} # c")), Err(Wrong::OtherFile(2, line.to_owned())), "{line}");
        }
        for line in ["requests", "--no-binary :all:", "--extra-index-url https://host/simple", "-i https://host/simple"]
        {
            assert!(complete(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn a_password_does_not_reach_the_journal() {
        for line in ["-i https://me:secret@host/simple", "a @ git+https://x:y@host/a.git", "--index-url=http://:p@h"] {
            assert_eq!(complete(&format!("b\n{line}")), Err(Wrong::Password(2)), "{line}");
        }
        for line in ["a @ git+ssh://git@host/a.git", "a @ https://host/a@b:c.whl", "-i https://host:8080/simple"] {
            assert!(complete(line).is_ok(), "{line}");
        }
        let failure = Wrong::Password(2).failure(Some(&"/jobs/requirements.txt".to_owned()));
        assert_eq!(failure.location.line, Some(2));
        assert!(!format!("{failure:?}").contains("secret"));
    }
}
