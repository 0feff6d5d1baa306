//! Failures across gRPC: as JSON in a status's details, so that they arrive with their type. The status's code is there
//! for clients that know nothing of Shoal.

use shoal_core::{Failure, Reason};
use tonic::{Code, Status};

use crate::limits::FAILURE_BYTES_MAX;

/// Longest message of a status: it is there for logs, the whole one stands in the details.
const STATUS_MESSAGE_CHARS_MAX: usize = 256;

/// The failure as a gRPC status. Nothing is lost as long as its JSON fits into [`FAILURE_BYTES_MAX`]; of a larger one,
/// causes and the ends of texts are left out.
pub fn to_status(failure: &Failure) -> Status {
    let message = failure.message.chars().take(STATUS_MESSAGE_CHARS_MAX).collect::<String>();
    // A failure is plain data: there is no value of it that JSON cannot hold. Should that change, the message is left.
    let details = serde_json::to_vec(&shorten(failure)).unwrap_or_default();
    Status::with_details(code(failure.reason), message, details.into())
}

/// The failure that a gRPC status tells of. A status that carries none comes from the connection or from a peer that is
/// no Shoal; it becomes the failure that its code suggests.
pub fn from_status(status: &Status) -> Failure {
    serde_json::from_slice(status.details()).unwrap_or_else(|_| untyped(status))
}

fn untyped(status: &Status) -> Failure {
    let (reason, message) = match status.code() {
        Code::Unauthenticated | Code::PermissionDenied => (Reason::Unauthorized, "the other side refused the token"),
        Code::Unimplemented => (Reason::IncompatibleVersion, "the other side does not know this call"),
        Code::ResourceExhausted => (Reason::Busy, "the other side is at a limit"),
        Code::OutOfRange => (Reason::Internal, "a message is larger than either side allows"),
        _ => (Reason::Io, "the connection broke"),
    };
    // Displayed as `because` would, the status repeats its code, its metadata and its source.
    let cause = format!("{}: {}", status.code().description(), status.message());
    let mut failure = Failure { causes: vec![cause], ..Failure::new(reason, message) };
    if let Some(source) = std::error::Error::source(status) {
        failure = failure.because(source);
    }
    failure
}

fn code(reason: Reason) -> Code {
    use Reason::*;
    match reason {
        Unauthorized => Code::Unauthenticated,
        LocalPathRefused | Forbidden => Code::PermissionDenied,
        JobNotFound | WorkerNotFound | ClusterNotFound | TableNotFound | FileNotUploaded | PartitionLost => {
            Code::NotFound
        }
        JobConflict | OutputExists => Code::AlreadyExists,
        MalformedDocument | UnknownKind | UnknownField | MissingField | InvalidValue | DuplicateName | InvalidName
        | InvalidExpression | InvalidFunction | InvalidEnvironment | ColumnNotFound | ColumnNotNumeric => {
            Code::InvalidArgument
        }
        NotPossible | ProcessesKeepDying | SchemaMismatch | TableEmpty | MissingValue | TooManyFailed | StateLocked
        | IncompatibleVersion => Code::FailedPrecondition,
        TableUnreadable | MalformedRow | CorruptFile | PartitionCorrupt => Code::DataLoss,
        HeadUnreachable | NotLeading | WorkerStartFailed | NoWorkers | WorkerLost | Io => Code::Unavailable,
        ResourcesExhausted | Busy => Code::ResourceExhausted,
        CommitConflict => Code::Aborted,
        Cancelled => Code::Cancelled,
        // Also what a later build may add: a code that promises nothing.
        _ => Code::Internal,
    }
}

