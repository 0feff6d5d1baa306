//! A cluster put together by hand: `shoal head` and `shoal worker --head URL`.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::http::{self, Answer};
use crate::process::{Finished, Process};
use crate::shoal;
use shoal_testkit::eventually;

/// A running head.
#[derive(Debug)]
pub struct Head {
    process: Process,
    url: String,
    token: Option<Token>,
    ca: Option<PathBuf>,
}

/// A token and the file that it is in.
#[derive(Clone, Debug)]
pub struct Token {
    /// What is in the file.
    pub text: String,
    /// The file.
    pub file: PathBuf,
}

impl Token {
    /// Writes a token into a folder.
    pub fn write(folder: &Path) -> Self {
        let token = Self { text: "0123456789abcdef-tests".to_owned(), file: folder.join("token") };
        std::fs::write(&token.file, &token.text).unwrap();
        token
    }
}

/// Files that switch TLS on for a process.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// Its certificate.
    pub cert: PathBuf,
    /// The key of that.
    pub key: PathBuf,
    /// The authority of the cluster.
    pub ca: PathBuf,
}

impl TlsFiles {
    /// As a command takes them.
    ///
    /// # Panics
    /// Where a path is no text.
    pub fn arguments(&self) -> Vec<&str> {
        let named = [("--tls-cert", &self.cert), ("--tls-key", &self.key), ("--tls-ca", &self.ca)];
        named.into_iter().flat_map(|(name, file)| [name, file.to_str().unwrap()]).collect()
    }
}

impl Head {
    /// Starts a head on free ports and waits until it answers.
    pub fn start(state_dir: &Path, more: &[&Path]) -> Self {
        Self::start_command(&mut head_command(state_dir, more))
    }

    /// As [`Head::start`], from its command.
    pub fn start_command(command: &mut Command) -> Self {
        Self::start_trusted(command, None)
    }

    fn start_trusted(command: &mut Command, ca: Option<&Path>) -> Self {
        let mut process = Process::start(command);
        let url = process.wait_for_output("the head says where it listens", |text| urls_in(text).next());
        let head = Self { process, url, token: None, ca: ca.map(Path::to_owned) };
        eventually("the head is ready", || {
            http::get_trusting(&format!("{}/readyz", head.url), None, ca).filter(|it| it.status == 200)
        });
        head
    }

    /// Starts a head on free ports that keeps its state in etcd, and waits until it answers, whether it leads or not.
    pub fn start_on_etcd(endpoints: &[String]) -> Self {
        let mut command = shoal::command(["head", "--listen", "127.0.0.1:0", "--workers-listen", "127.0.0.1:0"]);
        command.args(["--etcd", &endpoints.join(",")]);
        let mut process = Process::start(&mut command);
        let url = process.wait_for_output("the head says where it listens", |text| urls_in(text).next());
        Self { process, url, token: None, ca: None }
    }

    /// Whether it takes requests: it runs, answers, and leads.
    pub fn is_ready(&self) -> bool {
        http::get(&format!("{}/readyz", self.url), None).is_some_and(|answer| answer.status == 200)
    }

    /// The same head, which takes requests with a token only.
    pub fn start_with_token(state_dir: &Path, token: &Token) -> Self {
        let mut head = Self::start(state_dir, &["--token-file".as_ref(), &token.file]);
        head.token = Some(token.clone());
        head
    }

    /// As [`Head::start_with_token`], with TLS on every port.
    pub fn start_with_tls(state_dir: &Path, token: &Token, tls: &TlsFiles) -> Self {
        let mut more: Vec<&Path> = vec!["--token-file".as_ref(), &token.file];
        let tls_arguments = tls.arguments();
        more.extend(tls_arguments.iter().map(Path::new));
        let mut head = Self::start_trusted(&mut head_command(state_dir, &more), Some(&tls.ca));
        head.token = Some(token.clone());
        head
    }

    /// Where its REST interface is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// What it has written so far.
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// Asks it, with the token where there is one.
    ///
    /// # Panics
    /// Where it does not answer.
    pub fn get(&self, path: &str) -> Answer {
        let token = self.token.as_ref().map(|token| token.text.as_str());
        http::get_trusting(&format!("{}{path}", self.url), token, self.ca.as_deref())
            .unwrap_or_else(|| panic!("no answer to {path}:\n{}", self.process.output()))
    }

