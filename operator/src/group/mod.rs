//! A ShoalWorkerGroup: its pods.

mod backoff;
mod decide;
mod order;
mod pod;
mod view;

use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;

pub(crate) use self::backoff::{Backoff, Hold};
use self::decide::{Facts, decide, has_a_choice};
use self::order::Loads;
pub(crate) use self::pod::{DRAIN, memory, slots};
use crate::context::{Context, again_after};
use crate::head_client::HeadClient;
use crate::names;
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
    let mut facts = gather(&group, &context, now);
    let head = Head { context: &context, group: &group };
    if has_a_choice(&group, &facts.pods) {
        facts.loads = head.loads().await;
    }
    let decision = decide(&facts, now);
    head.drain(decision.leaving).await;
    let carried_out = context.carry_out(&*group, decision.changes).await;
    let refusal = carried_out.as_ref().err().and_then(Trouble::refusal);
    let said = context.say_in_turn(&*group, &decision.view.status(&group, refusal, now)).await?;
    carried_out.map(|()| again_after([decision.again_after, said]))
}

fn gather(group: &Arc<ShoalWorkerGroup>, context: &Context, now: Timestamp) -> Facts {
    let uid = group.uid().unwrap_or_default();
    let (namespace, name) = (group.namespace().unwrap_or_default(), group.name_any());
    let named_so = context.pods.beginning_with(&namespace, &names::beginning_of_children(&name), Instant::now());
    let taken = named_so.iter().map(|pod| pod.name_any()).collect();
    let is_ours = |pod: &Arc<Pod>| pod.owner_references().iter().any(|owner| owner.uid == uid);
    let pods: Vec<Arc<Pod>> = named_so.into_iter().filter(is_ours).collect();
    let failed = pods.iter().filter(|pod| has_ended(pod)).map(|pod| {
        let why = obstacle(pod).map(|obstacle| obstacle.message).unwrap_or_default();
        (pod.uid().unwrap_or_default(), why)
    });
    let all_ready = !pods.is_empty() && pods.iter().all(|pod| is_ready(pod));
    let hold = context.note_failed_pods(&uid, failed.collect(), all_ready, now);
    let busy = context.is_busy(&namespace, &cluster(group));
    let budget = context.budgets.get(&namespace, &name);
    Facts { group: group.clone(), pods, taken, busy, hold, loads: Loads::new(), budget }
}

/// The name of a group's cluster. A group that cannot be read has none: nothing is done about it anyway.
fn cluster(group: &ShoalWorkerGroup) -> String {
    group.spec().map(|spec| spec.cluster_name).unwrap_or_default()
}

/// The head of a group's cluster. It is asked where it can be: a group does without it, since a worker that is told to end
/// leaves in order by itself.
struct Head<'a> {
    context: &'a Context,
    group: &'a ShoalWorkerGroup,
}

impl Head<'_> {
    async fn loads(&self) -> Loads {
        match self.client() {
            Some(client) => client.loads().await.unwrap_or_else(|failure| {
                tracing::debug!(group = self.group.name_any(), %failure, "what its workers do is not known");
                Loads::new()
            }),
            None => Loads::new(),
        }
    }

    /// Has the head give these workers no more tasks. What they run and hold they hand over in the time that their pods
    /// have to end: whoever deletes a pod waits no longer, and nothing has to be remembered of it.
    async fn drain(&self, workers: Vec<String>) {
        if let Some(client) = self.client().filter(|_| !workers.is_empty())
            && let Err(failure) = client.drain(workers, pod::DRAIN).await
        {
            tracing::debug!(group = self.group.name_any(), %failure, "the head does not know yet that workers leave");
        }
    }

    fn client(&self) -> Option<HeadClient> {
        let namespace = self.group.namespace().unwrap_or_default();
        self.context.heads.client(&namespace, &cluster(self.group)).ok()
    }
}
