//! Where metrics are asked for, and how.

use std::time::Duration;

use http::header::AUTHORIZATION;
use k8s_openapi::api::core::v1::Secret;
use reqwest::{Client, Response, StatusCode, Url};
use shoal_core::Failure;
use shoal_core::autoscaling::samples::{self, Sample};
use shoal_core::autoscaling::signal;
use shoal_core::autoscaling::trouble::SignalTrouble;
use shoal_wire::Token;
use shoal_wire::tls::{ClientConfig, trusting_pem};

use super::queries::Query;

/// Time for a head or a Prometheus to answer. Longer and what it tells is no news.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(3);

/// Most bytes of an answer that are read: a head with a thousand kinds of jobs has less.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How the metrics of a head are asked for.
#[derive(Clone)]
pub(crate) struct Scrape {
    client: Client,
    url: String,
    token: Token,
}

impl std::fmt::Debug for Scrape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scrape").field("url", &self.url).finish_non_exhaustive()
    }
}

fn client(trusts: Option<ClientConfig>, is_in_the_clear: bool) -> Result<Client, reqwest::Error> {
    let builder = Client::builder().no_proxy().connect_timeout(ANSWER_MAX).timeout(ANSWER_MAX);
    let builder = match trusts {
        Some(trusts) => builder.tls_backend_preconfigured(trusts),
        // Reading all authorities of a machine takes time that nobody has a use for.
        None if is_in_the_clear => builder.tls_certs_only([]),
        None => builder,
    };
    builder.build()
}

impl Scrape {
    /// Asks the head at that URL, known as that says where it speaks TLS, and shows it that token.
    ///
    /// # Errors
    /// [`shoal_core::Reason::Internal`] where the library cannot make a client.
    pub(crate) fn of_head(url: String, token: Token, trusts: Option<ClientConfig>) -> Result<Self, Failure> {
        let client = client(trusts, !url.starts_with("https:"))
            .map_err(|error| Failure::internal("the HTTP client cannot be made").because(&error))?;
        Ok(Self { client, url, token })
    }

    /// What the head tells at the moment.
    ///
    /// # Errors
    /// What keeps it from that.
    pub(crate) async fn samples(&self) -> Result<Vec<Sample>, SignalTrouble> {
        let request = self.client.get(&self.url).header(AUTHORIZATION, self.token.header());
        let body = body(request.send().await, &self.url).await?;
        let text =
            String::from_utf8(body).map_err(|_| SignalTrouble::Malformed { what: "it is no text".to_owned() })?;
        samples::of_text(&text, signal::is_wanted)
    }
}

/// A Prometheus, as a cluster's spec has it.
pub(crate) struct Prometheus<'a> {
    pub(crate) url: &'a str,
    /// What is shown to it, and what it is known by.
    pub(crate) secret: Option<&'a Secret>,
}

impl Prometheus<'_> {
    /// What it answers to these queries.
    ///
    /// # Errors
    /// What keeps it from that.
    pub(crate) async fn samples(&self, queries: &[Query]) -> Result<Vec<Sample>, SignalTrouble> {
        let unusable = |what: &str| SignalTrouble::Credentials { what: what.to_owned() };
        let entry = |name: &str| {
            let bytes = self.secret.and_then(|secret| secret.data.as_ref()?.get(name));
            bytes.map(|bytes| String::from_utf8_lossy(&bytes.0).trim().to_owned())
        };
        let trusts = entry("ca.crt").map(|pem| trusting_pem(pem.as_bytes(), "ca.crt".as_ref())).transpose();
        let trusts = trusts.map_err(|failure| unusable(&failure.message))?;
        let client = client(trusts, self.url.starts_with("http:")).map_err(|error| unusable(&error.to_string()))?;
        let shown = match (entry("token"), entry("username"), entry("password")) {
            (Some(token), ..) => Shown::Bearer(token),
            (None, Some(user), Some(password)) => Shown::Basic(user, password),
            (None, None, None) => Shown::Nothing,
            _ => return Err(unusable("`username` and `password` go together")),
        };
        if self.secret.is_some() && matches!(shown, Shown::Nothing) && entry("ca.crt").is_none() {
            return Err(unusable("the Secret has neither `token`, nor `username` and `password`, nor `ca.crt`"));
        }
        let answers = queries.iter().map(|query| self.ask(&client, &shown, query));
        let answers = futures::future::try_join_all(answers).await?;
        Ok(answers.into_iter().flatten().collect())
    }

    async fn ask(&self, client: &Client, shown: &Shown, query: &Query) -> Result<Vec<Sample>, SignalTrouble> {
        let base = format!("{}/api/v1/query", self.url.trim_end_matches('/'));
        let mut url =
            Url::parse(&base).map_err(|error| SignalTrouble::Unreachable { what: format!("{base}: {error}") })?;
        url.query_pairs_mut().append_pair("query", &query.expression);
        let request = client.get(url);
        let request = match shown {
            Shown::Bearer(token) => request.bearer_auth(token),
            Shown::Basic(user, password) => request.basic_auth(user, Some(password)),
            Shown::Nothing => request,
        };
        let body = body(request.send().await, &base).await?;
        samples::of_answer(&body, &query.metric)
    }
}

/// What is shown to a Prometheus.
enum Shown {
    Nothing,
    Bearer(String),
    Basic(String, String),
}

async fn body(answer: Result<Response, reqwest::Error>, url: &str) -> Result<Vec<u8>, SignalTrouble> {
    let mut answer = answer.map_err(|error| failed(&error))?;
    let status = answer.status();
    // Prometheus says in the body of a 400 or 422 what is wrong with the query.
    let explains = matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY);
    if !status.is_success() && !explains {
        return Err(SignalTrouble::Refused { status: status.as_u16(), url: url.to_owned() });
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| failed(&error))? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(SignalTrouble::TooLong { bytes: ANSWER_BYTES_MAX as u64 });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn failed(error: &reqwest::Error) -> SignalTrouble {
    if error.is_timeout() {
        return SignalTrouble::TimedOut { seconds: ANSWER_MAX.as_secs() };
    }
    // The first cause says what it was: the library's own words repeat the URL.
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    SignalTrouble::Unreachable { what: cause.to_string() }
}
