//! Delay: TCP proxies between workers and their head, as the kernels that tests run on cannot do it (netem).

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Fault, Refusal};
use crate::network::HUB;
use crate::watch::Seen;
use crate::world::{REST_PORT, WORKERS_PORT, World};

/// Ports of a head, and of its proxies.
const PORTS: [u16; 2] = [REST_PORT, WORKERS_PORT];

/// Pieces on their way in one direction: a full pipe makes the sender wait, as a network does.
const PIECES_MAX: usize = 256;

/// Bytes of a piece.
const PIECE_BYTES: usize = 64 << 10;

/// Proxies in front of a head, for its two ports. They end when they are dropped.
pub(crate) struct DelayProxies {
    delay_ms: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    acceptors: Vec<JoinHandle<()>>,
}

impl DelayProxies {
    /// Starts them on the test's own machine.
    pub(crate) fn start(head: Ipv4Addr) -> Self {
        let (delay_ms, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let accept = |port| {
            let listener = TcpListener::bind((HUB, port)).unwrap();
            let (delay_ms, is_over) = (Arc::clone(&delay_ms), Arc::clone(&is_over));
            std::thread::spawn(move || {
                for client in listener.incoming().map_while(Result::ok) {
                    if is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    serve(client, (head, port).into(), &delay_ms);
                }
            })
        };
        let acceptors = PORTS.map(accept).into();
        Self { delay_ms, is_over, acceptors }
    }
}

impl Drop for DelayProxies {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        for (port, acceptor) in PORTS.into_iter().zip(self.acceptors.drain(..)) {
            // Wakes it up.
            let _ = TcpStream::connect((HUB, port));
            let _ = acceptor.join();
        }
    }
}

/// Carries both directions of a connection. A head that is not there is a connection that ends.
fn serve(client: TcpStream, head: SocketAddr, delay_ms: &Arc<AtomicU64>) {
    let Ok(server) = TcpStream::connect_timeout(&head, Duration::from_secs(1)) else { return };
    for (from, to) in [(&client, &server), (&server, &client)] {
        let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { return };
        let _ = to.set_nodelay(true);
        let (pieces, arriving) = sync_channel(PIECES_MAX);
        let delay_ms = Arc::clone(delay_ms);
        std::thread::spawn(move || read(from, &pieces, &delay_ms));
        std::thread::spawn(move || write(to, &arriving));
    }
}

fn read(mut from: TcpStream, pieces: &SyncSender<(Instant, Vec<u8>)>, delay_ms: &AtomicU64) {
    let mut buffer = vec![0; PIECE_BYTES];
    while let Ok(read) = from.read(&mut buffer) {
        let due = Instant::now() + Duration::from_millis(delay_ms.load(Ordering::SeqCst));
        // An empty piece is the end, which takes its time too.
        if pieces.send((due, buffer[..read].to_vec())).is_err() || read == 0 {
            return;
        }
    }
}

fn write(mut to: TcpStream, arriving: &Receiver<(Instant, Vec<u8>)>) {
    while let Ok((due, piece)) = arriving.recv() {
        while let Some(rest) = due.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero()) {
            std::thread::park_timeout(rest);
        }
        if piece.is_empty() || to.write_all(&piece).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// All that workers and head say to each other takes a while.
pub(super) struct Delay(Duration);

impl Delay {
    pub(super) fn new(delay: Duration) -> Self {
        Self(delay)
    }

    fn set(world: &World, delay: Duration) {
        let proxies = world.delays.as_ref().expect("the scenario has proxies");
        proxies.delay_ms.store(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

impl Fault for Delay {
    fn start(&mut self, world: &mut World, _: &Seen) -> Result<String, Refusal> {
        Self::set(world, self.0);
        Ok(format!("{} ms delay between head and workers", self.0.as_millis()))
    }

    fn stop(&mut self, world: &mut World) {
        Self::set(world, Duration::ZERO);
    }
}
