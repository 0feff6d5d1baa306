//! A real head on loopback, whose one kind of job finds its facts and then waits for a worker.

#![allow(dead_code, reason = "each suite uses a part of it")]

use reqwest::{Method, RequestBuilder, Response};
use shoal_api::{Api, ApiConfig};
use shoal_coordinator::{Head, HeadConfig, LocalPaths, StateConfig};
use shoal_core::limits::NO_WORKER_DEFAULT;
use shoal_wire::Token;
use tempfile::TempDir;

use crate::fake;

/// Connections that a request may find closed.
const TRIES_MAX: usize = 5;

pub(crate) struct Server {
    pub(crate) api: Api,
    pub(crate) head: Head,
    token: Option<Token>,
    client: reqwest::Client,
    state: TempDir,
}

impl Server {
    pub(crate) async fn start(token: Option<&str>) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), token).await
    }

    async fn start_in(state: TempDir, token: Option<&str>) -> Self {
        let token = token.map(|token| Token::new(token).unwrap());
        let config = HeadConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            kinds: fake::kinds(),
            publisher: fake::publisher(),
            token: token.clone(),
            tls: None,
            local_paths: LocalPaths::Under(vec!["/data".into()]),
            no_worker_max: NO_WORKER_DEFAULT,
            archive: None,
            blobs: fake::blobs(),
            traces: None,
        };
        let head = Head::start(config, StateConfig::Folder(state.path().to_owned())).await.unwrap();
        let listen = ([127, 0, 0, 1], 0).into();
        let api =
            shoal_api::start(ApiConfig { listen, token: token.clone(), callers: None, tls: None, head: head.clone() })
                .await
                .unwrap();
        Self { api, head, token, client: reqwest::Client::new(), state }
    }

    #[allow(dead_code, reason = "not every suite uses it")]
    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.api.address()
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.api.address()))
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        let request = self.request(Method::GET, path);
        let request = match &self.token {
            Some(token) => request.header("authorization", token.header()),
            None => request,
        };
        request.send().await.unwrap()
    }

    /// Sends again over another connection where the one that it took was just being closed, as idle ones are.
    pub(crate) async fn post(&self, path: &str, body: &str) -> Response {
        let mut tries = 1;
        loop {
            match self.request(Method::POST, path).body(body.to_owned()).send().await {
                Err(error) if error.is_request() && tries < TRIES_MAX => tries += 1,
                answer => return answer.unwrap(),
            }
        }
    }

    pub(crate) async fn stop(self) {
        drop(self.client);
        self.api.shutdown().await;
        self.head.shutdown().await;
    }

    /// The same head on the same journal, started again.
    pub(crate) async fn restart(self) -> Self {
        let Self { api, head, token: _, client, state } = self;
        drop(client);
        api.shutdown().await;
        head.shutdown().await;
        Self::start_in(state, None).await
    }
}

pub(crate) fn job(name: &str, feature: &str, input: &str) -> String {
    format!(
        "apiVersion: shoal.dev/v1alpha1\nkind: ShoalJob\nmetadata: {{name: {name}}}\nspec:\n  groupedTraining:\n    \
         input: {{table: {input}}}\n    groupBy: [firm]\n    model: {{ols: {{target: y, features: [{feature}]}}}}\n    \
         output: {{table: /data/out}}\n"
    )
}
