//! One operator leads: a Lease of `coordination.k8s.io`, as Kubernetes' own controllers use it.
//!
//! The API server knows no fencing token, so that a paused leader could still write. What it writes is therefore made so
//! that twice is once: names follow from the resources, deletions name uids, submissions carry the id that was stored
//! before. To heads it shows how often the lead has changed hands, and they obey no older one. And by its own clock it writes
//! nothing once the lease may be another's.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::Instant;

use crate::names::FIELD_MANAGER;
use crate::term::Term;

/// For how long a leader that says nothing leads.
const DURATION: Duration = Duration::from_secs(15);

/// How often the leader says that it lives.
const RENEW: Duration = Duration::from_secs(4);

/// How often one that waits looks.
const RETRY: Duration = Duration::from_secs(2);

/// After so long without having said so, a leader takes itself for lost: before anyone else does.
const GIVE_UP: Duration = Duration::from_secs(10);

/// A Lease that this process holds.
pub(crate) struct Held {
    api: Api<Lease>,
    identity: String,
    lease: Lease,
    term: Term,
}

/// What to do about a Lease.
#[derive(Debug, PartialEq)]
enum Step {
    /// It is free, or its holder is silent: take it.
    Take {
        /// How often it has changed hands then.
        transitions: i32,
    },
    /// It is somebody else's.
    Wait,
}

/// `seen` is when this process first saw the Lease as it is now, by its own clock: clocks of two machines differ.
fn next(lease: Option<&LeaseSpec>, identity: &str, silent_for: Duration) -> Step {
    let Some(lease) = lease else { return Step::Take { transitions: 0 } };
    let transitions = lease.lease_transitions.unwrap_or(0);
    match lease.holder_identity.as_deref() {
        // The process before this one of the same name: it is another, so what it may still do is to be refused.
        Some(holder) if holder == identity => Step::Take { transitions: transitions.saturating_add(1) },
        None | Some("") => Step::Take { transitions: transitions.saturating_add(1) },
        Some(_) => {
            let duration = u64::try_from(lease.lease_duration_seconds.unwrap_or(0)).unwrap_or(0);
            match silent_for >= Duration::from_secs(duration) {
                true => Step::Take { transitions: transitions.saturating_add(1) },
                false => Step::Wait,
            }
        }
    }
}

/// Whether a Lease is the one that was taken as that process, at that change of hands.
fn is_held(lease: Option<&LeaseSpec>, identity: &str, transitions: u64) -> bool {
    let holder = lease.and_then(|lease| lease.holder_identity.as_deref());
    let found = lease.and_then(|lease| lease.lease_transitions).and_then(|transitions| u64::try_from(transitions).ok());
    holder == Some(identity) && found == Some(transitions)
}

/// Whose name is in the Lease, while it is one of who leads now: `renewed` was less than its duration ago.
pub(crate) async fn leader(client: Client, namespace: &str, now: Timestamp) -> kube::Result<Option<String>> {
    let api: Api<Lease> = Api::namespaced(client, namespace);
    Ok(api.get_opt(FIELD_MANAGER).await?.and_then(|lease| led_by(lease.spec?, now)))
}

fn led_by(lease: LeaseSpec, now: Timestamp) -> Option<String> {
    let silent = now.duration_since(lease.renew_time?.0);
    let is_alive = silent.as_secs() < i64::from(lease.lease_duration_seconds?);
    lease.holder_identity.filter(|holder| is_alive && !holder.is_empty())
}

