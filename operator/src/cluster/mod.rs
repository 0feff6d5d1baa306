//! A ShoalCluster: its head, its Service, its token, and a ShoalWorkerGroup per entry.

mod children;
mod decide;
mod view;

use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Secret, Service};
use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};
use rand::Rng as _;

use self::decide::{Facts, Holder, decide};
use crate::context::{Context, again_after};
use crate::names;
use crate::resources::ShoalCluster;
use crate::trouble::Trouble;

/// Makes what is there match the spec, and says in the status how far that is.
pub(crate) async fn reconcile(cluster: Arc<ShoalCluster>, context: Arc<Context>) -> Result<Action, Trouble> {
    let (namespace, name) = (cluster.namespace().unwrap_or_default(), cluster.name_any());
    if cluster.metadata.deletion_timestamp.is_some() {
        // What it owns goes with it.
        return Ok(Action::await_change());
    }
    let facts = gather(&cluster, &context, &namespace).await?;
    let decision = decide(&facts);
    if decision.view.head_is_ready {
        context.heads.connect(&namespace, &name);
    }
    let carried_out = context.carry_out(&*cluster, decision.changes).await;
    let refusal = carried_out.as_ref().err().and_then(Trouble::refusal);
    let status = decision.view.status(&cluster, refusal.as_ref(), &context.config.cluster_domain, Timestamp::now());
    // The first one keeps the image, which the next build of the operator must not choose anew.
    let said = context.say_in_turn(&*cluster, &status, true).await?;
    carried_out.map(|()| again_after([decision.again_after, said]))
}

async fn gather(cluster: &Arc<ShoalCluster>, context: &Context, namespace: &str) -> Result<Facts, Trouble> {
    let name = cluster.name_any();
    let statefulsets: Api<StatefulSet> = Api::namespaced(context.client.clone(), namespace);
    let secrets: Api<Secret> = Api::namespaced(context.client.clone(), namespace);
    let services: Api<Service> = Api::namespaced(context.client.clone(), namespace);
    let (head_name, token_name) = (names::head(&name), names::token(&name));
    let (head, service, token) = tokio::try_join!(
        statefulsets.get_opt(&head_name),
        services.get_metadata_opt(&head_name),
        secrets.get_metadata_opt(&token_name),
    )?;
    let head_pod = format!("{head_name}-0");
    let in_namespace = |other: Option<String>| other.as_deref() == Some(namespace);
    Ok(Facts {
        head,
        head_pod: context.pods.find(|pod| pod.name_any() == head_pod && in_namespace(pod.namespace())),
        service: Holder::of(cluster, service.as_ref().map(|service| &service.metadata)),
        token: Holder::of(cluster, token.as_ref().map(|token| &token.metadata)),
        new_token: new_token(),
        groups: context.groups.state_filter(|group| in_namespace(group.namespace())),
        busy: context.is_busy(namespace, &name),
        default_image: context.config.image.clone(),
        cluster: cluster.clone(),
    })
}

/// 32 letters and digits: 190 bits.
fn new_token() -> String {
    rand::rng().sample_iter(rand::distr::Alphanumeric).take(32).map(char::from).collect()
}
