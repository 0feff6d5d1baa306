//! The client of a head's REST interface.

mod files;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shoal_api::{JobAttempts, JobList, JobLog};
use shoal_core::control::{SubmitOptions, WorkerStatus};
use shoal_core::journal::JobChange;
use shoal_core::report::JobStatus;
use shoal_core::spec::v1alpha1::ShoalJob;
use shoal_core::{Failure, Reason};
use shoal_operator::{AtHand, Door};
use shoal_wire::Token;
use shoal_wire::limits::CONNECT_TIMEOUT;
use shoal_wire::tls::{ClientConfig, refusal, trusting, trusting_pem};
use url::{Host, Url};

use crate::client_args::{ClientArgs, Target};
use crate::terminal::Terminal;

/// A head answers in milliseconds; one that takes longer has a disk that hangs.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// As [`ANSWER_TIMEOUT`], where another head may lead while this one hangs.
const ANSWER_TIMEOUT_OF_SEVERAL: Duration = Duration::from_secs(5);

/// How long a file may take to get to a head or from it, and how long a head that is at its limit is asked: the largest over a
/// slow line.
const BLOB_TIME_MAX: Duration = Duration::from_secs(3_600);

/// How long a head that leads is looked for: another one leads within seconds.
const LEADER_WAIT_MAX: Duration = Duration::from_secs(30);

/// Pause before all heads are asked again.
const LEADER_PAUSE: Duration = Duration::from_millis(200);

/// Speaks to the heads of one cluster, of which one leads.
#[derive(Clone)]
pub(crate) struct Client {
    bases: Vec<Url>,
    /// The head that answered last.
    present: Arc<AtomicUsize>,
    token: Option<Token>,
    http: reqwest::Client,
    /// What leads to the head, where that is a pod; open for as long as anybody may ask.
    door: Option<Arc<Door>>,
}

/// What is asked of a head, as often as it takes.
struct Call<'a> {
    method: Method,
    path: &'a [&'a str],
    query: Option<&'a str>,
    /// JSON.
    body: Option<Vec<u8>>,
}

/// How far it was looked for a head that leads.
struct Search {
    since: Instant,
    /// Heads that were asked since the last pause.
    asked: usize,
    has_said: bool,
    /// Whether one that is at its limit is asked again.
    waits_its_turn: bool,
}

impl Search {
    fn new(waits_its_turn: bool) -> Self {
        Self { since: Instant::now(), asked: 0, has_said: false, waits_its_turn }
    }
}

/// What a worker wants to know of a cluster.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WorkersDoor {
    workers_port: u16,
}

impl Client {
    /// A client as the command line asks for it; nothing is sent to a head yet.
    ///
    /// # Errors
    /// As [`Client::new`] and [`Door::open`], and what is wrong with the files of the token or the authority.
    pub(crate) async fn from_args(args: &ClientArgs) -> Result<Self, Failure> {
        let token = args.token_file.as_deref().map(Token::read).transpose()?;
        match args.target()? {
            Target::Heads(heads) => {
                let trusts = args.tls_ca.as_deref().map(trusting).transpose()?;
                Self::new(&heads, token, trusts)
            }
            Target::Cluster(to) => {
                let at_hand = AtHand { token, authority: args.tls_ca.is_some() };
                let door = Door::open(to, at_hand).await?;
                let authority = door.authority();
                let trusts = match (&args.tls_ca, authority.and_then(|authority| authority.pem.as_ref())) {
                    (Some(file), _) => Some(trusting(file)?),
                    (None, Some(pem)) => {
                        Some(trusting_pem(pem, Path::new("what the ShoalCluster names as its authority"))?)
                    }
                    (None, None) => None,
                };
                let leads = authority.map(|authority| (authority.host.clone(), door.address()));
                let client = Self::leading(&[door.url()], None, trusts, leads)?;
                Ok(Self { door: Some(Arc::new(door)), ..client })
            }
        }
    }

    /// A client of the heads at some URLs; nothing is sent yet. Over `https` it trusts what it is told to, else the
    /// authorities that this machine trusts.
    ///
    /// # Errors
    /// [`Reason::InvalidValue`] where one is no `http` or `https` URL, or without TLS although it was told whom to trust, or
    /// there is none.
    pub(crate) fn new<S: AsRef<str>>(
        urls: &[S],
        token: Option<Token>,
        trusts: Option<ClientConfig>,
    ) -> Result<Self, Failure> {
        Self::leading(urls, token, trusts, None)
    }

