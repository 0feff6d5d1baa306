//! A ShoalWorkerGroup: its pods.

mod decide;
mod pod;

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;

use self::decide::{Facts, decide};
use crate::context::Context;
use crate::resources::ShoalWorkerGroup;
use crate::trouble::Trouble;

/// Makes the group's pods match its spec, and says in the status how far that is.
pub(crate) async fn reconcile(group: Arc<ShoalWorkerGroup>, context: Arc<Context>) -> Result<Action, Trouble> {
    if group.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let uid = group.metadata.uid.clone();
    let pods = context.pods.state_filter(|pod| {
        pod.metadata.namespace == group.metadata.namespace
            && pod.owner_references().iter().any(|owner| Some(&owner.uid) == uid.as_ref())
    });
    let cluster = group.raw_cluster_name().to_owned();
    let busy = context.heads.busy(&group.namespace().unwrap_or_default(), &cluster);
    let mut decision = decide(&Facts { group: group.clone(), pods, busy }, Timestamp::now());
    let carried_out = context.carry_out(&*group, decision.changes).await;
    if let Err(trouble) = &carried_out {
        decision.failure = Some(trouble.to_string());
    }
    context.say(&*group, &decision.into_status(Timestamp::now())).await?;
    carried_out.map(|()| Action::await_change())
}
