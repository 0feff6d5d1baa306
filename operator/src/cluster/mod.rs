//! A ShoalCluster: its head, its Service, its token, and a ShoalWorkerGroup per entry.

pub(crate) mod cancels;
mod children;
mod decide;
mod exchange;
mod head;
mod missing;
mod renewal;
mod seen;
mod tls;
mod view;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::api::core::v1::{Pod, Secret, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};
use rand::Rng as _;
use serde_json::Value;

use self::decide::{Facts, Holder, decide};
pub(crate) use self::seen::Seen;
use self::seen::Sight;
pub(crate) use self::tls::tls_secret;
use crate::context::{Context, again_after};
use crate::pod_state::{is_ending, is_ready};
use crate::resources::{Kind, ShoalCluster, ShoalWorkerGroup};
use crate::trouble::Trouble;
use crate::{names, policies};

/// Makes what is there match the spec, and says in the status how far that is.
pub(crate) async fn reconcile(cluster: Arc<ShoalCluster>, context: Arc<Context>) -> Result<Action, Trouble> {
    let (namespace, name) = (cluster.namespace().unwrap_or_default(), cluster.name_any());
    if cluster.metadata.deletion_timestamp.is_some() {
        // What it owns goes with it.
        return Ok(Action::await_change());
    }
    let facts = gather(&cluster, &context, &namespace).await?;
    let decision = decide(&facts);
    let renewal = facts.sight.tls.renew_in;
    if decision.changes.is_empty() && decision.view.taken.is_none() {
        let uid = cluster.uid().unwrap_or_default();
        context.seen.note(&uid, cluster.metadata.generation, facts.sight, Instant::now());
    }
    let head_is_ready = decision.view.head_is_ready;
    if head_is_ready {
        context.heads.connect(&namespace, &name);
    }
    let carried_out = context.carry_out(&*cluster, decision.changes).await;
    let refusal = carried_out.as_ref().err().and_then(Trouble::refusal);
    let status = decision.view.status(&cluster, refusal.as_ref(), &context.config.cluster_domain, Timestamp::now());
    let said = context.say_in_turn(&*cluster, &status).await?;
    carried_out?;
    // Nobody is looked for who is not there: the head's pod brings the cluster back here.
    let kept = if head_is_ready { cancels::deliver(&cluster, &context).await? } else { None };
    Ok(again_after([decision.again_after, said, kept, renewal]))
}

async fn gather(cluster: &Arc<ShoalCluster>, context: &Context, namespace: &str) -> Result<Facts, Trouble> {
    let name = cluster.name_any();
    let head_name = names::head(&name);
    let uid = cluster.uid().unwrap_or_default();
    let now = Instant::now();
    let sight = match context.seen.of(&uid, cluster.metadata.generation, now) {
        Some(believed) => believed,
        None => look(cluster, context, namespace).await?,
    };
    let selector = names::head_selector(&name);
    let is_head = |pod: &Arc<Pod>| selector.iter().all(|(label, value)| pod.labels().get(label) == Some(value));
    let groups = context.groups.beginning_with(namespace, &names::beginning_of_children(&name), now);
    let pods = context.pods.beginning_with(namespace, &names::beginning_of_children(&name), now);
    let ready_workers = ready_workers(&groups, &pods);
    let head_pods = pods.into_iter().filter(is_head).collect();
    Ok(Facts {
        head: context.stateful_sets.get(namespace, &head_name),
        head_pods,
        budget: context.budgets.get(namespace, &head_name),
        sight,
        new_token,
        policies: policies(context, namespace, &name),
        groups,
        ready_workers,
        busy: context.is_busy(namespace, &name),
        scaling: context.scaling.told(cluster),
        default_image: context.config.image.clone(),
        now: Timestamp::now(),
        cluster: cluster.clone(),
    })
}

/// Pods of these groups that work. Their statuses say so later, and a cluster that is said to work without its workers would
/// have to be said to work once more.
fn ready_workers(groups: &[Arc<ShoalWorkerGroup>], pods: &[Arc<Pod>]) -> u32 {
    let uids: BTreeSet<&str> = groups.iter().filter_map(|group| group.metadata.uid.as_deref()).collect();
    let is_worker = |pod: &Pod| pod.owner_references().iter().any(|owner| uids.contains(owner.uid.as_str()));
    let ready = pods.iter().filter(|pod| is_worker(pod) && is_ready(pod) && !is_ending(pod)).count();
    u32::try_from(ready).unwrap_or(u32::MAX)
}

/// Asks for what no watch tells of.
async fn look(cluster: &Arc<ShoalCluster>, context: &Context, namespace: &str) -> Result<Sight, Trouble> {
    let name = cluster.name_any();
    let secrets: Api<Secret> = Api::namespaced(context.client.clone(), namespace);
    let services: Api<Service> = Api::namespaced(context.client.clone(), namespace);
    let (head_name, heads_name, token_name) = (names::head(&name), names::heads(&name), names::token(&name));
    let several = cluster.spec().is_ok_and(|spec| spec.head.state.etcd.is_some());
    let heads_service = async { if several { services.get_metadata_opt(&heads_name).await } else { Ok(None) } };
    let (service, heads_service, tls, token) = tokio::try_join!(
        services.get_metadata_opt(&head_name),
        heads_service,
        tls::gather(cluster, context, namespace),
        secrets.get_metadata_opt(&token_name),
    )?;
    Ok(Sight {
        service: Holder::of(cluster, service.as_ref().map(|service| &service.metadata)),
        heads_service: Holder::of(cluster, heads_service.as_ref().map(|service| &service.metadata)),
        token: Holder::of(cluster, token.as_ref().map(|token| &token.metadata)),
        tls,
    })
}

/// The NetworkPolicies that a cluster shall have, each with the one that there is.
fn policies(context: &Context, namespace: &str, cluster: &str) -> Vec<(Option<Arc<NetworkPolicy>>, Value)> {
    let Some(known) = &context.policies else { return Vec::new() };
    let with_found = |wanted: Value| {
        let found = known.get(namespace, wanted["metadata"]["name"].as_str().unwrap_or_default());
        (found, wanted)
    };
    policies::of_cluster(cluster, &context.own_namespace).map(with_found).into()
}

/// 32 letters and digits: 190 bits.
fn new_token() -> String {
    rand::rng().sample_iter(rand::distr::Alphanumeric).take(32).map(char::from).collect()
}
