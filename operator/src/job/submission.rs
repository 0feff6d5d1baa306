//! How a job is known to its head: by an id that follows from the resource, so that a submission that is repeated, by
//! this operator or by the next, is the same one.

use kube::ResourceExt;
use serde_json::{Value, json};
use shoal_core::JobUid;
use shoal_core::spec::v1alpha1::{API_VERSION, JOB_KIND, MANAGED_BY_OPERATOR};
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

/// The job as the head takes it: what only Kubernetes has a use for is left out, and a table that it writes to and that is
/// named by a relative path lies in the storage of its cluster, where that has one. That an operator manages it tells the
/// head that it is never submitted again.
pub(super) fn document(job: &ShoalJob, storage: Option<&str>) -> Value {
    let mut spec = job.raw_spec().clone();
    if let Some(spec) = spec.as_object_mut() {
        spec.retain(|field, _| !matches!(field.as_str(), "cluster" | "clusterRef"));
        spec.insert("managedBy".to_owned(), MANAGED_BY_OPERATOR.into());
        // Of whatever kind it is.
        for table in spec.values_mut().filter_map(|kind| kind.pointer_mut("/output/table")) {
            let placed = table.as_str().zip(storage).and_then(|(table, storage)| result(job, storage, table));
            if let Some(placed) = placed {
                *table = placed.into();
            }
        }
    }
    json!({"apiVersion": API_VERSION, "kind": JOB_KIND, "metadata": {"name": job.name_any()}, "spec": spec})
}

/// Where a table that is named by a relative path lies below a storage: the same for every job of that name, so that one
/// that is made anew replaces or appends to what the last has left. None for any other name of a table.
fn result(job: &ShoalJob, storage: &str, table: &str) -> Option<String> {
    let is_relative = !table.contains("://") && table.split('/').all(|part| !matches!(part, "" | "." | ".."));
    let folder = format!("results/{}/{}", job.namespace().unwrap_or_default(), job.name_any());
    is_relative.then(|| format!("{}/{folder}/{table}", storage.trim_end_matches('/')))
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
        let spec = json!({"priority": 3, "managedBy": "shoal.dev/operator"});
        assert_eq!(
            document(&job(&json!({})), Some("s3://b")),
            json!({"apiVersion": API_VERSION, "kind": JOB_KIND, "metadata": {"name": "a"}, "spec": spec})
        );
    }

    #[test]
    fn a_relative_output_lies_in_the_storage_and_any_other_where_it_says() {
        let table = |storage: Option<&str>, table: &str| {
            let mut job = job(&json!({}));
            job.spec["groupedTraining"] =
                json!({"input": {"table": "in"}, "output": {"table": table, "mode": "append"}});
            let document = document(&job, storage);
            let training = &document["spec"]["groupedTraining"];
            assert_eq!((&training["input"]["table"], &training["output"]["mode"]), (&json!("in"), &json!("append")));
            training["output"]["table"].as_str().unwrap().to_owned()
        };
        for (storage, name, expected) in [
            ("s3://b/shoal", "models", "s3://b/shoal/results/n/a/models"),
            ("/lake/shoal/", "out/models", "/lake/shoal/results/n/a/out/models"),
            ("s3://b", "s3://other/models", "s3://other/models"),
            ("s3://b", "/lake/models", "/lake/models"),
            ("s3://b", "../models", "../models"),
            ("s3://b", "out//models", "out//models"),
        ] {
            assert_eq!(table(Some(storage), name), expected);
            assert_eq!(table(None, name), name);
        }
    }
}
