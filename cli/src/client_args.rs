//! Which head is asked, and how its answers are written.

use std::path::PathBuf;

use clap::Args;
use shoal_core::{Failure, Reason};
use shoal_operator::DoorTo;

use crate::args::{HEAD_URL_DEFAULT, Output};

/// How a running head is asked, and its answers are written.
#[derive(Debug, Args)]
pub(crate) struct ClientArgs {
    /// URL of the head's REST interface; of several heads, all of them: the one that leads is asked
    /// [default: `http://127.0.0.1:7370`].
    #[arg(long, global = true, value_name = "URL", env = "SHOAL_HEAD", value_delimiter = ',')]
    pub(crate) head: Vec<String>,
    /// Asks the head of this ShoalCluster on Kubernetes instead: finds its pod and its token, and forwards a port to it.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) cluster: Option<String>,
    /// Namespace of the ShoalCluster [default: that of the kubeconfig's context].
    #[arg(short, long, global = true, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// Context of the kubeconfig (KUBECONFIG, `~/.kube/config`) [default: its current one].
    #[arg(long, global = true, value_name = "CONTEXT")]
    pub(crate) context: Option<String>,
    /// How the result is written to stdout.
    #[arg(long, global = true, value_enum, default_value = "table")]
    pub(crate) output: Output,
    /// File with the cluster's token; of a ShoalCluster, the one in its Secret unless a file is named, or your own of the
    /// kubeconfig where you may not read that.
    #[arg(long, global = true, value_name = "FILE", env = "SHOAL_TOKEN_FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// File with the authority that has signed the head's certificate [default: those that this machine trusts]; of a
    /// ShoalCluster, the one that its status tells unless a file is named.
    #[arg(long, global = true, value_name = "FILE", env = "SHOAL_TLS_CA")]
    pub(crate) tls_ca: Option<PathBuf>,
}

/// Whom a client asks.
#[derive(Debug)]
pub(crate) enum Target {
    /// The heads at these URLs, of which one leads.
    Heads(Vec<String>),
    /// The head of a ShoalCluster.
    Cluster(DoorTo),
}

impl ClientArgs {
    /// Whom the command line names.
    ///
    /// # Errors
    /// [`Reason::InvalidValue`] for what does not go together. Not left to the parser, which looks at what stands before
    /// and behind a subcommand apart.
    pub(crate) fn target(&self) -> Result<Target, Failure> {
        let refuse = |why: &str, next: &str| Err(Failure::new(Reason::InvalidValue, why).next(next));
        let Some(cluster) = self.cluster.clone() else {
            if self.namespace.is_some() || self.context.is_some() {
                return refuse(
                    "`--namespace` and `--context` say where a ShoalCluster is, and none is named",
                    "name it with `--cluster NAME`",
                );
            }
            let heads = if self.head.is_empty() { vec![HEAD_URL_DEFAULT.to_owned()] } else { self.head.clone() };
            return Ok(Target::Heads(heads));
        };
        if !self.head.is_empty() {
            return refuse(
                "`--cluster` and `--head` (or SHOAL_HEAD) exclude each other",
                "name the ShoalCluster or the URL of the head, and not both",
            );
        }
        let (namespace, context) = (self.namespace.clone(), self.context.clone());
        Ok(Target::Cluster(DoorTo { cluster, namespace, context, kubeconfig: None }))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn target(line: &str) -> Result<Target, Failure> {
        match Cli::try_parse_from(line.split(' ')).unwrap().command {
            Command::Job(args) => args.client.target(),
            Command::Cluster(args) => args.client.target(),
            _ => panic!("{line} is for no head"),
        }
    }

    #[test]
    fn a_head_is_asked_by_its_url_or_as_that_of_a_cluster() {
        let Target::Heads(heads) = target("shoal job list").unwrap() else { panic!("a head is expected") };
        assert_eq!(heads, [HEAD_URL_DEFAULT]);
        for line in [
            "shoal job list --cluster shared -n team --context prod",
            "shoal job --cluster shared --namespace team --context prod list",
            "shoal job -n team show grunfeld --context prod --cluster shared",
            "shoal cluster drain worker-1 --cluster shared --namespace team --context prod",
        ] {
            let Target::Cluster(to) = target(line).unwrap() else { panic!("{line}: a cluster is expected") };
            assert_eq!(
                (to.cluster.as_str(), to.namespace.as_deref(), to.context.as_deref()),
                ("shared", Some("team"), Some("prod"))
            );
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused_wherever_it_stands() {
        for (line, next) in [
            ("shoal job list --cluster a --head http://h:1", "not both"),
            ("shoal job --cluster a list --head http://h:1", "not both"),
            ("shoal job --head http://h:1 list --cluster a", "not both"),
            ("shoal job list -n team", "--cluster NAME"),
            ("shoal job list --context prod --head http://h:1", "--cluster NAME"),
        ] {
            let failure = target(line).unwrap_err();
            assert_eq!(failure.reason, Reason::InvalidValue, "{line}");
            assert!(failure.next.unwrap().contains(next), "{line}");
        }
    }
}
