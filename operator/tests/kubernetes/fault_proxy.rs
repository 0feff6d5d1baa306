//! A proxy in front of the API server that does to requests what happens to them on bad days.
//!
//! One request per connection, and plain HTTP: `kubectl proxy` behind it does the rest.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::api::server;

/// Heads of requests are smaller than this.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// A request, as far as tests look at it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    path: String,
    query: String,
}

impl Request {
    fn read(head: &str) -> Self {
        let mut words = head.split_whitespace();
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self { method: method.to_owned(), path: path.to_owned(), query: query.to_owned() }
    }

    /// What it does to what, as `POST pods` or `PATCH shoaljobs/status`.
    pub(crate) fn kind(&self) -> String {
        let mut parts = self.path.split('/').skip_while(|part| *part != "namespaces").skip(2);
        let plural = parts.next().unwrap_or_default();
        let below = parts.nth(1).map(|part| format!("/{part}")).unwrap_or_default();
        format!("{} {plural}{below}", self.method)
    }

    pub(crate) fn is_write(&self) -> bool {
        self.method != "GET"
    }

    pub(crate) fn is_watch(&self) -> bool {
        self.query.contains("watch=true")
    }
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub(crate) enum Fate {
    /// It is answered.
    Passes,
    /// It is answered with that status, and nothing is done.
    Refused(u16),
    /// The connection is cut, and nothing is done.
    Unheard,
    /// It is done, and the connection is cut before the answer.
    AnswerLost,
    /// It waits until that is true, and is done then.
    Held(watch::Receiver<bool>),
    /// Whoever sent it ends at this moment, before it is done: nothing else of it is heard.
    SenderDiesBefore,
    /// The same just after.
    SenderDiesAfter,
}

type Judge = Box<dyn FnMut(&Request) -> Fate + Send>;

/// The proxy; it ends with the value.
pub(crate) struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    _runtime: tokio::runtime::Runtime,
    gate: Child,
}

struct Shared {
    upstream: SocketAddr,
    judge: Mutex<Judge>,
    seen: Mutex<Vec<Request>>,
    /// Nobody is heard, and whoever was connected is cut off.
    silent: watch::Sender<bool>,
    died: AtomicBool,
}

impl FaultProxy {
    pub(crate) fn start(judge: impl FnMut(&Request) -> Fate + Send + 'static) -> Self {
        let mut kubectl = Command::new(shoal_testkit::program("kubectl"));
        kubectl.env("KUBECONFIG", server().kubeconfig()).args(["proxy", "--port=0"]);
        let mut gate = kubectl.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(gate.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let upstream = line.trim().rsplit(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("no address: {line}"));

        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            upstream,
            judge: Mutex::new(Box::new(judge)),
            seen: Mutex::default(),
            silent: watch::channel(false).0,
            died: AtomicBool::new(false),
        });
        let serving = shared.clone();
        runtime.spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let shared = serving.clone();
                tokio::spawn(async move {
                    let mut silent = shared.silent.subscribe();
                    tokio::select! {
                        // Its end is the client's.
                        _ = serve(connection, &shared) => {}
                        _ = silent.wait_for(|silent| *silent) => {}
                    }
                });
            }
        });
        Self { address, shared, _runtime: runtime, gate }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far, in order.
    pub(crate) fn seen(&self) -> Vec<Request> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Whether a sender has met its end since [`FaultProxy::speak`].
    pub(crate) fn sender_died(&self) -> bool {
        self.shared.died.load(Ordering::SeqCst)
    }

    /// Cuts all connections, and lets nobody be heard.
    pub(crate) fn fall_silent(&self) {
        self.shared.silent.send_replace(true);
    }

    /// Hears again.
    pub(crate) fn speak(&self) {
        self.shared.died.store(false, Ordering::SeqCst);
        self.shared.silent.send_replace(false);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        let _ = self.gate.kill();
        let _ = self.gate.wait();
    }
}

async fn serve(mut client: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let Some((request, bytes)) = read_request(&mut client).await? else { return Ok(()) };
    let fate = (shared.judge.lock().unwrap())(&request);
    shared.seen.lock().unwrap().push(request);
    let mut kept = Vec::new();
    match fate {
        Fate::Passes => pass(&bytes, shared, &mut client).await,
        Fate::Refused(status) => client.write_all(&refusal(status)).await,
        Fate::Unheard => Ok(()),
        Fate::AnswerLost => pass(&bytes, shared, &mut kept).await,
        Fate::Held(mut go) => {
            let _ = go.wait_for(|go| *go).await;
            pass(&bytes, shared, &mut client).await
        }
        Fate::SenderDiesBefore => {
            sender_dies(shared);
            Ok(())
        }
        Fate::SenderDiesAfter => {
            let done = pass(&bytes, shared, &mut kept).await;
            sender_dies(shared);
            done
        }
    }
}

fn sender_dies(shared: &Shared) {
    shared.died.store(true, Ordering::SeqCst);
    shared.silent.send_replace(true);
}

/// The request, and all of its bytes; none where the client hung up.
async fn read_request(client: &mut TcpStream) -> std::io::Result<Option<(Request, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        assert!(bytes.len() < HEAD_BYTES_MAX, "a request without an end");
        if client.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let header = |name: &str| {
        let find = |line: &str| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        };
        head.lines().find_map(find)
    };
    assert!(header("transfer-encoding").is_none(), "bodies come with their length: {head}");
    let length: usize = header("content-length").map_or(0, |length| length.parse().unwrap());
    while bytes.len() < end + length {
        if client.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
    // The answer ends with the connection, so that nothing here needs to know where it ends.
    let line = head.find("\r\n").unwrap_or_default() + 2;
    bytes.splice(line..line, *b"Connection: close\r\n");
    Ok(Some((Request::read(&head), bytes)))
}

/// Sends a request on, and what comes back to `answer`.
async fn pass(request: &[u8], shared: &Shared, answer: &mut (impl AsyncWriteExt + Unpin)) -> std::io::Result<()> {
    let mut upstream = TcpStream::connect(shared.upstream).await?;
    upstream.write_all(request).await?;
    tokio::io::copy(&mut upstream, answer).await.map(|_| ())
}

fn refusal(status: u16) -> Vec<u8> {
    let reason = match status {
        409 => "Conflict",
        410 => "Expired",
        429 => "TooManyRequests",
        504 => "Timeout",
        _ => "InternalError",
    };
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status, "reason": reason,
        "message": "the proxy of this test refuses it",
    })
    .to_string();
    let length = body.len();
    format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\nRetry-After: 1\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}
