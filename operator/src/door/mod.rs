//! A way from a user's machine to the head of a ShoalCluster: a port of this machine's loopback that Kubernetes forwards
//! to the head's pod, as `kubectl port-forward` does, and the token to show there.
//!
//! Beside a kubeconfig it takes the rights to `get` the ShoalCluster, to `list` pods, and to `get` and `create`
//! `pods/portforward`. Whoever may not read the Secret with the cluster's token shows the token of the kubeconfig's user
//! instead, for which the head asks Kubernetes what he may do. Not the other way round: a head runs what its namespace's
//! owners want, and whoever may read their Secrets is not to hand them a token that may do more.

mod credentials;
mod decide;
mod explain;
mod forward;
mod kubeconfig;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::ListParams;
use kube::{Api, Client};
use shoal_core::{Failure, Reason};
use shoal_wire::Token;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use self::credentials::{Bearer, Credentials};
use self::decide::{Asked, Place};
pub use self::explain::{Explanation, explain};
use self::forward::Forward;
use crate::cluster::tls_secret;
use crate::names;
use crate::resources::ShoalCluster;

/// Time for the API server to answer: one that takes longer is not there, or a proxy on the way to it is not.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// Which cluster a door leads to.
#[derive(Clone, Debug)]
pub struct DoorTo {
    /// Name of the ShoalCluster.
    pub cluster: String,
    /// Its namespace; that of the kubeconfig's context where it is absent.
    pub namespace: Option<String>,
    /// Context of the kubeconfig; its current one where it is absent.
    pub context: Option<String>,
    /// The kubeconfig; where it is absent, the one that kubectl would take, or a pod's own.
    pub kubeconfig: Option<PathBuf>,
}

/// What is at hand, and so is not read from the cluster's Secrets.
#[derive(Debug, Default)]
pub struct AtHand {
    /// The token.
    pub token: Option<Token>,
    /// Whether the authority of the cluster's certificates is.
    pub authority: bool,
}

/// What a head that speaks TLS is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The name that its certificate is for, whatever leads there.
    pub host: String,
    /// Certificate of the authority that has signed it, as PEM; none where that is at hand.
    pub pem: Option<Vec<u8>>,
}

/// What is shown to the head.
#[derive(Debug)]
enum Shown {
    /// The cluster's own token, or what is at hand.
    Token(Token),
    /// The token of the kubeconfig's user.
    Bearer(Bearer),
}

