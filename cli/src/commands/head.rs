//! `shoal head`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use shoal_api::ApiConfig;
use shoal_coordinator::{ArchiveConfig, EtcdConfig, EtcdTls, EtcdUser, Head, HeadConfig, LocalPaths, StateConfig};
use shoal_core::blobs::BlobSource;
use shoal_core::{Failure, Reason};
use shoal_operator::KubernetesCallers;
use shoal_wire::callers::Authenticator;
use shoal_wire::listen::check_listen;
use shoal_wire::{Token, tls};

use crate::args::{HeadArgs, StateArgs};
use crate::cluster::private_folder;
use crate::commands::warn_if_in_the_clear;
use crate::exit::End;
use crate::interrupts::{Interrupts, Signal};
use crate::kinds;
use crate::parent::{gone, stdin_closed};
use crate::terminal::{print, program};

/// Port for workers, beside the default one for REST.
const WORKERS_PORT: u16 = 7371;

/// Runs a head until a signal ends it.
pub(crate) async fn run(args: HeadArgs) -> Result<(), End> {
    let HeadArgs {
        listen,
        workers_listen,
        token,
        tls,
        state,
        allow_local,
        no_worker_timeout,
        storage,
        storage_namespace,
        kubernetes_callers,
        kubernetes_ca,
        exit_with_parent,
    } = args;
    kinds::close_head();
    let mut interrupts = Interrupts::listen()?;
    let parent = exit_with_parent.then(stdin_closed);
    let leave_nothing = exit_with_parent.then(|| state.state_dir.clone());
    let token = token.token_file.as_deref().map(Token::read).transpose()?;
    let workers_listen = workers_listen.unwrap_or_else(|| workers_address(listen));
    // Both before anything is opened, so that a refusal leaves nothing behind.
    for address in [listen, workers_listen] {
        check_listen(address, token.as_ref())?;
    }
    let callers = callers(kubernetes_callers.as_deref(), kubernetes_ca)?;
    // Heads that share an etcd and no storage each have their own: what was uploaded goes with the head.
    let (place, _private) = match (&storage, state.etcd.is_empty()) {
        (Some(storage), _) => (storage.clone(), None),
        (None, true) => (state.state_dir.display().to_string(), None),
        (None, false) => {
            let folder = private_folder("head")?;
            (folder.path().display().to_string(), Some(folder))
        }
    };
    let blobs = kinds::blobs(&place, storage.is_some())?;
    let archive = storage.as_deref().map(kinds::archive).transpose()?;
    let archive = archive.map(|archive| ArchiveConfig { archive, namespace: storage_namespace });
    let tls = tls.start()?;
    warn_if_in_the_clear(&[listen, workers_listen], tls.as_ref());
    let local_paths = local_paths(&[listen, workers_listen], allow_local);
    let config = HeadConfig {
        listen: workers_listen,
        kinds: kinds::kinds(&(blobs.clone() as Arc<dyn BlobSource>)),
        publisher: kinds::publisher(),
        token: token.clone(),
        tls: tls.clone(),
        local_paths,
        no_worker_max: Duration::from_secs(no_worker_timeout),
        archive,
        blobs,
        traces: kinds::traces()?,
    };
    // Doors first: whoever comes before this head leads is told so.
    let head = Head::open(config).await?;
    let scheme = tls::scheme(tls.as_ref());
    let api = shoal_api::start(ApiConfig { listen, token, callers, tls, head: head.clone() }).await?;
    // An address that stands for all of this machine's says to nobody where that is.
    let rest = api.address();
    let url = (!rest.ip().is_unspecified()).then(|| format!("{scheme}://{rest}"));
    head.lead(state_config(state, url)?).await?;
    announce(scheme, api.address(), head.workers_address())?;
    let end = tokio::select! {
        signal = interrupts.next() => match signal {
            Signal::Interrupt => Err(End::Interrupted(None)),
            Signal::Terminate => Ok(()),
        },
        failure = head.ended() => Err(failure.into()),
        () = gone(parent) => Ok(()),
    };
    api.shutdown().await;
    head.shutdown().await;
    if let Some(folder) = leave_nothing {
        // Its maker does that too, unless it was killed.
        let _ = std::fs::remove_dir_all(folder);
    }
    end
}

