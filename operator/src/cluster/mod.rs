//! A ShoalCluster: its head, its Service, its token, and a ShoalWorkerGroup per entry.

pub(crate) mod cancels;
mod children;
mod decide;
mod exchange;
mod head;
mod tls;
mod view;

use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Pod, Secret, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};
use rand::Rng as _;
use serde_json::Value;

use self::decide::{Facts, Holder, decide};
pub(crate) use self::tls::tls_secret;
use crate::context::{Context, again_after};
use crate::resources::{Kind, ShoalCluster};
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
    let renewal = facts.tls.renew_in;
    let head_is_ready = decision.view.head_is_ready;
    if head_is_ready {
        context.heads.connect(&namespace, &name);
    }
    let carried_out = context.carry_out(&*cluster, decision.changes).await;
    let refusal = carried_out.as_ref().err().and_then(Trouble::refusal);
    let status = decision.view.status(&cluster, refusal.as_ref(), &context.config.cluster_domain, Timestamp::now());
    // The first one keeps the image, which the next build of the operator must not choose anew.
    let said = context.say_in_turn(&*cluster, &status, true).await?;
    carried_out?;
    // Nobody is looked for who is not there: the head's pod brings the cluster back here.
    let kept = if head_is_ready { cancels::deliver(&cluster, &context).await? } else { None };
    Ok(again_after([decision.again_after, said, kept, renewal]))
}

async fn gather(cluster: &Arc<ShoalCluster>, context: &Context, namespace: &str) -> Result<Facts, Trouble> {
    let name = cluster.name_any();
    let statefulsets: Api<StatefulSet> = Api::namespaced(context.client.clone(), namespace);
    let secrets: Api<Secret> = Api::namespaced(context.client.clone(), namespace);
    let services: Api<Service> = Api::namespaced(context.client.clone(), namespace);
    let (head_name, token_name) = (names::head(&name), names::token(&name));
    let heads_name = names::heads(&name);
    let several = cluster.spec().is_ok_and(|spec| spec.head.state.etcd.is_some());
    let heads_service = async { if several { services.get_metadata_opt(&heads_name).await } else { Ok(None) } };
    let (head, service, heads_service, tls, token) = tokio::try_join!(
        statefulsets.get_opt(&head_name),
        services.get_metadata_opt(&head_name),
        heads_service,
        tls::gather(cluster, context, namespace),
        secrets.get_metadata_opt(&token_name),
    )?;
    let selector = names::head_selector(&name);
    let is_head = |pod: &Pod| selector.iter().all(|(label, value)| pod.labels().get(label) == Some(value));
    let policies = policies(context, namespace, &name).await?;
    let in_namespace = |other: Option<String>| other.as_deref() == Some(namespace);
    Ok(Facts {
        head,
        head_pods: context.pods.state_filter(|pod| in_namespace(pod.namespace()) && is_head(pod)),
        heads_service: Holder::of(cluster, heads_service.as_ref().map(|service| &service.metadata)),
        budget: context.budgets.find(|budget| in_namespace(budget.namespace()) && budget.name_any() == head_name),
        service: Holder::of(cluster, service.as_ref().map(|service| &service.metadata)),
        token: Holder::of(cluster, token.as_ref().map(|token| &token.metadata)),
        tls,
        new_token: new_token(),
        policies,
        groups: context.groups.state_filter(|group| in_namespace(group.namespace())),
        busy: context.is_busy(namespace, &name),
        default_image: context.config.image.clone(),
        cluster: cluster.clone(),
    })
}

/// The NetworkPolicies that a cluster shall have, each with the one that there is.
async fn policies(
    context: &Context,
    namespace: &str,
    cluster: &str,
) -> Result<Vec<(Option<NetworkPolicy>, Value)>, kube::Error> {
    if !context.config.network_policies {
        return Ok(Vec::new());
    }
    let api: Api<NetworkPolicy> = Api::namespaced(context.client.clone(), namespace);
    let mut policies = Vec::new();
    for wanted in policies::of_cluster(cluster, &context.own_namespace) {
        let name = wanted["metadata"]["name"].as_str().unwrap_or_default();
        policies.push((api.get_opt(name).await?, wanted));
    }
    Ok(policies)
}

/// 32 letters and digits: 190 bits.
fn new_token() -> String {
    rand::rng().sample_iter(rand::distr::Alphanumeric).take(32).map(char::from).collect()
}