/// An open door. It is closed, with all connections through it, when this is dropped.
#[derive(Debug)]
pub struct Door {
    address: SocketAddr,
    shown: Shown,
    authority: Option<Authority>,
    forward: Arc<Forward>,
    server: JoinHandle<()>,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Door {
    /// Finds the cluster, its token and authority unless they are at hand, and the pod of its head, and opens a port that
    /// leads there.
    ///
    /// # Errors
    /// [`Reason::NotPossible`] without a usable kubeconfig, without Shoal behind it, and for a cluster that is suspended;
    /// [`Reason::ClusterNotFound`]; [`Reason::Unauthorized`] for whoever may not read or forward what this takes;
    /// [`Reason::HeadUnreachable`] while no head is ready or no API server answers.
    pub async fn open(to: DoorTo, at_hand: AtHand) -> Result<Self, Failure> {
        let DoorTo { cluster, namespace, context, kubeconfig } = to;
        let (client, default_namespace, credentials) = kubeconfig::client(kubeconfig.as_deref(), context).await?;
        let place = Place { namespace: namespace.unwrap_or(default_namespace), cluster };
        let found = find_cluster(&client, &place).await?;
        decide::has_pods(&place, &found)?;
        let tls_secret = tls_secret(&found);
        let shown = match at_hand.token {
            Some(token) => Shown::Token(token),
            None => shown(&client, &place, &credentials, tls_secret.is_some()).await?,
        };
        let forward = Arc::new(Forward::new(client.clone(), place.clone()));
        // Whoever asks hears at once why there is no head, and not from the first connection that fails.
        forward.find_pod().await?;
        let authority = match tls_secret {
            Some(_) if at_hand.authority => Some(decide::authority(&place, None)),
            Some(name) => {
                let pem = match decide::published(&found) {
                    Some(pem) => pem,
                    // Not told yet, or too long for it.
                    None => {
                        let secret = read_secret(&client, &place, Asked::Authority(&name)).await?;
                        decide::certificate(&place, &name, &secret)?
                    }
                };
                Some(decide::authority(&place, Some(pem)))
            }
            None => None,
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.and_then(|it| Ok((it.local_addr()?, it)));
        let (address, listener) = listener
            .map_err(|error| Failure::new(Reason::Io, "no port of this machine can be listened on").because(&error))?;
        let server = tokio::spawn(forward::serve(listener, forward.clone()));
        Ok(Self { address, shown, authority, forward, server })
    }

    /// URL of the head's REST interface through the door. That of a head with TLS names the host of its certificate, which
    /// has to be taken for [`Door::address`].
    pub fn url(&self) -> String {
        match &self.authority {
            Some(Authority { host, .. }) => format!("https://{host}:{}", self.address.port()),
            None => format!("http://{}", self.address),
        }
    }

    /// The port of this machine that leads to the head.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the head is known by, where it speaks TLS.
    pub fn authority(&self) -> Option<&Authority> {
        self.authority.as_ref()
    }

    /// What the head asks for, as it is at the moment: a user's own token is renewed.
    ///
    /// # Errors
    /// [`Reason::NotPossible`] where the kubeconfig's user has none any more.
    pub async fn token(&self) -> Result<Token, Failure> {
        match &self.shown {
            Shown::Token(token) => Ok(token.clone()),
            Shown::Bearer(bearer) => bearer.token().await?.ok_or_else(credentials::unusable),
        }
    }

    /// Why a connection through the door has brought no answer.
    pub fn trouble(&self) -> Failure {
        self.forward.trouble()
    }
}

/// What to show to a head: the cluster's token, else the user's own where the head takes it, which is one with TLS.
async fn shown(client: &Client, place: &Place, credentials: &Credentials, has_tls: bool) -> Result<Shown, Failure> {
    let name = names::token(&place.cluster);
    let refused = match read_secret(client, place, Asked::Token(&name)).await {
        Ok(secret) => return decide::token(place, &secret).map(Shown::Token),
        Err(failure) => failure,
    };
    if refused.reason != Reason::Unauthorized || !has_tls {
        return Err(refused);
    }
    credentials.bearer().await?.map(Shown::Bearer).ok_or(refused)
}

async fn find_cluster(client: &Client, place: &Place) -> Result<ShoalCluster, Failure> {
    let api: Api<ShoalCluster> = Api::namespaced(client.clone(), &place.namespace);
    in_time(place, Asked::Cluster, api.get(&place.cluster)).await
}

async fn read_secret(client: &Client, place: &Place, asked: Asked<'_>) -> Result<Secret, Failure> {
    let (Asked::Token(name) | Asked::Authority(name)) = asked else {
        return Err(Failure::internal("a Secret is to be read that has no name"));
    };
    let api: Api<Secret> = Api::namespaced(client.clone(), &place.namespace);
    in_time(place, asked, api.get(name)).await
}

/// The pods of the cluster's head: one, or two while one takes over from the other.
async fn find_pods(client: &Client, place: &Place) -> Result<Vec<Pod>, Failure> {
    let api: Api<Pod> = Api::namespaced(client.clone(), &place.namespace);
    let params = ListParams::default().labels(&names::selector_text(&names::head_selector(&place.cluster)));
    Ok(in_time(place, Asked::Pods, api.list(&params)).await?.items)
}

async fn in_time<T>(
    place: &Place,
    asked: Asked<'_>,
    answer: impl Future<Output = kube::Result<T>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(ANSWER_MAX, answer).await {
        Ok(answer) => answer.map_err(|error| decide::refused(place, asked, &error)),
        Err(_) => Err(decide::silent(&format!("it has not answered within {} s", ANSWER_MAX.as_secs()))),
    }
}
