//! What is to be done about a cluster. Pure, but for a token's randomness, which the caller's context adds.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use shoal_core::Failure;
use shoal_core::spec::v1alpha1::ClusterSpec;
use shoal_core::spec::v1alpha1::status::ClusterStatus;

use super::children;
use crate::changes::{Change, Reference};
use crate::conditions::{Fact, conditions};
use crate::names;
use crate::resources::{Kind, ShoalCluster, ShoalWorkerGroup};

/// What is known about a cluster.
pub(super) struct Facts {
    pub(super) cluster: Arc<ShoalCluster>,
    pub(super) head: Option<StatefulSet>,
    pub(super) token: bool,
    pub(super) groups: Vec<Arc<ShoalWorkerGroup>>,
    /// Image of clusters that name none.
    pub(super) default_image: String,
    pub(super) cluster_domain: String,
}

/// What is to be done.
pub(super) struct Decision {
    pub(super) changes: Vec<Change>,
    pub(super) status: ClusterStatus,
    pub(super) head_is_ready: bool,
}

/// Decides.
pub(super) fn decide(facts: &Facts, now: Timestamp) -> Decision {
    let cluster = &facts.cluster;
    let before = cluster.status().cloned().unwrap_or_default();
    let spec = match cluster.spec() {
        Ok(spec) => spec,
        Err(failure) => return unreadable(cluster, &before, &failure, now),
    };
    let name = cluster.name_any();
    // An image once chosen stays, so that a newer operator restarts nothing.
    let image = spec.image.clone().or_else(|| before.image.clone()).unwrap_or_else(|| facts.default_image.clone());
    let mut changes = Vec::new();
    if !facts.token {
        changes.push(Change::Create(children::token(&name, &new_token())));
    }
    changes.push(Change::Apply(children::service(&name)));
    changes.push(Change::Apply(children::head(&name, &spec, &image)));
    for entry in &spec.worker_groups {
        let group = facts.groups.iter().find(|group| group.name_any() == names::group(&name, &entry.name));
        changes.push(Change::Apply(children::group(&name, &spec, entry, &image)));
        if let Some(patch) = children::replicas(entry, group.map(|group| &**group)) {
            changes.push(Change::Merge(Reference::to::<ShoalWorkerGroup>(&names::group(&name, &entry.name)), patch));
        }
    }
    for group in &facts.groups {
        if !spec.worker_groups.iter().any(|entry| names::group(&name, &entry.name) == group.name_any()) {
            changes.push(Change::Delete(Reference::of(&**group)));
        }
    }
    let ready_heads = facts.head.as_ref().and_then(|head| head.status.as_ref()).and_then(|status| status.ready_replicas);
    let head_is_ready = ready_heads.unwrap_or(0) > 0 && !spec.suspend;
    let status = status(facts, &spec, image, head_is_ready, before, now);
    Decision { changes, status, head_is_ready }
}

fn status(
    facts: &Facts,
    spec: &ClusterSpec,
    image: String,
    head_is_ready: bool,
    before: ClusterStatus,
    now: Timestamp,
) -> ClusterStatus {
    let cluster = &facts.cluster;
    let counts = facts.groups.iter().filter_map(|group| Some((group.spec().ok()?, group.status().cloned().unwrap_or_default())));
    let (workers, ready_workers) = counts.fold((0, 0), |(workers, ready), (spec, status)| {
        (workers + if spec.suspend { 0 } else { spec.replicas }, ready + status.ready_replicas)
    });
    let generation = cluster.metadata.generation;
    let (ready, reason, message, phase) = if spec.suspend {
        (false, "Suspended", "it has no pods while `suspend` is true".to_owned(), "Suspended")
    } else if !head_is_ready {
        let pod = format!("{}-0", names::head(&cluster.name_any()));
        (false, "HeadNotReady", format!("the head is not ready: `kubectl describe pod {pod}` says why"), "Pending")
    } else {
        (true, "Ready", format!("the head takes jobs; {ready_workers} of {workers} workers are ready"), "Ready")
    };
    let progressing = !spec.suspend && (!head_is_ready || ready_workers < workers);
    let facts_now = vec![
        Fact::new("Ready", ready, reason, message),
        Fact::new(
            "Progressing",
            progressing,
            if progressing { "PodsStarting" } else { "Settled" },
            format!("{ready_workers} of {workers} workers are ready"),
        ),
    ];
    ClusterStatus {
        observed_generation: generation,
        phase: phase.to_owned(),
        conditions: conditions(&before.conditions, facts_now, generation, now),
        image: Some(image),
        endpoint: cluster.namespace().map(|namespace| {
            format!("http://{}.{namespace}.svc.{}:{}", names::head(&cluster.name_any()), facts.cluster_domain, names::HEAD_REST_PORT)
        }),
        workers,
        ready_workers,
    }
}

fn unreadable(cluster: &ShoalCluster, before: &ClusterStatus, failure: &Failure, now: Timestamp) -> Decision {
    let generation = cluster.metadata.generation;
    let fact = Fact::new("Ready", false, "InvalidSpec", failure.message.clone());
    let conditions = conditions(&before.conditions, vec![fact], generation, now);
    let status = ClusterStatus { observed_generation: generation, phase: "Failed".into(), conditions, ..before.clone() };
    Decision { changes: Vec::new(), status, head_is_ready: false }
}

/// 32 letters and digits: 190 bits.
fn new_token() -> String {
    use rand::Rng as _;
    rand::rng().sample_iter(rand::distr::Alphanumeric).take(32).map(char::from).collect()
}
