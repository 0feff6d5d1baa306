//! What reconciles do to the API server, as data.

use kube::Resource;
use kube::api::ObjectMeta;
use serde_json::Value;

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    /// Makes it so, field by field, and leaves fields of others alone.
    Apply(Value),
    /// Makes it unless it is there.
    Create(Value),
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
