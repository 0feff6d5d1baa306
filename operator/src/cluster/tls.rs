//! How a cluster's processes know each other.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use shoal_core::spec::v1alpha1::status::ClusterStatus;
use shoal_core::spec::v1alpha1::{ClusterSpec, IssuerRef, TlsSpec};

use super::decide::Holder;
use crate::certificates::{self, Authority, Issued};
use crate::changes::{Change, Reference};
use crate::conditions::text;
use crate::context::Context;
use crate::names;
use crate::resources::{Kind, ShoalCluster};

/// Annotation of a Secret that the operator keeps: when its certificate is to be replaced.
const RENEW_ANNOTATION: &str = "shoal.dev/renew-after";

/// Longest time between two looks whether a certificate is to be replaced.
const LOOK: Duration = Duration::from_secs(12 * 3_600);

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
    /// A certificate that nobody has yet, where there is none or the one that there is has to be replaced.
    pub(super) issued: Option<Issued>,
    /// When to look again whether it has.
    pub(super) renew_in: Option<Duration>,
    /// Names that a certificate has to have.
    pub(super) names: Vec<String>,
}

impl Default for TlsFacts {
    fn default() -> Self {
        Self { secret: Holder::Nobody, certificate: Holder::Nobody, issued: None, renew_in: None, names: Vec::new() }
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
    let mut facts =
        TlsFacts { names: names_of(&name, namespace, &context.config.cluster_domain), ..TlsFacts::default() };
    match mode(&spec, &cluster.status().cloned().unwrap_or_default()) {
        Mode::Off | Mode::User(_) => {}
        Mode::CertManager(_) => {
            let kind = GroupVersionKind::gvk("cert-manager.io", "v1", "Certificate");
            let api: Api<DynamicObject> =
                Api::namespaced_with(context.client.clone(), namespace, &ApiResource::from_gvk(&kind));
            let found = api.get_metadata_opt(&names::tls(&name)).await?;
            facts.certificate = Holder::of(cluster, found.as_ref().map(|found| &found.metadata));
        }
        Mode::Operator => {
            let secrets: Api<Secret> = Api::namespaced(context.client.clone(), namespace);
            let found = secrets.get_metadata_opt(&names::tls(&name)).await?;
            facts.secret = Holder::of(cluster, found.as_ref().map(|found| &found.metadata));
            let now = Timestamp::now();
            let renew_after = found.as_ref().and_then(|found| found.annotations().get(RENEW_ANNOTATION).cloned());
            let left = renew_after.as_deref().and_then(|text| left(text, now));
            facts.renew_in = Some(left.unwrap_or(LOOK).min(LOOK));
            let authority = match (found.is_some(), left.is_some() || renew_after.is_none()) {
                // One without the annotation is a user's.
                (true, true) => return Ok(facts),
                // Another authority than the one that all processes trust would part them.
                (true, false) => match authority(&secrets.get(&names::tls(&name)).await?) {
                    Some(authority) => Some(authority),
                    None => {
                        tracing::error!(
                            namespace,
                            name,
                            "the Secret has no authority: its certificate is not replaced"
                        );
                        return Ok(facts);
                    }
                },
                (false, _) => None,
            };
            match certificates::issue(authority, &facts.names, now) {
                Ok(issued) => facts.issued = Some(issued),
                Err(failure) => tracing::error!(namespace, name, %failure, "the certificate stays as it is"),
            }
        }
    }
    Ok(facts)
}

/// The time that is left until then; none where it is over.
fn left(renew_after: &str, now: Timestamp) -> Option<Duration> {
    let renew_after: Timestamp = renew_after.parse().ok()?;
    Duration::try_from(renew_after.duration_since(now)).ok().filter(|left| !left.is_zero())
}

fn authority(secret: &Secret) -> Option<Authority> {
    let entry = |name: &str| String::from_utf8(secret.data.as_ref()?.get(name)?.0.clone()).ok();
    Some(Authority { cert: entry("ca.crt")?, key: entry("ca.key")? })
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
    let name = names::tls(cluster);
    match (mode, &facts.issued) {
        (Mode::Operator, Some(issued)) => Some(match facts.secret {
            Holder::Nobody => Change::Create(secret(cluster, issued)),
            // The authority stays: those that have not read the new certificate yet trust it, and are trusted.
            _ => Change::Merge(Reference::to::<Secret>(&name), renewed(issued)),
        }),
        (Mode::CertManager(issuer), _) if facts.certificate == Holder::Nobody => {
            Some(Change::Apply(certificate(cluster, issuer, &facts.names)))
        }
        _ => None,
    }
}

fn secret(cluster: &str, issued: &Issued) -> Value {
    let mut secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": names::tls(cluster), "labels": names::labels(cluster)},
        "type": "kubernetes.io/tls",
        "stringData": {"ca.crt": issued.authority.cert, "ca.key": issued.authority.key},
    });
    crate::merge::strategic(&mut secret, &renewed(issued));
    secret
}

fn renewed(issued: &Issued) -> Value {
    json!({
        "metadata": {"annotations": {(RENEW_ANNOTATION): text(issued.renew_after)}},
        "stringData": {"tls.crt": issued.cert, "tls.key": issued.key},
    })
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
