//! What is asked about a caller, and what the answers mean. Pure.

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use shoal_core::{Failure, Reason};
use shoal_wire::callers::{Action, Resource};

/// The group of Shoal's resources.
const GROUP: &str = "shoal.dev";

/// Group of everybody whom Kubernetes does not know.
const UNKNOWN_GROUP: &str = "system:unauthenticated";

/// How Kubernetes calls an account of a pod: that, its namespace and its name.
const ACCOUNT_PREFIX: &str = "system:serviceaccount:";

/// The ShoalCluster that is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ours {
    pub(super) namespace: String,
    pub(super) cluster: String,
}

/// Where the API server is.
pub(super) fn url(host: &str, port: &str) -> String {
    if host.contains(':') { format!("https://[{host}]:{port}") } else { format!("https://{host}:{port}") }
}

/// Asks whether the caller may do that. A right to one ShoalJob alone does not count: a head may have jobs that are none.
pub(super) fn question(ours: &Ours, action: Action) -> SelfSubjectAccessReview {
    let name = (action.resource == Resource::Cluster).then(|| ours.cluster.clone());
    let attributes = ResourceAttributes {
        group: Some(GROUP.to_owned()),
        resource: Some(action.resource.name().to_owned()),
        verb: Some(action.verb.name().to_owned()),
        namespace: Some(ours.namespace.clone()),
        name,
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() };
    SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() }
}

/// What the answers mean.
///
/// # Errors
/// [`Reason::Unauthorized`] for nobody in particular, [`Reason::Forbidden`].
pub(super) fn answer(
    ours: &Ours,
    action: Action,
    who: &SelfSubjectReview,
    may: &SelfSubjectAccessReview,
) -> Result<(), Failure> {
    let user = who.status.as_ref().and_then(|status| status.user_info.as_ref());
    let is_unknown = user.is_none_or(|user| user.groups.iter().flatten().any(|group| group == UNKNOWN_GROUP));
    let name = user.and_then(|user| user.username.as_deref()).unwrap_or_default();
    if is_unknown || name.is_empty() {
        return Err(not_accepted());
    }
    let status = may.status.as_ref();
    if status.is_some_and(|status| status.allowed && status.denied != Some(true)) {
        return Ok(());
    }
    let mut failure = forbidden(ours, action, name);
    failure.causes.extend(status.and_then(|status| status.reason.clone()).filter(|reason| !reason.is_empty()));
    failure.causes.extend(status.and_then(|status| status.evaluation_error.clone()));
    Err(failure)
}

fn forbidden(ours: &Ours, action: Action, user: &str) -> Failure {
    let Ours { namespace, cluster } = ours;
    let (verb, resource) = (action.verb.name(), action.resource.name());
    let (of, name) = match action.resource {
        Resource::Jobs => (format!("ShoalJobs of namespace {namespace}"), String::new()),
        Resource::Cluster => (format!("ShoalCluster {namespace}/{cluster}"), format!(" --resource-name={cluster}")),
    };
    let subject = match user.strip_prefix(ACCOUNT_PREFIX) {
        Some(account) => format!("--serviceaccount={}", quoted(account)),
        None => format!("--user={}", quoted(user)),
    };
    Failure::new(Reason::Forbidden, format!("`{user}` may not {verb} {of}")).next(format!(
        "ask whoever runs the namespace for that right: `kubectl create role {resource}-{verb} --verb={verb} \
         --resource={resource}.{GROUP}{name} --namespace={namespace}`, and `kubectl create rolebinding \
         {resource}-{verb} --role={resource}-{verb} {subject} --namespace={namespace}`"
    ))
}

/// As one word of a command line.
fn quoted(word: &str) -> String {
    let is_plain = word.chars().all(|char| char.is_ascii_alphanumeric() || "-_.:@/".contains(char));
    if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// A caller who shows nothing that could be asked about.
pub(super) fn unknown(ours: &Ours, failure: Failure) -> Failure {
    let Ours { namespace, cluster } = ours;
    failure.next(format!(
        "`shoal job ... --cluster {cluster} --namespace {namespace}` shows what your kubeconfig has; else pass the cluster's \
         token or your own of Kubernetes, as `--token-file FILE`"
    ))
}

fn not_accepted() -> Failure {
    Failure::new(Reason::Unauthorized, "the token is neither the cluster's nor one that Kubernetes accepts").next(
        "sign in again, or make another one: `kubectl create token ACCOUNT`, for no other audience than the API server",
    )
}

/// What a refusal of the API server to be asked means.
pub(super) fn refused(error: &kube::Error) -> Failure {
    let failure = match error {
        kube::Error::Api(status) if status.code == 401 => not_accepted(),
        kube::Error::Api(status) if status.code == 403 => {
            Failure::new(Reason::Forbidden, "Kubernetes does not let this caller ask what he may do").next(
                "ask whoever runs the Kubernetes to bind the ClusterRole `system:basic-user`, which every user has as a rule",
            )
        }
        _ => return silent(&error.to_string()),
    };
    failure.because(error)
}

/// An API server that does not say who calls.
pub(super) fn silent(why: &str) -> Failure {
    let mut failure = Failure::new(Reason::Io, "the Kubernetes API server cannot be asked at the moment who calls")
        .next("ask again in a moment; the cluster's own token is taken meanwhile, as `--token-file FILE`");
    failure.causes.push(why.to_owned());
    failure
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