/// Waits until this process leads.
pub(crate) async fn acquire(client: Client, namespace: &str, identity: &str) -> Held {
    let api: Api<Lease> = Api::namespaced(client, namespace);
    let mut seen: Option<(Option<String>, Instant)> = None;
    loop {
        let term = Term::until(Instant::now() + GIVE_UP);
        match try_acquire(&api, identity, &mut seen).await {
            Ok(Some(lease)) => return Held { api, identity: identity.to_owned(), lease, term },
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the lease cannot be taken"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn try_acquire(
    api: &Api<Lease>,
    identity: &str,
    seen: &mut Option<(Option<String>, Instant)>,
) -> kube::Result<Option<Lease>> {
    let found = api.get_opt(FIELD_MANAGER).await?;
    let version = found.as_ref().and_then(|lease| lease.metadata.resource_version.clone());
    let since = match seen {
        Some((known, since)) if *known == version => *since,
        _ => Instant::now(),
    };
    *seen = Some((version, since));
    let Step::Take { transitions } =
        next(found.as_ref().and_then(|lease| lease.spec.as_ref()), identity, since.elapsed())
    else {
        return Ok(None);
    };
    let mut lease = found.unwrap_or_else(|| Lease {
        metadata: ObjectMeta { name: Some(FIELD_MANAGER.to_owned()), ..ObjectMeta::default() },
        spec: None,
    });
    let now = MicroTime(Timestamp::now());
    lease.spec = Some(LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
        acquire_time: Some(now.clone()),
        renew_time: Some(now),
        lease_transitions: Some(transitions),
        ..LeaseSpec::default()
    });
    write(api, &lease).await
}

/// Writes it unless somebody else was faster.
async fn write(api: &Api<Lease>, lease: &Lease) -> kube::Result<Option<Lease>> {
    let written = match lease.metadata.resource_version {
        None => api.create(&PostParams::default(), lease).await,
        Some(_) => api.replace(FIELD_MANAGER, &PostParams::default(), lease).await,
    };
    match written {
        Ok(lease) => Ok(Some(lease)),
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(None),
        Err(error) => Err(error),
    }
}

impl Held {
    /// How often the lead has changed hands.
    pub(crate) fn transitions(&self) -> u64 {
        let transitions = self.lease.spec.as_ref().and_then(|spec| spec.lease_transitions);
        transitions.and_then(|transitions| u64::try_from(transitions).ok()).unwrap_or(0)
    }

    /// For how long what follows from it may be written.
    pub(crate) fn term(&self) -> &Term {
        &self.term
    }

    /// Renews it until it is lost.
    pub(crate) async fn keep(&mut self) {
        // As of when the request was sent: that is what others count from, at the latest.
        let mut renewed = Instant::now();
        loop {
            let end = renewed + GIVE_UP;
            tokio::time::sleep_until((Instant::now() + RENEW).min(end)).await;
            let sent = Instant::now();
            match tokio::time::timeout_at(end, self.renew()).await {
                Ok(Ok(true)) => {
                    renewed = sent;
                    self.term.move_to(sent + GIVE_UP);
                }
                Ok(Ok(false)) => {
                    tracing::error!("another operator has taken the lease");
                    return;
                }
                Ok(Err(error)) => tracing::warn!(%error, "the lease cannot be renewed"),
                Err(_) => tracing::warn!("the API server does not answer: the lease cannot be renewed"),
            }
            if Instant::now() >= end {
                tracing::error!("the lease could not be renewed for {} s", GIVE_UP.as_secs());
                return;
            }
        }
    }

    /// Whether this process holds it still.
    async fn renew(&mut self) -> kube::Result<bool> {
        let mut lease = self.lease.clone();
        if let Some(spec) = &mut lease.spec {
            spec.renew_time = Some(MicroTime(Timestamp::now()));
        }
        if let Some(lease) = write(&self.api, &lease).await? {
            self.lease = lease;
            return Ok(true);
        }
        // Somebody has written to it, which may have been this very process, with an answer that was lost.
        let found = self.api.get_opt(FIELD_MANAGER).await?;
        let Some(found) = found.filter(|found| is_held(found.spec.as_ref(), &self.identity, self.transitions())) else {
            return Ok(false);
        };
        self.lease = found;
        Ok(true)
    }

    /// Gives it up, so that the next operator need not wait.
    pub(crate) async fn give_up(mut self) {
        if let Some(spec) = &mut self.lease.spec
            && spec.holder_identity.as_deref() == Some(self.identity.as_str())
        {
            spec.holder_identity = None;
            if let Err(error) = write(&self.api, &self.lease).await {
                tracing::warn!(%error, "the lease cannot be given up");
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn who_leads_is_who_has_said_so_lately() {
        let now = Timestamp::from_second(1_000).unwrap();
        let lease = |holder: &str, renewed: i64| LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(15),
            renew_time: Some(MicroTime(Timestamp::from_second(renewed).unwrap())),
            ..LeaseSpec::default()
        };
        for (lease, expected) in [
            (lease("a", 990), Some("a")),
            (lease("a", 985), None),
            (lease("", 999), None),
            (LeaseSpec::default(), None),
        ] {
            assert_eq!(led_by(lease.clone(), now).as_deref(), expected, "{lease:?}");
        }
    }

    #[test]
    fn a_lease_is_taken_where_it_is_free_or_its_holder_is_silent() {
        let held = |by: &str| LeaseSpec {
            holder_identity: (!by.is_empty()).then(|| by.to_owned()),
            lease_duration_seconds: Some(15),
            lease_transitions: Some(4),
            ..LeaseSpec::default()
        };
        let silent = Duration::from_secs;
        for (lease, silent_for, expected) in [
            (None, silent(0), Step::Take { transitions: 0 }),
            (Some(held("")), silent(0), Step::Take { transitions: 5 }),
            (Some(held("other")), silent(14), Step::Wait),
            (Some(held("other")), silent(15), Step::Take { transitions: 5 }),
            (Some(held("me")), silent(0), Step::Take { transitions: 5 }),
        ] {
            assert_eq!(next(lease.as_ref(), "me", silent_for), expected, "{lease:?} after {silent_for:?}");
        }
    }

    #[test]
    fn a_lease_is_held_by_who_took_it_last() {
        let spec = |by: &str, transitions| LeaseSpec {
            holder_identity: Some(by.to_owned()),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        };
        assert!(is_held(Some(&spec("me", 4)), "me", 4));
        assert!(!is_held(Some(&spec("other", 4)), "me", 4));
        // Another process of this one's name.
        assert!(!is_held(Some(&spec("me", 5)), "me", 4));
        assert!(!is_held(None, "me", 4));
    }

    #[test]
    fn a_leader_takes_itself_for_lost_before_anyone_else_does() {
        assert!(GIVE_UP < DURATION && RENEW * 2 < GIVE_UP);
    }
}
