//! `shoal cluster`: what is done to the cluster of a running head, and why it is as it is.

use shoal_core::{Failure, Reason};

use crate::args::Output;
use crate::client::Client;
use crate::client_args::Target;
use crate::cluster_args::{ClusterArgs, ClusterCommand};
use crate::commands::door;
use crate::exit::End;
use crate::terminal::{print, print_json};

/// Carries out one of its commands.
pub(crate) async fn run(args: ClusterArgs) -> Result<(), End> {
    let ClusterArgs { client, command } = args;
    let output = client.output;
    match command {
        ClusterCommand::Door => door::run(&client).await?,
        ClusterCommand::Drain { name, within } => {
            let client = Client::from_args(&client).await?;
            let status = client.drain_worker(&name, within).await?;
            match output {
                Output::Json => print_json(&status)?,
                Output::Table => print(&format!("worker {} leaves within {within} s\n", status.name))?,
            }
        }
        ClusterCommand::Explain => {
            // A head knows what work there is, and not why its cluster is as large as it is.
            let Target::Cluster(to) = client.target()? else {
                return Err(Failure::new(Reason::NotPossible, "only a ShoalCluster on Kubernetes is scaled by itself")
                    .next("name it with `--cluster NAME`")
                    .into());
            };
            let explanation = shoal_operator::explain(to).await?;
            match output {
                Output::Json => print_json(&explanation.status)?,
                Output::Table => print(&format!("{}\n", explanation.lines.join("\n")))?,
            }
        }
    }
    Ok(())
}
