//! The life of a certificate that the operator keeps: made, another one announced, that one shown, and so on. Pure.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use serde_json::{Value, json};
use shoal_core::Failure;
use shoal_core::spec::v1alpha1::status::AUTHORITY_CHARS_MAX;

use super::tls::TlsFacts;
use crate::certificates::{Issued, certificates_in, is_over, issue, renewed_after, shown_after};
use crate::changes::{Change, Reference};
use crate::conditions::text;
use crate::names;

/// Annotation of a Secret that the operator keeps: when the next step is due to replace its certificate.
const RENEW_ANNOTATION: &str = "shoal.dev/renew-after";

/// Entries of a Secret, as all that deal with certificates call them: the authorities that are trusted, the certificate that
/// is shown, and its key.
const AUTHORITY: &str = "ca.crt";
const CERT: &str = "tls.crt";
const KEY: &str = "tls.key";

/// Entries with the certificate that is shown next, and its key. They are not mounted.
const NEXT_CERT: &str = "next.crt";
const NEXT_KEY: &str = "next.key";

/// Entry of earlier operators, with which whoever read the Secret could sign. It goes with the next certificate.
const AUTHORITY_KEY: &str = "ca.key";

/// Longest time between two looks whether a certificate is to be replaced.
pub(super) const LOOK: Duration = Duration::from_secs(12 * 3_600);

/// Longest time between two looks at a Secret that somebody else keeps: whose authority changes, its clients are to know.
pub(super) const LOOK_AT_OTHERS: Duration = Duration::from_secs(600);

/// A step in the life of a certificate that the operator keeps, with the time at which the one after it is due. Each is one
/// write.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// There is none yet.
    Make { issued: Issued, next: Timestamp },
    /// Another one is there to be shown next; until then its authority is made known beside the present one.
    Announce { issued: Issued, trusted: String, next: Timestamp },
    /// The one that was announced is shown from now on.
    Show { cert: String, key: String, next: Timestamp },
    /// The present one is over, as nobody was there to replace it: there is nobody left whom another one could part.
    Replace { issued: Issued, next: Timestamp },
}

/// What is known of a certificate that the operator keeps in that Secret, and what is to be done about it.
pub(super) fn kept(secret: Option<&Secret>, names: &[String], now: Timestamp) -> Result<TlsFacts, Failure> {
    let waits = |authority, renew_in| TlsFacts { authority, renew_in: Some(renew_in), ..TlsFacts::default() };
    let Some(secret) = secret else {
        // What is made may not be what is stored: its authority is told once it is.
        let step = Step::Make { issued: issue(names, now)?, next: renewed_after(now) };
        return Ok(TlsFacts { step: Some(step), ..waits(None, LOOK) });
    };
    let authority = authority(secret);
    // One without the annotation is a user's.
    let Some(due) = secret.annotations().get(RENEW_ANNOTATION) else { return Ok(waits(authority, LOOK_AT_OTHERS)) };
    // What cannot be read is due.
    let due = due.parse().unwrap_or(now);
    if let Some(left) = left(due, now) {
        return Ok(waits(authority, left.min(LOOK)));
    }
    if is_over(due, now) {
        let issued = issue(names, now)?;
        let authority = Some(issued.authority.clone());
        return Ok(TlsFacts {
            step: Some(Step::Replace { issued, next: renewed_after(now) }),
            ..waits(authority, LOOK)
        });
    }
    if let (Some(cert), Some(key)) = (entry(secret, NEXT_CERT), entry(secret, NEXT_KEY)) {
        let step = Step::Show { cert, key, next: renewed_after(now) };
        return Ok(TlsFacts { step: Some(step), ..waits(authority, LOOK) });
    }
    let issued = issue(names, now)?;
    // The last one has signed what is shown now. Whatever is before it has nothing to be known by any more.
    let present = authority.as_deref().and_then(|text| certificates_in(text).pop());
    let trusted = format!("{}{}", present.unwrap_or_default(), issued.authority);
    let step = Step::Announce { issued, trusted: trusted.clone(), next: shown_after(now) };
    Ok(TlsFacts { step: Some(step), ..waits(Some(trusted), LOOK) })
}

/// The time that is left until then; none where it is over.
fn left(due: Timestamp, now: Timestamp) -> Option<Duration> {
    Duration::try_from(due.duration_since(now)).ok().filter(|left| !left.is_zero())
}

fn entry(secret: &Secret, name: &str) -> Option<String> {
    String::from_utf8(secret.data.as_ref()?.get(name)?.0.clone()).ok()
}

/// The authorities that a Secret names: their certificates, whatever else is in the entry. None where there are none, or
/// more than a status holds.
pub(super) fn authority(secret: &Secret) -> Option<String> {
    let text = certificates_in(&entry(secret, AUTHORITY)?).concat();
    (!text.is_empty() && text.len() <= AUTHORITY_CHARS_MAX).then_some(text)
}

/// Has a step done.
pub(super) fn change(cluster: &str, step: &Step) -> Change {
    let due = |next: &Timestamp| json!({(RENEW_ANNOTATION): text(*next)});
    let merge = |next: &Timestamp, entries: Value, gone: Value| {
        let patch = json!({"metadata": {"annotations": due(next)}, "stringData": entries, "data": gone});
        Change::Merge(Reference::to::<Secret>(&names::tls(cluster)), patch)
    };
    match step {
        Step::Make { issued, next } => Change::Create(json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": names::tls(cluster), "labels": names::labels(cluster), "annotations": due(next)},
            "type": "kubernetes.io/tls",
            "stringData": {(AUTHORITY): issued.authority, (CERT): issued.cert, (KEY): issued.key},
        })),
        Step::Announce { issued, trusted, next } => merge(
            next,
            json!({(AUTHORITY): trusted, (NEXT_CERT): issued.cert, (NEXT_KEY): issued.key}),
            json!({(AUTHORITY_KEY): null}),
        ),
        Step::Show { cert, key, next } => {
            merge(next, json!({(CERT): cert, (KEY): key}), json!({(NEXT_CERT): null, (NEXT_KEY): null}))
        }
        Step::Replace { issued, next } => merge(
            next,
            json!({(AUTHORITY): issued.authority, (CERT): issued.cert, (KEY): issued.key}),
            json!({(NEXT_CERT): null, (NEXT_KEY): null, (AUTHORITY_KEY): null}),
        ),
    }
}

#[cfg(test)]
#[path = "renewal_tests.rs"]
mod tests;
