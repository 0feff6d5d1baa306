//! S3 of a run: a gateway on its own machine, and a proxy in front of it that can fail.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shoal_testkit::eventually;
use shoal_tests::fault_proxy::{Fault, FaultProxy, Gate, Request};
use shoal_tests::object_stores::s3::{self, S3};

use super::Member;
use crate::network::{HUB, Node};

/// Port of the gateway.
const GATEWAY_PORT: u16 = 7070;

/// Port of the proxy, on the test's own machine.
const PROXY_PORT: u16 = 7071;

/// How S3 behaves at the moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mood {
    /// So many of a hundred requests are answered by 503.
    pub(crate) refused_percent: u64,
    /// Each request waits for so long.
    pub(crate) delay: Option<Duration>,
    /// So many commits will be made and answered by 503.
    pub(crate) commit_answers_lost: u32,
    /// Commits wait here.
    pub(crate) commit_gate: Option<Gate>,
}

/// A running S3.
pub(crate) struct Store {
    pub(crate) gateway: Member,
    server: S3,
    proxy: FaultProxy,
    mood: Arc<Mutex<Mood>>,
}

impl Store {
    /// Prefix of the table that jobs read.
    pub(crate) const INPUT: &'static str = "input";

    pub(super) fn start(node: Node, folder: &Path, input: &Path) -> Self {
        let address = format!("{}:{GATEWAY_PORT}", node.address);
        let objects = folder.join("s3");
        let command = node.command(&s3::server_command(&objects, &address));
        let gateway = Member::start("s3", node, command);
        eventually("the gateway listens", || std::net::TcpStream::connect(&address).ok());
        let server = S3::over(&objects, &address);
        server.put_folder(Self::INPUT, input);
        let mood = Arc::new(Mutex::new(Mood::default()));
        let decides = Arc::clone(&mood);
        let decide = move |request: &Request| decides.lock().unwrap_or_else(PoisonError::into_inner).decide(request);
        let proxy = FaultProxy::start_at(&format!("{HUB}:{PROXY_PORT}"), &address, decide);
        Self { gateway, server, proxy, mood }
    }

    /// Variables that lead to the proxy.
    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        s3::environment(self.proxy.address())
    }

    pub(super) fn url(&self, key: &str) -> String {
        self.server.url(key)
    }

    /// Where the gateway keeps the objects of a prefix.
    pub(super) fn folder(&self, prefix: &str) -> PathBuf {
        self.server.folder(prefix)
    }

    /// Uploads in parts that nobody ended.
    pub(crate) fn unfinished_uploads(&self) -> Vec<PathBuf> {
        self.server.unfinished_uploads()
    }

    /// Changes how it behaves.
    pub(crate) fn feel(&self, change: impl FnOnce(&mut Mood)) {
        change(&mut self.mood.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Mood {
    fn decide(&mut self, request: &Request) -> Fault {
        if request.method == "PUT" && request.target.contains("/_delta_log/") {
            if let Some(gate) = &self.commit_gate {
                return Fault::Held(gate.clone());
            }
            if self.commit_answers_lost > 0 {
                self.commit_answers_lost -= 1;
                return Fault::AnswerLost;
            }
        }
        // Spread over the requests, and the same in every run: 37 has no factor in common with 100.
        if request.number * 37 % 100 < self.refused_percent {
            return Fault::Refused;
        }
        self.delay.map_or(Fault::None, Fault::Delayed)
    }
}
