//! Whether an installation works: what `helm test` asks.

use std::path::Path;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::api::ListParams;
use kube::{Api, Client};
use shoal_core::{Failure, Reason};
use tokio::time::{Instant, sleep};

use crate::lease;
use crate::resources::{Kind, ShoalCluster, ShoalJob, ShoalWorkerGroup};
use crate::run::client;

/// How long an operator may take to lead: of one that was killed, the lease has to run out first.
const PATIENCE: Duration = Duration::from_secs(60);

/// Pause between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// Says who leads by the lease of `own_namespace`, once somebody does and the API server serves the operator's kinds in
/// `namespace`.
///
/// # Errors
/// [`Reason::Io`] where no API server is configured or it does not serve them; [`Reason::NotLeading`] where nobody leads.
pub async fn check(kubeconfig: Option<&Path>, own_namespace: &str, namespace: &str) -> Result<String, Failure> {
    let client = client(kubeconfig).await?;
    is_served::<ShoalCluster>(&client, namespace).await?;
    is_served::<ShoalWorkerGroup>(&client, namespace).await?;
    is_served::<ShoalJob>(&client, namespace).await?;
    let since = Instant::now();
    loop {
        let leader = lease::leader(client.clone(), own_namespace, Timestamp::now()).await;
        if let Some(leader) = leader.map_err(|error| unasked(&error))? {
            return Ok(format!("{leader} leads, and its resources are served"));
        }
        if since.elapsed() >= PATIENCE {
            return Err(Failure::new(
                Reason::NotLeading,
                format!("no operator leads by the lease of the namespace {own_namespace}"),
            )
            .next("look at the logs of the operator's pods: `kubectl logs deployment/NAME`"));
        }
        sleep(LOOK).await;
    }
}

async fn is_served<K: Kind + Clone + std::fmt::Debug>(client: &Client, namespace: &str) -> Result<(), Failure> {
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    api.list_metadata(&ListParams::default().limit(1)).await.map(drop).map_err(|error| unasked(&error))
}

fn unasked(error: &kube::Error) -> Failure {
    Failure::new(Reason::Io, "the API server does not say what an installation consists of")
        .because(error)
        .next("install the chart with `crds.enabled`, and run this with the operator's account")
}
