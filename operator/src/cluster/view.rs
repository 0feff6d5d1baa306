//! What is said of a cluster. Pure.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use shoal_core::spec::v1alpha1::status::ClusterStatus;

use crate::conditions::{Fact, conditions};
use crate::names;
use crate::pod_state::Obstacle;
use crate::pods;
use crate::resources::{Kind, ShoalCluster};
use crate::scaling::Told;
use crate::trouble::Refusal;

/// What there is of a cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct View {
    /// Why the spec cannot be read.
    pub(super) unreadable: Option<String>,
    /// What has a name that the cluster needs.
    pub(super) taken: Option<String>,
    pub(super) suspended: bool,
    pub(super) head_is_ready: bool,
    /// Why the head's pod does not work.
    pub(super) head_obstacle: Option<Obstacle>,
    /// Whether the head is not yet as the spec has it, because it is needed as it is.
    pub(super) head_waits: bool,
    pub(super) image: Option<String>,
    /// Whether its processes speak TLS.
    pub(super) tls: bool,
    /// Authorities that its processes are known by.
    pub(super) authority: Option<String>,
    /// Workers that there shall be.
    pub(super) workers: u32,
    pub(super) ready_workers: u32,
    /// What the autoscaler says, where it says how large the cluster is to be.
    pub(super) scaling: Option<Told>,
}

impl View {
    /// What to say, where the API server has refused this.
    pub(super) fn status(
        self,
        cluster: &ShoalCluster,
        refusal: Option<&Refusal>,
        domain: &str,
        now: Timestamp,
    ) -> ClusterStatus {
        let before = cluster.status().cloned().unwrap_or_default();
        let generation = cluster.metadata.generation;
        let (phase, ready) = self.readiness(cluster, refusal);
        let mut facts = vec![ready, self.progress()];
        facts.extend(self.scaling.as_ref().and_then(|told| told.metrics.clone()));
        // What cannot be read says nothing of it.
        let tls = self.image.is_some().then_some(self.tls).or(before.tls);
        let endpoint = tls.zip(cluster.namespace()).map(|(tls, namespace)| {
            let (scheme, head) = (pods::scheme(tls), names::head(&cluster.name_any()));
            format!("{scheme}://{head}.{namespace}.svc.{domain}:{}", names::HEAD_REST_PORT)
        });
        ClusterStatus {
            observed_generation: generation,
            phase: phase.to_owned(),
            conditions: conditions(&before.conditions, facts, generation, now),
            image: self.image.or(before.image),
            tls,
            authority: self.authority.or(before.authority).filter(|_| tls == Some(true)),
            endpoint,
            workers: self.workers,
            ready_workers: self.ready_workers,
            autoscaling: self.scaling.and_then(|told| told.status),
        }
    }

    fn counted(&self) -> String {
        format!("{} of {} workers are ready", self.ready_workers, self.workers)
    }

    fn readiness(&self, cluster: &ShoalCluster, refusal: Option<&Refusal>) -> (&'static str, Fact) {
        let not_ready = |reason: &str, message: String| Fact::new("Ready", false, reason, message);
        if let Some(message) = &self.unreadable {
            return ("Failed", not_ready("InvalidSpec", message.clone()));
        }
        if let Some(object) = &self.taken {
            let message = format!("{object} belongs to something else: it is waited for until that is gone");
            return ("Pending", not_ready("NameTaken", message));
        }
        if let Some(Refusal { reason, message }) = refusal {
            return ("Failed", not_ready(reason, message.clone()));
        }
        if self.suspended {
            return ("Suspended", not_ready("Suspended", "it has no pods while `suspend` is true".to_owned()));
        }
        if self.head_is_ready {
            return ("Ready", Fact::new("Ready", true, "Ready", format!("the head takes jobs; {}", self.counted())));
        }
        let Some(Obstacle { reason, message }) = &self.head_obstacle else {
            let pod = format!("{}-0", names::head(&cluster.name_any()));
            let message = format!("the head is not ready: `kubectl describe pod {pod}` says why");
            return ("Pending", not_ready("HeadNotReady", message));
        };
        ("Pending", not_ready(reason, format!("the head does not work: {message}")))
    }

    fn progress(&self) -> Fact {
        let fact = |holds, reason: &str, message: String| Fact::new("Progressing", holds, reason, message);
        if self.suspended || self.unreadable.is_some() {
            return fact(false, "Settled", self.counted());
        }
        if self.head_waits {
            let message = "the head follows once no job is unfinished and all workers have the new image";
            return fact(true, "HeadWaits", message.to_owned());
        }
        match self.head_is_ready && self.ready_workers >= self.workers {
            true => fact(false, "Settled", self.counted()),
            false => fact(true, "PodsStarting", self.counted()),
        }
    }
}
