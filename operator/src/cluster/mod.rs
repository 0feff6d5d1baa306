//! A ShoalCluster: its head, its Service, its token, and a ShoalWorkerGroup per entry.

mod children;
mod decide;

use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};

use self::decide::{Facts, decide};
use crate::context::Context;
use crate::names;
use crate::resources::{ShoalCluster, ShoalWorkerGroup};
use crate::trouble::Trouble;

/// Makes what is there match the spec, and says in the status how far that is.
pub(crate) async fn reconcile(cluster: Arc<ShoalCluster>, context: Arc<Context>) -> Result<Action, Trouble> {
    let namespace = cluster.namespace().unwrap_or_default();
    if cluster.metadata.deletion_timestamp.is_some() {
        context.heads.forget(&namespace, &cluster.name_any());
        // What it owns goes with it.
        return Ok(Action::await_change());
    }
    let statefulsets: Api<StatefulSet> = Api::namespaced(context.client.clone(), &namespace);
    let secrets: Api<Secret> = Api::namespaced(context.client.clone(), &namespace);
    let facts = Facts {
        head: statefulsets.get_opt(&names::head(&cluster.name_any())).await?,
        token: secrets.get_metadata_opt(&names::token(&cluster.name_any())).await?.is_some(),
        groups: groups_of(&cluster, &context, &namespace),
        default_image: context.config.image.clone(),
        cluster_domain: context.config.cluster_domain.clone(),
        cluster: cluster.clone(),
    };
    let decision = decide(&facts, Timestamp::now());
    context.carry_out(&*cluster, decision.changes).await?;
    context.say(&*cluster, &decision.status).await?;
    if decision.head_is_ready {
        context.heads.connect(&namespace, &cluster.name_any());
    }
    Ok(Action::await_change())
}

fn groups_of(cluster: &ShoalCluster, context: &Context, namespace: &str) -> Vec<Arc<ShoalWorkerGroup>> {
    let uid = cluster.metadata.uid.as_deref();
    context.groups.state_filter(|group| {
        group.metadata.namespace.as_deref() == Some(namespace)
            && group.owner_references().iter().any(|owner| Some(owner.uid.as_str()) == uid)
    })
}
