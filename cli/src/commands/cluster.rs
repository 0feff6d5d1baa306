//! `shoal cluster`: what is done to the cluster of a running head.

use shoal_wire::Token;
use shoal_wire::tls::trusting;

use crate::args::{ClusterArgs, ClusterCommand, Output};
use crate::client::Client;
use crate::exit::End;
use crate::terminal::{print, print_json};

/// Carries out one of its commands.
pub(crate) async fn run(args: ClusterArgs) -> Result<(), End> {
    let ClusterArgs { head, output, token_file, tls_ca, command } = args;
    let token = token_file.as_deref().map(Token::read).transpose()?;
    let trusts = tls_ca.as_deref().map(trusting).transpose()?;
    let client = Client::new(&head, token, trusts)?;
    match command {
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