/// The failure, cut until its JSON fits into a header: first causes from the innermost on, then texts.
fn shorten(failure: &Failure) -> Failure {
    let fits = |failure: &Failure| serde_json::to_vec(failure).is_ok_and(|json| json.len() <= FAILURE_BYTES_MAX);
    let mut failure = failure.clone();
    while !fits(&failure) && failure.causes.pop().is_some() {}
    if fits(&failure) {
        return failure;
    }
    // Texts come from file names, SQL and keys of groups, so any of them may be the long one. A character takes at most
    // 12 bytes of JSON, and there are 7 texts: 64 characters of each always fit.
    const TEXT_CHARS_MAX: usize = 64;
    let cut = |text: &mut String| *text = text.chars().take(TEXT_CHARS_MAX).collect();
    let Failure { reason: _, actor: _, location, message, next, causes: _ } = &mut failure;
    let shoal_core::Location { field_path, file, line: _, position: _, column, group, worker, attempt: _ } = location;
    cut(message);
    [next, field_path, file, column, group, worker].into_iter().flatten().for_each(cut);
    failure
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use shoal_core::{AttemptId, JobUid, TaskId};
    use uuid::Uuid;

    use super::*;

    /// Every reason that this test knows by name; one that is missing here still round-trips as it is plain JSON.
    const REASONS: &[&str] = &[
        "MalformedDocument",
        "UnknownKind",
        "UnknownField",
        "MissingField",
        "InvalidValue",
        "DuplicateName",
        "InvalidName",
        "InvalidExpression",
        "LocalPathRefused",
        "JobConflict",
        "JobNotFound",
        "Unauthorized",
        "Forbidden",
        "NotPossible",
        "TableNotFound",
        "TableUnreadable",
        "TableEmpty",
        "ColumnNotFound",
        "ColumnNotNumeric",
        "MalformedRow",
        "CorruptFile",
        "MissingValue",
        "OutputExists",
        "SchemaMismatch",
        "TooManyFailed",
        "HeadUnreachable",
        "WorkerStartFailed",
        "NoWorkers",
        "WorkerLost",
        "PartitionLost",
        "PartitionCorrupt",
        "ResourcesExhausted",
        "Io",
        "StateLocked",
        "CommitConflict",
        "IncompatibleVersion",
        "Busy",
        "Cancelled",
        "TaskPanicked",
        "Internal",
    ];

    fn full(reason: Reason) -> Failure {
        let mut failure = Failure::new(reason, "ümlaut \"quoted\" \n line").next("do this").field("spec.a[0]");
        failure = failure.file("s3://b/k").line(3).column("c");
        failure.location.position = Some(7);
        failure.location.group = Some("g=1".into());
        failure.location.worker = Some("w-1".into());
        let task = TaskId { job: JobUid(Uuid::from_u128(5)), stage: 1, index: 2 };
        failure.location.attempt = Some(AttemptId { task, number: 3 });
        failure.causes = vec!["outer".into(), "inner".into()];
        failure
    }

    #[test]
    fn every_reason_crosses_a_header_unchanged() {
        for name in REASONS {
            let failure = full(serde_json::from_value(serde_json::json!(name)).unwrap());
            let headers = to_status(&failure).into_http::<()>();
            let arrived = Status::from_header_map(headers.headers()).unwrap();
            assert_eq!(from_status(&arrived), failure);
            let bare = Failure::new(failure.reason, "");
            assert_eq!(from_status(&to_status(&bare)), bare);
        }
    }

    #[test]
    fn codes_mean_what_other_clients_expect() {
        let expected = [
            (Reason::Unauthorized, Code::Unauthenticated),
            (Reason::PartitionLost, Code::NotFound),
            (Reason::Busy, Code::ResourceExhausted),
            (Reason::InvalidValue, Code::InvalidArgument),
            (Reason::JobConflict, Code::AlreadyExists),
            (Reason::WorkerLost, Code::Unavailable),
            (Reason::Internal, Code::Internal),
        ];
        for (reason, code) in expected {
            assert_eq!(to_status(&Failure::new(reason, "m")).code(), code, "{reason:?}");
        }
    }

    #[test]
    fn a_failure_too_long_for_a_header_keeps_its_type_and_place() {
        let mut failure = full(Reason::InvalidExpression);
        failure.causes = vec!["cause".repeat(500); 10];
        let short = from_status(&to_status(&failure));
        assert_eq!(short.causes.len(), 3);
        assert_eq!(Failure { causes: vec![], ..short }, Failure { causes: vec![], ..failure.clone() });

        failure.message = "\u{1}".repeat(100_000);
        failure.location.file = Some("\u{1f41f}".repeat(100_000));
        let short = to_status(&failure);
        assert!(short.details().len() <= FAILURE_BYTES_MAX);
        let short = from_status(&short);
        assert_eq!((short.reason, short.location.attempt), (failure.reason, failure.location.attempt));
    }

    #[test]
    fn a_status_of_somebody_else_becomes_what_its_code_suggests() {
        let unreachable = from_status(&Status::unavailable("tcp connect error"));
        assert_eq!(unreachable.reason, Reason::Io);
        assert!(unreachable.causes[0].contains("tcp connect error"), "{:?}", unreachable.causes);
        assert_eq!(from_status(&Status::unauthenticated("no")).reason, Reason::Unauthorized);
        assert_eq!(from_status(&Status::unimplemented("no")).reason, Reason::IncompatibleVersion);
        assert_eq!(from_status(&Status::resource_exhausted("no")).reason, Reason::Busy);
        assert_eq!(from_status(&Status::out_of_range("no")).reason, Reason::Internal);
        let garbage = Status::with_details(Code::Unknown, "m", vec![1, 2, 3].into());
        assert_eq!(from_status(&garbage).reason, Reason::Io);
    }
}
