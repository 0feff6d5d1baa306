//! A head in this process: the service that the operator calls, with jobs that do what tests say.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use shoal_core::control::{WorkerLoad, WorkerPhase};
use shoal_core::journal::JobChange;
use shoal_core::report::{ArchiveStatus, JobStatus, Phase, Progress, Report};
use shoal_core::{Failure, JobUid, Reason};
use shoal_wire::failure::to_status;
use shoal_wire::json;
use shoal_wire::proto::jobs_server::{Jobs, JobsServer};
use shoal_wire::proto::{
    Caller, CancelJob, ChangeJob, DrainWorkers, JobState, ListWorkers, SubmitJob, WatchJobs, WorkerList,
};
use tokio::net::TcpListener;
use tokio_stream::Stream;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status};

/// What the head knows, and what tests want of it.
#[derive(Default)]
pub(crate) struct Known {
    /// Jobs by uid.
    pub(crate) jobs: BTreeMap<JobUid, JobStatus>,
    /// Each submission: uid and document.
    pub(crate) submissions: Vec<(JobUid, Value)>,
    pub(crate) changes: Vec<JobChange>,
    pub(crate) cancelled: Vec<JobUid>,
    /// What its workers do.
    pub(crate) loads: Vec<WorkerLoad>,
    /// Workers that were to leave, in order.
    pub(crate) drained: Vec<String>,
    /// The highest number that a caller has shown.
    pub(crate) transitions: u64,
    /// So many answers are lost, after what they answer was done.
    pub(crate) answers_to_lose: usize,
    /// What submissions are refused with.
    pub(crate) refusal: Option<Failure>,
    /// The token that was shown last.
    pub(crate) token: Option<String>,
}

/// A head; it ends with the value.
pub(crate) struct FakeHead {
    address: SocketAddr,
    known: Arc<Mutex<Known>>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl FakeHead {
    pub(crate) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let known = Arc::new(Mutex::new(Known::default()));
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let service = JobsServer::new(Service(known.clone()));
        runtime.spawn(
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        Self { address, known, runtime: Some(runtime) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Looks at what it knows, or changes it.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Known) -> T) -> T {
        look(&mut self.known.lock().unwrap())
    }

    /// Says of the copy of its only job whether it is stored, or why it is not.
    pub(crate) fn copy_is(&self, is_stored: bool, failure: Option<Failure>) {
        let uri = "s3://b/shoal/jobs/n/grunfeld/0".to_owned();
        let archive = Some(ArchiveStatus { uri, is_stored, failure });
        self.with(|known| known.jobs.values_mut().next().unwrap().archive = archive);
    }

    /// Brings its only job so far.
    pub(crate) fn job_is(&self, phase: Phase, done: u64) {
        self.with(|known| {
            let job = known.jobs.values_mut().next().unwrap();
            job.phase = phase;
            job.progress = Progress {
                unit: "groups".into(),
                total: Some(11),
                done,
                succeeded: done,
                percent: 50,
                seconds_left: (!phase.is_final()).then_some(10.0),
                ..Progress::default()
            };
            job.report.seconds = 10.0;
            job.report.finished_ms = phase.is_final().then_some(1_700_000_009_000);
        });
    }
}

impl Drop for FakeHead {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

struct Service(Arc<Mutex<Known>>);

impl Service {
    fn called<T>(&self, request: &Request<T>, caller: Option<&Caller>) {
        let mut known = self.0.lock().unwrap();
        known.transitions = known.transitions.max(caller.unwrap().transitions);
        let token = request.metadata().get("authorization").map(|value| value.to_str().unwrap().to_owned());
        known.token = token;
    }

    fn list(&self) -> Response<WorkerList> {
        Response::new(WorkerList { workers_json: json::encode(&self.0.lock().unwrap().loads).unwrap() })
    }

    /// The answer to a call, unless it is to be lost.
    fn answer(&self, uid: JobUid) -> Result<Response<JobState>, Status> {
        let mut known = self.0.lock().unwrap();
        if known.answers_to_lose > 0 {
            known.answers_to_lose -= 1;
            return Err(Status::unavailable("the connection broke"));
        }
        let unknown = || to_status(&Failure::new(Reason::JobNotFound, "no such job"));
        known.jobs.get(&uid).ok_or_else(unknown).map(|job| Response::new(state(job)))
    }
}

fn state(job: &JobStatus) -> JobState {
    JobState { status_json: json::encode(job).unwrap() }
}

#[tonic::async_trait]
impl Jobs for Service {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<JobState, Status>> + Send>>;

