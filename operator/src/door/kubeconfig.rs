//! The way to the API server, as kubectl finds it.

use std::path::Path;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use shoal_core::{Failure, Reason};

use super::credentials::Credentials;
use crate::crypto;

/// Time to reach the API server: a person waits for it.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// A client of the API server that a kubeconfig leads to, the namespace that its context names, and what its user shows.
///
/// # Errors
/// [`Reason::NotPossible`] where there is no kubeconfig, or it leads nowhere.
pub(super) async fn client(
    path: Option<&Path>,
    context: Option<String>,
) -> Result<(Client, String, Credentials), Failure> {
    let mut config = config(path, context).await?;
    config.connect_timeout = Some(CONNECT_MAX);
    let namespace = config.default_namespace.clone();
    crypto::provide();
    let credentials = Credentials::new(config.clone());
    let client = Client::try_from(config).map_err(|error| unusable("the kubeconfig cannot be used").because(&error))?;
    Ok((client, namespace, credentials))
}

async fn config(path: Option<&Path>, context: Option<String>) -> Result<Config, Failure> {
    let is_named = context.is_some() || path.is_some();
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    let found = match path.map_or_else(Kubeconfig::read, Kubeconfig::read_from) {
        Ok(file) => Config::from_custom_kubeconfig(file, &options).await,
        Err(error) => Err(error),
    };
    found.or_else(|error| match Config::incluster() {
        // A notebook in a pod has an account there, and no file.
        Ok(own) if !is_named && is_absent(&error) => Ok(own),
        _ => Err(refused(&error)),
    })
}

/// Whether there is no kubeconfig at all.
fn is_absent(error: &KubeconfigError) -> bool {
    matches!(error, KubeconfigError::FindPath)
        || matches!(error, KubeconfigError::ReadConfig(error, _) if error.kind() == std::io::ErrorKind::NotFound)
}

/// What a kubeconfig that cannot be used means to whoever has it.
fn refused(error: &KubeconfigError) -> Failure {
    let failure = match error {
        error if is_absent(error) => Failure::new(Reason::NotPossible, "there is no kubeconfig").next(
            "name the file that leads to your Kubernetes in KUBECONFIG, or put it where kubectl looks: ~/.kube/config",
        ),
        KubeconfigError::CurrentContextNotSet => {
            Failure::new(Reason::NotPossible, "the kubeconfig has no current context")
                .next("name one with `--context`: `kubectl config get-contexts` lists them")
        }
        KubeconfigError::LoadContext(name) => {
            Failure::new(Reason::NotPossible, format!("the kubeconfig has no context `{name}`"))
                .next("name another with `--context`: `kubectl config get-contexts` lists them")
        }
        _ => unusable("the kubeconfig cannot be used"),
    };
    let failure = failure.because(error);
    match error {
        KubeconfigError::ReadConfig(_, path) => failure.file(path.display().to_string()),
        _ => failure,
    }
}

fn unusable(what: &str) -> Failure {
    Failure::new(Reason::NotPossible, what).next("`kubectl cluster-info` says whether kubectl can use it")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn each_way_to_have_no_kubeconfig_says_what_to_do() {
        let read = |kind| KubeconfigError::ReadConfig(Error::new(kind, "it is not"), "/home/me/.kube/config".into());
        for (error, message, next) in [
            (KubeconfigError::FindPath, "there is no kubeconfig", "KUBECONFIG"),
            (read(ErrorKind::NotFound), "there is no kubeconfig", "KUBECONFIG"),
            (read(ErrorKind::PermissionDenied), "the kubeconfig cannot be used", "kubectl cluster-info"),
            (KubeconfigError::CurrentContextNotSet, "the kubeconfig has no current context", "--context"),
            (KubeconfigError::LoadContext("b".into()), "the kubeconfig has no context `b`", "--context"),
            (KubeconfigError::MissingClusterUrl, "the kubeconfig cannot be used", "kubectl cluster-info"),
        ] {
            let failure = refused(&error);
            assert_eq!((failure.reason, failure.message.as_str()), (Reason::NotPossible, message), "{error}");
            assert!(failure.next.unwrap().contains(next), "{error}");
            assert!(!failure.causes.is_empty(), "{error}");
        }
        assert_eq!(refused(&read(ErrorKind::NotFound)).location.file.unwrap(), "/home/me/.kube/config");
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_no_kubeconfig_and_no_pods_account_replaces_it() {
        let folder = tempfile::tempdir().unwrap();
        let failure = client(Some(&folder.path().join("absent")), None).await.err().unwrap();
        assert_eq!((failure.reason, failure.message.as_str()), (Reason::NotPossible, "there is no kubeconfig"));
    }

    #[tokio::test]
    async fn the_contexts_namespace_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        let text = "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]
contexts: [{name: a, context: {cluster: c, namespace: team}}, {name: b, context: {cluster: c}}]
current-context: a
";
        std::fs::write(&file, text).unwrap();
        for (context, expected) in [(None, "team"), (Some("a"), "team"), (Some("b"), "default")] {
            let (_, namespace, _) = client(Some(&file), context.map(str::to_owned)).await.unwrap();
            assert_eq!(namespace, expected, "{context:?}");
        }
        let failure = client(Some(&file), Some("z".into())).await.err().unwrap();
        assert_eq!(failure.message, "the kubeconfig has no context `z`");
    }
}
