//! Jobs: submitted, listed, shown, changed, cancelled.

use actix_web::web::{Bytes, Data, Json, Path, Query};
use actix_web::{Error, get, patch, post};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shoal_coordinator::Head;
use shoal_core::control::SubmitOptions;
use shoal_core::journal::JobChange;
use shoal_core::limits::JOB_FILE_BYTES_MAX;
use shoal_core::report::JobStatus;
use shoal_core::spec::parse_job;
use shoal_core::{Failure, Reason};
use utoipa::IntoParams;

use crate::refusal::Refusal;

/// What a failure calls the text that came in.
const BODY: &str = "request body";

/// Jobs, oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobList {
    /// The latest submission of each.
    pub jobs: Vec<JobStatus>,
}

/// How a job is submitted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SubmitQuery {
    /// Runs a finished job of that name again, with the spec given now.
    #[serde(default)]
    #[param(default = false)]
    rerun: bool,
    /// Starts a job of that name over that has failed: what it had done does not count.
    #[serde(default)]
    fresh: bool,
}

/// Submits a job.
///
/// Answers once the job is stored. The same job again is the same job. Local paths must be absolute, since the head does
/// not know whose folder they would start at.
#[utoipa::path(
    tag = "jobs",
    operation_id = "submitJob",
    params(SubmitQuery),
    request_body(content(
        (ref("#/components/schemas/ShoalJob") = "application/json"),
        (ref("#/components/schemas/ShoalJob") = "application/yaml"),
    )),
    responses(
        (status = 200, description = "The job", body = ref("#/components/schemas/JobStatus")),
        (status = 409, description = "Another job has that name", body = ref("#/components/schemas/Failure")),
        (status = 422, description = "What is wrong with the job, and in which field", body = ref("#/components/schemas/Failure")),
        (status = 429, description = "The head is at its limit of unfinished jobs, or of submissions at a time: `Retry-After` says when to come back", body = ref("#/components/schemas/Failure")),
        (status = "default", description = "Why not", body = ref("#/components/schemas/Failure")),
    ),
)]
#[post("/api/v1/jobs")]
pub(crate) async fn submit_job(
    head: Data<Head>,
    query: Result<Query<SubmitQuery>, Error>,
    body: Result<Bytes, Error>,
) -> Result<Json<JobStatus>, Refusal> {
    let SubmitQuery { rerun, fresh } = query.map_err(|error| wrong_query(&error))?.into_inner();
    let body = body.map_err(|error| wrong_body(&error))?;
    let text = std::str::from_utf8(&body).map_err(|error| {
        Failure::new(Reason::MalformedDocument, "the job is no UTF-8 text").because(&error).file(BODY)
    })?;
    let job = parse_job(text, BODY)?;
    Ok(Json(head.submit(job, SubmitOptions { rerun, fresh }).await?))
}

/// Lists all jobs, oldest first.
#[utoipa::path(
    tag = "jobs",
    operation_id = "listJobs",
    responses(
        (status = 200, description = "The latest submission of each", body = ref("#/components/schemas/JobList")),
        (status = "default", description = "Why not", body = ref("#/components/schemas/Failure")),
    ),
)]
#[get("/api/v1/jobs")]
pub(crate) async fn list_jobs(head: Data<Head>) -> Result<Json<JobList>, Refusal> {
    Ok(Json(JobList { jobs: head.list().await? }))
}

/// Shows a job: where it stands, what it took so far, and why it failed, where it did.
#[utoipa::path(
    tag = "jobs",
    operation_id = "showJob",
    params(("name" = String, Path, description = "Name of the job")),
    responses(
        (status = 200, description = "Its latest submission", body = ref("#/components/schemas/JobStatus")),
        (status = 404, description = "No job has that name", body = ref("#/components/schemas/Failure")),
        (status = "default", description = "Why not", body = ref("#/components/schemas/Failure")),
    ),
)]
#[get("/api/v1/jobs/{name}")]
pub(crate) async fn show_job(head: Data<Head>, name: Path<String>) -> Result<Json<JobStatus>, Refusal> {
    Ok(Json(head.show(&name).await?))
}

/// Changes what may be changed of a job after its submission.
///
/// Answers once that is stored. A suspended job hands its running tasks back and keeps what is finished.
#[utoipa::path(
    tag = "jobs",
    operation_id = "changeJob",
    params(("name" = String, Path, description = "Name of the job")),
    request_body(content((ref("#/components/schemas/JobChange") = "application/json"))),
    responses(
        (status = 200, description = "The job", body = ref("#/components/schemas/JobStatus")),
        (status = 404, description = "No job has that name", body = ref("#/components/schemas/Failure")),
        (status = 409, description = "It has ended", body = ref("#/components/schemas/Failure")),
        (status = 422, description = "It cannot be changed like that", body = ref("#/components/schemas/Failure")),
        (status = "default", description = "Why not", body = ref("#/components/schemas/Failure")),
    ),
)]
#[patch("/api/v1/jobs/{name}")]
pub(crate) async fn change_job(
    head: Data<Head>,
    name: Path<String>,
    body: Result<Bytes, Error>,
) -> Result<Json<JobStatus>, Refusal> {
    let body = body.map_err(|error| wrong_change(&error))?;
    let change: JobChange = serde_json::from_slice(&body).map_err(|error| wrong_change(&error))?;
    change.check()?;
    Ok(Json(head.change(&name, change).await?))
}

/// Cancels a job.
///
/// Answers once that is stored, while its tasks are still being called back, or its commit is being withdrawn: where that
/// comes too late, the job succeeds. A job that has ended stays as it is.
#[utoipa::path(
    tag = "jobs",
    operation_id = "cancelJob",
    params(("name" = String, Path, description = "Name of the job")),
    responses(
        (status = 200, description = "The job", body = ref("#/components/schemas/JobStatus")),
        (status = 404, description = "No job has that name", body = ref("#/components/schemas/Failure")),
        (status = "default", description = "Why not", body = ref("#/components/schemas/Failure")),
    ),
)]
#[post("/api/v1/jobs/{name}/cancel")]
pub(crate) async fn cancel_job(head: Data<Head>, name: Path<String>) -> Result<Json<JobStatus>, Refusal> {
    Ok(Json(head.cancel(&name).await?))
}

fn wrong_query(error: &Error) -> Failure {
    Failure::new(Reason::InvalidValue, format!("the address after `?` cannot be read: {error}"))
        .next("only `rerun` and `fresh` are known, each `true` or `false`")
}

fn wrong_body(error: &Error) -> Failure {
    Failure::new(Reason::MalformedDocument, format!("the job cannot be read: {error}"))
        .file(BODY)
        .next(format!("send one job of at most {JOB_FILE_BYTES_MAX} bytes, as YAML or JSON"))
}

fn wrong_change(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::new(Reason::InvalidValue, "this is no change of a job")
        .because(error)
        .file(BODY)
        .next(r#"send JSON with one or both of "priority" (a number) and "suspend" (true or false)"#)
}
