//! How a cluster's processes know each other, and by what its clients know them.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use shoal_core::Failure;
use shoal_core::spec::v1alpha1::status::{AUTHORITY_CHARS_MAX, ClusterStatus};
use shoal_core::spec::v1alpha1::{ClusterSpec, IssuerRef, TlsSpec};

use super::decide::Holder;
use crate::certificates::{Issued, certificates_in, is_over, issue, renewed_after, shown_after};
use crate::changes::{Change, Reference};
use crate::conditions::text;
use crate::context::Context;
use crate::names;
use crate::resources::{Kind, ShoalCluster};

/// Annotation of a Secret that the operator keeps: when the next step is due to replace its certificate.
const RENEW_ANNOTATION: &str = "shoal.dev/renew-after";

/// Entries of a Secret, as all that deal with certificates call them: the authorities that are trusted, the certificate that
/// is shown, and its key.
const AUTHORITY: &str = "ca.crt";
const CERT: &str = "tls.crt";
const KEY: &str = "tls.key";

/// Entries with the certificate that is shown next, and its key. They are not mounted.
const NEXT_CERT: &str = "next.crt";
const NEXT_KEY: &str = "next.key";

/// Entry of earlier operators, with which whoever read the Secret could sign. It goes with the next certificate.
const AUTHORITY_KEY: &str = "ca.key";

/// Longest time between two looks whether a certificate is to be replaced.
const LOOK: Duration = Duration::from_secs(12 * 3_600);

/// Longest time between two looks at a Secret that somebody else keeps: whose authority changes, its clients are to know.
const LOOK_AT_OTHERS: Duration = Duration::from_secs(600);

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

/// A step in the life of a certificate that the operator keeps, with the time at which the one after it is due. Each is one
/// write.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// There is none yet.
    Make { issued: Issued, next: Timestamp },
    /// Another one is there to be shown next; until then its authority is made known beside the present one.
    Announce { issued: Issued, trusted: String, next: Timestamp },
    /// The one that was announced is shown from now on.
    Show { cert: String, key: String, next: Timestamp },
    /// The present one is over, as nobody was there to replace it: there is nobody left whom another one could part.
    Replace { issued: Issued, next: Timestamp },
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
            let kept = kept(own, &names, Timestamp::now()).unwrap_or_else(|failure| {
                tracing::error!(namespace, name, %failure, "the certificate stays as it is");
                TlsFacts { authority: own.and_then(authority), renew_in: Some(LOOK), ..TlsFacts::default() }
            });
            TlsFacts { secret, ..kept }
        }
    };
    Ok(TlsFacts { names, ..facts })
}

/// What is known of a certificate that the operator keeps in that Secret, and what is to be done about it.
fn kept(secret: Option<&Secret>, names: &[String], now: Timestamp) -> Result<TlsFacts, Failure> {
    let waits = |authority, renew_in| TlsFacts { authority, renew_in: Some(renew_in), ..TlsFacts::default() };
    let Some(secret) = secret else {
        // What is made may not be what is stored: its authority is told once it is.
        let step = Step::Make { issued: issue(names, now)?, next: renewed_after(now) };
        return Ok(TlsFacts { step: Some(step), ..waits(None, LOOK) });
    };
    let authority = authority(secret);
    // One without the annotation is a user's.
    let Some(due) = secret.annotations().get(RENEW_ANNOTATION) else { return Ok(waits(authority, LOOK_AT_OTHERS)) };
    // What cannot be read is due.
    let due = due.parse().unwrap_or(now);
    if let Some(left) = left(due, now) {
        return Ok(waits(authority, left.min(LOOK)));
    }
    if is_over(due, now) {
        let issued = issue(names, now)?;
        let authority = Some(issued.authority.clone());
        return Ok(TlsFacts {
            step: Some(Step::Replace { issued, next: renewed_after(now) }),
            ..waits(authority, LOOK)
        });
    }
    if let (Some(cert), Some(key)) = (entry(secret, NEXT_CERT), entry(secret, NEXT_KEY)) {
        let step = Step::Show { cert, key, next: renewed_after(now) };
        return Ok(TlsFacts { step: Some(step), ..waits(authority, LOOK) });
    }
    let issued = issue(names, now)?;
    // The last one has signed what is shown now. Whatever is before it has nothing to be known by any more.
    let present = authority.as_deref().and_then(|text| certificates_in(text).pop());
    let trusted = format!("{}{}", present.unwrap_or_default(), issued.authority);
    let step = Step::Announce { issued, trusted: trusted.clone(), next: shown_after(now) };
    Ok(TlsFacts { step: Some(step), ..waits(Some(trusted), LOOK) })
}

/// The time that is left until then; none where it is over.
fn left(due: Timestamp, now: Timestamp) -> Option<Duration> {
    Duration::try_from(due.duration_since(now)).ok().filter(|left| !left.is_zero())
}

fn entry(secret: &Secret, name: &str) -> Option<String> {
    String::from_utf8(secret.data.as_ref()?.get(name)?.0.clone()).ok()
}

/// The authorities that a Secret names: their certificates, whatever else is in the entry. None where there are none, or
/// more than a status holds.
fn authority(secret: &Secret) -> Option<String> {
    let text = certificates_in(&entry(secret, AUTHORITY)?).concat();
    (!text.is_empty() && text.len() <= AUTHORITY_CHARS_MAX).then_some(text)
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
        (Mode::Operator, Some(step)) => Some(change(cluster, step)),
        (Mode::CertManager(issuer), _) if facts.certificate == Holder::Nobody => {
            Some(Change::Apply(certificate(cluster, issuer, &facts.names)))
        }
        _ => None,
    }
}

fn change(cluster: &str, step: &Step) -> Change {
    let due = |next: &Timestamp| json!({(RENEW_ANNOTATION): text(*next)});
    let merge = |next: &Timestamp, entries: Value, gone: Value| {
        let patch = json!({"metadata": {"annotations": due(next)}, "stringData": entries, "data": gone});
        Change::Merge(Reference::to::<Secret>(&names::tls(cluster)), patch)
    };
    match step {
        Step::Make { issued, next } => Change::Create(json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": names::tls(cluster), "labels": names::labels(cluster), "annotations": due(next)},
            "type": "kubernetes.io/tls",
            "stringData": {(AUTHORITY): issued.authority, (CERT): issued.cert, (KEY): issued.key},
        })),
        Step::Announce { issued, trusted, next } => merge(
            next,
            json!({(AUTHORITY): trusted, (NEXT_CERT): issued.cert, (NEXT_KEY): issued.key}),
            json!({(AUTHORITY_KEY): null}),
        ),
        Step::Show { cert, key, next } => {
            merge(next, json!({(CERT): cert, (KEY): key}), json!({(NEXT_CERT): null, (NEXT_KEY): null}))
        }
        Step::Replace { issued, next } => merge(
            next,
            json!({(AUTHORITY): issued.authority, (CERT): issued.cert, (KEY): issued.key}),
            json!({(NEXT_CERT): null, (NEXT_KEY): null, (AUTHORITY_KEY): null}),
        ),
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
