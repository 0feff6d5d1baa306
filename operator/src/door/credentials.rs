//! What a kubeconfig's user shows to the API server, where that is a token: the head takes it, too.

use std::fmt;

use http::header::AUTHORIZATION;
use http::{Request, Response};
use kube::Config;
use kube::client::{Body, ConfigExt};
use shoal_core::{Failure, Reason};
use shoal_wire::Token;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tower::{BoxError, Layer, ServiceExt, service_fn};

/// What a kubeconfig says of its user. Nothing is read or run for it before it is needed: a plugin may ask a person.
pub(super) struct Credentials(Config);

/// Shows the token of a kubeconfig's user, as it is at the time.
pub(super) struct Bearer(kube::client::middleware::AuthLayer);

impl Credentials {
    pub(super) fn new(config: Config) -> Self {
        Self(config)
    }

    /// The user's token, as it stands in the kubeconfig or a file, or as a plugin gives it. None where the user shows a
    /// certificate or a password, and where he acts as somebody else: his token would say who he is himself.
    ///
    /// # Errors
    /// [`Reason::NotPossible`] where the plugin does not work.
    pub(super) async fn bearer(&self) -> Result<Option<Bearer>, Failure> {
        let user = &self.0.auth_info;
        if user.impersonate.is_some() || user.impersonate_groups.is_some() || user.impersonate_uid.is_some() {
            return Ok(None);
        }
        let config = self.0.clone();
        // It runs the plugin, and waits for it.
        let layer = spawn_blocking(move || config.auth_layer()).await;
        let layer = layer.map_err(|error| unusable().because(&error))?.map_err(|error| unusable().because(&error))?;
        let Some(bearer) = layer.map(Bearer) else { return Ok(None) };
        Ok(bearer.token().await?.map(|_| bearer))
    }
}

impl Bearer {
    /// The token, renewed by the plugin where it is about to expire. None where what is shown is none.
    ///
    /// # Errors
    /// [`Reason::NotPossible`] where the plugin does not work.
    pub(super) async fn token(&self) -> Result<Option<Token>, Failure> {
        // The library tells nobody the token: what it adds to a request is handed back here, and sent nowhere.
        let echo = service_fn(|request: Request<Body>| async move {
            let mut answer = Response::new(());
            let shown = request.headers().get(AUTHORIZATION).cloned();
            answer.headers_mut().extend(shown.map(|value| (AUTHORIZATION, value)));
            Ok::<_, BoxError>(answer)
        });
        let layered = self.0.layer(echo);
        // On a thread of its own, since a plugin may take its time; and the compiler does not see that what the layers are made
        // of may cross threads half-way.
        let runtime = Handle::current();
        let answer = spawn_blocking(move || runtime.block_on(layered.oneshot(Request::new(Body::empty())))).await;
        let answer = answer.map_err(|error| unusable().because(&error))?;
        let answer = answer.map_err(|error| unusable().because(&*error))?;
        let header = answer.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        Ok(Token::shown(header).ok())
    }
}

pub(super) fn unusable() -> Failure {
    Failure::new(Reason::NotPossible, "the kubeconfig's credentials cannot be used")
        .next("`kubectl auth whoami` says whether kubectl can use them")
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(..)")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::super::kubeconfig::client;

    const TOKEN: &str = "0123456789abcdef";

    async fn shown(folder: &Path, user: &str) -> Option<String> {
        let file = folder.join("config");
        let text = format!(
            "clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:1'}}}}]
contexts: [{{name: a, context: {{cluster: c, user: u}}}}]
current-context: a
users: [{{name: u, user: {user}}}]
"
        );
        std::fs::write(&file, text).unwrap();
        let (_, _, credentials) = client(Some(&file), None).await.unwrap();
        let bearer = credentials.bearer().await.unwrap()?;
        assert!(!format!("{bearer:?} {credentials:?}").contains(TOKEN));
        let token = bearer.token().await.unwrap().unwrap();
        Some(token.header())
    }

    #[tokio::test]
    async fn a_users_token_is_found_wherever_it_is_and_nobody_elses_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, TOKEN).unwrap();
        let plugin = folder.path().join("plugin");
        let answer = format!(
            "#!/bin/sh\necho '{{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"kind\": \"ExecCredential\", \
             \"status\": {{\"token\": \"{TOKEN}\"}}}}'\n"
        );
        std::fs::write(&plugin, answer).unwrap();
        std::fs::set_permissions(&plugin, std::fs::Permissions::from_mode(0o755)).unwrap();
        let (file, plugin) = (file.display(), plugin.display());
        let expected = Some(format!("Bearer {TOKEN}"));
        for (user, expected) in [
            (format!("{{token: {TOKEN}}}"), expected.clone()),
            (format!("{{tokenFile: '{file}'}}"), expected.clone()),
            (
                format!(
                    "{{exec: {{apiVersion: client.authentication.k8s.io/v1, command: '{plugin}', interactiveMode: Never}}}}"
                ),
                expected,
            ),
            (format!("{{token: {TOKEN}, as: somebody}}"), None),
            ("{username: me, password: secret}".to_owned(), None),
            ("{}".to_owned(), None),
        ] {
            assert_eq!(shown(folder.path(), &user).await, expected, "{user}");
        }
    }
}