    /// As [`Client::new`]; a host is taken to be at an address, whatever this machine knows of its name.
    fn leading<S: AsRef<str>>(
        urls: &[S],
        token: Option<Token>,
        trusts: Option<ClientConfig>,
        host: Option<(String, SocketAddr)>,
    ) -> Result<Self, Failure> {
        let bases = urls.iter().map(|url| base(url.as_ref())).collect::<Result<Vec<_>, _>>()?;
        if bases.is_empty() {
            return Err(Failure::new(Reason::InvalidValue, "no head is named").next("name one with `--head URL`"));
        }
        let in_the_clear = bases.iter().find(|base| base.scheme() == "http");
        if let (Some(base), Some(_)) = (in_the_clear, &trusts) {
            return Err(Failure::new(
                Reason::InvalidValue,
                format!("`{base}` is without TLS, and an authority is named"),
            )
            .next("write https://, or leave out --tls-ca (SHOAL_TLS_CA) where the head has no TLS"));
        }
        let builder = reqwest::Client::builder();
        let builder = match trusts {
            Some(trusts) => builder.tls_backend_preconfigured(trusts),
            // Reading all authorities of a machine takes longer than a small job.
            None if bases.iter().all(|base| base.scheme() == "http") => builder.tls_certs_only([]),
            None => builder,
        };
        let builder = match host {
            Some((host, address)) => builder.resolve(&host, address),
            None => builder,
        };
        let answer_timeout = if bases.len() > 1 { ANSWER_TIMEOUT_OF_SEVERAL } else { ANSWER_TIMEOUT };
        let http = builder
            // A head is a neighbour: a proxy that is set for the web would not find it.
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(answer_timeout)
            // A connection that is kept would make the head wait for it when both end.
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| Failure::internal("the HTTP client cannot be made").because(&error))?;
        if let (Some(_), Some(base)) = (&token, in_the_clear.filter(|base| !is_here(base))) {
            tracing::warn!("the token is sent to {base} in the clear: switch TLS on there, and write https://");
        }
        Ok(Self { bases, present: Arc::default(), token, http, door: None })
    }

    /// Submits a job.
    pub(crate) async fn submit(&self, job: &ShoalJob, options: SubmitOptions) -> Result<JobStatus, Failure> {
        let SubmitOptions { rerun, fresh } = options;
        let query = format!("rerun={rerun}&fresh={fresh}");
        let body = Some(json(job)?);
        self.send(Call { method: Method::POST, query: Some(&query), body, ..Call::get(&["jobs"]) }).await
    }

    /// The latest submission of every job, oldest first.
    pub(crate) async fn list(&self) -> Result<Vec<JobStatus>, Failure> {
        Ok(self.send::<JobList>(Call::get(&["jobs"])).await?.jobs)
    }

    /// The latest submission of a job.
    pub(crate) async fn show(&self, name: &str) -> Result<JobStatus, Failure> {
        self.send(Call::get(&["jobs", name])).await
    }

    /// Cancels a job.
    pub(crate) async fn cancel(&self, name: &str) -> Result<JobStatus, Failure> {
        self.send(Call { method: Method::POST, ..Call::get(&["jobs", name, "cancel"]) }).await
    }

    /// Changes what may be changed of a job.
    pub(crate) async fn change(&self, name: &str, change: JobChange) -> Result<JobStatus, Failure> {
        self.send(Call { method: Method::PATCH, body: Some(json(&change)?), ..Call::get(&["jobs", name]) }).await
    }

    /// The spec of a job as it was submitted.
    pub(crate) async fn spec(&self, name: &str) -> Result<ShoalJob, Failure> {
        self.send(Call::get(&["jobs", name, "spec"])).await
    }

    /// The attempts of a job.
    pub(crate) async fn attempts(&self, name: &str) -> Result<JobAttempts, Failure> {
        self.send(Call::get(&["jobs", name, "attempts"])).await
    }

    /// The log of a job behind a line, all of it or what is about a stage or task.
    pub(crate) async fn logs(&self, name: &str, task: Option<&str>, after: u64) -> Result<JobLog, Failure> {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("after", &after.to_string()).extend_pairs(task.map(|task| ("task", task)));
        let query = query.finish();
        self.send(Call { query: Some(&query), ..Call::get(&["jobs", name, "logs"]) }).await
    }

    /// Lets a worker leave in order within so many seconds.
    pub(crate) async fn drain_worker(&self, name: &str, within_seconds: u64) -> Result<WorkerStatus, Failure> {
        let query = format!("withinSeconds={within_seconds}");
        let path = ["workers", name, "drain"];
        self.send(Call { method: Method::POST, query: Some(&query), ..Call::get(&path) }).await
    }

    /// How many heads there are.
    pub(crate) fn heads(&self) -> usize {
        self.bases.len()
    }

    /// Where workers of one of the heads connect, as `http://HOST:PORT`, or as `https` where the head is asked like that;
    /// whether it leads or not.
    pub(crate) async fn workers_url(&self, head: usize) -> Result<String, Failure> {
        let base = self.bases.get(head).unwrap_or(&self.bases[0]);
        let door: WorkersDoor = self.ask(base, &Call::get(&["cluster"])).await?;
        let mut url = base.clone();
        // An http URL always takes a port.
        let _ = url.set_port(Some(door.workers_port));
        Ok(url.as_str().trim_end_matches('/').to_owned())
    }

    /// Whether the hosts of all heads are by their names this machine.
    pub(crate) fn is_on_this_machine(&self) -> bool {
        self.bases.iter().all(is_here)
    }

    /// Asks the head that answered last, then the others, until one that leads has answered.
    async fn send<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, Failure> {
        let mut search = Search::new(false);
        loop {
            match self.ask(self.present(), &call).await {
                Err(failure) => self.look_on(&mut search, failure).await?,
                answer => return answer,
            }
        }
    }

    /// The head that answered last.
    fn present(&self) -> &Url {
        &self.bases[self.present.load(Ordering::Relaxed) % self.bases.len()]
    }

    /// Turns to the next head after one has said that; waits where all have been asked.
    ///
    /// # Errors
    /// The failure, where no other head would say anything else, or all were asked for long enough.
    async fn look_on(&self, search: &mut Search, failure: Failure) -> Result<(), Failure> {
        if search.waits_its_turn && failure.reason == Reason::Busy && search.since.elapsed() < BLOB_TIME_MAX {
            tokio::time::sleep(LEADER_PAUSE).await;
            return Ok(());
        }
        if !self.is_elsewhere(&failure) {
            return Err(failure);
        }
        self.present.fetch_add(1, Ordering::Relaxed);
        search.asked += 1;
        if search.asked < self.bases.len() {
            return Ok(());
        }
        search.asked = 0;
        if search.since.elapsed() >= LEADER_WAIT_MAX {
            return Err(failure);
        }
        if !std::mem::replace(&mut search.has_said, true) {
            Terminal::new().line("waiting for a head that leads");
        }
        tokio::time::sleep(LEADER_PAUSE).await;
        Ok(())
    }

    /// Whether another head, or the same one in a moment, may answer instead. A single head that nobody started is not
    /// waited for.
    fn is_elsewhere(&self, failure: &Failure) -> bool {
        match failure.reason {
            Reason::NotLeading => true,
            Reason::HeadUnreachable => self.bases.len() > 1,
            _ => false,
        }
    }

    async fn ask<T: DeserializeOwned>(&self, base: &Url, call: &Call<'_>) -> Result<T, Failure> {
        let body = self.answered(base, call).await?.bytes().await.map_err(|error| self.unreachable(base, &error))?;
        serde_json::from_slice(&body).map_err(|error| stranger(base, &error))
    }

    /// An answer that is no refusal.
    async fn answered(&self, base: &Url, call: &Call<'_>) -> Result<Response, Failure> {
        let mut request = self.request(base, call).await?;
        if let Some(body) = &call.body {
            request = request.header("content-type", "application/json").body(body.clone());
        }
        let response = request.send().await.map_err(|error| self.unreachable(base, &error))?;
        if !response.status().is_success() {
            return Err(self.refusal(base, response).await?);
        }
        Ok(response)
    }

    /// A request without its body, with the token.
    async fn request(&self, base: &Url, call: &Call<'_>) -> Result<RequestBuilder, Failure> {
        let mut request = self.http.request(call.method.clone(), call.url(base));
        let of_door = match &self.door {
            Some(door) => Some(door.token().await?),
            None => None,
        };
        if let Some(token) = of_door.as_ref().or(self.token.as_ref()) {
            request = request.header("authorization", token.header());
        }
        Ok(request)
    }

    /// What a head says that did not do what it was asked.
    async fn refusal(&self, base: &Url, response: Response) -> Result<Failure, Failure> {
        let body = response.bytes().await.map_err(|error| self.unreachable(base, &error))?;
        Ok(serde_json::from_slice::<Failure>(&body).unwrap_or_else(|error| stranger(base, &error)))
    }

    /// Why there is no answer. Whatever leads to a pod knows more of that than a connection which was cut off.
    fn unreachable(&self, base: &Url, error: &reqwest::Error) -> Failure {
        match &self.door {
            Some(door) => door.trouble().because(error),
            None => unreachable(base, error),
        }
    }
}

