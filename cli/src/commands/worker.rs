//! `shoal worker`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use shoal_core::{Failure, Reason, WorkerId};
use shoal_wire::{Tls, Token, tls};
use shoal_worker::{Heads, Worker, WorkerConfig};
use tokio::sync::oneshot;

use crate::args::WorkerArgs;
use crate::client::Client;
use crate::cluster::private_folder;
use crate::commands::warn_if_in_the_clear;
use crate::exit::End;
use crate::interrupts::{Interrupts, Signal};
use crate::kinds;
use crate::machine::Share;
use crate::parent::{gone, stdin_closed};
use crate::terminal::print;

/// Pause between two tries to reach it.
const HEAD_PAUSE: Duration = Duration::from_millis(200);

/// Runs a worker until its head, its parent or a signal ends it.
pub(crate) async fn run(args: WorkerArgs) -> Result<(), End> {
    let mut interrupts = Interrupts::listen()?;
    let parent = args.exit_with_parent.then(stdin_closed);
    let drain_timeout = Duration::from_secs(args.drain_timeout);
    let leave_nothing = args.exit_with_parent.then(|| args.scratch.clone()).flatten();
    let end = tokio::select! {
        worker = start(args) => run_until_end(worker?, &mut interrupts, parent, drain_timeout).await,
        signal = interrupts.next() => of_signal(signal),
    };
    if let Some(folder) = leave_nothing {
        // Its maker does that too, unless it was killed.
        let _ = std::fs::remove_dir_all(folder);
    }
    end
}

/// A worker that runs, and its folder, which goes after it.
struct Running {
    worker: Worker,
    _scratch: Option<tempfile::TempDir>,
}

async fn start(args: WorkerArgs) -> Result<Running, Failure> {
    let token = args.token.token_file.as_deref().map(Token::read).transpose()?;
    let tls = args.tls.start()?;
    let client = Client::new(&args.head, token.clone(), tls.as_ref().map(Tls::https_client))?;
    if args.listen.is_loopback() && args.advertise.is_none() && !client.is_on_this_machine() {
        tracing::warn!("workers on other machines cannot read from this one: name an address with --listen");
    }
    warn_if_in_the_clear(&[SocketAddr::new(args.listen, args.flight_port)], tls.as_ref());
    let name = args.name.unwrap_or_else(|| default_name(&host_name(), std::process::id()));
    let share = Share::of_this_machine(1, args.memory);
    let slots = args.slots.unwrap_or(share.slots);
    let head_wait = Duration::from_secs(args.head_wait);
    let named_scratch = args.scratch.clone();
    let (scratch, own) = scratch_folder(args.scratch, &name)?;
    let environments = args.environments.folder(named_scratch.as_deref(), &scratch);
    let scheme = tls::scheme(tls.as_ref());
    let config = WorkerConfig {
        name: WorkerId(name.clone()),
        heads: Arc::new(RestHeads(reachable(client.clone(), head_wait).await?)),
        head_gone_max: Duration::from_secs(args.head_gone_timeout),
        listen: args.listen,
        flight_port: args.flight_port,
        http_port: args.http_port,
        advertise: args.advertise,
        slots,
        memory_bytes: share.memory_bytes,
        functions: kinds::functions(
            &scratch.join(&name),
            environments,
            Arc::new(kinds::OfHead(client.clone())),
            slots,
            share.memory_bytes,
        ),
        scratch,
        token,
        tls,
        runner: kinds::runner(),
    };
    let worker = shoal_worker::start(config).await?;
    print(&format!(
        "worker {name}: {} for other workers, {scheme}://{} for probes and metrics\n",
        worker.flight_url(),
        worker.http_addr()
    ))?;
    Ok(Running { worker, _scratch: own })
}

/// The heads, each asked over REST where its workers connect.
struct RestHeads(Client);

#[async_trait]
impl Heads for RestHeads {
    fn number(&self) -> usize {
        self.0.heads()
    }

    async fn workers_url(&self, index: usize) -> Result<String, Failure> {
        self.0.workers_url(index).await
    }
}

/// Waits until one of the heads answers, leading or not: a worker that is started with a wrong URL says so and ends.
async fn reachable(client: Client, within: Duration) -> Result<Client, Failure> {
    let since = Instant::now();
    let mut next = (0..client.heads()).cycle();
    loop {
        match client.workers_url(next.next().unwrap_or_default()).await {
            Ok(_) => return Ok(client),
            Err(failure) if failure.reason == Reason::HeadUnreachable && since.elapsed() < within => {
                tokio::time::sleep(HEAD_PAUSE).await;
            }
            Err(failure) => return Err(failure),
        }
    }
}

async fn run_until_end(
    running: Running,
    interrupts: &mut Interrupts,
    parent: Option<oneshot::Receiver<()>>,
    drain_timeout: Duration,
) -> Result<(), End> {
    let end = tokio::select! {
        ended = running.worker.stopped() => ended.map_err(End::from),
        () = gone(parent) => Ok(()),
        signal = interrupts.next() => match signal {
            Signal::Terminate => leave(&running.worker, interrupts, drain_timeout).await,
            Signal::Interrupt => of_signal(signal),
        },
    };
    running.worker.shutdown().await;
    end
}

/// Leaves the cluster in order; at once where another signal asks for that.
async fn leave(worker: &Worker, interrupts: &mut Interrupts, within: Duration) -> Result<(), End> {
    worker.drain(within);
    tokio::select! {
        ended = worker.stopped() => ended.map_err(End::from),
        signal = interrupts.next() => of_signal(signal),
    }
}

fn of_signal(signal: Signal) -> Result<(), End> {
    match signal {
        Signal::Interrupt => Err(End::Interrupted(None)),
        Signal::Terminate => Ok(()),
    }
}

fn scratch_folder(named: Option<PathBuf>, worker: &str) -> Result<(PathBuf, Option<tempfile::TempDir>), Failure> {
    match named {
        Some(folder) => Ok((folder, None)),
        None => {
            let folder = private_folder(worker)?;
            Ok((folder.path().to_owned(), Some(folder)))
        }
    }
}

fn host_name() -> String {
    // Set by most shells' environments and by Kubernetes; the file is there on every Linux.
    std::env::var("HOSTNAME")
        .or_else(|_| std::fs::read_to_string(Path::new("/proc/sys/kernel/hostname")))
        .unwrap_or_else(|_| "worker".to_owned())
}

/// Host and process, in characters that a worker's name may have.
fn default_name(host: &str, process: u32) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' };
    let host: String = host.trim().chars().map(plain).take(40).collect();
    format!("{}-{process}", if host.is_empty() { "worker" } else { &host })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_of_host_and_process() {
        assert_eq!(default_name("node-1.example\n", 17), "node-1-example-17");
        assert_eq!(default_name("", 17), "worker-17");
        assert!(default_name(&"x".repeat(300), u32::MAX).len() <= 63);
    }
}
