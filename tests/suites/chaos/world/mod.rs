//! All processes of a run, each on a machine of its own.

mod commands;
mod etcd;
mod member;
mod security;
mod store;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use shoal_testkit::eventually;
use shoal_tests::cluster::Token;
use shoal_tests::http;
use shoal_tests::process::Process;

pub(crate) use self::etcd::Etcd;
pub(crate) use self::member::Member;
use self::security::Security;
pub(crate) use self::store::{Mood, Store};
use crate::fault::DelayProxies;
use crate::network::{Network, Node, run};
use crate::scenario::{self, Journal, Kind, Scenario};

/// Workers of every run.
pub(crate) const WORKERS: usize = 3;

/// Port of a head's REST interface.
pub(crate) const REST_PORT: u16 = 7370;

/// Port of a head for workers.
pub(crate) const WORKERS_PORT: u16 = 7371;

/// How long a process may take to end when it is asked to: it waits for whom it speaks to, for seconds at the most.
const END_MAX: Duration = Duration::from_secs(20);

/// Room in a folder that a fault will fill, in MiB: more than any run needs.
const ROOM_MIB: u32 = 64;

/// A running cluster and what it needs.
pub(crate) struct World {
    pub(crate) scenario: &'static Scenario,
    folder: PathBuf,
    token: Token,
    security: Option<Security>,
    pub(crate) network: Network,
    pub(crate) heads: Vec<Member>,
    pub(crate) workers: Vec<Member>,
    pub(crate) store: Option<Store>,
    pub(crate) etcd: Option<Etcd>,
    pub(crate) delays: Option<DelayProxies>,
    mounted: Vec<PathBuf>,
}

impl World {
    /// Starts everything and waits until all workers have joined.
    pub(crate) fn start(scenario: &'static Scenario, folder: &Path, input: &Path) -> Self {
        std::fs::create_dir_all(folder.join("tmp")).unwrap();
        let network = Network::start();
        let token = Token::write(folder);
        let mut world = Self {
            scenario,
            folder: folder.to_owned(),
            token,
            security: scenario.tls.then(|| Security::new(folder)),
            network,
            heads: Vec::new(),
            workers: Vec::new(),
            store: None,
            etcd: None,
            delays: None,
            mounted: Vec::new(),
        };
        if scenario.store == scenario::Store::S3 {
            let node = world.network.add("s3", 41);
            world.store = Some(Store::start(node, folder, input));
        }
        if let Journal::Etcd(members) = scenario.journal {
            world.etcd = Some(Etcd::start(members, &mut world.network, folder));
        }
        for index in 0..scenario.heads {
            let node = world.network.add(&format!("head{index}"), 11 + index as u8);
            let command = world.head_command(&node);
            if scenario.has(Kind::StateFull) {
                world.mount_small(&world.state(&node));
            }
            world.heads.push(Member::start(&format!("head {index}"), node, command));
        }
        if world.is_delayed() {
            world.delays = Some(DelayProxies::start(world.heads[0].node.address));
        }
        for index in 0..WORKERS {
            let node = world.network.add(&format!("worker{index}"), 21 + index as u8);
            let command = world.worker_command(&node);
            if scenario.has(Kind::ScratchFull) {
                world.mount_small(&world.scratch(&node));
            }
            world.workers.push(Member::start(&format!("worker {index}"), node, command));
        }
        world.wait_for_workers();
        world
    }

    fn mount_small(&mut self, folder: &Path) {
        std::fs::create_dir_all(folder).unwrap();
        run("mount", &["-t", "tmpfs", "-o", &format!("size={ROOM_MIB}m"), "none", folder.to_str().unwrap()]);
        self.mounted.push(folder.to_owned());
    }

    /// Waits until the head that leads has all workers.
    pub(crate) fn wait_for_workers(&self) {
        eventually("all workers have joined", || {
            // A head that does not lead answers too, and has none.
            let has_all = self.rest_urls().iter().any(|url| {
                let cluster = http::get_trusting(&format!("{url}/api/v1/cluster"), Some(&self.token.text), self.ca());
                let cluster = cluster.filter(|answer| answer.status == 200).map(|answer| answer.json());
                cluster.is_some_and(|cluster| cluster["workers"].as_array().is_some_and(|all| all.len() == WORKERS))
            });
            has_all.then_some(())
        });
    }

    /// Where heads answer.
    pub(crate) fn rest_urls(&self) -> Vec<String> {
        self.heads.iter().map(|head| self.url(head.node.address)).collect()
    }

    fn url(&self, address: Ipv4Addr) -> String {
        let scheme = if self.security.is_some() { "https" } else { "http" };
        format!("{scheme}://{address}:{REST_PORT}")
    }

    /// The authority that clients trust, where there is TLS.
    pub(crate) fn ca(&self) -> Option<&Path> {
        self.security.as_ref().map(Security::ca)
    }

    /// The cluster's token.
    pub(crate) fn token(&self) -> &str {
        &self.token.text
    }

    /// Folder that all runs of a process share.
    pub(crate) fn shared(&self) -> &Path {
        self.folder.parent().expect("the folder of a run lies in that of all")
    }

    /// Folder of the run.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a head keeps its journal.
    pub(crate) fn state(&self, head: &Node) -> PathBuf {
        self.folder.join(format!("state-{}", head.name))
    }

    /// Where a worker keeps what does not fit into its memory.
    pub(crate) fn scratch(&self, worker: &Node) -> PathBuf {
        self.folder.join(format!("scratch-{}", worker.name))
    }

    /// Where the table of models will be, as the job names it.
    pub(crate) fn output(&self) -> String {
        match &self.store {
            None => self.folder.join("models").display().to_string(),
            Some(store) => store.url("models"),
        }
    }

    /// The folder that holds the files of that table.
    pub(crate) fn output_folder(&self) -> PathBuf {
        match &self.store {
            None => self.folder.join("models"),
            Some(store) => store.folder("models"),
        }
    }

    /// What the job reads.
    pub(crate) fn input(&self, local: &Path) -> String {
        match &self.store {
            None => local.display().to_string(),
            Some(store) => store.url(Store::INPUT),
        }
    }

    /// Submits a job and waits for its end, as a user would.
    pub(crate) fn submit_and_wait(&self, job: &Value) -> Process {
        let file = shoal_tests::job::write(&self.folder.join("job.yaml"), job);
        Process::start(&mut self.client_command(&["submit", file.to_str().unwrap(), "--wait"]))
    }

    /// Ends all processes of the cluster as an orchestrator does, and says what was wrong with how they ended.
    pub(crate) fn end_cluster(&mut self) -> Vec<String> {
        let members = self.workers.iter_mut().chain(&mut self.heads);
        members.filter_map(|member| member.end_within(END_MAX)).collect()
    }

    /// Ends what else there is, and says what it left behind.
    pub(crate) fn end(self) -> Vec<String> {
        let Self { network, store, etcd, delays, mounted, heads, workers, .. } = self;
        drop((heads, workers));
        drop((store, etcd, delays));
        for folder in mounted {
            run("umount", &[folder.to_str().unwrap()]);
        }
        network.end().into_iter().map(|namespace| format!("the network namespace {namespace} is left")).collect()
    }

    /// What all processes have written, the end of it.
    pub(crate) fn logs(&self) -> String {
        let etcd = self.etcd.iter().flat_map(|etcd| &etcd.members);
        let gateway = self.store.iter().map(|store| &store.gateway);
        let members = etcd.chain(gateway).chain(&self.heads).chain(&self.workers);
        members.map(|member| format!("--- {}\n{}\n", member.name, member.log())).collect()
    }
}
