//! Why a handshake failed, in words that say what to do.

use std::error::Error;
use std::io;

use rustls::CertificateError::{self, *};
use shoal_core::{Failure, Reason};

const NAME_NEXT: &str = "use a host that it is made for, or have it made for this one";

/// The failure to reach a URL, where TLS is what is in the way; none where it is something else.
pub fn refusal(url: &str, reason: Reason, error: &(dyn Error + 'static)) -> Option<Failure> {
    let (message, next) = match find(error)? {
        rustls::Error::InvalidCertificate(certificate) => {
            let (what, next) = explain(certificate);
            (format!("the certificate of {url} {what}"), next)
        }
        rustls::Error::AlertReceived(alert) => (
            format!("{url} refuses the certificate of this process ({alert:?})"),
            "give all processes of the cluster valid certificates of the same authority",
        ),
        rustls::Error::InvalidMessage(_) => {
            (format!("what answers at {url} speaks no TLS"), "check the URL, or switch TLS on there")
        }
        _ => (format!("no TLS connection can be made to {url}"), "check that a process of the cluster answers there"),
    };
    Some(Failure::new(reason, message).because(error).file(url).next(next))
}

/// What is wrong with a certificate, as the end of a sentence about it, and what to do.
pub(super) fn explain(error: &CertificateError) -> (String, &'static str) {
    let (what, next) = match error {
        Expired | ExpiredContext { .. } => {
            ("has expired", "replace it: a running process takes a new file within seconds")
        }
        NotValidYet | NotValidYetContext { .. } => {
            ("is not valid yet", "compare the clocks of both machines and the certificate's dates")
        }
        UnknownIssuer | BadSignature => (
            "is not signed by the authority that this process trusts",
            "name the authority of the cluster with `--tls-ca FILE`, the same for all its processes",
        ),
        NotValidForName => ("is made for other hosts", NAME_NEXT),
        NotValidForNameContext { presented, .. } => {
            return (format!("is made for other hosts: {}", presented.join(", ")), NAME_NEXT);
        }
        InvalidPurpose | InvalidPurposeContext { .. } => {
            ("may not be used for this", "have it made for server authentication and for client authentication")
        }
        _ => ("cannot be accepted", "have the authority sign one of a host, which is no authority itself"),
    };
    (what.to_owned(), next)
}

/// The error of TLS in what went wrong, or in what caused it.
pub(super) fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut current = Some(error);
    while let Some(error) = current {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // An error of the system's kind names the cause of its cause as its source, and not its cause.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| find(inner)) {
            return Some(found);
        }
        current = error.source();
    }
    None
}
