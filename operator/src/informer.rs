//! Watches: what there is, and what changes.

use std::fmt::Debug;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use k8s_openapi::NamespaceResourceScope;
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::index::Index;

/// An object that has changed.
pub(crate) type Watched<K> = Result<K, watcher::Error>;

/// Where the operator looks.
pub(crate) struct Scope {
    pub(crate) client: Client,
    pub(crate) namespace: Option<String>,
    /// For each informer, whether it has all that there is.
    pub(crate) is_known: Vec<watch::Receiver<bool>>,
}

impl Scope {
    /// Watches the objects of a kind, without what nobody here reads: first they are remembered, by `keep` too, and then it
    /// is told which of them have changed.
    ///
    /// Also those that went while the watch was interrupted, of which the API server does not tell: whoever waits for an
    /// object to go would wait for ever.
    pub(crate) fn informer<K>(
        &mut self,
        config: &watcher::Config,
        trim: fn(&mut K),
        mut keep: impl FnMut(&Event<K>) + Send + 'static,
    ) -> (Arc<Index<K>>, BoxStream<'static, Watched<K>>)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + Debug
            + Send
            + Sync
            + 'static,
    {
        let api: Api<K> = match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let (all, is_known) = watch::channel(false);
        self.is_known.push(is_known);
        let index = Arc::new(Index::default());
        let known = index.clone();
        let mut changed = move |event: Event<K>| -> Vec<Watched<K>> {
            let gone = known.take(&event);
            keep(&event);
            let touched = match event {
                Event::Apply(object) | Event::InitApply(object) | Event::Delete(object) => Some(object),
                Event::Init => None,
                Event::InitDone => {
                    all.send_replace(true);
                    None
                }
            };
            touched.into_iter().chain(gone.into_iter().map(Arc::unwrap_or_clone)).map(Ok).collect()
        };
        let stream = watcher(api, config.clone())
            .modify(move |object| {
                object.managed_fields_mut().clear();
                trim(object);
            })
            .default_backoff()
            .flat_map(move |event| stream::iter(event.map_or_else(|error| vec![Err(error)], &mut changed)));
        (index, stream.boxed())
    }
}
