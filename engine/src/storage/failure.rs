use std::error::Error;
use std::io;

use shoal_core::{Failure, Reason};

use super::Location;
use super::cloud::{Provider, Words};

/// The codes of the stores that say that there is no such bucket.
const NO_BUCKET: [&str; 2] = ["NoSuchBucket", "ContainerNotFound"];

/// What the codes of the stores mean. The library hands on the answer's status and, as text, its body.
const CODES: [(&[&str], Meaning); 3] = [
    (&NO_BUCKET, Meaning::NoBucket),
    (
        &[
            "AuthorizationHeaderMalformed",
            "PermanentRedirect",
            "IllegalLocationConstraint",
            "redirect without LOCATION",
        ],
        Meaning::OtherRegion,
    ),
    // Where the service is that hands out the credentials of a machine: asked where nothing else has some.
    (&["169.254.169.254", "metadata.google.internal"], Meaning::NoCredentials),
];

#[derive(Clone, Copy)]
enum Meaning {
    NoBucket,
    OtherRegion,
    NoCredentials,
}

/// The failure behind an error of an object store elsewhere; `None` for one of this machine's disk. The object is named
/// by its key: which bucket it is in, the error does not know.
pub(crate) fn remote_failure(error: &object_store::Error) -> Option<Failure> {
    remote_failure_of(None, error)
}

/// As [`remote_failure`], where it is known whose store it is: most errors do not say so.
pub(super) fn remote_failure_of(provider: Option<&Provider>, error: &object_store::Error) -> Option<Failure> {
    use object_store::Error as E;
    let named = match error {
        E::Generic { store, .. } => Some(Provider::of_library_name(store)?),
        E::NotFound { .. } | E::PermissionDenied { .. } | E::Unauthenticated { .. } if io_error(error).is_none() => {
            None
        }
        _ => return None,
    };
    let words = named.or(provider).map_or(Words::OF_ANY, |provider| provider.words);
    let Words { bucket, place, without_credentials, .. } = words;
    let text = chain_text(error);
    let known = CODES.iter().find(|(codes, _)| codes.iter().any(|code| text.contains(code)));
    let failure = match (known.map(|(_, meaning)| *meaning), error) {
        (Some(Meaning::NoBucket), _) => Failure::new(Reason::TableNotFound, format!("there is no such {bucket}"))
            .next(format!("make the {bucket}, or correct {place}")),
        (Some(Meaning::OtherRegion), _) => Failure::new(Reason::InvalidValue, "the bucket is in another region")
            .next("set AWS_REGION to the region of the bucket, for the head and its workers"),
        (Some(Meaning::NoCredentials), _) => {
            Failure::new(Reason::Unauthorized, "there are no credentials for the object store")
                .next(format!("set {without_credentials}"))
        }
        (None, E::PermissionDenied { path, .. } | E::Unauthenticated { path, .. }) => denied(words).file(path),
        (None, _) if is_denial(&text) => denied(words),
        (None, E::NotFound { path, .. }) => {
            Failure::new(Reason::Io, "an object of the table is not there").file(format!("/{path}"))
        }
        (None, _) => Failure::new(Reason::Io, "the object store does not do what it is asked").next(format!(
            "see whether the store is up, and asked where it is ({place}); what is transient was tried again already",
        )),
    };
    Some(failure.because(error))
}

/// A listing that is denied is told by its text alone.
fn is_denial(text: &str) -> bool {
    ["403 Forbidden", "401 Unauthorized", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"]
        .iter()
        .any(|code| text.contains(code))
}

fn denied(words: Words) -> Failure {
    Failure::new(Reason::Unauthorized, "the object store denies access").next(format!(
        "see whether the credentials of the head and its workers ({}) are valid, and what they may do in the {}",
        words.credentials, words.bucket
    ))
}

/// Whether an error says that an object is not there, and not that its bucket is not.
pub(crate) fn names_missing(error: &object_store::Error) -> bool {
    let is_of_bucket = |text: &str| NO_BUCKET.iter().any(|code| text.contains(code));
    matches!(error, object_store::Error::NotFound { .. }) && !is_of_bucket(&chain_text(error))
}

/// The failure behind an error of writing, creating or deleting at a place.
pub(crate) fn write_failure(place: &Location, error: &(dyn Error + 'static)) -> Failure {
    let remote = |error: &object_store::Error| remote_failure_of(place.provider(), error);
    if let Some(failure) = find::<object_store::Error>(error).and_then(remote) {
        return failure.file(place.to_string());
    }
    let failure = match io_error(error).map(io::Error::kind) {
        Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge) => {
            Failure::new(Reason::ResourcesExhausted, "the disk is full").next("free some space and run the job again")
        }
        Some(io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
            Failure::new(Reason::Io, "writing there is not allowed")
                .next("give the user that Shoal runs as the right to write there, or name another folder")
        }
        _ => Failure::new(Reason::Io, "writing failed"),
    };
    failure.file(place.to_string()).because(error)
}

/// The first error of the operating system in a chain.
fn io_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    find(error)
}

fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut current = Some(error);
    while let Some(error) = current {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        current = error.source();
    }
    None
}

fn chain_text(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut current = Some(error);
    while let Some(error) = current {
        text.push_str(&error.to_string());
        text.push('\n');
        current = error.source();
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use object_store::Error as E;

    use super::*;

    #[test]
    fn answers_of_an_object_store_keep_their_meaning() {
        let generic = |text: &str| E::Generic { store: "S3", source: text.into() };
        let of = |store: &'static str, text: &str| E::Generic { store, source: text.into() };
        let missing = |text: &str| E::NotFound { path: "a/b".to_owned(), source: text.into() };
        let cases = [
            (generic("404 Not Found: <Code>NoSuchBucket</Code>"), Reason::TableNotFound),
            (missing("<Code>NoSuchBucket</Code>"), Reason::TableNotFound),
            (missing("<Code>NoSuchKey</Code>"), Reason::Io),
            (generic("403 Forbidden: <Code>AccessDenied</Code>"), Reason::Unauthorized),
            (E::PermissionDenied { path: "a".to_owned(), source: "403".into() }, Reason::Unauthorized),
            (generic("Received redirect without LOCATION"), Reason::InvalidValue),
            (generic("PUT http://169.254.169.254/latest/api/token: timed out"), Reason::Unauthorized),
            (generic("503 Service Unavailable: <Code>SlowDown</Code>"), Reason::Io),
            (of("GCS", "404 Not Found: <Code>NoSuchBucket</Code>"), Reason::TableNotFound),
            (of("GCS", "GET http://metadata.google.internal/: no such host"), Reason::Unauthorized),
            (of("MicrosoftAzure", "404 Not Found: <Code>ContainerNotFound</Code>"), Reason::TableNotFound),
            (of("MicrosoftAzure", "403 Forbidden: <Code>AuthenticationFailed</Code>"), Reason::Unauthorized),
        ];
        for (error, expected) in cases {
            let failure = remote_failure(&error).unwrap();
            assert_eq!(failure.reason, expected, "{error}");
            assert!(failure.next.is_some() || failure.location.file.is_some(), "{failure:?}");
        }
        assert!(names_missing(&missing("NoSuchKey")) && !names_missing(&missing("NoSuchBucket")));
        let local = E::NotFound { path: "/a".into(), source: Box::new(io::Error::from(io::ErrorKind::NotFound)) };
        assert_eq!(remote_failure(&local), None);
    }

    #[test]
    fn a_denial_names_the_variables_of_whose_store_it_is() {
        let denied = E::PermissionDenied { path: "a".to_owned(), source: "403".into() };
        for (scheme, credentials) in [
            ("s3", "AWS_SECRET_ACCESS_KEY"),
            ("gs", "GOOGLE_APPLICATION_CREDENTIALS"),
            ("az", "AZURE_STORAGE_ACCOUNT_KEY"),
        ] {
            let failure = remote_failure_of(Provider::of_scheme(scheme), &denied).unwrap();
            assert!(failure.next.as_ref().unwrap().contains(credentials), "{failure:?}");
        }
        assert!(remote_failure(&denied).unwrap().next.unwrap().contains("AZURE_"));
        assert_eq!(remote_failure(&E::Generic { store: "LocalFileSystem", source: "?".into() }), None);
    }

    #[test]
    fn a_full_disk_is_told_from_other_errors() {
        let place = Location::parse("/x").unwrap();
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let wrapped = parquet::errors::ParquetError::External(Box::new(full));
        assert_eq!(write_failure(&place, &wrapped).reason, Reason::ResourcesExhausted);
        assert_eq!(write_failure(&place, &io::Error::other("?")).reason, Reason::Io);
        let busy = E::Generic { store: "S3", source: "503".into() };
        let wrapped = parquet::errors::ParquetError::External(Box::new(busy));
        let failure = write_failure(&place, &wrapped);
        assert!(failure.is_transient() && failure.location.file.as_deref() == Some("/x"), "{failure:?}");
    }
}
