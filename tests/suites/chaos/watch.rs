//! Looks at the job all the time, so that faults fall when they should and one can say when they fell.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::plan::Moment;
use crate::scenario::Stage;
use crate::world::World;

/// Pause between two looks: short against a task.
const PAUSE: Duration = Duration::from_millis(50);

/// A head that hangs or is cut off is not waited for any longer.
const ANSWER_MAX: Duration = Duration::from_millis(300);

/// What is known of a job.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Its status, as it was shown last.
    pub(crate) status: Value,
    /// When its first task was seen to have been started: no earlier than it was.
    pub(crate) first_task: Option<SystemTime>,
    /// The head that showed it last.
    pub(crate) leader: usize,
}

/// Watches until it is dropped.
pub(crate) struct Watch {
    seen: Arc<Mutex<Seen>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Starts to watch a job.
    pub(crate) fn start(world: &World, job: &str) -> Self {
        let urls: Vec<String> = world.rest_urls().iter().map(|url| format!("{url}/api/v1/jobs/{job}")).collect();
        let token = world.token().to_owned();
        let ca = world.ca().map(|ca| reqwest::Certificate::from_pem_bundle(&std::fs::read(ca).unwrap()).unwrap());
        let seen = Arc::new(Mutex::new(Seen::default()));
        let is_over = Arc::new(AtomicBool::new(false));
        let (sees, ends) = (Arc::clone(&seen), Arc::clone(&is_over));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_MAX).pool_max_idle_per_host(0);
            let client = ca.into_iter().fold(client, |client, ca| client.tls_certs_only(ca)).build().unwrap();
            while !ends.load(Ordering::SeqCst) {
                for (head, url) in urls.iter().enumerate() {
                    let status = runtime.block_on(async {
                        let answer = client.get(url).bearer_auth(&token).send().await.ok()?;
                        if !answer.status().is_success() {
                            return None;
                        }
                        serde_json::from_str::<Value>(&answer.text().await.ok()?).ok()
                    });
                    if let Some(status) = status {
                        sees.lock().unwrap_or_else(PoisonError::into_inner).update(head, status);
                    }
                }
                std::thread::park_timeout(PAUSE);
            }
        });
        Self { seen, is_over, thread: Some(thread) }
    }

    /// What is known now.
    pub(crate) fn now(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Seen {
    fn update(&mut self, head: usize, status: Value) {
        let has_started = stages(&status).iter().any(|stage| stage["attempts"].as_u64() > Some(0));
        if has_started && self.first_task.is_none() {
            self.first_task = Some(SystemTime::now());
        }
        self.leader = head;
        self.status = status;
    }

    /// Whether nothing will happen any more.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self.status["phase"].as_str(), Some("Succeeded" | "Failed"))
    }

    /// Whether a moment has come.
    pub(crate) fn has_come(&self, moment: Moment) -> bool {
        let share = |name: &str| {
            let stage = stages(&self.status).iter().find(|stage| stage["name"] == name)?;
            let (done, tasks) = (stage["done"].as_f64()?, stage["tasks"].as_f64()?);
            stage["attempts"].as_u64().filter(|attempts| *attempts > 0).map(|_| done / tasks.max(1.0))
        };
        match moment.stage {
            Stage::Map => share("map").is_some_and(|done| done >= moment.share) || share("reduce").is_some(),
            Stage::Reduce => share("reduce").is_some_and(|done| done >= moment.share),
        }
    }

    /// The stage that it is in, and how far that is.
    pub(crate) fn place(&self) -> String {
        let phase = self.status["phase"].as_str().unwrap_or("unknown").to_lowercase();
        match stages(&self.status).last() {
            Some(stage) if phase == "running" => {
                format!("{} {}/{}", stage["name"].as_str().unwrap_or("?"), stage["done"], stage["tasks"])
            }
            _ => phase,
        }
    }

    /// Sums over all stages: attempts and tasks.
    pub(crate) fn attempts(&self) -> (u64, u64) {
        let sum = |field: &str| stages(&self.status).iter().filter_map(|stage| stage[field].as_u64()).sum();
        (sum("attempts"), sum("tasks"))
    }
}

fn stages(status: &Value) -> &[Value] {
    status["report"]["stages"].as_array().map_or(&[], Vec::as_slice)
}
