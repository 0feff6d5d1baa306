//! Our kinds as the API server gives them.
//!
//! Specs are read leniently, as plain values, and parsed where they are acted on: one object that a newer build has
//! written must not blind this one to all others.

use std::borrow::Cow;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shoal_core::spec::v1alpha1::{self, CLUSTER_KIND, JOB_KIND, WORKER_GROUP_KIND, status};
use shoal_core::{Failure, Reason};

/// Group of our kinds.
pub(crate) const GROUP: &str = "shoal.dev";

/// Version of our kinds.
pub(crate) const VERSION: &str = "v1alpha1";

/// A kind of ours.
pub(crate) trait Kind:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Serialize + DeserializeOwned
{
    /// What a user writes.
    type Spec: DeserializeOwned;

    /// What the operator says.
    type Status: DeserializeOwned + Serialize + Default + PartialEq;

    /// What a user wrote, unread.
    fn raw_spec(&self) -> &Value;

    /// What the operator said last.
    fn status(&self) -> Option<&Self::Status>;

    /// What a user wrote.
    ///
    /// # Errors
    /// [`Reason::InvalidValue`] where this build cannot read it.
    fn spec(&self) -> Result<Self::Spec, Failure> {
        serde_json::from_value(self.raw_spec().clone()).map_err(|error| {
            Failure::new(Reason::InvalidValue, format!("this operator cannot read the spec: {error}"))
                .field("spec")
                .next("upgrade the operator, or write the spec as its CustomResourceDefinition has it")
        })
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident { kind: $kind:expr, plural: $plural:literal, spec: $spec:ty, status: $status:ty })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Serialize, Deserialize)]
        pub(crate) struct $name {
            /// Name, labels, owners.
            pub(crate) metadata: ObjectMeta,
            /// What a user wrote.
            #[serde(default)]
            pub(crate) spec: Value,
            /// What the operator said last.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub(crate) status: Option<$status>,
        }

        impl Resource for $name {
            type DynamicType = ();
            type Scope = NamespaceResourceScope;

            fn kind((): &()) -> Cow<'_, str> {
                $kind.into()
            }

            fn group((): &()) -> Cow<'_, str> {
                GROUP.into()
            }

            fn version((): &()) -> Cow<'_, str> {
                VERSION.into()
            }

            fn plural((): &()) -> Cow<'_, str> {
                $plural.into()
            }

            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }

        impl Kind for $name {
            type Spec = $spec;
            type Status = $status;

            fn raw_spec(&self) -> &Value {
                &self.spec
            }

            fn status(&self) -> Option<&$status> {
                self.status.as_ref()
            }
        }
    )+};
}

kinds! {
    /// A head and groups of workers.
    ShoalCluster {
        kind: CLUSTER_KIND, plural: "shoalclusters", spec: v1alpha1::ClusterSpec, status: status::ClusterStatus
    }
    /// A group of equal workers.
    ShoalWorkerGroup {
        kind: WORKER_GROUP_KIND, plural: "shoalworkergroups", spec: v1alpha1::WorkerGroupSpec, status: status::WorkerGroupStatus
    }
    /// A job.
    ShoalJob { kind: JOB_KIND, plural: "shoaljobs", spec: v1alpha1::JobSpec, status: status::JobStatus }
}

impl ShoalJob {
    /// Whether it has ended, whichever way.
    pub(crate) fn is_finished(&self) -> bool {
        self.status.as_ref().is_some_and(|status| matches!(status.phase.as_str(), "Succeeded" | "Failed"))
    }
}
