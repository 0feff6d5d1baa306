//! `shoal cluster`: what is done to the cluster of a running head.

use crate::args::{ClusterArgs, ClusterCommand, Output};
use crate::client::Client;
use crate::commands::door;
use crate::exit::End;
use crate::terminal::{print, print_json};

/// Carries out one of its commands.
pub(crate) async fn run(args: ClusterArgs) -> Result<(), End> {
    let ClusterArgs { client, command } = args;
    if matches!(command, ClusterCommand::Door) {
        return door::run(&client).await;
    }
    let output = client.output;
    let client = Client::from_args(&client).await?;
    match command {
        // It asks no head.
        ClusterCommand::Door => {}
        ClusterCommand::Drain { name, within } => {
            let status = client.drain_worker(&name, within).await?;
            match output {
                Output::Json => print_json(&status)?,
                Output::Table => print(&format!("worker {} leaves within {within} s\n", status.name))?,
            }
        }
    }
    Ok(())
}
