//! How a job is known to its head: by an id that follows from the resource, so that a submission that is repeated, by
//! this operator or by the next, is the same one.

use kube::ResourceExt;
use serde_json::{Value, json};
use shoal_core::JobUid;
use shoal_core::spec::v1alpha1::{API_VERSION, JOB_KIND};
use uuid::Builder;
use xxhash_rust::xxh3::xxh3_128;

use crate::resources::{Kind, ShoalJob};

/// A job's submission.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Submission {
    /// Namespace, name, uid and how often it was submitted: what people read.
    pub(super) id: String,
    /// What the head calls it.
    pub(super) uid: JobUid,
    /// Whether the status says so: only then may the head be asked.
    pub(super) is_recorded: bool,
}

/// The submission of a job: the one that its status names, else its first.
pub(super) fn of(job: &ShoalJob) -> Submission {
    let recorded = job.status().and_then(|status| status.submission_id.clone());
    let is_recorded = recorded.is_some();
    let id = recorded.unwrap_or_else(|| {
        format!("{}/{}/{}/1", job.namespace().unwrap_or_default(), job.name_any(), job.uid().unwrap_or_default())
    });
    Submission { uid: uid(&id), id, is_recorded }
}

/// A hash of the id, as a uuid of the version that stands for one's own scheme (RFC 9562, version 8).
fn uid(id: &str) -> JobUid {
    JobUid(Builder::from_custom_bytes(xxh3_128(id.as_bytes()).to_be_bytes()).into_uuid())
}

/// The job as the head takes it: what only Kubernetes has a use for is left out.
pub(super) fn document(job: &ShoalJob) -> Value {
    let mut spec = job.raw_spec().clone();
    if let Some(spec) = spec.as_object_mut() {
        spec.retain(|field, _| !matches!(field.as_str(), "cluster" | "clusterRef" | "managedBy"));
    }
    json!({"apiVersion": API_VERSION, "kind": JOB_KIND, "metadata": {"name": job.name_any()}, "spec": spec})
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn job(status: &Value) -> ShoalJob {
        serde_json::from_value(json!({
            "metadata": {"name": "a", "namespace": "n", "uid": "u"},
            "spec": {"clusterRef": {"name": "c"}, "managedBy": "m", "cluster": {}, "priority": 3},
            "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn a_submission_follows_from_the_resource_and_stays_what_was_recorded() {
        let first = of(&job(&json!({})));
        assert_eq!((first.id.as_str(), first.is_recorded), ("n/a/u/1", false));
        assert_eq!(of(&job(&json!({}))), first);
        let second = of(&job(&json!({"submissionId": "n/a/u/2"})));
        assert_eq!((second.id.as_str(), second.is_recorded), ("n/a/u/2", true));
        assert_ne!(first.uid, second.uid);
        assert_eq!(first.uid.0.get_version_num(), 8);
        // Frozen: with another, a newer operator would submit running jobs a second time.
        assert_eq!(first.uid.to_string(), "11ebe0a9-bad4-8baa-9faa-7c85ca46126f");
    }

    #[test]
    fn the_head_gets_what_it_has_a_use_for() {
        assert_eq!(
            document(&job(&json!({}))),
            json!({"apiVersion": API_VERSION, "kind": JOB_KIND, "metadata": {"name": "a"}, "spec": {"priority": 3}})
        );
    }
}