impl<'a> Call<'a> {
    fn get(path: &'a [&'a str]) -> Self {
        Self { method: Method::GET, path, query: None, body: None }
    }

    fn url(&self, base: &Url) -> Url {
        let mut url = base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            // Each is escaped, so that a name with a slash stays one segment.
            segments.pop_if_empty().extend(["api", "v1"]).extend(self.path);
        }
        url.set_query(self.query);
        url
    }
}

fn json<T: Serialize>(body: &T) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(body).map_err(|error| Failure::internal("a request cannot be written as JSON").because(&error))
}

fn is_here(base: &Url) -> bool {
    match base.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        None => false,
    }
}

fn unreachable(base: &Url, error: &reqwest::Error) -> Failure {
    refusal(base.as_str(), Reason::HeadUnreachable, error).unwrap_or_else(|| {
        // One with TLS ends connections that are without, and cannot say why.
        let other = if base.scheme() == "http" { "; one with TLS takes https:// only" } else { "" };
        Failure::new(Reason::HeadUnreachable, format!("no head answers at {base}"))
            .because(error)
            .next(format!("start one with `shoal head`, or name the one that runs with `--head URL`{other}"))
    })
}

fn stranger(base: &Url, error: &serde_json::Error) -> Failure {
    Failure::new(Reason::HeadUnreachable, format!("what answers at {base} does not speak as a head does"))
        .because(error)
        .next("check the URL; where it is a head, run the same version of shoal on both sides")
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn names_stay_one_segment_and_a_trailing_slash_changes_nothing() {
        for base in ["http://h:1", "http://h:1/"] {
            let client = Client::new(&[base], None, None).unwrap();
            let url = Call::get(&["jobs", "a/../b", "cancel"]).url(&client.bases[0]);
            assert_eq!(url.as_str(), "http://h:1/api/v1/jobs/a%2F..%2Fb/cancel");
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
            assert_eq!(Client::new(&[url], None, None).unwrap().is_on_this_machine(), here, "{url}");
        }
    }

    #[test]
    fn only_http_urls_are_taken() {
        Client::new(&["https://h:1"], None, None).unwrap();
        for url in ["", "127.0.0.1:7370", "ftp://h"] {
            let failure = Client::new(&[url], None, None).err().unwrap();
            assert!(failure.reason == Reason::InvalidValue && failure.next.is_some(), "{url}");
        }
    }

    #[tokio::test]
    async fn a_host_that_nobody_knows_is_found_at_its_address() {
        let head = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = head.local_addr().unwrap();
        let url = format!("http://shared.team.invalid:{}", address.port());
        let host = ("shared.team.invalid".to_owned(), address);
        let client = Client::leading(&[url], None, None, Some(host)).unwrap();
        let (listed, asked) = tokio::join!(client.list(), async {
            let (mut connection, _) = head.accept().await.unwrap();
            let mut request = [0; 1024];
            let length = connection.read(&mut request).await.unwrap();
            connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{\"jobs\":[]}").await.unwrap();
            String::from_utf8_lossy(&request[..length]).to_lowercase()
        });
        assert_eq!(listed.unwrap().len(), 0);
        assert!(asked.contains("host: shared.team.invalid"), "{asked}");
    }

    #[tokio::test]
    async fn nobody_there_is_an_unreachable_head() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let client = Client::new(&[format!("http://127.0.0.1:{port}")], None, None).unwrap();
        let failure = client.list().await.unwrap_err();
        assert!(failure.reason == Reason::HeadUnreachable && !failure.causes.is_empty());
    }
}
