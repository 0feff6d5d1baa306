//! What a worker is told when it is started, and what follows from it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use shoal_core::functions::Functions;
use shoal_core::runner::TaskRunner;
use shoal_core::{Failure, Reason, WorkerId};
use shoal_wire::listen::check_listen;
use shoal_wire::{Tls, Token, tls, transport};

use crate::heads::Heads;
use crate::limits::{HEADROOM_SHARE, PARTITION_MEMORY_SHARE, SLOTS_MAX};

/// Longest name: it becomes a folder's name and a label.
const NAME_CHARS_MAX: usize = 63;

/// What a worker is told when it is started.
#[derive(Clone)]
pub struct WorkerConfig {
    /// Its name, unique in the cluster: letters, digits, `.`, `_` and `-`.
    pub name: WorkerId,
    /// The heads of its cluster, of which one leads at a time.
    pub heads: Arc<dyn Heads>,
    /// How long it does without a head before it ends.
    pub head_gone_max: Duration,
    /// Address that the Flight server and the probes listen on.
    pub listen: IpAddr,
    /// Port of the Flight server; 0 for any that is free.
    pub flight_port: u16,
    /// Port of the probes and metrics; 0 for any that is free.
    pub http_port: u16,
    /// Host under which other workers reach this one; `listen` where none is named.
    pub advertise: Option<String>,
    /// Tasks that run at the same time, at least 1.
    pub slots: u32,
    /// Memory for all that the worker is and does, in bytes: tasks, partitions, and what nobody counts.
    pub memory_bytes: u64,
    /// Folder for what does not fit in memory. The worker makes one of its own in there, named like itself, and deletes
    /// it when it ends.
    pub scratch: PathBuf,
    /// The cluster's token; needed where `listen` is no loopback address.
    pub token: Option<Token>,
    /// What it shows and trusts; without it everything is sent in the clear.
    pub tls: Option<Tls>,
    /// Runs the tasks.
    pub runner: Arc<dyn TaskRunner>,
    /// Runs users' functions for them.
    pub functions: Arc<dyn Functions>,
}

/// How a worker's memory is divided, in bytes. A part is held back: see [`HEADROOM_SHARE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MemoryShares {
    /// For partitions, before they go to disk.
    pub(crate) partitions: u64,
    /// For each task.
    pub(crate) task: u64,
}

impl WorkerConfig {
    /// Refuses what cannot work.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let refuse = |why: String, next: &str| Err(Failure::new(Reason::InvalidValue, why).next(next));
        let name = &self.name.0;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.len() > NAME_CHARS_MAX || name.starts_with('.') || !name.chars().all(is_plain) {
            let next = "use up to 63 letters, digits, `.`, `_` and `-`, not starting with `.`";
            return refuse(format!("`{name}` cannot be a worker's name"), next);
        }
        if !(1..=SLOTS_MAX).contains(&self.slots) {
            return refuse(format!("a worker cannot have {} slots", self.slots), "use a number from 1 to 256");
        }
        if self.memory_bytes == 0 {
            return refuse("a worker without memory can run nothing".into(), "give it at least 64 MiB");
        }
        if self.listen.is_unspecified() && self.advertise.is_none() {
            let why = format!("listening on {} does not tell other workers where to reach this one", self.listen);
            return refuse(why, "name the host to advertise, or listen on one address");
        }
        self.heads.check(self.tls.as_ref())?;
        // A host that makes no URL would show only when another worker reads from this one.
        transport::endpoint(&self.flight_url(0), self.tls.as_ref())?;
        if let Some(tls) = &self.tls {
            tls.advertise(&self.host())?;
        }
        check_listen(SocketAddr::new(self.listen, self.flight_port), self.token.as_ref())
    }

    /// The URL at which other workers reach the Flight server.
    pub(crate) fn flight_url(&self, port: u16) -> String {
        format!("{}://{}:{port}", tls::scheme(self.tls.as_ref()), self.host())
    }

    /// The host of that URL.
    fn host(&self) -> String {
        match (&self.advertise, self.listen) {
            (Some(host), _) => host.clone(),
            (None, IpAddr::V4(address)) => address.to_string(),
            (None, IpAddr::V6(address)) => format!("[{address}]"),
        }
    }

    pub(crate) fn memory_shares(&self) -> MemoryShares {
        let partitions = self.memory_bytes / PARTITION_MEMORY_SHARE;
        let headroom = self.memory_bytes / HEADROOM_SHARE;
        MemoryShares { partitions, task: (self.memory_bytes - partitions - headroom) / u64::from(self.slots) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use async_trait::async_trait;
    use shoal_core::functions::NoFunctions;
    use shoal_core::runner::TaskContext;
    use shoal_core::task::{Assignment, TaskOutput};

    use super::*;
    use crate::heads::FixedHeads;

    struct NoRunner;

    #[async_trait]
    impl TaskRunner for NoRunner {
        async fn run(&self, _: Assignment, _: TaskContext) -> Result<TaskOutput, Failure> {
            Ok(TaskOutput::default())
        }
    }

    fn config() -> WorkerConfig {
        WorkerConfig {
            name: WorkerId("w-1".into()),
            heads: FixedHeads::one("http://127.0.0.1:1"),
            head_gone_max: shoal_core::limits::HEAD_GONE_DEFAULT,
            listen: [127, 0, 0, 1].into(),
            flight_port: 0,
            http_port: 0,
            advertise: None,
            slots: 4,
            memory_bytes: 1 << 30,
            scratch: "scratch".into(),
            token: None,
            tls: None,
            runner: Arc::new(NoRunner),
            functions: Arc::new(NoFunctions),
        }
    }

    #[test]
    fn what_cannot_work_is_refused_with_a_way_out() {
        config().check().unwrap();
        let changes: [fn(&mut WorkerConfig); 10] = [
            |c| c.name.0.clear(),
            |c| c.name.0 = "../up".into(),
            |c| c.name.0 = "x".repeat(64),
            |c| c.slots = 0,
            |c| c.slots = 257,
            |c| c.memory_bytes = 0,
            |c| c.heads = FixedHeads::one("head:1"),
            |c| c.listen = [0, 0, 0, 0].into(),
            |c| c.listen = [10, 0, 0, 1].into(),
            |c| c.advertise = Some("no host".into()),
        ];
        for (index, change) in changes.iter().enumerate() {
            let mut config = config();
            change(&mut config);
            let failure = config.check().unwrap_err();
            assert!(failure.reason == Reason::InvalidValue && failure.next.is_some(), "{index}: {failure:?}");
        }
    }

    #[test]
    fn urls_name_what_others_can_reach() {
        assert_eq!(config().flight_url(7), "http://127.0.0.1:7");
        let v6 = WorkerConfig { listen: "::1".parse().unwrap(), ..config() };
        assert_eq!(v6.flight_url(7), "http://[::1]:7");
        let named = WorkerConfig { advertise: Some("w.example".into()), ..config() };
        assert_eq!(named.flight_url(7), "http://w.example:7");
    }

    #[test]
    fn memory_is_never_given_away_twice() {
        let shares = config().memory_shares();
        assert_eq!(shares, MemoryShares { partitions: 1 << 28, task: 1 << 27 });
        assert!(shares.partitions + 4 * shares.task < 1 << 30);
    }
}
