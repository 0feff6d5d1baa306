//! Which pod is the head, and what each state of a cluster and each refusal means to a user. Pure.

use std::fmt;

use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::ResourceExt;
use kube::client::UpgradeConnectionError;
use shoal_core::spec::v1alpha1::status::ConditionStatus;
use shoal_core::{Failure, Reason};
use shoal_wire::Token;

use super::Authority;
use crate::names;
use crate::pod_state::{is_ending, is_ready, obstacle};
use crate::resources::{Kind, ShoalCluster};
use crate::token::token_of;

/// A cluster that is looked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) namespace: String,
    pub(super) cluster: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShoalCluster {}/{}", self.namespace, self.cluster)
    }
}

impl Place {
    fn describe(&self) -> String {
        format!("`kubectl describe shoalcluster {} --namespace {}`", self.cluster, self.namespace)
    }

    fn secret(&self, name: &str) -> String {
        format!("Secret {}/{name}", self.namespace)
    }
}

/// What the API server was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked<'a> {
    /// The ShoalCluster.
    Cluster,
    /// The Secret of that name, with its token.
    Token(&'a str),
    /// The Secret of that name, with its certificate and the authority that signed it.
    Authority(&'a str),
    /// The pods of its head.
    Pods,
    /// A port of the head's pod.
    Forward,
}

/// Refuses a cluster that has no pods and is to have none.
///
/// # Errors
/// [`Reason::NotPossible`] for one that is suspended or about to be deleted.
pub(super) fn has_pods(place: &Place, cluster: &ShoalCluster) -> Result<(), Failure> {
    if cluster.metadata.deletion_timestamp.is_some() {
        return Err(Failure::new(Reason::NotPossible, format!("{place} is being deleted"))
            .next("its jobs went with its head; `kubectl get shoaljobs` shows what became of them"));
    }
    if cluster.raw_spec()["suspend"] == true {
        let Place { namespace, cluster } = place;
        return Err(Failure::new(Reason::NotPossible, format!("{place} is suspended: it has no pods")).next(format!(
            "let it go on: `kubectl patch shoalcluster {cluster} --namespace {namespace} --type=merge \
             --patch='{{\"spec\": {{\"suspend\": false}}}}'`"
        )));
    }
    Ok(())
}

/// The pod of the head that leads: only a head that leads says that it is ready.
pub(super) fn head_pod(pods: &[Pod]) -> Option<String> {
    pods.iter().find(|pod| is_ready(pod) && !is_ending(pod)).map(ResourceExt::name_any)
}

/// Why no pod of a head can be asked.
pub(super) fn no_head(place: &Place, pods: &[Pod], cluster: &ShoalCluster) -> Failure {
    let of_pod = pods.iter().find_map(obstacle).map(|obstacle| obstacle.message);
    let of_cluster = || {
        let conditions = cluster.status().map(|status| status.conditions.as_slice()).unwrap_or_default();
        let ready = conditions.iter().find(|one| one.type_ == "Ready" && one.status != ConditionStatus::True)?;
        Some(ready.message.clone())
    };
    let why = of_pod.or_else(of_cluster).unwrap_or_else(|| match pods.is_empty() {
        true => "it has no pod yet".to_owned(),
        false => "its pod is starting".to_owned(),
    });
    Failure::new(Reason::HeadUnreachable, format!("the head of {place} is not ready: {why}"))
        .next(format!("ask again in a moment; {} says what it waits for", place.describe()))
}

/// The token in the cluster's Secret.
///
/// # Errors
/// What is wrong with it.
pub(super) fn token(place: &Place, secret: &Secret) -> Result<Token, Failure> {
    token_of(secret).map_err(|failure| Failure {
        message: format!(
            "the {} holds no token that can be shown: {}",
            place.secret(&names::token(&place.cluster)),
            failure.message
        ),
        ..failure
            .next("its entry `token` has to be the one that the head was started with, or pass it with `--token-file`")
    })
}

/// What the cluster's heads are known by; the certificate of the authority is none where that is at hand.
pub(super) fn authority(place: &Place, pem: Option<Vec<u8>>) -> Authority {
    Authority { host: names::tls_name(&place.cluster, &place.namespace), pem }
}

/// The certificates of the authority that the cluster's status tells; none where it does not.
pub(super) fn published(cluster: &ShoalCluster) -> Option<Vec<u8>> {
    Some(cluster.status()?.authority.as_ref()?.clone().into_bytes())
}

/// The entry of a Secret with the certificate of the authority.
const AUTHORITY_KEY: &str = "ca.crt";

/// The certificate of the authority in a Secret of that name.
///
/// # Errors
/// [`Reason::Unauthorized`] where it has none.
pub(super) fn certificate(place: &Place, name: &str, secret: &Secret) -> Result<Vec<u8>, Failure> {
    let bytes = secret.data.as_ref().and_then(|data| data.get(AUTHORITY_KEY)).map(|bytes| bytes.0.clone());
    bytes.ok_or_else(|| {
        let why =
            format!("the {} has no entry `{AUTHORITY_KEY}`, by which the head could be known", place.secret(name));
        Failure::new(Reason::Unauthorized, why)
            .next("put the certificate of the authority there, or name a file that holds it with `--tls-ca`")
    })
}

/// A connection that ended before the head answered.
pub(super) fn cut_off(place: &Place, pod: Option<&str>) -> Failure {
    let pod = pod.map(|pod| format!(" (pod {pod})")).unwrap_or_default();
    Failure::new(
        Reason::HeadUnreachable,
        format!("the head of {place}{pod} has ended the connection without an answer"),
    )
    .next(gone_next(place))
}

/// A pod that takes no connection.
pub(super) fn refused_by_pod(place: &Place, pod: &str, message: &str) -> Failure {
    let mut failure =
        Failure::new(Reason::HeadUnreachable, format!("the head of {place} (pod {pod}) takes no connection"))
            .next(gone_next(place));
    failure.causes.push(message.trim().to_owned());
    failure
}

fn gone_next(place: &Place) -> String {
    let selector = names::selector_text(&names::head_selector(&place.cluster));
    format!(
        "ask again in a moment: a head that is gone is started again, and goes on with its jobs; \
         `kubectl get pods --namespace {} --selector {selector}` shows its pod",
        place.namespace
    )
}

/// An API server that cannot be reached.
pub(super) fn silent(why: &str) -> Failure {
    let mut failure = Failure::new(Reason::HeadUnreachable, "the Kubernetes API server cannot be asked")
        .next("`kubectl cluster-info` says whether it can be reached; `--context` names another one");
    failure.causes.push(why.to_owned());
    failure
}

/// What a refusal of the API server means.
pub(super) fn refused(place: &Place, asked: Asked<'_>, error: &kube::Error) -> Failure {
    let Place { namespace, cluster } = place;
    let failure = match (code(error), asked) {
        (None, _) => return silent(&error.to_string()),
        (Some(401), _) => {
            Failure::new(Reason::Unauthorized, "the Kubernetes API server does not accept the kubeconfig's credentials")
                .next("sign in again, or name another context with `--context`")
        }
        (Some(403), _) => forbidden(place, asked),
        (Some(404), Asked::Cluster) if is_unknown_kind(error) => {
            Failure::new(Reason::NotPossible, "this Kubernetes knows no ShoalClusters: Shoal is not installed there")
                .next("install the chart, or name another Kubernetes with `--context`")
        }
        (Some(404), Asked::Cluster) => Failure::new(Reason::ClusterNotFound, format!("there is no {place}")).next(
            "`kubectl get shoalclusters --all-namespaces` lists those that there are; `--namespace` says where it is",
        ),
        (Some(404), Asked::Token(name) | Asked::Authority(name)) => {
            let what = if matches!(asked, Asked::Token(_)) { "token" } else { "certificate" };
            let message = format!("the {} with the cluster's {what} is not there", place.secret(name));
            Failure::new(Reason::HeadUnreachable, message)
                .next(format!("{} says what it waits for: the operator makes it, unless it is yours", place.describe()))
        }
        (Some(404), Asked::Forward) => {
            Failure::new(Reason::HeadUnreachable, format!("the pod of the head of {place} is gone"))
                .next(gone_next(place))
        }
        (Some(code), _) => Failure::new(
            Reason::HeadUnreachable,
            format!("the Kubernetes API server refuses ({code}) what leads to {place}"),
        )
        .next(format!(
            "`kubectl get pods --namespace {namespace}` says whether it does so to kubectl; the cluster is `{cluster}`"
        )),
    };
    failure.because(error)
}

fn forbidden(place: &Place, asked: Asked<'_>) -> Failure {
    let Place { namespace, cluster } = place;
    let (what, right) = match asked {
        Asked::Cluster => (format!("look at {place}"), format!("get shoalclusters.shoal.dev/{cluster}")),
        Asked::Token(name) => {
            (format!("read the {} with the cluster's token", place.secret(name)), format!("get secret/{name}"))
        }
        Asked::Authority(name) => {
            (format!("read the {} with the cluster's authority", place.secret(name)), format!("get secret/{name}"))
        }
        Asked::Pods => (format!("list the pods of namespace {namespace}"), "list pods".to_owned()),
        Asked::Forward => {
            (format!("forward ports of pods of namespace {namespace}"), "create pods/portforward".to_owned())
        }
    };
    let or = match asked {
        Asked::Token(_) => ", pass the token with `--token-file`, or sign in to Kubernetes with a token of your own",
        Asked::Authority(_) => ", or pass the authority's certificate with `--tls-ca`",
        Asked::Cluster | Asked::Pods | Asked::Forward => "",
    };
    Failure::new(Reason::Unauthorized, format!("you may not {what}")).next(format!(
        "ask whoever runs the Kubernetes for that right{or}: `kubectl auth can-i {right} --namespace {namespace}` has to say yes"
    ))
}

/// The HTTP status of a refusal; none where nobody answered.
fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(status)) => Some(status.as_u16()),
        _ => None,
    }
}

/// Whether the API server knows the kind not at all: then its answer is no status of its own, but a bare page.
fn is_unknown_kind(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.reason != "NotFound")
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
