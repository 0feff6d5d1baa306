//! Why an environment could not be built, for whoever wrote the job. Pure.

use std::path::Path;

use shoal_core::functions::Requirements;
use shoal_core::{Failure, Reason};

use super::supervised::Ended;
use crate::death::Death;
use crate::limits::BUILD_TIME_MAX;

/// The member of the function in the spec; whoever knows the function says where that is.
const FIELD: &str = "environment";

/// What installers say of packages that are not to be had, whose names begin here.
const NOT_THERE: [&str; 4] =
    ["No matching distribution", "was not found in the", "No solution found", "not found in the provided"];

/// Of lines that are no requirements.
const NOT_UNDERSTOOD: [&str; 4] =
    ["Invalid requirement", "Couldn't parse requirement", "Unexpected '", "no such option"];

/// Of an index that does not answer, or that says that it is not well.
const NOT_REACHED: [&str; 17] = [
    "Temporary failure in name resolution",
    "Name or service not known",
    "Could not resolve host",
    "dns error",
    "Failed to fetch",
    "Failed to establish a new connection",
    "error sending request",
    "Connection refused",
    "Connection reset",
    "Connection timed out",
    "Read timed out",
    "ConnectTimeoutError",
    "operation timed out",
    "Network is unreachable",
    "No route to host",
    "HTTP status server error",
    "too many 50",
];

/// Of an index that answers, and does not have what is asked for.
const ANSWERED: [&str; 1] = ["HTTP status client error"];

/// Of an index that asks who it is.
const NOT_ALLOWED: [&str; 6] =
    ["401 Error", "403 Error", "401 Unauthorized", "403 Forbidden", "403 Client Error", "lack of valid authentication"];

/// Of a disk that is full.
const NO_ROOM: [&str; 2] = ["No space left on device", "Disk quota exceeded"];

/// An installer has failed, which was to install into that folder.
pub(crate) fn not_installed(folder: &Path, requirements: &Requirements, command: &str, ended: Ended) -> Failure {
    let Ended { code, last_lines } = ended;
    let last_lines: Vec<String> = last_lines.iter().map(|line| without_passwords(line)).collect();
    let says = |words: &[&str]| last_lines.iter().any(|line| words.iter().any(|word| line.contains(word)));
    if says(&NO_ROOM) {
        let mut failure =
            Failure::new(Reason::ResourcesExhausted, "the disk has no room for the function's environment")
                .file(folder.display().to_string())
                .next("make room there, or name another folder: `--environments DIR`");
        failure.causes = last_lines;
        return failure;
    }
    let ended = Death::Ended(code).in_words();
    let fetches = requirements.wheels.is_none();
    // An index that is not reached is, for pip, one that has nothing.
    if fetches && says(&NOT_REACHED) && !says(&NOT_ALLOWED) && !says(&ANSWERED) {
        // That may pass, and another worker may reach it.
        let message = format!("the package index cannot be reached: `{command}` {ended}");
        let mut failure = of(requirements, Reason::Io, message).next(
            "see whether workers reach the package index: `indexUrl`, or `PIP_INDEX_URL` or `UV_INDEX_URL` of the workers; \
             without one, name a folder of `wheels`",
        );
        failure.causes = last_lines;
        return failure;
    }
    let next = if fetches && says(&NOT_ALLOWED) {
        "give workers what the index asks for: in a `.netrc`, or as `PIP_INDEX_URL` or `UV_INDEX_URL` with a password"
    } else if says(&NOT_UNDERSTOOD) {
        "mend the line that the installer names"
    } else if says(&NOT_THERE) && requirements.wheels.is_some() {
        "put the package, and all that it needs, into the folder of `wheels`: `pip download -r requirements.txt -d FOLDER`"
    } else if says(&NOT_THERE) {
        "see whether name and version are right, and whether the index has them for the workers' Python"
    } else {
        "see what the installer says, and whether `pip install -r` works by hand with the workers' Python"
    };
    let message = format!("the environment cannot be built: `{command}` {ended}");
    let mut failure = of(requirements, Reason::InvalidEnvironment, message).next(next);
    failure.causes = last_lines;
    failure
}

/// An installer does not come to an end.
pub(crate) fn too_long(requirements: &Requirements, command: &str) -> Failure {
    let minutes = BUILD_TIME_MAX.as_secs() / 60;
    let message = format!("the environment cannot be built: `{command}` was ended after {minutes} minutes");
    of(requirements, Reason::InvalidEnvironment, message)
        .next("see in the job's log what it was at; packages that have wheels need no compiler")
}

/// The worker has nobody who installs.
pub(crate) fn no_installer(requirements: &Requirements, python: &str) -> Failure {
    let message =
        format!("nothing can be installed: the worker has no `uv`, and `{python}` makes no environments with pip");
    of(requirements, Reason::InvalidEnvironment, message).next(
        "install `uv` or, on Debian, `python3-venv` where workers run; or make the environment there yourself and name it: \
         `environment: {interpreter: /opt/venv/bin/python}`",
    )
}

/// The folder of wheels cannot be read.
pub(crate) fn no_wheels(folder: &str, error: &std::io::Error) -> Failure {
    let message = match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such folder of wheels on the worker",
        _ => "the folder of wheels cannot be read",
    };
    Failure::new(Reason::InvalidEnvironment, message)
        .because(error)
        .field(format!("{FIELD}.wheels"))
        .file(folder)
        .next("name a folder that every worker has at the same place")
}

