//! `shoal operator`.

use std::path::Path;

use shoal_core::{Failure, Reason};
use shoal_operator::Config;

use crate::args::{OperatorCommand, OperatorRunArgs};
use crate::exit::End;
use crate::interrupts::Interrupts;
use crate::terminal::print;

/// Carries out one of its commands.
pub(crate) async fn run(command: OperatorCommand) -> Result<(), End> {
    match command {
        OperatorCommand::Run(args) => operate(args).await,
        OperatorCommand::Check { own_namespace, namespace } => {
            let namespace = namespace.as_deref().unwrap_or(&own_namespace);
            let said = shoal_operator::check(None, &own_namespace, namespace).await?;
            Ok(print(&format!("{said}\n"))?)
        }
        OperatorCommand::Generate { root } => generate(&root),
    }
}

/// Looks after clusters and jobs until a signal ends it.
async fn operate(args: OperatorRunArgs) -> Result<(), End> {
    let OperatorRunArgs {
        image,
        namespace,
        cluster_domain,
        network_policies,
        listen,
        identity,
        own_namespace,
        head_url,
        metrics_url,
    } = args;
    let mut interrupts = Interrupts::listen()?;
    let config =
        Config { kubeconfig: None, image, namespace, cluster_domain, listen, network_policies, head_url, metrics_url };
    let stop = async move {
        interrupts.next().await;
    };
    Ok(shoal_operator::run(config, identity, own_namespace, stop).await?)
}

fn generate(root: &Path) -> Result<(), End> {
    let of_api = shoal_api::generated_files().into_iter().map(|(path, content)| (path.to_owned(), content));
    for (path, content) in shoal_operator::generated_files().into_iter().chain(of_api) {
        write(&root.join(&path), &content)?;
        print(&format!("{path}\n"))?;
    }
    Ok(())
}

fn write(path: &Path, content: &str) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).and_then(|()| std::fs::write(path, content)).map_err(|error| {
        Failure::new(Reason::Io, "a generated file cannot be written").file(path.display().to_string()).because(&error)
    })
}
