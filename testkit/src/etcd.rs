//! Real etcd: one member or several, on free ports of loopback, gone with the test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::ports::free_ports;
use crate::services::program;
use crate::wait::eventually;

/// How often a start is tried: another process may take a port between the look and the use.
const STARTS_MAX: usize = 5;

/// Certificates in files: members show `cert`, and trust whom `ca` has signed.
#[derive(Clone, Debug)]
pub struct EtcdSecurity {
    /// The authority.
    pub ca: PathBuf,
    /// Certificate, for 127.0.0.1 and for clients.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// A running etcd. Its members are killed when it is dropped.
#[derive(Debug)]
pub struct Etcd {
    folder: TempDir,
    members: Vec<Member>,
    options: Options,
    user: Option<String>,
}

/// What members are started with.
#[derive(Clone, Debug, Default)]
struct Options {
    security: Option<EtcdSecurity>,
    quota_bytes: Option<u64>,
}

#[derive(Debug)]
struct Member {
    client_port: u16,
    peer_port: u16,
    process: Option<Child>,
}

impl Etcd {
    /// Starts so many members and waits until they answer.
    ///
    /// # Panics
    /// Where they do not, with the end of their logs.
    pub fn start(members: usize) -> Self {
        Self::start_with(members, Options::default())
    }

    /// As [`Etcd::start`], over TLS: clients must show a certificate of the same authority.
    pub fn start_secure(security: EtcdSecurity) -> Self {
        Self::start_with(1, Options { security: Some(security), ..Options::default() })
    }

    /// As [`Etcd::start`], one member, which takes no more once its file is larger than that.
    pub fn start_small(quota_bytes: u64) -> Self {
        Self::start_with(1, Options { quota_bytes: Some(quota_bytes), ..Options::default() })
    }

    fn start_with(members: usize, options: Options) -> Self {
        for _ in 0..STARTS_MAX {
            let ports = free_ports(2 * members);
            let ports = ports.chunks(2);
            let members: Vec<Member> =
                ports.map(|pair| Member { client_port: pair[0], peer_port: pair[1], process: None }).collect();
            let folder = tempfile::tempdir().unwrap();
            let mut etcd = Self { folder, members, options: options.clone(), user: None };
            for index in 0..etcd.members.len() {
                etcd.spawn(index);
            }
            if etcd.wait_until_ready() {
                return etcd;
            }
        }
        panic!("etcd could not be started {STARTS_MAX} times");
    }

    /// One member that does not run yet: [`Etcd::restart`] starts it.
    pub fn planned() -> Self {
        let ports = free_ports(2);
        let members = vec![Member { client_port: ports[0], peer_port: ports[1], process: None }];
        Self { folder: tempfile::tempdir().unwrap(), members, options: Options::default(), user: None }
    }

    /// The URLs that clients connect to.
    pub fn endpoints(&self) -> Vec<String> {
        self.members.iter().map(|member| self.url(member.client_port)).collect()
    }

    fn url(&self, port: u16) -> String {
        let scheme = if self.options.security.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{port}")
    }

