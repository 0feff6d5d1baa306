//! What the cluster is made of, and how workers leave it.

use std::time::Duration;

use actix_web::web::{Data, Json, Path, Query};
use actix_web::{Error, get, post};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shoal_coordinator::Head;
use shoal_core::control::WorkerStatus;
use shoal_core::limits::{DRAIN_DEFAULT, DRAIN_MAX};
use shoal_core::{Failure, Reason};
use utoipa::IntoParams;

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

/// How a worker is drained.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(crate) struct DrainQuery {
    /// Seconds that the worker has to leave; half a minute where nothing is said.
    #[param(minimum = 0, maximum = 3600)]
    within_seconds: Option<u64>,
}

/// Lets a worker leave in order.
///
/// It gets no more tasks. What it runs ends or is handed back, what it holds for others moves to them, and then it ends,
/// within the time that is given. Answers at once.
#[utoipa::path(
    tag = "cluster",
    operation_id = "drainWorker",
    params(("name" = String, Path, description = "Name of the worker"), DrainQuery),
    responses(
        (status = 200, description = "The worker", body = ref("#/components/schemas/WorkerStatus")),
        (status = 404, description = "No worker has that name", body = ref("#/components/schemas/Failure")),
        (status = "default", description = "Why not", body = ref("#/components/schemas/Failure")),
    ),
)]
#[post("/api/v1/workers/{name}/drain")]
pub(crate) async fn drain_worker(
    head: Data<Head>,
    name: Path<String>,
    query: Result<Query<DrainQuery>, Error>,
) -> Result<Json<WorkerStatus>, Refusal> {
    let DrainQuery { within_seconds } = query.map_err(|error| wrong_time(&error.to_string()))?.into_inner();
    let within = within_seconds.map_or(DRAIN_DEFAULT, Duration::from_secs);
    if within > DRAIN_MAX {
        return Err(wrong_time(&format!("`{}` is too long", within.as_secs())).into());
    }
    Ok(Json(head.drain_worker(&name, within).await?))
}

fn wrong_time(why: &str) -> Failure {
    Failure::new(Reason::InvalidValue, format!("the address after `?` cannot be used: {why}"))
        .next(format!("write `withinSeconds=SECONDS`, from 0 to {}", DRAIN_MAX.as_secs()))
}
