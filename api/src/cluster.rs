//! What the cluster is made of.

use actix_web::get;
use actix_web::web::{Data, Json};
use schemars::JsonSchema;
use serde::Serialize;
use shoal_coordinator::Head;
use shoal_core::Reason;
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
    /// Whether the head that answers leads. One that does not takes no jobs and has no workers.
    pub leads: bool,
    /// URL of the head that leads, where that is known and it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    /// The workers that are there, by name.
    pub workers: Vec<WorkerStatus>,
}

/// The head's version, the port for workers, and the workers. A head that does not lead answers this as well.
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
    let workers = match head.workers().await {
        Err(failure) if failure.reason == Reason::NotLeading => None,
        workers => Some(workers?),
    };
    Ok(Json(ClusterStatus {
        build: env!("CARGO_PKG_VERSION").to_owned(),
        workers_port: head.workers_address().port(),
        leads: workers.is_some(),
        leader: head.leader().await,
        workers: workers.unwrap_or_default(),
    }))
}
