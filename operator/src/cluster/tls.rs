//! How a cluster's processes know each other, and by what its clients know them.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use shoal_core::spec::v1alpha1::status::ClusterStatus;
use shoal_core::spec::v1alpha1::{ClusterSpec, IssuerRef, TlsSpec};

use super::decide::Holder;
use super::renewal::{self, LOOK, LOOK_AT_OTHERS, Step, authority};
use crate::changes::Change;
use crate::context::Context;
use crate::names;
use crate::resources::{Kind, ShoalCluster};

/// Heads that a certificate has names for: as many as there may be.
const HEADS_MAX: u32 = 3;

/// Who keeps a cluster's certificate.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Mode {
    /// Nobody: it does without TLS.
    Off,
    /// The operator.
    Operator,
    /// cert-manager, with that issuer.
    CertManager(IssuerRef),
    /// Whoever keeps that Secret.
    User(String),
}

/// Who keeps a cluster's certificate. A cluster that was made when there was no TLS does without it, unless it is told:
/// its processes could not speak to newer ones.
pub(super) fn mode(spec: &ClusterSpec, status: &ClusterStatus) -> Mode {
    match &spec.tls {
        Some(TlsSpec { secret_ref: Some(secret), .. }) => Mode::User(secret.name.clone()),
        Some(TlsSpec { cert_manager: Some(manager), .. }) => Mode::CertManager(manager.issuer_ref.clone()),
        Some(TlsSpec { disabled: Some(_), .. }) => Mode::Off,
        _ if status.image.is_some() && status.tls != Some(true) => Mode::Off,
        _ => Mode::Operator,
    }
}

impl Mode {
    pub(super) fn is_on(&self) -> bool {
        *self != Self::Off
    }

    /// The Secret that processes take their certificate from.
    pub(super) fn secret(&self, cluster: &str) -> Option<String> {
        match self {
            Self::Off => None,
            Self::Operator | Self::CertManager(_) => Some(names::tls(cluster)),
            Self::User(secret) => Some(secret.clone()),
        }
    }
}

/// The Secret that processes of a cluster take their certificate from; none where they do without.
pub(crate) fn tls_secret(cluster: &ShoalCluster) -> Option<String> {
    let (spec, status) = (cluster.spec().ok()?, cluster.status().cloned().unwrap_or_default());
    mode(&spec, &status).secret(&cluster.name_any())
}

/// What is known of a cluster's certificate.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TlsFacts {
    /// Whose the Secret is, where the operator keeps it.
    pub(super) secret: Holder,
    /// Whose the Certificate is, where cert-manager keeps the Secret.
    pub(super) certificate: Holder,
    /// What is to be done about the Secret that the operator keeps.
    pub(super) step: Option<Step>,
    /// Certificates of the authorities by which the cluster's processes are known; none as long as there is no Secret.
    pub(super) authority: Option<String>,
    /// When to look again.
    pub(super) renew_in: Option<Duration>,
    /// Names that a certificate has to have.
    pub(super) names: Vec<String>,
}

impl Default for TlsFacts {
    fn default() -> Self {
        let nobody = || Holder::Nobody;
        Self { secret: nobody(), certificate: nobody(), step: None, authority: None, renew_in: None, names: Vec::new() }
    }
}

/// Looks at a cluster's certificate, and signs another where there is to be one.
pub(super) async fn gather(
    cluster: &ShoalCluster,
    context: &Context,
    namespace: &str,
) -> Result<TlsFacts, kube::Error> {
    let name = cluster.name_any();
    let Ok(spec) = cluster.spec() else { return Ok(TlsFacts::default()) };
    let names = names_of(&name, namespace, &context.config.cluster_domain);
    let secrets: Api<Secret> = Api::namespaced(context.client.clone(), namespace);
    let of_others = |found: Option<Secret>| TlsFacts {
        authority: found.as_ref().and_then(authority),
        renew_in: Some(LOOK_AT_OTHERS),
        ..TlsFacts::default()
    };
    let facts = match mode(&spec, &cluster.status().cloned().unwrap_or_default()) {
        Mode::Off => TlsFacts::default(),
        Mode::User(secret) => of_others(secrets.get_opt(&secret).await?),
        Mode::CertManager(_) => {
            let kind = GroupVersionKind::gvk("cert-manager.io", "v1", "Certificate");
            let api: Api<DynamicObject> =
                Api::namespaced_with(context.client.clone(), namespace, &ApiResource::from_gvk(&kind));
            let tls_name = names::tls(&name);
            let (certificate, secret) = tokio::try_join!(api.get_metadata_opt(&tls_name), secrets.get_opt(&tls_name))?;
            let certificate = Holder::of(cluster, certificate.as_ref().map(|found| &found.metadata));
            TlsFacts { certificate, ..of_others(secret) }
        }
        Mode::Operator => {
            let found = secrets.get_opt(&names::tls(&name)).await?;
            let secret = Holder::of(cluster, found.as_ref().map(|found| &found.metadata));
            // An earlier cluster's says nothing of this one.
            let own = found.as_ref().filter(|_| secret != Holder::Other);
            let kept = renewal::kept(own, &names, Timestamp::now()).unwrap_or_else(|failure| {
                tracing::error!(namespace, name, %failure, "the certificate stays as it is");
                TlsFacts { authority: own.and_then(authority), renew_in: Some(LOOK), ..TlsFacts::default() }
            });
            TlsFacts { secret, ..kept }
        }
    };
    Ok(TlsFacts { names, ..facts })
}

/// Names that a cluster's certificate has to have: what all processes are known by, where REST finds the heads, and this
/// machine, to which `kubectl port-forward` leads.
fn names_of(cluster: &str, namespace: &str, domain: &str) -> Vec<String> {
    let mut names = vec![names::tls_name(cluster, namespace)];
    let mut hosts = vec![names::head(cluster)];
    hosts.extend((0..HEADS_MAX).map(|ordinal| format!("{}-{ordinal}.{}", names::head(cluster), names::heads(cluster))));
    for host in hosts {
        names.extend([
            format!("{host}.{namespace}"),
            format!("{host}.{namespace}.svc"),
            format!("{host}.{namespace}.svc.{domain}"),
            host,
        ]);
    }
    names.extend(["localhost", "127.0.0.1"].map(str::to_owned));
    names
}

/// What has a cluster's certificate be there, and be replaced in time.
pub(super) fn changes(mode: &Mode, cluster: &str, facts: &TlsFacts) -> Option<Change> {
    match (mode, &facts.step) {
        (Mode::Operator, Some(step)) => Some(renewal::change(cluster, step)),
        (Mode::CertManager(issuer), _) if facts.certificate == Holder::Nobody => {
            Some(Change::Apply(certificate(cluster, issuer, &facts.names)))
        }
        _ => None,
    }
}

/// What cert-manager makes the Secret by: as long a life, and as early a renewal, as the operator's own.
fn certificate(cluster: &str, issuer: &IssuerRef, names: &[String]) -> Value {
    let is_address = |name: &&String| name.parse::<std::net::IpAddr>().is_ok();
    json!({
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": names::tls(cluster), "labels": names::labels(cluster)},
        "spec": {
            "secretName": names::tls(cluster),
            "commonName": names.first().filter(|name| name.len() <= 64),
            "dnsNames": names.iter().filter(|name| !is_address(name)).collect::<Vec<_>>(),
            "ipAddresses": names.iter().filter(is_address).collect::<Vec<_>>(),
            "usages": ["digital signature", "server auth", "client auth"],
            "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
            "duration": "2160h",
            "renewBefore": "720h",
            "issuerRef": issuer,
        },
    })
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
