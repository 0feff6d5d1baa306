//! Objects that are watched, found by the beginning of their name.
//!
//! What belongs to a cluster or a group has its name in front of its own. A look at all objects instead, for each of a
//! thousand clusters whenever one of its pods changes, would be most of what the operator does.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use kube::ResourceExt;
use kube::runtime::watcher::Event;

/// All objects of a kind that a watch has told of.
#[derive(Debug)]
pub(crate) struct Index<K>(RwLock<Inner<K>>);

#[derive(Debug)]
struct Inner<K> {
    known: Namespaces<K>,
    /// What a watch that begins anew has told so far; it takes the place of what is known once it is all.
    next: Namespaces<K>,
}

/// By namespace and name.
type Namespaces<K> = HashMap<String, BTreeMap<String, Arc<K>>>;

impl<K> Default for Index<K> {
    fn default() -> Self {
        Self(RwLock::new(Inner { known: HashMap::new(), next: HashMap::new() }))
    }
}

impl<K: ResourceExt + Clone> Index<K> {
    /// Takes in what a watch tells.
    pub(crate) fn take(&self, event: &Event<K>) {
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Init => inner.next = HashMap::new(),
            Event::InitApply(object) => put(&mut inner.next, object),
            Event::InitDone => inner.known = std::mem::take(&mut inner.next),
            Event::Apply(object) => put(&mut inner.known, object),
            Event::Delete(object) => {
                let namespace = object.namespace().unwrap_or_default();
                if let Some(objects) = inner.known.get_mut(&namespace) {
                    objects.remove(&object.name_any());
                    if objects.is_empty() {
                        inner.known.remove(&namespace);
                    }
                }
            }
        }
    }

    /// The objects of a namespace whose names begin like this, in the order of their names.
    pub(crate) fn beginning_with(&self, namespace: &str, prefix: &str) -> Vec<Arc<K>> {
        let inner = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(objects) = inner.known.get(namespace) else { return Vec::new() };
        let from = objects.range::<str, _>((std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded));
        from.take_while(|(name, _)| name.starts_with(prefix)).map(|(_, object)| object.clone()).collect()
    }

    /// The object of that name.
    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        let inner = self.0.read().unwrap_or_else(PoisonError::into_inner);
        inner.known.get(namespace)?.get(name).cloned()
    }
}

fn put<K: ResourceExt + Clone>(namespaces: &mut Namespaces<K>, object: &K) {
    let objects = namespaces.entry(object.namespace().unwrap_or_default()).or_default();
    objects.insert(object.name_any(), Arc::new(object.clone()));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;
    use serde_json::json;

    use super::*;

    fn pod(namespace: &str, name: &str) -> Pod {
        serde_json::from_value(json!({"metadata": {"namespace": namespace, "name": name}})).unwrap()
    }

    fn names(index: &Index<Pod>, namespace: &str, prefix: &str) -> Vec<String> {
        index.beginning_with(namespace, prefix).iter().map(|pod| pod.name_any()).collect()
    }

    #[test]
    fn objects_are_found_by_namespace_and_the_beginning_of_their_name() {
        let index = Index::default();
        for (namespace, name) in
            [("x", "a-cpu-0"), ("x", "a-cpu-1"), ("x", "a-cpu"), ("x", "b-cpu-0"), ("y", "a-cpu-2")]
        {
            index.take(&Event::Apply(pod(namespace, name)));
        }
        assert_eq!(names(&index, "x", "a-cpu-"), ["a-cpu-0", "a-cpu-1"]);
        assert_eq!(names(&index, "y", ""), ["a-cpu-2"]);
        assert_eq!(names(&index, "z", ""), Vec::<String>::new());
        index.take(&Event::Delete(pod("x", "a-cpu-0")));
        assert_eq!(names(&index, "x", "a-"), ["a-cpu", "a-cpu-1"]);
        assert!(index.get("x", "b-cpu-0").is_some() && index.get("y", "b-cpu-0").is_none());
    }

    #[test]
    fn a_watch_that_begins_anew_hides_nothing_until_it_has_told_all() {
        let index = Index::default();
        index.take(&Event::Apply(pod("x", "a")));
        index.take(&Event::Apply(pod("x", "b")));
        index.take(&Event::Init);
        index.take(&Event::InitApply(pod("x", "b")));
        assert_eq!(names(&index, "x", ""), ["a", "b"]);
        index.take(&Event::InitDone);
        assert_eq!(names(&index, "x", ""), ["b"]);
    }
}
