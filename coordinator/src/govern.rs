//! Term after term: campaign, lead, stop leading, campaign again.
//!
//! ```text
//!   standby --won--> load, recover --> leading --lost, or the journal failed--> standby
//! ```

use std::time::Duration;

use shoal_core::{Failure, Reason};
use tokio::sync::{oneshot, watch};

use crate::reign::{Realm, Reign};
use crate::standing::Standing;

/// Pause before a head campaigns again after something failed: a full disk does not get room within milliseconds.
const PAUSE: Duration = Duration::from_secs(1);

/// How a head is told to end.
pub(crate) struct Goodbye {
    /// Whether its workers end with it. Where another head can lead, they stay.
    pub(crate) workers_end: bool,
}

/// Leads whenever it can, until it is told to end or never can again.
pub(crate) async fn govern(realm: Realm, standing: watch::Sender<Standing>, mut goodbye: oneshot::Receiver<Goodbye>) {
    let leadership = realm.stores.leadership.clone();
    let mut complained = None;
    loop {
        let begun = tokio::select! {
            begun = begin(&realm) => begun,
            _ = &mut goodbye => break,
        };
        let ended = match begun {
            Ok(reign) => {
                complained = None;
                match lead(&realm, reign, &standing, &mut goodbye).await {
                    Some(failure) => failure,
                    None => break,
                }
            }
            Err(failure) if is_final(failure.reason) => {
                leadership.resign().await;
                standing.send_replace(Standing::Over(failure));
                return;
            }
            Err(failure) => {
                if complained != Some(failure.reason) {
                    tracing::error!(%failure, causes = ?failure.causes, "this head cannot lead; it tries again");
                }
                complained = Some(failure.reason);
                standing.send_replace(Standing::Standby(Some(failure.clone())));
                failure
            }
        };
        // Whatever there is of a term that failed: another head may do better.
        leadership.resign().await;
        if ended.reason != Reason::NotLeading {
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                _ = &mut goodbye => break,
            }
        }
    }
    leadership.resign().await;
    let over = Failure::new(Reason::HeadUnreachable, "the head is shut down").next("start it again");
    standing.send_replace(Standing::Over(over));
}

async fn begin(realm: &Realm) -> Result<Reign, Failure> {
    let leadership = &realm.stores.leadership;
    let epoch = leadership.campaign().await?;
    tokio::select! {
        reign = Reign::begin(realm, epoch) => reign,
        failure = leadership.lost() => Err(failure),
    }
}

/// Leads until that ends, and says why; none where the head was told to end.
async fn lead(
    realm: &Realm,
    mut reign: Reign,
    standing: &watch::Sender<Standing>,
    goodbye: &mut oneshot::Receiver<Goodbye>,
) -> Option<Failure> {
    let leading = reign.leading();
    tracing::info!(epoch = leading.epoch, "this head leads");
    standing.send_replace(Standing::Leading(leading));
    let ended = tokio::select! {
        failure = realm.stores.leadership.lost() => Some(failure),
        () = reign.ended() => Some(Failure::internal("the coordinator has ended")),
        bye = goodbye => {
            // Without a word from whoever held the other end, nobody is left who wants the workers to stay.
            reign.finish(bye.is_ok_and(|bye| bye.workers_end)).await;
            return None;
        }
    };
    let failed = ended.clone().filter(|failure| failure.reason != Reason::NotLeading);
    standing.send_replace(Standing::Standby(failed));
    if let Some(failure) = &ended {
        tracing::warn!(%failure, causes = ?failure.causes, "this head does not lead any more");
    }
    reign.depose().await;
    ended
}

/// Whether trying again would change nothing: somebody has to act first.
fn is_final(reason: Reason) -> bool {
    use Reason::*;
    matches!(reason, IncompatibleVersion | CorruptFile | Unauthorized | InvalidValue | NotPossible | Internal)
}
