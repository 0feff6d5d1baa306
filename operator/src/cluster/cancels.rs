//! Cancels of jobs that are gone: a resource does not wait for ever for a head that cannot be asked, but the head's state
//! would bring its job back. So the cancel is kept with the cluster, as an annotation, until a head has heard it.

use std::time::Duration;

use kube::ResourceExt;
use serde_json::{Map, Value, json};
use shoal_core::{JobUid, Reason};

use crate::changes::{Change, Reference};
use crate::context::Context;
use crate::resources::ShoalCluster;
use crate::trouble::Trouble;

/// What the name of such an annotation begins with; the job's uid at the head follows.
const PREFIX: &str = "cancel.shoal.dev/";

/// Most cancels that a cluster keeps, so that its annotations, of which there may be 256 KiB, have room for others.
const KEPT_MAX: usize = 1_000;

/// How often a head is asked whether a job has ended that it was told to cancel.
const LOOK: Duration = Duration::from_secs(5);

/// The cancels that a cluster keeps.
fn kept(cluster: &ShoalCluster) -> Vec<JobUid> {
    let names = cluster.annotations().keys().filter_map(|name| name.strip_prefix(PREFIX));
    names.filter_map(|uid| uid.parse().ok()).map(JobUid).collect()
}

/// What has a cluster keep the cancel of that job, which people know by `id`; `None` where it does, or keeps too many.
pub(crate) fn keep(cluster: &ShoalCluster, uid: JobUid, id: &str) -> Option<Change> {
    let kept = kept(cluster);
    if kept.contains(&uid) || kept.len() >= KEPT_MAX {
        return None;
    }
    let patch = json!({"metadata": {"annotations": {(format!("{PREFIX}{uid}")): id}}});
    Some(Change::Merge(Reference::of(cluster), patch))
}

/// Tells the head of a cluster what is kept, where it can be told, and forgets what has been done.
///
/// Says when to look again, where something is left.
pub(super) async fn deliver(cluster: &ShoalCluster, context: &Context) -> Result<Option<Duration>, Trouble> {
    let (namespace, name) = (cluster.namespace().unwrap_or_default(), cluster.name_any());
    let kept = kept(cluster);
    let mut done = Vec::new();
    for uid in &kept {
        // The head may be gone by the second: whoever cannot be told now is told at the next look.
        let Ok(client) = context.heads.client(&namespace, &name) else { break };
        match client.cancel(*uid).await {
            Ok(state) if !state.phase.is_final() => {}
            Ok(_) => done.push(*uid),
            Err(failure) if failure.reason == Reason::JobNotFound => done.push(*uid),
            Err(failure) => {
                tracing::debug!(namespace, name, %uid, %failure, "a cancel that was kept is told again later");
                break;
            }
        }
    }
    let left = kept.len() - done.len();
    if !done.is_empty() {
        context.carry_out(cluster, vec![forget(cluster, &done)]).await?;
    }
    Ok((left > 0).then_some(LOOK))
}

fn forget(cluster: &ShoalCluster, done: &[JobUid]) -> Change {
    let gone: Map<String, Value> = done.iter().map(|uid| (format!("{PREFIX}{uid}"), Value::Null)).collect();
    Change::Merge(Reference::of(cluster), json!({"metadata": {"annotations": gone}}))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn cluster(annotations: &Value) -> ShoalCluster {
        let metadata = json!({"name": "a", "namespace": "n", "uid": "c", "annotations": annotations});
        serde_json::from_value(json!({"metadata": metadata, "spec": {}})).unwrap()
    }

    #[test]
    fn a_cancel_is_kept_once_and_forgotten_by_its_name() {
        let uid = JobUid(uuid::Uuid::from_u128(7));
        let Some(Change::Merge(_, patch)) = keep(&cluster(&json!({"other": "1"})), uid, "n/j/u/1") else {
            panic!("it is to be kept");
        };
        let annotations = &patch["metadata"]["annotations"];
        assert_eq!(*annotations, json!({"cancel.shoal.dev/00000000-0000-0000-0000-000000000007": "n/j/u/1"}));
        let keeps = cluster(annotations);
        assert_eq!((kept(&keeps), keep(&keeps, uid, "n/j/u/1")), (vec![uid], None));
        let Change::Merge(_, patch) = forget(&keeps, &[uid]) else { panic!("a patch is expected") };
        assert_eq!(
            patch["metadata"]["annotations"],
            json!({"cancel.shoal.dev/00000000-0000-0000-0000-000000000007": null})
        );
        let full: Map<String, Value> =
            (0..KEPT_MAX as u128).map(|one| (format!("{PREFIX}{}", uuid::Uuid::from_u128(one)), "".into())).collect();
        assert_eq!(keep(&cluster(&Value::Object(full)), JobUid(uuid::Uuid::max()), "n/j/u/1"), None);
    }
}
