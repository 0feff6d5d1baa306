//! What a head does while it leads: keep its lease alive, and notice when it leads no more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use etcd_client::{Error, LeaseKeepAliveStream, LeaseKeeper};
use tokio::time::{sleep, timeout, timeout_at};

use super::election::{present, until_changed};
use super::session::{PAUSE, Session, Trouble};
use crate::journal::term::{Term, not_leading};

/// Beats within the time that a lease lasts: one or two may be lost.
const BEATS_PER_LEASE: u32 = 4;

/// How long a member may take to answer a beat before the next one is asked: less than a lease lasts.
const BEAT_MAX: Duration = Duration::from_secs(1);

/// Keeps a term going until it ends, and says so. `confirmed` is when the lease began at the latest.
pub(super) async fn keep(session: Arc<Session>, term: Arc<Term>, epoch: u64, lease: i64, confirmed: Instant) {
    let why = tokio::select! {
        why = keep_alive(&session, lease, confirmed) => why,
        why = key_gone(&session, epoch) => why,
    };
    term.lose(epoch, not_leading(why));
}

type Stream = (LeaseKeeper, LeaseKeepAliveStream);

/// Beats until the lease has run out, as far as this head can know. Its clock is one that no one sets, and that goes on
/// while the process is paused.
async fn keep_alive(session: &Session, lease: i64, mut confirmed: Instant) -> String {
    let ttl = session.config.lease_ttl;
    let mut stream: Option<(Stream, u64)> = None;
    loop {
        let sent = Instant::now();
        match timeout_at((confirmed + ttl).into(), timeout(BEAT_MAX, beat(session, lease, &mut stream))).await {
            // Not even time for an answer.
            Err(_) => return format!("etcd has not confirmed the lease for {} s", ttl.as_secs()),
            Ok(Ok(Ok(true))) => {
                confirmed = sent;
                sleep(ttl / BEATS_PER_LEASE).await;
            }
            Ok(Ok(Ok(false))) => return "the lease has run out".to_owned(),
            Ok(Ok(Err(_)) | Err(_)) => {
                if let Some((_, number)) = stream.take() {
                    session.leave(number).await;
                }
                sleep(PAUSE).await;
            }
        }
    }
}

/// One beat; false where etcd does not know the lease any more.
async fn beat(session: &Session, lease: i64, stream: &mut Option<(Stream, u64)>) -> Result<bool, Trouble> {
    if let Some(((keeper, answers), _)) = stream {
        let answer = async {
            keeper.keep_alive().await?;
            answers.message().await
        };
        return match answer.await {
            Ok(Some(answer)) => Ok(answer.ttl() > 0),
            Ok(None) => Err(Trouble::Refused(Error::LeaseKeepAliveError("the stream has ended".into()))),
            Err(error) => Err(Trouble::Refused(error)),
        };
    }
    let (client, _, number) = session.client().await?;
    // Opening it beats once.
    match client.lease_client().keep_alive(lease).await {
        Ok(opened) => {
            *stream = Some((opened, number));
            Ok(true)
        }
        Err(Error::LeaseKeepAliveError(_)) => Ok(false),
        Err(error) => {
            session.leave(number).await;
            Err(Trouble::Refused(error))
        }
    }
}

/// Waits until the leader's key is not the one of this epoch.
async fn key_gone(session: &Session, epoch: u64) -> String {
    loop {
        match present(session).await {
            Ok((Some(made), revision)) if made == epoch => until_changed(session, revision).await,
            Ok((Some(made), _)) => return format!("another head leads under epoch {made}"),
            Ok((None, _)) => return "the leader's key was deleted".to_owned(),
            Err(_) => sleep(PAUSE).await,
        }
    }
}