    /// Its metrics.
    pub fn metrics(&self) -> String {
        self.get("/metrics").body
    }

    /// A job, as REST shows it.
    pub fn job(&self, name: &str) -> Value {
        self.get(&format!("/api/v1/jobs/{name}")).json()
    }

    /// All jobs.
    pub fn jobs(&self) -> Vec<Value> {
        self.get("/api/v1/jobs").json()["jobs"].as_array().unwrap().clone()
    }

    /// Its workers.
    pub fn workers(&self) -> Vec<Value> {
        self.get("/api/v1/cluster").json()["workers"].as_array().unwrap().clone()
    }

    /// Waits until so many workers have joined.
    pub fn wait_for_workers(&self, number: usize) {
        eventually(&format!("{number} workers have joined"), || (self.workers().len() == number).then_some(()));
    }

    /// Runs `shoal job ...` against it, with JSON as its output.
    pub fn ask(&self, arguments: &[&str]) -> Finished {
        let mut command = shoal::command(["job"]);
        command.args(arguments).args(["--head", &self.url, "--output", "json"]);
        if let Some(token) = &self.token {
            command.arg("--token-file").arg(&token.file);
        }
        if let Some(ca) = &self.ca {
            command.arg("--tls-ca").arg(ca);
        }
        Process::start(&mut command).finish()
    }

    /// Runs `shoal cluster ...` against it, with JSON as its output.
    pub fn cluster(&self, arguments: &[&str]) -> Finished {
        let mut command = shoal::command(["cluster"]);
        Process::start(command.args(arguments).args(["--head", &self.url, "--output", "json"])).finish()
    }

    /// Submits a job file.
    pub fn submit(&self, file: &Path, more: &[&str]) -> Finished {
        self.ask(&[&["submit", file.to_str().unwrap()], more].concat())
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.process.kill();
    }
}

/// The command of a head on free ports.
pub fn head_command(state_dir: &Path, more: &[&Path]) -> Command {
    let mut command = shoal::command(["head", "--listen", "127.0.0.1:0", "--workers-listen", "127.0.0.1:0"]);
    command.arg("--state-dir").arg(state_dir).args(more);
    command
}

/// A running worker.
#[derive(Debug)]
pub struct Worker {
    process: Process,
    name: String,
    url: String,
    flight_url: String,
    token: Option<Token>,
    ca: Option<PathBuf>,
}

impl Worker {
    /// Starts a worker with so many slots and a scratch folder, and waits until the head has it.
    pub fn start(head: &Head, name: &str, slots: u32, scratch: &Path, more: &[&str]) -> Self {
        let slots = slots.to_string();
        let mut command = shoal::command(["worker", "--head", &head.url, "--name", name, "--slots", &slots]);
        command.arg("--scratch").arg(scratch).args(more);
        if let Some(token) = &head.token {
            command.arg("--token-file").arg(&token.file);
        }
        Self::start_command(head, name, &mut command)
    }