    /// Ends a member at once, without a chance to tidy up.
    pub fn kill(&mut self, index: usize) {
        if let Some(mut process) = self.members[index].process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Starts a member that does not run, with the data that it may have; does not wait for it.
    pub fn restart(&mut self, index: usize) {
        assert!(self.members[index].process.is_none(), "member {index} runs");
        self.spawn(index);
    }

    /// Takes the data of a member that was killed away: restarted, it begins anew.
    pub fn lose_data(&self, index: usize) {
        assert!(self.members[index].process.is_none(), "member {index} runs");
        std::fs::remove_dir_all(self.data(index)).unwrap();
    }

    /// Waits until every member that runs answers that it is well.
    ///
    /// # Panics
    /// Where one does not.
    pub fn wait(&mut self) {
        assert!(self.wait_until_ready(), "a member of etcd ended:\n{}", self.logs());
    }

    /// Which member leads.
    pub fn leader(&self) -> usize {
        eventually("a member of etcd leads", || {
            (0..self.members.len()).filter(|index| self.members[*index].process.is_some()).find(|index| {
                let endpoint = self.url(self.members[*index].client_port);
                // Id, version, size ... and whether it leads.
                let status = self.try_ctl(&endpoint, &["endpoint", "status", "--write-out", "fields"]);
                status.is_some_and(|status| {
                    let field = |name: &str| {
                        status.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
                    };
                    let (own, leader) = (field("\"MemberID\" :"), field("\"Leader\" :"));
                    own.is_some() && own == leader
                })
            })
        })
    }

    /// Runs etcdctl on all members.
    ///
    /// # Panics
    /// Where it fails.
    pub fn ctl(&self, arguments: &[&str]) -> String {
        let endpoints = self.endpoints().join(",");
        self.try_ctl(&endpoints, arguments).unwrap_or_else(|| panic!("etcdctl {arguments:?} failed:\n{}", self.logs()))
    }

    /// What an operator does with an etcd that is full: forgets old revisions, gives their space back, ends the alarm.
    pub fn make_room(&self) {
        let status = self.ctl(&["endpoint", "status", "--write-out", "fields"]);
        let revision = status.lines().find_map(|line| line.strip_prefix("\"Revision\" :")).unwrap().trim();
        self.ctl(&["compact", "--physical", revision]);
        self.ctl(&["defrag"]);
        self.ctl(&["alarm", "disarm"]);
    }

    /// Asks every client for a name and a password from now on: `root` and its password, which may do everything.
    pub fn enable_authentication(&mut self, password: &str) {
        self.ctl(&["user", "add", &format!("root:{password}")]);
        self.ctl(&["user", "grant-role", "root", "root"]);
        self.ctl(&["auth", "enable"]);
        self.user = Some(format!("root:{password}"));
    }

    fn try_ctl(&self, endpoints: &str, arguments: &[&str]) -> Option<String> {
        let mut command = Command::new(program("etcdctl"));
        command.args(["--endpoints", endpoints, "--command-timeout", "5s", "--dial-timeout", "2s"]);
        if let Some(security) = &self.options.security {
            command.arg("--cacert").arg(&security.ca).arg("--cert").arg(&security.cert).arg("--key").arg(&security.key);
        }
        if let Some(user) = &self.user {
            command.args(["--user", user]);
        }
        let done = command.args(arguments).stdin(Stdio::null()).output().unwrap();
        done.status.success().then(|| String::from_utf8(done.stdout).unwrap())
    }

    /// Whether all members that run answer; false where one has ended.
    fn wait_until_ready(&mut self) -> bool {
        eventually("etcd answers", || {
            for member in &mut self.members {
                if member.process.as_mut().is_some_and(|process| process.try_wait().unwrap().is_some()) {
                    return Some(false);
                }
            }
            let running = self.members.iter().filter(|member| member.process.is_some());
            let endpoints: Vec<String> = running.map(|member| self.url(member.client_port)).collect();
            self.try_ctl(&endpoints.join(","), &["endpoint", "health"]).map(|_| true)
        })
    }

    fn spawn(&mut self, index: usize) {
        let log = File::options().create(true).append(true).open(self.log(index)).unwrap();
        let peers: Vec<String> = (self.members.iter().enumerate())
            .map(|(index, member)| format!("member-{index}=http://127.0.0.1:{}", member.peer_port))
            .collect();
        let member = &self.members[index];
        let (client, peer) = (self.url(member.client_port), format!("http://127.0.0.1:{}", member.peer_port));
        let mut command = Command::new(program("etcd"));
        command.args(["--name", &format!("member-{index}"), "--log-level", "warn"]);
        command.arg("--data-dir").arg(self.data(index));
        command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
        command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        command.args(["--initial-cluster", &peers.join(","), "--initial-cluster-token", &peers[0]]);
        if let Some(security) = &self.options.security {
            command.arg("--client-cert-auth").arg("--trusted-ca-file").arg(&security.ca);
            command.arg("--cert-file").arg(&security.cert).arg("--key-file").arg(&security.key);
        }
        if let Some(bytes) = self.options.quota_bytes {
            command.args(["--quota-backend-bytes", &bytes.to_string()]);
            // What is written is counted at once, so that nothing is far beyond the quota before the first refusal.
            command.args(["--backend-batch-limit", "1"]);
        }
        let stdout = log.try_clone().unwrap();
        let process = command.stdin(Stdio::null()).stdout(stdout).stderr(log).spawn().unwrap();
        self.members[index].process = Some(process);
    }

    fn data(&self, index: usize) -> PathBuf {
        self.folder.path().join(format!("member-{index}"))
    }

    fn log(&self, index: usize) -> PathBuf {
        self.folder.path().join(format!("member-{index}.log"))
    }

    fn logs(&self) -> String {
        let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
        let logs: Vec<String> = (0..self.members.len()).map(|index| read(&self.log(index))).collect();
        let text = logs.join("\n");
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        for index in 0..self.members.len() {
            self.kill(index);
        }
    }
}