/// Those who are known by Kubernetes, where they are to be let in.
///
/// # Errors
/// [`Reason::InvalidValue`] for what names no cluster, and outside a pod.
fn callers(of: Option<&str>, authority: Option<PathBuf>) -> Result<Option<Arc<dyn Authenticator>>, Failure> {
    let Some((of, authority)) = of.zip(authority) else { return Ok(None) };
    let Some((namespace, cluster)) = of.split_once('/').filter(|(one, other)| !one.is_empty() && !other.is_empty())
    else {
        return Err(Failure::new(Reason::InvalidValue, format!("`{of}` names no ShoalCluster"))
            .next("write `--kubernetes-callers` as NAMESPACE/CLUSTER"));
    };
    let callers = KubernetesCallers::new(namespace.to_owned(), cluster.to_owned(), authority)?;
    Ok(Some(Arc::new(callers)))
}

/// Variable with the password of etcd's user: what is typed is seen by others on the machine.
const ETCD_PASSWORD: &str = "SHOAL_ETCD_PASSWORD";

/// Where a head keeps its state; `url` is where it can be reached unless something else is said.
///
/// # Errors
/// [`Reason::InvalidValue`] for a user of etcd without a password.
pub(super) fn state_config(args: StateArgs, url: Option<String>) -> Result<StateConfig, Failure> {
    if args.etcd.is_empty() {
        return Ok(StateConfig::Folder(args.state_dir));
    }
    let user = args.etcd_user.map(|name| match std::env::var(ETCD_PASSWORD) {
        Ok(password) => Ok(EtcdUser { name, password }),
        Err(_) => Err(Failure::new(Reason::InvalidValue, format!("there is no password for etcd's user `{name}`"))
            .next(format!("put it into the environment as {ETCD_PASSWORD}"))),
    });
    let identity = args.etcd_cert.zip(args.etcd_key);
    Ok(StateConfig::Etcd(EtcdConfig {
        prefix: args.etcd_prefix,
        cluster: args.cluster_name,
        tls: args.etcd_ca.map(|ca| EtcdTls { ca, identity }),
        user: user.transpose()?,
        advertise: args.advertise_url.or(url),
        ..EtcdConfig::new(args.etcd)
    }))
}

fn announce(scheme: &str, rest: SocketAddr, workers: SocketAddr) -> Result<(), Failure> {
    print(&format!(
        "head: {scheme}://{rest}\nworkers connect to: {workers}\nnext: {} worker --head {scheme}://{rest}\n",
        program()
    ))
}

/// Where workers connect unless told otherwise: beside REST, and like it on a port that is free where that was asked for.
fn workers_address(rest: SocketAddr) -> SocketAddr {
    let port = if rest.port() == 0 { 0 } else { WORKERS_PORT };
    SocketAddr::new(rest.ip(), port)
}

fn local_paths(listen: &[SocketAddr], allowed: Vec<PathBuf>) -> LocalPaths {
    let is_local = listen.iter().all(|address| address.ip().to_canonical().is_loopback());
    if allowed.is_empty() && is_local { LocalPaths::Any } else { LocalPaths::Under(allowed) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn workers_connect_beside_rest() {
        assert_eq!(workers_address(address("10.0.0.1:7370")), address("10.0.0.1:7371"));
        assert_eq!(workers_address(address("127.0.0.1:0")), address("127.0.0.1:0"));
    }

    #[test]
    fn callers_are_those_of_a_cluster_that_is_named() {
        assert!(callers(None, None).unwrap().is_none());
        for of in ["", "shared", "team/", "/shared"] {
            let failure = callers(Some(of), Some("ca.crt".into())).err().unwrap();
            assert_eq!(failure.reason, Reason::InvalidValue, "{of}");
            assert!(failure.next.unwrap().contains("NAMESPACE/CLUSTER"), "{of}");
        }
    }

    #[test]
    fn local_paths_are_open_on_this_machine_only() {
        let (here, open) = (address("127.0.0.1:1"), address("0.0.0.0:1"));
        assert_eq!(local_paths(&[here, here], Vec::new()), LocalPaths::Any);
        assert_eq!(local_paths(&[here, open], Vec::new()), LocalPaths::Under(Vec::new()));
        let data = vec![PathBuf::from("/data")];
        assert_eq!(local_paths(&[here, here], data.clone()), LocalPaths::Under(data.clone()));
        assert_eq!(local_paths(&[open, open], data.clone()), LocalPaths::Under(data));
    }
}
