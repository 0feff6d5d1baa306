//! The client of a head's REST interface.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use shoal_api::JobList;
use shoal_core::report::JobStatus;
use shoal_core::spec::v1alpha1::ShoalJob;
use shoal_core::{Failure, Reason};
use shoal_wire::Token;
use shoal_wire::limits::CONNECT_TIMEOUT;
use shoal_wire::tls::{ClientConfig, refusal};
use url::{Host, Url};

/// A head answers in milliseconds; one that takes longer has a disk that hangs.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Speaks to one head.
#[derive(Clone)]
pub(crate) struct Client {
    base: Url,
    token: Option<Token>,
    http: reqwest::Client,
}

/// What a worker wants to know of a cluster.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Door {
    workers_port: u16,
}

impl Client {
    /// A client of the head at a URL; nothing is sent yet. Over `https` it trusts what it is told to, else the
    /// authorities that this machine trusts.
    ///
    /// # Errors
    /// [`Reason::InvalidValue`] where it is no `http` or `https` URL, or without TLS although it was told whom to trust.
    pub(crate) fn new(url: &str, token: Option<Token>, trusts: Option<ClientConfig>) -> Result<Self, Failure> {
        let base = base(url)?;
        if base.scheme() == "http" && trusts.is_some() {
            return Err(Failure::new(
                Reason::InvalidValue,
                format!("`{url}` is without TLS, and an authority is named"),
            )
            .next("write https://, or leave out --tls-ca (SHOAL_TLS_CA) where the head has no TLS"));
        }
        let builder = reqwest::Client::builder();
        let builder = match trusts {
            Some(trusts) => builder.tls_backend_preconfigured(trusts),
            None => builder,
        };
        let http = builder
            // A head is a neighbour: a proxy that is set for the web would not find it.
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            // A connection that is kept would make the head wait for it when both end.
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| Failure::internal("the HTTP client cannot be made").because(&error))?;
        let client = Self { base, token, http };
        if client.token.is_some() && client.base.scheme() == "http" && !client.is_on_this_machine() {
            tracing::warn!("the token is sent to {url} in the clear: switch TLS on there, and write https://");
        }
        Ok(client)
    }

    /// Submits a job; `rerun` runs a finished one of that name again.
    pub(crate) async fn submit(&self, job: &ShoalJob, rerun: bool) -> Result<JobStatus, Failure> {
        let mut request = self.request(Method::POST, &["jobs"]);
        if rerun {
            let mut url = self.url(&["jobs"]);
            url.set_query(Some("rerun=true"));
            request = self.http.request(Method::POST, url);
        }
        self.send(request.json(job)).await
    }

    /// The latest submission of every job, oldest first.
    pub(crate) async fn list(&self) -> Result<Vec<JobStatus>, Failure> {
        Ok(self.send::<JobList>(self.request(Method::GET, &["jobs"])).await?.jobs)
    }

    /// The latest submission of a job.
    pub(crate) async fn show(&self, name: &str) -> Result<JobStatus, Failure> {
        self.send(self.request(Method::GET, &["jobs", name])).await
    }

    /// Cancels a job.
    pub(crate) async fn cancel(&self, name: &str) -> Result<JobStatus, Failure> {
        self.send(self.request(Method::POST, &["jobs", name, "cancel"])).await
    }

    /// Where workers of the cluster connect, as `http://HOST:PORT`, or as `https` where the head is asked like that.
    pub(crate) async fn workers_url(&self) -> Result<String, Failure> {
        let door: Door = self.send(self.request(Method::GET, &["cluster"])).await?;
        let mut url = self.base.clone();
        // An http URL always takes a port.
        let _ = url.set_port(Some(door.workers_port));
        Ok(url.as_str().trim_end_matches('/').to_owned())
    }

    /// Whether the head's host is by its name this machine.
    pub(crate) fn is_on_this_machine(&self) -> bool {
        match self.base.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
            None => false,
        }
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            // Each is escaped, so that a name with a slash stays one segment.
            segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        url
    }

    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        self.http.request(method, self.url(path))
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failure> {
        let request = match &self.token {
            Some(token) => request.header("authorization", token.header()),
            None => request,
        };
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let accepted = response.status().is_success();
        let body = self.body(response).await?;
        if accepted {
            return serde_json::from_slice(&body).map_err(|error| self.stranger(&error));
        }
        Err(serde_json::from_slice::<Failure>(&body).unwrap_or_else(|error| self.stranger(&error)))
    }

    async fn body(&self, response: Response) -> Result<Vec<u8>, Failure> {
        Ok(response.bytes().await.map_err(|error| self.unreachable(&error))?.to_vec())
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        refusal(self.base.as_str(), Reason::HeadUnreachable, error).unwrap_or_else(|| {
            // One with TLS ends connections that are without, and cannot say why.
            let other = if self.base.scheme() == "http" { "; one with TLS takes https:// only" } else { "" };
            Failure::new(Reason::HeadUnreachable, format!("no head answers at {}", self.base))
                .because(error)
                .next(format!("start one with `shoal head`, or name the one that runs with `--head URL`{other}"))
        })
    }

    fn stranger(&self, error: &serde_json::Error) -> Failure {
        Failure::new(Reason::HeadUnreachable, format!("what answers at {} does not speak as a head does", self.base))
            .because(error)
            .next("check the URL; where it is a head, run the same version of shoal on both sides")
    }
}

fn base(text: &str) -> Result<Url, Failure> {
    let refuse =
        |why: String| Failure::new(Reason::InvalidValue, why).next("write it as http://HOST:PORT or https://HOST:PORT");
    let url = Url::parse(text).map_err(|error| refuse(format!("`{text}` is no URL")).because(&error))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(refuse(format!("`{text}` is no http or https URL")));
    }
    Ok(url)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_one_segment_and_a_trailing_slash_changes_nothing() {
        for base in ["http://h:1", "http://h:1/"] {
            let client = Client::new(base, None, None).unwrap();
            assert_eq!(client.url(&["jobs", "a/../b", "cancel"]).as_str(), "http://h:1/api/v1/jobs/a%2F..%2Fb/cancel");
        }
    }

    #[test]
    fn this_machine_has_several_names() {
        for (url, here) in [
            ("http://localhost:1", true),
            ("http://127.0.0.2:1", true),
            ("http://[::1]:1", true),
            ("http://10.0.0.1:1", false),
            ("http://head.example:1", false),
        ] {
            assert_eq!(Client::new(url, None, None).unwrap().is_on_this_machine(), here, "{url}");
        }
    }

    #[test]
    fn only_http_urls_are_taken() {
        Client::new("https://h:1", None, None).unwrap();
        for url in ["", "127.0.0.1:7370", "ftp://h"] {
            let failure = Client::new(url, None, None).err().unwrap();
            assert!(failure.reason == Reason::InvalidValue && failure.next.is_some(), "{url}");
        }
    }

    #[tokio::test]
    async fn nobody_there_is_an_unreachable_head() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let client = Client::new(&format!("http://127.0.0.1:{port}"), None, None).unwrap();
        let failure = client.list().await.unwrap_err();
        assert!(failure.reason == Reason::HeadUnreachable && !failure.causes.is_empty());
    }
}