/// Environments cannot be kept where they are to be.
pub(crate) fn no_place(folder: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Reason::Io, "environments of functions cannot be kept in that folder")
        .because(error)
        .file(folder.display().to_string())
        .next("name one that the worker may write to, with room in it: `--environments DIR`")
}

fn of(requirements: &Requirements, reason: Reason, message: String) -> Failure {
    let failure = Failure::new(reason, message).field(format!("{FIELD}.{}", requirements.member()));
    match &requirements.file {
        Some(file) => failure.file(file),
        None => failure,
    }
}

/// A line with what is between `//` and `@` left out of its URLs: the worker's own settings may have credentials there.
pub(crate) fn without_passwords(line: &str) -> String {
    let mut parts = line.split("://");
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for rest in parts {
        let authority_ends = rest.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(authority_ends);
        let host = authority.rsplit_once('@').map_or(authority.to_owned(), |(_, host)| format!("****@{host}"));
        clean.push_str(&format!("://{host}{path}"));
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requirements(wheels: bool) -> Requirements {
        let wheels = wheels.then(|| "/w".to_owned());
        Requirements {
            text: "a".into(),
            file: Some("requirements.txt".into()),
            wheels,
            wheel_files: Vec::new(),
            index_url: None,
        }
    }

    fn said(wheels: bool, line: &str) -> Failure {
        let ended = Ended { code: Some(1), last_lines: vec!["first".into(), line.into()] };
        not_installed(Path::new("/e"), &requirements(wheels), "pip install", ended)
    }

    #[test]
    fn the_next_step_follows_from_what_the_installer_says() {
        for (wheels, line, next) in [
            (false, "ERROR: No matching distribution found for no-such", "see whether name and version"),
            (true, "ERROR: No matching distribution found for no-such", "into the folder of `wheels`"),
            (false, "  × No solution found when resolving dependencies:", "see whether name and version"),
            (false, "ERROR: Invalid requirement: 'a=='", "mend the line"),
            (false, "error: Couldn't parse requirement in `requirements.txt` at position 0", "mend the line"),
            (false, "WARNING: 401 Error, Credentials not correct for https://host/simple/a/", "give workers what"),
            (
                false,
                "  hint: `https://host` could not be queried due to a lack of valid authentication",
                "give workers what",
            ),
            (false, "  Caused by: HTTP status client error (404 Not Found) for url (a)", "see what the installer says"),
            (true, "ERROR: No matching distribution found for Connection refused", "into the folder of `wheels`"),
            (false, "error: command 'gcc' failed", "see what the installer says"),
        ] {
            let failure = said(wheels, line);
            assert!(failure.next.as_ref().is_some_and(|said| said.contains(next)), "{line}: {failure:?}");
            assert_eq!(failure.causes, ["first", line]);
            assert_eq!(failure.message, "the environment cannot be built: `pip install` ended with exit code 1");
        }
    }

    #[test]
    fn an_index_that_is_not_reached_is_the_platforms() {
        for line in [
            "  error: Failed to fetch: `https://host/simple/a/`",
            "  Caused by: Connection refused (os error 111)",
            "WARNING: Retrying after connection broken by 'ReadTimeoutError(\"Read timed out. (read timeout=15)\")'",
            "  Caused by: HTTP status server error (503 Service Unavailable) for url (https://host/simple/a/)",
            "WARNING: Retrying after connection broken by 'ResponseError('too many 503 error responses')'",
        ] {
            let failure = said(false, line);
            assert!(failure.reason == Reason::Io && failure.is_transient(), "{line}: {failure:?}");
            assert_eq!(failure.message, "the package index cannot be reached: `pip install` ended with exit code 1");
            assert_eq!(failure.location.field_path, Some(format!("{FIELD}.requirements")));
            assert_eq!(failure.causes, ["first", line]);
        }
        // pip then says, too, that there is no such package.
        let last_lines = vec![
            "WARNING: Retrying after connection broken by 'Failed to establish a new connection'".to_owned(),
            "ERROR: No matching distribution found for a".to_owned(),
        ];
        let ended = Ended { code: Some(1), last_lines };
        let failure = not_installed(Path::new("/e"), &requirements(false), "pip install", ended);
        assert_eq!(failure.reason, Reason::Io);
        assert_eq!(said(false, "ERROR: No matching distribution found for a").reason, Reason::InvalidEnvironment);
    }

    #[test]
    fn a_full_disk_is_the_platforms() {
        let failure =
            said(false, "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device");
        assert_eq!((failure.reason, failure.location.file.as_deref()), (Reason::ResourcesExhausted, Some("/e")));
        assert!(failure.is_transient(), "another worker may have room");
    }

    #[test]
    fn it_is_told_where_the_requirements_are() {
        let failure = said(false, "x");
        assert_eq!(failure.location.field_path, Some(format!("{FIELD}.requirements")));
        let listed = Requirements { file: None, ..requirements(false) };
        let failure = no_installer(&listed, "python3");
        assert_eq!(failure.location.field_path, Some(format!("{FIELD}.packages")));
        assert_eq!(failure.reason, Reason::InvalidEnvironment);
    }

    #[test]
    fn no_password_is_shown() {
        let failure = said(false, "Looking in indexes: https://me:secret@host/simple, http://token@h:80/");
        assert_eq!(failure.causes[1], "Looking in indexes: https://****@host/simple, http://****@h:80/");
        for plain in ["a @ b", "https://host/a@b", "no url", "://"] {
            assert_eq!(without_passwords(plain), plain);
        }
    }
}
