//! Who is who in a cluster.

use std::net::Ipv4Addr;
use std::path::Path;

use super::certificates::{Authority, Pair, token_key};
use super::node::NODE;
use super::trouble::Trouble;

/// All certificates of a cluster. They are valid as long as rcgen makes them, which is longer than any cluster lives.
pub(super) struct Pki {
    pub(super) authority: Authority,
    /// Signs for the API server as it calls API servers that extend it.
    pub(super) front: Authority,
    pub(super) front_client: Pair,
    pub(super) api_server: Pair,
    /// The API server as the kubelet's client.
    pub(super) kubelet_client: Pair,
    pub(super) admin: Pair,
    pub(super) controller_manager: Pair,
    pub(super) scheduler: Pair,
    pub(super) kubelet: Pair,
    pub(super) kubelet_server: Pair,
    pub(super) proxy: Pair,
    pub(super) tokens: Pair,
}

impl Pki {
    /// Makes them for an API server at `address`, which is also its node's where it has one, and in services' range at
    /// `service`.
    pub(super) fn new(folder: &Path, address: Ipv4Addr, service: Ipv4Addr) -> Result<Self, Trouble> {
        let authority = Authority::new(folder, "ca")?;
        let front = Authority::new(folder, "front-ca")?;
        let (address, service) = (address.to_string(), service.to_string());
        let names = [
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
            "localhost",
            "127.0.0.1",
            &address,
            &service,
        ];
        Ok(Self {
            front_client: front.client("front-client", "front-proxy", None)?,
            api_server: authority.server("api-server", &names)?,
            kubelet_client: authority.client("kubelet-client", "kube-apiserver", Some("system:masters"))?,
            admin: authority.client("admin", "admin", Some("system:masters"))?,
            controller_manager: authority.client("controller-manager", "system:kube-controller-manager", None)?,
            scheduler: authority.client("scheduler", "system:kube-scheduler", None)?,
            kubelet: authority.client("kubelet", &format!("system:node:{NODE}"), Some("system:nodes"))?,
            kubelet_server: authority.server("kubelet-server", &[NODE, &address])?,
            proxy: authority.client("proxy", "system:kube-proxy", None)?,
            tokens: token_key(folder)?,
            authority,
            front,
        })
    }
}
