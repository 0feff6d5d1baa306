//! What etcd's errors mean, and what a user can do about them.

use etcd_client::Error;
use shoal_core::{Failure, Reason};
use shoal_wire::tls;
use tonic::{Code, Status};

/// Whether the same request may go through later, or at another member. It may also have been carried out.
pub(super) fn is_passing(error: &Error) -> bool {
    match error {
        Error::GRpcStatus(status) => match status.code() {
            // What carries no code of etcd's comes from the connection. A token runs out, or its member was restarted.
            Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Cancelled
            | Code::Unknown
            | Code::Internal
            | Code::Aborted
            | Code::Unauthenticated => true,
            Code::ResourceExhausted => status.message().contains("too many requests"),
            _ => false,
        },
        Error::TransportError(_) | Error::IoError(_) | Error::WatchError(_) | Error::LeaseKeepAliveError(_) => true,
        _ => false,
    }
}

/// A member that gives no answer.
pub(super) fn silent(url: &str) -> Failure {
    unreachable(url)
}

/// Trouble that may pass, as what a user is told if it does not.
pub(super) fn passing(url: &str, error: &Error) -> Failure {
    because(unreachable(url), error)
}

fn unreachable(url: &str) -> Failure {
    Failure::new(Reason::Io, format!("etcd does not answer at {url}"))
        .file(url)
        .next("check that a majority of its members runs, and the URLs and certificates in `--etcd`, `--etcd-ca`, ...")
}

/// That one side does not trust the other's certificate, if that is what went wrong: it does not pass by itself.
pub(super) fn distrust(url: &str, error: &Error) -> Option<Failure> {
    let error: &(dyn std::error::Error + 'static) = match error {
        Error::GRpcStatus(status) => status,
        Error::TransportError(error) => error,
        _ => return None,
    };
    let failure = tls::refusal(url, Reason::Unauthorized, error)?;
    Some(failure.next("check the certificates in `--etcd-ca`, `--etcd-cert` and `--etcd-key`, and those of etcd"))
}

/// What etcd refused, as what a user is told.
pub(super) fn refused(url: &str, error: &Error) -> Failure {
    let failure = match error {
        Error::GRpcStatus(status) => of_status(url, status),
        Error::InvalidArgs(_) | Error::InvalidUri(_) => {
            Failure::new(Reason::InvalidValue, format!("`{url}` is no URL of an etcd"))
                .next("write it as http://HOST:PORT")
        }
        _ => Failure::new(Reason::Io, format!("etcd at {url} gives no sensible answer"))
            .next("check that the URL is that of an etcd's clients"),
    };
    because(failure.file(url), error)
}

fn of_status(url: &str, status: &Status) -> Failure {
    let said = status.message();
    if status.code() == Code::PermissionDenied {
        return Failure::new(Reason::Unauthorized, format!("etcd at {url} does not let this user read and write"))
            .next("grant its role `readwrite` on the prefix, as `etcdctl role grant-permission ROLE readwrite /shoal/ --prefix`");
    }
    if said.contains("authentication failed") || said.contains("user name is empty") || said.contains("invalid user") {
        return Failure::new(Reason::Unauthorized, format!("etcd at {url} does not know this user or its password"))
            .next("name the user with `--etcd-user`, and put its password into SHOAL_ETCD_PASSWORD");
    }
    if said.contains("authentication is not enabled") {
        return Failure::new(Reason::InvalidValue, format!("etcd at {url} asks nobody for a password"))
            .next("leave `--etcd-user` out, or switch authentication on: `etcdctl auth enable`");
    }
    if said.contains("space exceeded") {
        // The request that etcd notices it at is carried out all the same: whoever is told this reads before it goes on.
        return Failure::new(Reason::ResourcesExhausted, format!("etcd at {url} is full")).next(
            "compact and defragment it or raise its quota, then `etcdctl alarm disarm`; run it with \
             `--auto-compaction-retention`",
        );
    }
    if said.contains("request is too large") {
        return Failure::new(Reason::ResourcesExhausted, format!("etcd at {url} takes no request of this size"))
            .next("start it with the usual `--max-request-bytes` of 1572864 or a larger one");
    }
    Failure::new(Reason::Io, format!("etcd at {url} refused a request")).next("look at etcd's log")
}

/// etcd's client keeps sources to itself: they are told as far as it shows them.
fn because(failure: Failure, error: &Error) -> Failure {
    match error {
        Error::GRpcStatus(status) => {
            let mut failure = failure;
            failure.causes.push(format!("{:?}: {}", status.code(), status.message()));
            match std::error::Error::source(status) {
                Some(source) => failure.because(source),
                None => failure,
            }
        }
        Error::TransportError(error) => failure.because(error),
        error => failure.because(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_says_who_has_to_act() {
        for (status, reason) in [
            (Status::permission_denied("etcdserver: permission denied"), Reason::Unauthorized),
            (
                Status::invalid_argument("etcdserver: authentication failed, invalid user ID or password"),
                Reason::Unauthorized,
            ),
            (Status::invalid_argument("etcdserver: user name is empty"), Reason::Unauthorized),
            (Status::failed_precondition("etcdserver: authentication is not enabled"), Reason::InvalidValue),
            (Status::resource_exhausted("etcdserver: mvcc: database space exceeded"), Reason::ResourcesExhausted),
            (Status::invalid_argument("etcdserver: request is too large"), Reason::ResourcesExhausted),
            (Status::not_found("etcdserver: something"), Reason::Io),
        ] {
            let error = Error::GRpcStatus(status);
            assert!(!is_passing(&error), "{error}");
            let failure = refused("http://e:1", &error);
            assert_eq!(failure.reason, reason, "{error}");
            assert!(failure.next.is_some() && failure.location.file.is_some() && !failure.causes.is_empty());
        }
    }

    #[test]
    fn what_may_pass_is_told_from_what_does_not() {
        for status in [
            Status::unavailable("etcdserver: no leader"),
            Status::unavailable("etcdserver: request timed out"),
            Status::unauthenticated("etcdserver: invalid auth token"),
            Status::resource_exhausted("etcdserver: too many requests"),
            Status::unknown("transport error"),
        ] {
            assert!(is_passing(&Error::GRpcStatus(status)));
        }
        assert!(!is_passing(&Error::GRpcStatus(Status::out_of_range(
            "etcdserver: mvcc: required revision has been compacted"
        ))));
    }
}
