//! What keeps a reconcile from its end.

use std::time::Duration;

use shoal_core::Failure;

/// What keeps a reconcile from its end. It is tried again, later each time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The API server refused something, or could not be asked.
    #[error("the API server: {0}")]
    Api(#[from] kube::Error),
    /// The head refused something, or could not be asked.
    #[error("the head: {0}")]
    Head(Failure),
}

/// A refusal that stays until somebody changes something: what a condition tells of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    /// A name that programs can rely on.
    pub(crate) reason: &'static str,
    /// What the API server said.
    pub(crate) message: String,
}

impl Trouble {
    /// The refusal that this is; `None` for what may be over in a moment, which nobody has to be told of.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        let Self::Api(kube::Error::Api(status)) = self else { return None };
        let reason = match status.code {
            // What does not fit the schema of an apply is an internal error to the API server.
            _ if status.message.contains("failed to create typed patch object") => "SpecRefused",
            400 | 422 => "SpecRefused",
            403 if status.message.contains("exceeded quota") => "QuotaExceeded",
            403 if status.message.contains("PodSecurity") => "PodSecurityRefused",
            403 => "Forbidden",
            // Of cert-manager, say, whose definitions are not there.
            404 if is_of_no_kind(&status.message) => "KindNotFound",
            _ => return None,
        };
        Some(Refusal { reason, message: status.message.clone() })
    }
}

/// Whether the API server knows nothing of such objects at all, in the words that it has for that.
fn is_of_no_kind(message: &str) -> bool {
    ["could not find the requested resource", "404 page not found"].iter().any(|words| message.contains(words))
}

/// First pause after trouble, and the longest: where every other look fails by chance, a few in a row are no reason to leave
/// a job alone for minutes, and one try in half a minute is no load where a quota is full or a head away.
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// The pause after so many failures in a row, the last included: twice as long each time.
pub(crate) fn pause_after(failures: u32) -> Duration {
    PAUSE_MIN.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX)).min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use kube::core::Status;
    use proptest::prelude::*;
    use shoal_core::Reason;

    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound() {
        for (failures, expected_ms) in [(0, 500), (1, 500), (2, 1_000), (5, 8_000), (9, 30_000), (u32::MAX, 30_000)] {
            assert_eq!(pause_after(failures).as_millis(), expected_ms, "{failures}");
        }
    }

    proptest! {
        #[test]
        fn a_pause_is_never_shorter_than_the_one_before(failures in 0..u32::MAX) {
            prop_assert!(pause_after(failures) <= pause_after(failures + 1));
            prop_assert!((PAUSE_MIN..=PAUSE_MAX).contains(&pause_after(failures)));
        }
    }

    #[test]
    fn only_what_somebody_has_to_change_is_a_refusal() {
        let api = |code: u16, message: &str| {
            Trouble::Api(kube::Error::Api(Status { code, ..Status::failure(message, "R") }.boxed()))
        };
        for (trouble, expected) in [
            (api(422, "spec.containers[0].image: Required value"), Some("SpecRefused")),
            (api(400, "strict decoding error: unknown field \"spec.contaners\""), Some("SpecRefused")),
            (api(403, "pods \"a\" is forbidden: exceeded quota: q"), Some("QuotaExceeded")),
            (api(403, "violates PodSecurity \"restricted:latest\""), Some("PodSecurityRefused")),
            (api(403, "cannot create resource"), Some("Forbidden")),
            (
                api(500, "failed to create typed patch object (n/a; apps/v1): .spec.a: field not declared in schema"),
                Some("SpecRefused"),
            ),
            (api(404, "the server could not find the requested resource"), Some("KindNotFound")),
            (api(404, "404 page not found\n"), Some("KindNotFound")),
            (api(404, "pods \"a\" not found"), None),
            (api(409, "the object has been modified"), None),
            (api(429, "too many requests"), None),
            (api(500, "etcdserver: leader changed"), None),
            (Trouble::Head(Failure::new(Reason::Busy, "later")), None),
        ] {
            assert_eq!(trouble.refusal().map(|refusal| refusal.reason), expected, "{trouble}");
        }
    }
}
