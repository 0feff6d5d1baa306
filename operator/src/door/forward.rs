//! Connections of this machine, each carried to the pod of the head.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::Portforwarder;
use kube::{Api, Client};
use shoal_core::Failure;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::decide::{self, Asked, Place};
use super::{find_cluster, find_pods, in_time};
use crate::names::HEAD_REST_PORT;

/// Pause after a connection that could not be accepted: what this machine lacks then may be back in a moment.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where connections go, and what became of the last.
pub(super) struct Forward {
    client: Client,
    place: Place,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The head's pod, as far as is known.
    pod: Option<String>,
    /// What kept the last connection from it.
    trouble: Option<Failure>,
}

impl std::fmt::Debug for Forward {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forward").field("place", &self.place).finish_non_exhaustive()
    }
}

/// Carries connections until it is aborted; they end with it.
pub(super) async fn serve(listener: TcpListener, forward: Arc<Forward>) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((connection, from)) => {
                connections.spawn(carry(forward.clone(), connection, from));
            }
            Err(error) => {
                tracing::debug!(%error, "a connection cannot be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn carry(forward: Arc<Forward>, mut connection: TcpStream, from: SocketAddr) {
    if let Err(failure) = forward.carry(&mut connection).await {
        tracing::debug!(%from, %failure, "a connection did not reach the head");
        // Before the connection ends: whoever sees that asks why at once.
        forward.note(failure);
    }
}

impl Forward {
    pub(super) fn new(client: Client, place: Place) -> Self {
        Self { client, place, state: Mutex::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next connection looks for the pod anew: this one may be gone, or lead no more.
    fn note(&self, failure: Failure) {
        *self.state() = State { pod: None, trouble: Some(failure) };
    }

    /// Why the last connection has brought no answer.
    pub(super) fn trouble(&self) -> Failure {
        let mut state = self.state();
        // A pod that has cut a connection off may not be there for the next.
        let pod = state.pod.take();
        state.trouble.clone().unwrap_or_else(|| decide::cut_off(&self.place, pod.as_deref()))
    }

    /// Finds the head's pod: the one that is ready, which is the one that leads.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn find_pod(&self) -> Result<String, Failure> {
        let pods = find_pods(&self.client, &self.place).await?;
        if let Some(pod) = decide::head_pod(&pods) {
            self.state().pod = Some(pod.clone());
            return Ok(pod);
        }
        // It may have been suspended or deleted since.
        let cluster = find_cluster(&self.client, &self.place).await?;
        decide::has_pods(&self.place, &cluster)?;
        Err(decide::no_head(&self.place, &pods, &cluster))
    }

    async fn carry(&self, connection: &mut TcpStream) -> Result<(), Failure> {
        self.state().trouble = None;
        let (pod, mut forwarder) = self.connect().await?;
        let missing = || Failure::internal("the port that was asked for is not forwarded");
        let mut stream = forwarder.take_stream(HEAD_REST_PORT).ok_or_else(missing)?;
        let refusal = forwarder.take_error(HEAD_REST_PORT).ok_or_else(missing)?;
        tokio::select! {
            biased;
            Some(message) = refusal => Err(decide::refused_by_pod(&self.place, &pod, &message)),
            // How it ended is seen by those who speak.
            _ = copy_bidirectional(connection, &mut stream) => Ok(()),
        }
    }

    async fn connect(&self) -> Result<(String, Portforwarder), Failure> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.place.namespace);
        let known = self.state().pod.clone();
        let pod = match known {
            Some(pod) => pod,
            None => self.find_pod().await?,
        };
        let forwarder = in_time(&self.place, Asked::Forward, pods.portforward(&pod, &[HEAD_REST_PORT])).await?;
        Ok((pod, forwarder))
    }
}
