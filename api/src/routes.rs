//! All routes, in one list: of it are made the application and its description, so that neither has one more.

use actix_web::get;
use actix_web::web::{Json, ServiceConfig};
use serde_json::Value;
use utoipa::OpenApi;

use crate::blobs::{
    __path_download_blob, __path_find_missing_blobs, __path_upload_blob, download_blob, find_missing_blobs, upload_blob,
};
use crate::cluster::{__path_drain_worker, __path_show_cluster, drain_worker, show_cluster};
use crate::environments::{__path_find_environment, __path_share_environment, find_environment, share_environment};
use crate::history::{__path_list_attempts, __path_show_log, __path_show_spec, list_attempts, show_log, show_spec};
use crate::jobs::{
    __path_cancel_job, __path_change_job, __path_list_jobs, __path_show_job, __path_submit_job, cancel_job, change_job,
    list_jobs, show_job, submit_job,
};

macro_rules! routes {
    ($($handler:ident),+ $(,)?) => {
        /// Adds every route of `/api/v1` to an application.
        pub(crate) fn configure(app: &mut ServiceConfig) {
            $(app.service($handler);)+
        }

        /// What utoipa knows of the interface: paths, without the schemas that they name.
        #[derive(OpenApi)]
        #[openapi(
            paths($($handler,)+ healthz, readyz, metrics),
            info(
                title = "Shoal",
                version = "v1",
                description = "Jobs of a Shoal cluster. A refusal is a Failure: what is wrong, where, who has to act, what to do.",
            ),
            tags(
                (name = "jobs", description = "What the cluster is asked to do"),
                (name = "cluster", description = "What the cluster is made of"),
                (name = "probes", description = "For whoever watches the process"),
            ),
        )]
        pub(crate) struct Paths;
    };
}

routes!(
    submit_job,
    list_jobs,
    show_job,
    change_job,
    cancel_job,
    show_spec,
    list_attempts,
    show_log,
    find_missing_blobs,
    upload_blob,
    download_blob,
    find_environment,
    share_environment,
    show_cluster,
    drain_worker,
    openapi_document,
);

/// This document.
#[utoipa::path(
    tag = "cluster",
    operation_id = "showOpenApi",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json")),
)]
#[get("/api/v1/openapi.json")]
async fn openapi_document() -> Json<Value> {
    Json(crate::openapi())
}

/// Whether the process lives. Open.
// The probes are served by `shoal_wire::probes`; these functions only describe them.
#[allow(dead_code)]
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "probes",
    operation_id = "healthz",
    security(()),
    responses((status = 200, description = "It does", content_type = "text/plain")),
)]
fn healthz() {}

/// Whether the head takes requests. Open.
#[allow(dead_code)]
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "probes",
    operation_id = "readyz",
    security(()),
    responses(
        (status = 200, description = "It does", content_type = "text/plain"),
        (status = 503, description = "It does not", content_type = "text/plain"),
    ),
)]
fn readyz() {}

/// What the head counts, in Prometheus' text format.
#[allow(dead_code)]
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "probes",
    operation_id = "metrics",
    responses(
        (status = 200, description = "The metrics", content_type = "text/plain"),
        (status = "default", description = "Why not", body = ref("#/components/schemas/Failure")),
    ),
)]
fn metrics() {}
