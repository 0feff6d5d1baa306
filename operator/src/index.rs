//! Objects that are watched, found by the beginning of their name.
//!
//! What belongs to a cluster or a group has its name in front of its own. A look at all objects instead, for each of a
//! thousand clusters whenever one of its pods changes, would be most of what the operator does.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use kube::ResourceExt;
use kube::runtime::watcher::Event;

/// How long an object that was just made is taken for there before the watch has told of it. One that is gone again by then
/// may be told of before it is remembered here, and would be there for ever.
pub(crate) const ASSUMED: Duration = Duration::from_secs(10);

/// All objects of a kind that a watch has told of, and those that were just made.
#[derive(Debug)]
pub(crate) struct Index<K>(RwLock<Inner<K>>);

#[derive(Debug)]
struct Inner<K> {
    known: Namespaces<K>,
    /// What a watch that begins anew has told so far; it takes the place of what is known once it is all.
    next: Namespaces<K>,
    /// What was made, and when, that the watch has not told of yet.
    assumed: HashMap<String, BTreeMap<String, (Instant, Arc<K>)>>,
}

/// By namespace and name.
type Namespaces<K> = HashMap<String, BTreeMap<String, Arc<K>>>;

impl<K> Default for Index<K> {
    fn default() -> Self {
        Self(RwLock::new(Inner { known: HashMap::new(), next: HashMap::new(), assumed: HashMap::new() }))
    }
}

impl<K: ResourceExt + Clone> Index<K> {
    /// Takes in what a watch tells. Gives what is not there any more, of which it has not told.
    pub(crate) fn take(&self, event: &Event<K>) -> Vec<Arc<K>> {
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Init => inner.next = HashMap::new(),
            Event::InitApply(object) => put(&mut inner.next, object),
            Event::InitDone => {
                let next = std::mem::take(&mut inner.next);
                let before = std::mem::replace(&mut inner.known, next);
                let is_there = |namespace: &String, name: &String| {
                    inner.known.get(namespace).is_some_and(|objects| objects.contains_key(name))
                };
                let all =
                    before.iter().flat_map(|(namespace, objects)| objects.iter().map(move |one| (namespace, one)));
                let gone = all.filter(|(namespace, (name, _))| !is_there(namespace, name));
                return gone.map(|(_, (_, object))| object.clone()).collect();
            }
            Event::Apply(object) => {
                inner.confirm(object);
                put(&mut inner.known, object);
            }
            Event::Delete(object) => {
                inner.confirm(object);
                let namespace = object.namespace().unwrap_or_default();
                if let Some(objects) = inner.known.get_mut(&namespace) {
                    objects.remove(&object.name_any());
                    if objects.is_empty() {
                        inner.known.remove(&namespace);
                    }
                }
            }
        }
        Vec::new()
    }

    /// Takes an object for there that was just made: who looks before the watch has told of it would make it again.
    pub(crate) fn assume(&self, object: K, now: Instant) {
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let mut inner = self.0.write().unwrap_or_else(PoisonError::into_inner);
        inner.assumed.values_mut().for_each(|objects| objects.retain(|_, (at, _)| now.duration_since(*at) < ASSUMED));
        inner.assumed.retain(|_, objects| !objects.is_empty());
        if inner.known.get(&namespace).is_none_or(|objects| !objects.contains_key(&name)) {
            inner.assumed.entry(namespace).or_default().insert(name, (now, Arc::new(object)));
        }
    }

    /// The objects of a namespace whose names begin like this, in the order of their names.
    pub(crate) fn beginning_with(&self, namespace: &str, prefix: &str, now: Instant) -> Vec<Arc<K>> {
        let inner = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let assumed = inner.assumed.get(namespace).into_iter().flat_map(|objects| beginning(objects, prefix));
        let assumed = assumed.filter(|(_, (at, _))| now.duration_since(*at) < ASSUMED);
        let mut found: BTreeMap<&String, &Arc<K>> = assumed.map(|(name, (_, object))| (name, object)).collect();
        found.extend(inner.known.get(namespace).into_iter().flat_map(|objects| beginning(objects, prefix)));
        found.into_values().cloned().collect()
    }

    /// The object of that name.
    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        let inner = self.0.read().unwrap_or_else(PoisonError::into_inner);
        inner.known.get(namespace)?.get(name).cloned()
    }
}

impl<K: ResourceExt> Inner<K> {
    /// The watch has told of it.
    fn confirm(&mut self, object: &K) {
        if let Some(objects) = self.assumed.get_mut(object.meta().namespace.as_deref().unwrap_or_default()) {
            objects.remove(&object.name_any());
        }
    }
}

fn beginning<'a, V>(
    objects: &'a BTreeMap<String, V>,
    prefix: &'a str,
) -> impl Iterator<Item = (&'a String, &'a V)> + use<'a, V> {
    let from = objects.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
    from.take_while(move |(name, _)| name.starts_with(prefix))
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
        index.beginning_with(namespace, prefix, Instant::now()).iter().map(|pod| pod.name_any()).collect()
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
    fn what_was_made_is_there_at_once_and_goes_unless_the_watch_tells_of_it() {
        let (index, now) = (Index::default(), Instant::now());
        index.assume(pod("x", "a-0"), now);
        index.take(&Event::Apply(pod("x", "a-1")));
        index.assume(pod("x", "a-2"), now);
        let names = |at| index.beginning_with("x", "a-", at).iter().map(|pod| pod.name_any()).collect::<Vec<_>>();
        assert_eq!(names(now), ["a-0", "a-1", "a-2"]);
        index.take(&Event::Apply(pod("x", "a-2")));
        assert_eq!(names(now + ASSUMED), ["a-1", "a-2"]);
        index.assume(pod("x", "a-3"), now);
        index.take(&Event::Delete(pod("x", "a-3")));
        assert_eq!(names(now), ["a-0", "a-1", "a-2"]);
    }

    #[test]
    fn a_watch_that_begins_anew_hides_nothing_until_it_has_told_all() {
        let index = Index::default();
        index.take(&Event::Apply(pod("x", "a")));
        index.take(&Event::Apply(pod("x", "b")));
        index.take(&Event::Init);
        index.take(&Event::InitApply(pod("x", "b")));
        assert_eq!(names(&index, "x", ""), ["a", "b"]);
        let gone = index.take(&Event::InitDone);
        assert_eq!(names(&index, "x", ""), ["b"]);
        assert_eq!(gone.iter().map(|pod| pod.name_any()).collect::<Vec<_>>(), ["a"], "nobody else tells of it");
    }
}
