//! The door that the operator comes in by: jobs under uids of its choice, and word of how they stand.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use shoal_core::control::{Control, SubmitOptions, WorkerLoad};
use shoal_core::job::Job;
use shoal_core::journal::JobChange;
use shoal_core::report::JobStatus;
use shoal_core::spec::parse_job;
use shoal_core::{Failure, JobUid, Reason, WorkerId, limits};
use shoal_wire::failure::to_status;
use shoal_wire::json;
use shoal_wire::proto::jobs_server::Jobs;
use shoal_wire::proto::{
    Caller, CancelJob, ChangeJob, DrainWorkers, JobState, ListWorkers, SubmitJob, WatchJobs, WorkerList,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::archive::Archives;
use crate::blobs::Blobs;
use crate::coordinator::{Answer, Message, look, read, stopped};
use crate::doors::{Doors, enter};
use crate::local_paths::LocalPaths;
use crate::standing::{Leading, Standing};

/// How often jobs are looked at for a watcher.
const LOOK: Duration = Duration::from_millis(200);

/// Shortest time between two words of one job, a change of its phase apart: each becomes a write to the API server.
const WORD_PAUSE: Duration = Duration::from_secs(1);

/// Words that a slow watcher is owed.
const WORDS_MAX: usize = 256;

/// What messages call the document of a submission.
const SOURCE: &str = "the resource";

/// The service; one per head.
pub(crate) struct JobsService {
    pub(crate) standing: watch::Receiver<Standing>,
    pub(crate) local_paths: LocalPaths,
    pub(crate) doors: Arc<Doors>,
    pub(crate) archives: Option<Archives>,
    pub(crate) blobs: Blobs,
    /// The newest caller that was heard.
    pub(crate) newest: AtomicU64,
}

#[tonic::async_trait]
impl Jobs for JobsService {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<JobState, Status>> + Send>>;

    async fn submit(&self, request: Request<SubmitJob>) -> Result<Response<JobState>, Status> {
        let SubmitJob { caller, job_uid, job_json } = request.into_inner();
        let leading = self.admit(caller)?;
        let uid = uid(&job_uid)?;
        let text = std::str::from_utf8(&job_json).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let spec = parse_job(text, SOURCE).map_err(|failure| to_status(&failure))?;
        let spec = Arc::new(spec);
        Job::parse(uid, spec.clone())
            .and_then(|job| self.local_paths.check(&job))
            .map_err(|failure| to_status(&failure))?;
        self.blobs.check(&spec).await.map_err(|failure| to_status(&failure))?;
        // Under a uid of its own it is a job of its own, whatever ran under its name before.
        let options = SubmitOptions { rerun: true, fresh: true };
        let _turn =
            enter(&self.doors.submissions, limits::SUBMISSIONS_WAITING_MAX).map_err(|failure| to_status(&failure))?;
        self.answered(&leading, |answer| Message::Submit { uid, spec, options, answer }).await
    }

    async fn change(&self, request: Request<ChangeJob>) -> Result<Response<JobState>, Status> {
        let ChangeJob { caller, job_uid, change_json } = request.into_inner();
        let leading = self.admit(caller)?;
        let change: JobChange =
            json::decode(&change_json, "the change of a job").map_err(|failure| to_status(&failure))?;
        let _turn = enter(&self.doors.calls, limits::CALLS_WAITING_MAX).map_err(|failure| to_status(&failure))?;
        let name = name(&leading, uid(&job_uid)?).await?;
        self.answered(&leading, |answer| Message::Change { name, change, answer }).await
    }

    async fn cancel(&self, request: Request<CancelJob>) -> Result<Response<JobState>, Status> {
        let CancelJob { caller, job_uid } = request.into_inner();
        let leading = self.admit(caller)?;
        let _turn = enter(&self.doors.calls, limits::CALLS_WAITING_MAX).map_err(|failure| to_status(&failure))?;
        let name = name(&leading, uid(&job_uid)?).await?;
        self.answered(&leading, |answer| Message::Cancel { name, answer }).await
    }

    async fn watch(&self, request: Request<WatchJobs>) -> Result<Response<Self::WatchStream>, Status> {
        let leading = self.admit(request.into_inner().caller)?;
        let (sender, receiver) = mpsc::channel(WORDS_MAX);
        tokio::spawn(tell(leading, self.archives.clone(), sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn workers(&self, request: Request<ListWorkers>) -> Result<Response<WorkerList>, Status> {
        let leading = self.admit(request.into_inner().caller)?;
        let _turn = enter(&self.doors.calls, limits::CALLS_WAITING_MAX).map_err(|failure| to_status(&failure))?;
        workers(&leading).await
    }

    async fn drain(&self, request: Request<DrainWorkers>) -> Result<Response<WorkerList>, Status> {
        let DrainWorkers { caller, names, leaves_within_ms } = request.into_inner();
        let leading = self.admit(caller)?;
        let _turn = enter(&self.doors.calls, limits::CALLS_WAITING_MAX).map_err(|failure| to_status(&failure))?;
        let within = Duration::from_millis(leaves_within_ms).min(limits::DRAIN_MAX);
        for name in names {
            let (answer, receiver) = oneshot::channel();
            let drain = Message::Drain { worker: WorkerId(name), within, answer };
            leading.coordinator.send_message(drain).map_err(|_| to_status(&stopped()))?;
            match receiver.await.map_err(|_| to_status(&stopped()))? {
                Err(failure) if failure.reason != Reason::WorkerNotFound => return Err(to_status(&failure)),
                // One that is not there has nothing to hand over.
                Ok(_) | Err(_) => {}
            }
        }
        workers(&leading).await
    }
}

async fn workers(leading: &Leading) -> Result<Response<WorkerList>, Status> {
    let loads = look(&leading.coordinator, |control, _| control.worker_loads()).await;
    let loads: Vec<WorkerLoad> = loads.map_err(|failure| to_status(&failure))?;
    let workers_json = json::encode(&loads).map_err(|failure| to_status(&failure))?;
    Ok(Response::new(WorkerList { workers_json }))
}

impl JobsService {
    /// Lets the caller in, unless a newer one was heard.
    fn admit(&self, caller: Option<Caller>) -> Result<Leading, Status> {
        let transitions = caller.unwrap_or_default().transitions;
        let newest = self.newest.fetch_max(transitions, Ordering::SeqCst);
        if transitions < newest {
            let failure = Failure::new(Reason::NotLeading, "another operator leads by now")
                .next("nothing: this one ends as soon as it notices");
            return Err(to_status(&failure));
        }
        self.standing.borrow().leading(None).map_err(|failure| to_status(&failure))
    }

    async fn answered(
        &self,
        leading: &Leading,
        message: impl FnOnce(Answer) -> Message,
    ) -> Result<Response<JobState>, Status> {
        let (answer, receiver) = oneshot::channel();
        leading.coordinator.send_message(message(answer)).map_err(|_| to_status(&stopped()))?;
        let status = receiver.await.map_err(|_| to_status(&stopped()))?.map_err(|failure| to_status(&failure))?;
        let mut statuses = [status];
        tell_of_copies(self.archives.as_ref(), &mut statuses);
        state(&statuses[0]).map(Response::new)
    }
}

fn tell_of_copies(archives: Option<&Archives>, statuses: &mut [JobStatus]) {
    if let Some(archives) = archives {
        statuses.iter_mut().for_each(|status| archives.tell(status));
    }
}

fn uid(text: &str) -> Result<JobUid, Status> {
    text.parse().map(JobUid).map_err(|_| Status::invalid_argument(format!("`{text}` is no uid")))
}

/// The name of the job with that uid, unless another has taken it.
async fn name(leading: &Leading, uid: JobUid) -> Result<String, Status> {
    let all = read(&leading.coordinator, Control::list).await.map_err(|failure| to_status(&failure))?;
    all.into_iter().find(|status| status.uid == uid).map(|status| status.name).ok_or_else(|| {
        to_status(&Failure::new(Reason::JobNotFound, format!("this head knows no job {uid}")).next("submit it again"))
    })
}

fn state(status: &JobStatus) -> Result<JobState, Status> {
    let status_json = json::encode(status).map_err(|failure| to_status(&failure))?;
    Ok(JobState { status_json })
}

/// Tells of every job, then of those that change, until the watcher is gone or this head leads no more.
async fn tell(leading: Leading, archives: Option<Archives>, sender: mpsc::Sender<Result<JobState, Status>>) {
    let mut told = Told::default();
    let mut is_first = true;
    while !sender.is_closed() {
        let mut all = match read(&leading.coordinator, Control::list).await {
            Ok(all) => all,
            Err(failure) => {
                let _ = sender.send(Err(to_status(&failure))).await;
                return;
            }
        };
        tell_of_copies(archives.as_ref(), &mut all);
        for status in told.news(all, Instant::now()) {
            if sender.send(state(&status)).await.is_err() {
                return;
            }
        }
        if is_first && sender.send(Ok(JobState::default())).await.is_err() {
            return;
        }
        is_first = false;
        tokio::time::sleep(LOOK).await;
    }
}

/// What a watcher knows.
#[derive(Default)]
struct Told(HashMap<JobUid, (JobStatus, Instant)>);

impl Told {
    /// What of all jobs is to be told now.
    fn news(&mut self, all: Vec<JobStatus>, now: Instant) -> Vec<JobStatus> {
        let mut news = Vec::new();
        let mut known = HashMap::with_capacity(all.len());
        for status in all {
            let before = self.0.remove(&status.uid);
            let is_news = before.as_ref().is_none_or(|(before, told)| {
                before.phase != status.phase
                    || is_stored(before) != is_stored(&status)
                    || (now.duration_since(*told) >= WORD_PAUSE && has_moved(before, &status))
            });
            let uid = status.uid;
            if is_news {
                news.push(status.clone());
                known.insert(uid, (status, now));
            } else if let Some(before) = before {
                known.insert(uid, before);
            }
        }
        self.0 = known;
        news
    }
}

/// Whether anything has changed but the time that it has taken.
fn has_moved(before: &JobStatus, after: &JobStatus) -> bool {
    before.progress != after.progress
        || before.outputs != after.outputs
        || before.failure != after.failure
        || before.archive != after.archive
}

/// Whether the copy of a job is there: whoever waits to delete the cluster hears of it at once.
fn is_stored(status: &JobStatus) -> bool {
    status.archive.as_ref().is_some_and(|archive| archive.is_stored)
}

#[cfg(test)]
mod tests {
    use shoal_core::report::{ArchiveStatus, Phase, Progress, Report};
    use uuid::Uuid;

    use super::*;

    fn status(phase: Phase, done: u64) -> JobStatus {
        JobStatus {
            name: "a".into(),
            uid: JobUid(Uuid::nil()),
            kind: "groupedTraining".into(),
            phase,
            progress: Progress { done, ..Progress::default() },
            outputs: Vec::new(),
            failure: None,
            report: Report::default(),
            archive: None,
        }
    }

    #[test]
    fn a_job_is_told_of_at_once_when_its_phase_changes_and_else_once_a_second() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut told = Told::default();
        let mut news = |status, ms| told.news(vec![status], at(ms)).len();
        assert_eq!(news(status(Phase::Pending, 0), 0), 1);
        assert_eq!(news(status(Phase::Running, 0), 10), 1);
        assert_eq!(news(status(Phase::Running, 1), 500), 0, "too soon");
        assert_eq!(news(status(Phase::Running, 2), 1_010), 1);
        assert_eq!(news(status(Phase::Running, 2), 3_000), 0, "nothing new");
        assert_eq!(news(status(Phase::Succeeded, 2), 3_001), 1);
        let archived = |is_stored| {
            let archive = ArchiveStatus { uri: "s3://b/a".into(), is_stored, failure: None };
            JobStatus { archive: Some(archive), ..status(Phase::Succeeded, 2) }
        };
        assert_eq!(news(archived(false), 3_002), 0, "too soon");
        assert_eq!(news(archived(true), 3_003), 1);
        assert_eq!(news(archived(true), 9_000), 0, "nothing new");
    }
}
