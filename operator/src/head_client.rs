//! What a head is told, and asked once.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;
use shoal_core::control::WorkerLoad;
use shoal_core::journal::JobChange;
use shoal_core::report::JobStatus;
use shoal_core::{Failure, JobUid, Reason};
use shoal_wire::failure::from_status;
use shoal_wire::json;
use shoal_wire::proto::jobs_client::JobsClient;
use shoal_wire::proto::{Caller, CancelJob, ChangeJob, DrainWorkers, ListWorkers, SubmitJob};
use shoal_wire::token::SendToken;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

/// Time for a head to answer a call.
const CALL_MAX: Duration = Duration::from_secs(15);

/// Time for a head to say what its workers do, and to take note that some leave: a group is not kept from its place for
/// longer, since a pod that is deleted drains by itself.
const WORKERS_CALL_MAX: Duration = Duration::from_secs(3);

/// The connection to a head.
pub(crate) type Service = JobsClient<InterceptedService<Channel, SendToken>>;

/// Tells a head something.
pub(crate) struct HeadClient {
    pub(crate) service: Service,
    /// How often the lead of the operators has changed hands, as of this one's.
    pub(crate) transitions: u64,
}

impl HeadClient {
    fn caller(&self) -> Option<Caller> {
        Some(Caller { transitions: self.transitions })
    }

    /// Submits a job under that uid. Again is the same job.
    pub(crate) async fn submit(mut self, uid: JobUid, document: Value) -> Result<JobStatus, Failure> {
        let request = SubmitJob { caller: self.caller(), job_uid: uid.to_string(), job_json: json::encode(&document)? };
        let state = answered(CALL_MAX, self.service.submit(request)).await?;
        json::decode(&state.status_json, "the state of a job")
    }

    /// Tells what the user has changed.
    pub(crate) async fn change(mut self, uid: JobUid, change: JobChange) -> Result<JobStatus, Failure> {
        let request =
            ChangeJob { caller: self.caller(), job_uid: uid.to_string(), change_json: json::encode(&change)? };
        let state = answered(CALL_MAX, self.service.change(request)).await?;
        json::decode(&state.status_json, "the state of a job")
    }

    /// Cancels a job.
    pub(crate) async fn cancel(mut self, uid: JobUid) -> Result<JobStatus, Failure> {
        let request = CancelJob { caller: self.caller(), job_uid: uid.to_string() };
        let state = answered(CALL_MAX, self.service.cancel(request)).await?;
        json::decode(&state.status_json, "the state of a job")
    }

    /// What each worker has to do and to hold, by its name.
    pub(crate) async fn loads(mut self) -> Result<HashMap<String, WorkerLoad>, Failure> {
        let request = ListWorkers { caller: self.caller() };
        let list = answered(WORKERS_CALL_MAX, self.service.workers(request)).await?;
        let loads: Vec<WorkerLoad> = json::decode(&list.workers_json, "a list of workers")?;
        Ok(loads.into_iter().map(|load| (load.name.clone(), load)).collect())
    }

    /// Lets workers leave within that time: once this has returned they get no more tasks.
    pub(crate) async fn drain(mut self, names: Vec<String>, within: Duration) -> Result<(), Failure> {
        let leaves_within_ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        let request = DrainWorkers { caller: self.caller(), names, leaves_within_ms };
        answered(WORKERS_CALL_MAX, self.service.drain(request)).await.map(drop)
    }
}

async fn answered<T>(
    limit: Duration,
    call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
) -> Result<T, Failure> {
    let response = tokio::time::timeout(limit, call).await.map_err(|_| {
        Failure::new(Reason::HeadUnreachable, format!("the head has not answered within {} s", limit.as_secs()))
    })?;
    response.map(tonic::Response::into_inner).map_err(|status| from_status(&status))
}
