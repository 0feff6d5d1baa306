//! A ShoalWorkerGroup: its pods.

mod backoff;
mod decide;
mod pod;
mod view;

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;

pub(crate) use self::backoff::{Backoff, Hold};
use self::decide::{Facts, decide};
use crate::context::{Context, again_after};
use crate::pod_state::{has_ended, is_ready, obstacle};
use crate::resources::{Kind, ShoalWorkerGroup};
use crate::trouble::Trouble;

/// Makes the group's pods match its spec, and says in the status how far that is.
pub(crate) async fn reconcile(group: Arc<ShoalWorkerGroup>, context: Arc<Context>) -> Result<Action, Trouble> {
    if group.metadata.deletion_timestamp.is_some() {
        // Its pods go with it.
        return Ok(Action::await_change());
    }
    let now = Timestamp::now();
    let facts = gather(&group, &context, now);
    let decision = decide(&facts, now);
    let carried_out = context.carry_out(&*group, decision.changes).await;
    let refusal = carried_out.as_ref().err().and_then(Trouble::refusal);
    let said = context.say_in_turn(&*group, &decision.view.status(&group, refusal, now), false).await?;
    carried_out.map(|()| again_after([decision.again_after, said]))
}

fn gather(group: &Arc<ShoalWorkerGroup>, context: &Context, now: Timestamp) -> Facts {
    let uid = group.uid().unwrap_or_default();
    let in_namespace = context.pods.state_filter(|pod| pod.metadata.namespace == group.metadata.namespace);
    let taken = in_namespace.iter().map(|pod| pod.name_any()).collect();
    let is_ours = |pod: &Arc<Pod>| pod.owner_references().iter().any(|owner| owner.uid == uid);
    let pods: Vec<Arc<Pod>> = in_namespace.into_iter().filter(is_ours).collect();
    let failed = pods.iter().filter(|pod| has_ended(pod)).map(|pod| {
        let why = obstacle(pod).map(|obstacle| obstacle.message).unwrap_or_default();
        (pod.uid().unwrap_or_default(), why)
    });
    let all_ready = !pods.is_empty() && pods.iter().all(|pod| is_ready(pod));
    let hold = context.note_failed_pods(&uid, failed.collect(), all_ready, now);
    // One that cannot be read has no jobs that could be disturbed: nothing is done about it anyway.
    let cluster = group.spec().map(|spec| spec.cluster_name).unwrap_or_default();
    let busy = context.is_busy(&group.namespace().unwrap_or_default(), &cluster);
    Facts { group: group.clone(), pods, taken, busy, hold }
}
