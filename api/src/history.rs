//! What a job was and did: its spec, its attempts, its log. The same for jobs that run and for those that have ended.

use actix_web::web::{Data, Json, Path, Query};
use actix_web::{Error, get};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shoal_coordinator::Head;
use shoal_core::history::{AttemptReport, JobHistory, JobLine, TaskFilter};
use shoal_core::report::{JobStatus, Phase};
use shoal_core::spec::v1alpha1::ShoalJob;
use shoal_core::{Failure, JobUid, Reason};
use utoipa::IntoParams;

use crate::refusal::Refusal;

/// Attempts of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobAttempts {
    /// Name of the job.
    pub name: String,
    /// This submission of it.
    pub uid: JobUid,
    /// In the order of their ends, those that run last.
    pub attempts: Vec<AttemptReport>,
    /// Attempts that there was no room for; those that failed are kept longest.
    pub left_out: u64,
}

/// The log of a job: what its head decided, and what its attempts logged on their workers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobLog {
    /// Name of the job.
    pub name: String,
    /// This submission of it.
    pub uid: JobUid,
    /// Where it stood: of a job that has ended nothing more comes.
    pub phase: Phase,
    /// In the order in which the head heard of them.
    pub lines: Vec<JobLine>,
    /// Lines that there was no room for; those of failed attempts are kept longest.
    pub left_out: u64,
}

impl JobAttempts {
    /// The attempts that a history has.
    pub fn of(status: &JobStatus, history: JobHistory) -> Self {
        let (attempts, left_out) = (history.attempts, history.attempts_left_out);
        Self { name: status.name.clone(), uid: status.uid, attempts, left_out }
    }
}

impl JobLog {
    /// The lines of a history behind the one with that `seq`: all, or those about `task` (a stage, or one of its tasks).
    ///
    /// # Errors
    /// [`Reason::InvalidValue`] for what names no task.
    pub fn of(status: &JobStatus, history: JobHistory, task: Option<&str>, after: u64) -> Result<Self, Failure> {
        let filter = task.map(|task| TaskFilter::parse(task).ok_or_else(|| no_task(task))).transpose()?;
        let takes = |line: &JobLine| line.seq > after && filter.as_ref().is_none_or(|filter| filter.takes(line));
        Ok(Self {
            name: status.name.clone(),
            uid: status.uid,
            phase: status.phase,
            lines: history.lines.into_iter().filter(takes).collect(),
            left_out: history.lines_left_out,
        })
    }
}

/// Which lines are asked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogQuery {
    /// Only those about a stage, as `map`, or about one of its tasks, as `map/3`.
    task: Option<String>,
    /// Only those behind the line with this `seq`: whoever follows a log asks again with the last one.
    #[serde(default)]
    after: u64,
}

/// Shows the spec of a job as it was submitted.
#[utoipa::path(
    tag = "jobs",
    operation_id = "showSpec",
    params(("name" = String, Path, description = "Name of the job")),
    responses(
        (status = 200, description = "The spec of its latest submission", body = ref("#/components/schemas/ShoalJob")),
        (status = 404, description = "No job has that name", body = ref("#/components/schemas/Failure")),
        (status = "default", description = "Why not", body = ref("#/components/schemas/Failure")),
    ),
)]
#[get("/api/v1/jobs/{name}/spec")]
pub(crate) async fn show_spec(head: Data<Head>, name: Path<String>) -> Result<Json<ShoalJob>, Refusal> {
    let spec = head.spec(&name).await?;
    Ok(Json(spec.as_ref().clone()))
}

/// Lists the attempts of a job, of as many as are kept.
#[utoipa::path(
    tag = "jobs",
    operation_id = "listAttempts",
    params(("name" = String, Path, description = "Name of the job")),
    responses(
        (status = 200, description = "Its attempts", body = ref("#/components/schemas/JobAttempts")),
        (status = 404, description = "No job has that name", body = ref("#/components/schemas/Failure")),
        (status = "default", description = "Why not", body = ref("#/components/schemas/Failure")),
    ),
)]
#[get("/api/v1/jobs/{name}/attempts")]
pub(crate) async fn list_attempts(head: Data<Head>, name: Path<String>) -> Result<Json<JobAttempts>, Refusal> {
    let (status, history) = head.history(&name).await?;
    Ok(Json(JobAttempts::of(&status, history)))
}

/// Shows the log of a job, of as much as is kept.
#[utoipa::path(
    tag = "jobs",
    operation_id = "showLog",
    params(("name" = String, Path, description = "Name of the job"), LogQuery),
    responses(
        (status = 200, description = "Its log", body = ref("#/components/schemas/JobLog")),
        (status = 404, description = "No job has that name", body = ref("#/components/schemas/Failure")),
        (status = 422, description = "No task is called that", body = ref("#/components/schemas/Failure")),
        (status = "default", description = "Why not", body = ref("#/components/schemas/Failure")),
    ),
)]
#[get("/api/v1/jobs/{name}/logs")]
pub(crate) async fn show_log(
    head: Data<Head>,
    name: Path<String>,
    query: Result<Query<LogQuery>, Error>,
) -> Result<Json<JobLog>, Refusal> {
    let LogQuery { task, after } = query.map_err(|error| wrong_query(&error))?.into_inner();
    // Before the head is asked: what names no task is told of a job that is not there, too.
    task.as_deref().map_or(Ok(()), check_task)?;
    let (status, history) = head.history(&name).await?;
    Ok(Json(JobLog::of(&status, history, task.as_deref(), after)?))
}

fn check_task(text: &str) -> Result<(), Failure> {
    TaskFilter::parse(text).map(drop).ok_or_else(|| no_task(text))
}

fn wrong_query(error: &Error) -> Failure {
    Failure::new(Reason::InvalidValue, format!("the address after `?` cannot be read: {error}"))
        .next("only `task` (STAGE or STAGE/INDEX) and `after` (a number) are known")
}

fn no_task(text: &str) -> Failure {
    Failure::new(Reason::InvalidValue, format!("`{text}` names no task"))
        .next("name a stage, as `map`, or one of its tasks, as `map/3`")
}