    /// As [`Worker::start`], with more in its environment.
    pub fn start_in(
        head: &Head,
        name: &str,
        slots: u32,
        scratch: &Path,
        environment: Vec<(&'static str, String)>,
    ) -> Self {
        let slots = slots.to_string();
        let mut command = shoal::command(["worker", "--head", &head.url, "--name", name, "--slots", &slots]);
        Self::start_command(head, name, command.arg("--scratch").arg(scratch).envs(environment))
    }

    /// As [`Worker::start`], with a scratch folder that no other process can look into: a file system of its own, which
    /// only this worker has mounted. Where this user may not mount, it is a folder that only this user can read.
    pub fn start_private(head: &Head, name: &str, slots: u32, scratch: &Path, more: &[&str]) -> Self {
        std::fs::create_dir(scratch).unwrap();
        std::fs::set_permissions(scratch, std::fs::Permissions::from_mode(0o700)).unwrap();
        if !may_mount() {
            return Self::start(head, name, slots, scratch, more);
        }
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", "mount -t tmpfs none \"$0\" && exec \"$@\""]).arg(scratch);
        command.arg(shoal::binary()).args(["worker", "--head", &head.url, "--name", name]);
        command.args(["--slots", &slots.to_string(), "--scratch"]).arg(scratch).args(more);
        let worker = Self::start_command(head, name, &mut command);
        assert_eq!(std::fs::read_dir(scratch).unwrap().count(), 0, "this process sees the worker's scratch folder");
        worker
    }

    /// As [`Worker::start`], with a disk of its own for scratch that holds so many bytes.
    ///
    /// # Panics
    /// Where this user may not mount file systems: run the tests as root, or where user namespaces are allowed.
    pub fn start_on_small_disk(
        head: &Head,
        name: &str,
        slots: u32,
        scratch: &Path,
        bytes: usize,
        more: &[&str],
    ) -> Self {
        assert!(may_mount(), "a small disk takes the right to mount: `unshare --mount` must work for this user");
        std::fs::create_dir(scratch).unwrap();
        let mut command = Command::new("unshare");
        let mount = format!("mount -t tmpfs -o size={bytes} none \"$0\" && exec \"$@\"");
        command.args(["--mount", "sh", "-c", &mount]).arg(scratch);
        command.arg(shoal::binary()).args(["worker", "--head", &head.url, "--name", name]);
        command.args(["--slots", &slots.to_string(), "--scratch"]).arg(scratch).args(more);
        Self::start_command(head, name, &mut command)
    }

    /// Lets its process be waited for.
    pub fn into_process(self) -> Process {
        self.process
    }

    fn start_command(head: &Head, name: &str, command: &mut Command) -> Self {
        let mut process = Process::start(command);
        let flight_url = eventually(&format!("worker {name} joins"), || {
            assert!(process.is_running(), "worker {name} ended:\n{}", process.output());
            let workers = head.workers();
            let found = workers.iter().find(|worker| worker["name"] == name)?;
            Some(found["flightUrl"].as_str().unwrap().to_owned())
        });
        let url = process.wait_for_output("the worker says where its metrics are", |text| {
            urls_in(text).find(|url| *url != flight_url)
        });
        Self { process, name: name.to_owned(), url, flight_url, token: head.token.clone(), ca: head.ca.clone() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its probes are.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where its Flight server is.
    pub fn flight_url(&self) -> &str {
        &self.flight_url
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The id of its process.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Its metrics.
    ///
    /// # Panics
    /// Where it does not answer.
    pub fn metrics(&self) -> String {
        let token = self.token.as_ref().map(|token| token.text.as_str());
        let answer = http::get_trusting(&format!("{}/metrics", self.url), token, self.ca.as_deref());
        answer.unwrap_or_else(|| panic!("no metrics of {}:\n{}", self.name, self.process.output())).body
    }

    /// How many attempts of a stage it has finished well.
    pub fn succeeded(&self, stage: &str) -> usize {
        let stage = format!("stage=\"{stage}\"");
        http::metric(&self.metrics(), "shoal_worker_tasks_finished_total", &[&stage, "state=\"succeeded\""]) as usize
    }

    /// How many attempts of a stage it runs.
    pub fn running(&self, stage: &str) -> usize {
        http::metric(&self.metrics(), "shoal_worker_tasks_running", &[&format!("stage=\"{stage}\"")]) as usize
    }
}

/// Whether this user may give a process file systems of its own.
fn may_mount() -> bool {
    let mount = ["--mount", "sh", "-c", "mount -t tmpfs none /mnt"];
    Command::new("unshare").args(mount).output().is_ok_and(|tried| tried.status.success())
}

/// The URLs of this machine in a text, in their order.
fn urls_in(text: &str) -> impl Iterator<Item = String> {
    const HOST: &str = "://127.0.0.1:";
    text.match_indices(HOST).filter_map(move |(at, _)| {
        let scheme = if text[..at].ends_with("https") { "https" } else { "http" };
        let after = &text[at + HOST.len()..];
        // A port at the end of what was read may be cut.
        let end = after.find(|c: char| !c.is_ascii_digit())?;
        (end > 0).then(|| format!("{scheme}{HOST}{}", &after[..end]))
    })
}