    async fn submit(&self, request: Request<SubmitJob>) -> Result<Response<JobState>, Status> {
        self.called(&request, request.get_ref().caller.as_ref());
        let SubmitJob { job_uid, job_json, .. } = request.into_inner();
        let uid = JobUid(job_uid.parse().unwrap());
        let document: Value = serde_json::from_slice(&job_json).unwrap();
        {
            let mut known = self.0.lock().unwrap();
            if let Some(refusal) = &known.refusal {
                return Err(to_status(refusal));
            }
            let name = document["metadata"]["name"].as_str().unwrap().to_owned();
            known.submissions.push((uid, document));
            known.jobs.entry(uid).or_insert_with(|| JobStatus {
                name,
                uid,
                kind: "groupedTraining".into(),
                phase: Phase::Pending,
                progress: Progress::default(),
                outputs: Vec::new(),
                failure: None,
                report: Report { submitted_ms: 1_700_000_000_000, ..Report::default() },
                archive: None,
            });
        }
        self.answer(uid)
    }

    async fn change(&self, request: Request<ChangeJob>) -> Result<Response<JobState>, Status> {
        self.called(&request, request.get_ref().caller.as_ref());
        let ChangeJob { job_uid, change_json, .. } = request.into_inner();
        let uid = JobUid(job_uid.parse().unwrap());
        let change: JobChange = json::decode(&change_json, "a change").unwrap();
        {
            let mut known = self.0.lock().unwrap();
            if let (Some(job), Some(suspend)) = (known.jobs.get_mut(&uid), change.suspend) {
                job.phase = if suspend { Phase::Suspended } else { Phase::Running };
            }
            known.changes.push(change);
        }
        self.answer(uid)
    }

    async fn cancel(&self, request: Request<CancelJob>) -> Result<Response<JobState>, Status> {
        self.called(&request, request.get_ref().caller.as_ref());
        let uid = JobUid(request.into_inner().job_uid.parse().unwrap());
        {
            let mut known = self.0.lock().unwrap();
            known.cancelled.push(uid);
            if let Some(job) = known.jobs.get_mut(&uid) {
                job.phase = Phase::Failed;
                job.failure = Some(Failure::new(Reason::Cancelled, "the job was cancelled"));
            }
        }
        self.answer(uid)
    }

    async fn workers(&self, request: Request<ListWorkers>) -> Result<Response<WorkerList>, Status> {
        self.called(&request, request.get_ref().caller.as_ref());
        Ok(self.list())
    }

    async fn drain(&self, request: Request<DrainWorkers>) -> Result<Response<WorkerList>, Status> {
        self.called(&request, request.get_ref().caller.as_ref());
        let names = request.into_inner().names;
        {
            let mut known = self.0.lock().unwrap();
            for load in known.loads.iter_mut().filter(|load| names.contains(&load.name)) {
                load.state = WorkerPhase::Draining;
            }
            known.drained.extend(names);
        }
        Ok(self.list())
    }

    async fn watch(&self, request: Request<WatchJobs>) -> Result<Response<Self::WatchStream>, Status> {
        self.called(&request, request.get_ref().caller.as_ref());
        let (sender, receiver) = tokio::sync::mpsc::channel(16);
        let known = self.0.clone();
        tokio::spawn(async move {
            let mut told: BTreeMap<JobUid, JobStatus> = BTreeMap::new();
            let mut is_first = true;
            while !sender.is_closed() {
                let jobs = known.lock().unwrap().jobs.clone();
                for (uid, job) in jobs {
                    if told.get(&uid) != Some(&job) {
                        let _ = sender.send(Ok(state(&job))).await;
                        told.insert(uid, job);
                    }
                }
                if std::mem::take(&mut is_first) {
                    let _ = sender.send(Ok(JobState::default())).await;
                }
                // How often it looks, and nothing that is waited for.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}
