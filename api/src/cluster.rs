//! What the cluster is made of.

use actix_web::get;
use actix_web::web::{Data, Json};
use schemars::JsonSchema;
use serde::Serialize;
use shoal_coordinator::Head;
use shoal_core::control::WorkerStatus;

use crate::refusal::Refusal;

/// The head and its workers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    /// Version of the head's build.
    pub build: String,
    /// Port that workers connect to, on the host that this answer comes from.
    pub workers_port: u16,
    /// The workers that are there, by name.
    pub workers: Vec<WorkerStatus>,
}

/// The head's version, the port for workers, and the workers.
#[utoipa::path(
    tag = "cluster",
    operation_id = "showCluster",
    responses(
        (status = 200, description = "The cluster", body = ref("#/components/schemas/ClusterStatus")),
        (status = "default", description = "Why not", body = ref("#/components/schemas/Failure")),
    ),
)]
#[get("/api/v1/cluster")]
pub(crate) async fn show_cluster(head: Data<Head>) -> Result<Json<ClusterStatus>, Refusal> {
    Ok(Json(ClusterStatus {
        build: env!("CARGO_PKG_VERSION").to_owned(),
        workers_port: head.workers_address().port(),
        workers: head.workers().await?,
    }))
}
