//! What reconciles do to the API server, as data.

use kube::api::ObjectMeta;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde_json::{Value, json};

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    /// Makes it so, field by field, and leaves fields of others alone.
    Apply(Value),
    /// Makes it unless it is there.
    Create(Value),
    /// Writes nothing: has the API server say whether it would take it.
    Try(Value),
    /// Changes these fields of it, whoever had them.
    Merge(Reference, Value),
    /// Deletes this very object, unless it has become another in the meantime.
    Delete(Reference),
}

/// An object; this very one where its uid is said.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reference {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) plural: String,
    pub(crate) name: String,
    pub(crate) uid: Option<String>,
}

impl Reference {
    /// The object of that name, whichever it is by now.
    pub(crate) fn to<K: Resource<DynamicType = ()>>(name: &str) -> Self {
        Self {
            api_version: K::api_version(&()).into_owned(),
            kind: K::kind(&()).into_owned(),
            plural: K::plural(&()).into_owned(),
            name: name.to_owned(),
            uid: None,
        }
    }

    /// That very object.
    pub(crate) fn of<K: Resource<DynamicType = ()>>(object: &K) -> Self {
        let ObjectMeta { name, uid, .. } = object.meta().clone();
        Self { uid, ..Self::to::<K>(&name.unwrap_or_default()) }
    }
}

/// What makes an object of that owner have the spec that is wanted. A user's of that name is left alone, and takes its place.
pub(crate) fn ensure<K: Resource<DynamicType = ()> + Serialize>(
    found: Option<&K>,
    owner_uid: Option<&str>,
    wanted: Value,
) -> Option<Change> {
    let Some(found) = found else { return Some(Change::Create(wanted)) };
    let is_own = found.owner_references().iter().any(|owner| Some(owner.uid.as_str()) == owner_uid);
    let is_as_wanted = serde_json::to_value(found).is_ok_and(|found| found["spec"] == wanted["spec"]);
    (is_own && !is_as_wanted).then(|| Change::Merge(Reference::of(found), json!({"spec": wanted["spec"]})))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use k8s_openapi::api::policy::v1::PodDisruptionBudget;

    use super::*;
    use crate::{budget, names};

    #[test]
    fn an_object_is_made_and_changed_and_another_owners_is_left_alone() {
        let wanted = |max| budget::budget("a-cpu", &names::labels("a"), &names::group_selector("a", "cpu"), &max);
        let of = |found: Option<&PodDisruptionBudget>, max| ensure(found, Some("g"), wanted(max));
        assert_eq!(of(None, json!("10%")), Some(Change::Create(wanted(json!("10%")))));
        let found = |owner: &str| -> PodDisruptionBudget {
            let mut found = wanted(json!("10%"));
            found["metadata"]["ownerReferences"] =
                json!([{"apiVersion": "v1", "kind": "K", "name": "a-cpu", "uid": owner}]);
            serde_json::from_value(found).unwrap()
        };
        assert_eq!(of(Some(&found("g")), json!("10%")), None);
        let Some(Change::Merge(reference, patch)) = of(Some(&found("g")), json!(2)) else {
            panic!("a change is expected")
        };
        assert_eq!((reference.plural.as_str(), &patch["spec"]["maxUnavailable"]), ("poddisruptionbudgets", &json!(2)));
        assert_eq!(of(Some(&found("before")), json!(2)), None);
    }
}
