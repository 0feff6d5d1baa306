//! Whether this is the etcd, and the state, that it should be.

use std::sync::atomic::Ordering;

use etcd_client::{Client, Compare, CompareOp, Error, Txn, TxnOp};
use serde::{Deserialize, Serialize};
use shoal_core::{Failure, Reason};

use super::keys::Keys;
use super::session::{Session, Trouble};
use super::trouble;

/// Version of the layout of keys that this build writes; records have a version of their own.
const FORMAT: u32 = 1;

/// Name of a cluster that was given none.
const CLUSTER_DEFAULT: &str = "default";

/// What the state says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    format: u32,
    cluster: String,
    /// How much higher than etcd's revisions epochs are: more than nothing where the state came from elsewhere, and had
    /// higher ones there.
    #[serde(default, skip_serializing_if = "is_zero")]
    epoch_base: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The epoch base that a state says it has.
pub(super) fn epoch_base(url: &str, bytes: &[u8]) -> Result<u64, Failure> {
    parse(url, bytes).map(|identity| identity.epoch_base)
}

/// The same state with another epoch base.
pub(super) fn with_epoch_base(url: &str, bytes: &[u8], epoch_base: u64) -> Result<Vec<u8>, Failure> {
    written(&Identity { epoch_base, ..parse(url, bytes)? })
}

fn written(identity: &Identity) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(identity)
        .map_err(|error| Failure::internal("an identity cannot be written as JSON").because(&error))
}

/// What was found at a member.
pub(super) struct Found {
    /// Id of the etcd cluster.
    cluster: u64,
    identity: Option<Vec<u8>>,
}

/// Reads it, through a majority of the members.
pub(super) async fn look(client: &Client, keys: &Keys) -> Result<Found, Error> {
    let mut answer = client.kv_client().get(keys.identity(), None).await?;
    let cluster = answer.header().map_or(0, |header| header.cluster_id());
    Ok(Found { cluster, identity: answer.take_kvs().pop().map(|entry| entry.into_key_value().1) })
}

/// Compares it with what is expected, and writes it where the state is new.
pub(super) async fn check(session: &Session, url: &str, found: Found, client: &Client) -> Result<(), Trouble> {
    let known = *session.cluster.get_or_init(|| found.cluster);
    if known != found.cluster {
        let why = format!("the etcd at {url} is another one than that at the other URLs, or it was set up anew");
        return Err(Trouble::Unusable(
            Failure::new(Reason::NotPossible, why)
                .file(url)
                .next("name members of one etcd only; after etcd was restored, start the head again"),
        ));
    }
    let expected = session.config.cluster.as_deref();
    match found.identity {
        Some(bytes) => compare(url, &bytes, expected).map_err(Trouble::Unusable)?,
        None if session.may_begin() => write(session, url, client, expected.unwrap_or(CLUSTER_DEFAULT)).await?,
        None => return Err(Trouble::Unusable(missing(session, url))),
    }
    session.is_known.store(true, Ordering::Relaxed);
    Ok(())
}

/// There is no state, and none is begun.
pub(super) fn missing(session: &Session, url: &str) -> Failure {
    let prefix = &session.config.prefix;
    if session.is_known.load(Ordering::Relaxed) {
        let why = format!("the state is gone from the etcd at {url}: nothing lies below `{prefix}` any more");
        return Failure::new(Reason::NotPossible, why).file(url).next(
            "restore etcd from a backup, or import an export with `shoal state import`; a head that is started anew begins \
             with an empty state",
        );
    }
    let why = format!("no head has kept its state below `{prefix}` in the etcd at {url}");
    Failure::new(Reason::InvalidValue, why)
        .file(url)
        .next("name the prefix that the head was started with: `--etcd-prefix PREFIX`")
}

fn parse(url: &str, bytes: &[u8]) -> Result<Identity, Failure> {
    serde_json::from_slice(bytes).map_err(|error| {
        Failure::new(Reason::CorruptFile, format!("what lies at the prefix in the etcd at {url} is no state of Shoal"))
            .because(&error)
            .file(url)
            .next("give Shoal a prefix of its own with `--etcd-prefix`")
    })
}

fn compare(url: &str, bytes: &[u8], expected: Option<&str>) -> Result<(), Failure> {
    let Identity { format, cluster, epoch_base: _ } = parse(url, bytes)?;
    if format > FORMAT {
        let why = format!("the state in etcd has format {format}; this build reads up to {FORMAT}");
        return Err(Failure::new(Reason::IncompatibleVersion, why)
            .file(url)
            .next("use the newer build that wrote it, or another `--etcd-prefix`"));
    }
    match expected {
        Some(expected) if expected != cluster => {
            let why = format!("the etcd at {url} holds the state of cluster `{cluster}`, not of `{expected}`");
            Err(Failure::new(Reason::NotPossible, why)
                .file(url)
                .next("check the URL and the prefix; each cluster takes an `--etcd-prefix` of its own"))
        }
        _ => Ok(()),
    }
}

async fn write(session: &Session, url: &str, client: &Client, cluster: &str) -> Result<(), Trouble> {
    let key = session.keys.identity();
    let identity = Identity { format: FORMAT, cluster: cluster.to_owned(), epoch_base: 0 };
    let identity = written(&identity).map_err(Trouble::Unusable)?;
    let create = Txn::new().when([Compare::create_revision(key.clone(), CompareOp::Equal, 0)]).and_then([TxnOp::put(
        key.clone(),
        identity,
        None,
    )]);
    let begun = async {
        client.kv_client().txn(create).await?;
        // Another head may have been first.
        look(client, &session.keys).await
    };
    match begun.await {
        Ok(found) => {
            let bytes = found.identity.unwrap_or_default();
            compare(url, &bytes, session.config.cluster.as_deref()).map_err(Trouble::Unusable)
        }
        Err(error) if trouble::is_passing(&error) => Err(Trouble::Passing(trouble::passing(url, &error))),
        Err(error) => Err(Trouble::Unusable(trouble::refused(url, &error))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_state_of_another_cluster_or_build_is_refused() {
        let bytes =
            |format, cluster: &str| written(&Identity { format, cluster: cluster.into(), epoch_base: 0 }).unwrap();
        compare("u", &bytes(1, "a"), None).unwrap();
        compare("u", &bytes(1, "a"), Some("a")).unwrap();
        for (bytes, reason) in [
            (bytes(1, "a"), Reason::NotPossible),
            (bytes(FORMAT + 1, "b"), Reason::IncompatibleVersion),
            (b"{".to_vec(), Reason::CorruptFile),
        ] {
            let failure = compare("u", &bytes, Some("b")).unwrap_err();
            assert_eq!(failure.reason, reason);
            assert!(failure.next.is_some() && failure.location.file.is_some());
        }
    }
}
