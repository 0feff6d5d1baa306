//! A proxy in front of an HTTP server that does not always do what it is asked.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Bytes that the head of a request may have.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// A request that came in.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which one it is, from 0.
    pub number: u64,
    /// `GET`, `PUT`, ...
    pub method: String,
    /// Path and query.
    pub target: String,
}

/// What happens to a request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Nothing: it goes through.
    None,
    /// It is answered by 503 and goes no further.
    Refused,
    /// It goes through, and its answer is replaced by 503.
    AnswerLost,
    /// It goes through after a while.
    Delayed(Duration),
    /// It goes through once the gate is opened.
    Held(Gate),
}

/// Holds requests up until it is opened.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<(u64, bool)>, Condvar)>);

impl Gate {
    /// How many requests have come to it.
    pub fn waiting(&self) -> u64 {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// Lets all through, from now on.
    pub fn open(&self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let mut state = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 += 1;
        while !state.1 {
            state = self.0.1.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gate({} waiting)", self.waiting())
    }
}

type Decide = dyn Fn(&Request) -> Fault + Send + Sync;

/// A running proxy. It ends when it is dropped.
pub struct FaultProxy {
    address: String,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    upstream: String,
    decide: Box<Decide>,
    requests: AtomicU64,
    faults: AtomicU64,
    is_over: AtomicBool,
}

impl FaultProxy {
    /// Starts one in front of a server at an address.
    pub fn start(upstream: &str, decide: impl Fn(&Request) -> Fault + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0", upstream, decide)
    }

    /// As [`FaultProxy::start`], listening on an address that is said.
    pub fn start_at(listen: &str, upstream: &str, decide: impl Fn(&Request) -> Fault + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(listen).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            decide: Box::new(decide),
            requests: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        let acceptor = std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                if accepting.is_over.load(Ordering::SeqCst) {
                    break;
                }
                let shared = Arc::clone(&accepting);
                // A connection that breaks is the client's to notice.
                std::thread::spawn(move || drop(shared.serve(connection)));
            }
        });
        Self { address, shared, acceptor: Some(acceptor) }
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Requests that did not just go through.
    pub fn faults(&self) -> u64 {
        self.shared.faults.load(Ordering::SeqCst)
    }

    /// Requests that came in.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // Wakes the acceptor up.
        let _ = TcpStream::connect(&self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

impl fmt::Debug for FaultProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultProxy({}, {} faults)", self.address, self.faults())
    }
}

impl Shared {
    /// One request per connection: whoever wants more connects again.
    fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        let (head, body_start) = read_head(&mut client)?;
        let mut words = head.split_whitespace().map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let number = self.requests.fetch_add(1, Ordering::SeqCst);
        let fault = (self.decide)(&Request { number, method, target });
        if !matches!(fault, Fault::None) {
            self.faults.fetch_add(1, Ordering::SeqCst);
        }
        let rest = content_length(&head).saturating_sub(body_start.len() as u64);
        match fault {
            Fault::Refused => {
                // Read to its end first, or the client is cut off while it writes.
                io::copy(&mut (&client).take(rest), &mut io::sink())?;
                return refuse(&mut client);
            }
            Fault::Delayed(time) => std::thread::park_timeout(time),
            Fault::Held(ref gate) => gate.pass(),
            Fault::None | Fault::AnswerLost => {}
        }
        let mut server = TcpStream::connect(&self.upstream)?;
        server.write_all(closing(&head).as_bytes())?;
        server.write_all(&body_start)?;
        io::copy(&mut (&client).take(rest), &mut server)?;
        let mut answer: Box<dyn Write> = match fault {
            Fault::AnswerLost => Box::new(io::sink()),
            _ => Box::new(&client),
        };
        io::copy(&mut server, &mut answer)?;
        drop(answer);
        if matches!(fault, Fault::AnswerLost) { refuse(&mut client) } else { client.shutdown(Shutdown::Both) }
    }
}

fn refuse(client: &mut TcpStream) -> io::Result<()> {
    const BODY: &str = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
    write!(
        client,
        "HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{BODY}",
        BODY.len()
    )?;
    client.shutdown(Shutdown::Write)
}

/// The head of a request with its last empty line, and what was read of its body.
fn read_head(client: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 8192];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let body = bytes.split_off(end + 4);
            return Ok((String::from_utf8_lossy(&bytes).into_owned(), body));
        }
        let read = client.read(&mut chunk)?;
        if read == 0 || bytes.len() > HEAD_BYTES_MAX {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&chunk[..read]);
    }
}

fn header<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (found, value) = line.split_once(':')?;
    found.eq_ignore_ascii_case(name).then_some(value.trim())
}

fn content_length(head: &str) -> u64 {
    head.lines().find_map(|line| header(line, "content-length")?.parse().ok()).unwrap_or_default()
}

/// The head, with the wish that the connection ends after the answer.
fn closing(head: &str) -> String {
    let lines = head.trim_end().lines().filter(|line| header(line, "connection").is_none());
    let lines: Vec<&str> = lines.chain(["Connection: close"]).collect();
    format!("{}\r\n\r\n", lines.join("\r\n"))
}
