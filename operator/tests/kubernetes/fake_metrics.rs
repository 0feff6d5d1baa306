//! What answers in the place of a head's `/metrics`, or of a Prometheus: what a test says.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// A status and a body. `{now}` becomes the time, in seconds.
    Says(u16, String),
    /// Nothing, ever.
    Never,
}

/// What was asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// Path and query.
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
}

/// Something that answers; it ends with the value.
pub(crate) struct FakeMetrics {
    address: SocketAddr,
    answer: Arc<Mutex<Answer>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl FakeMetrics {
    pub(crate) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (answer, asked) = (Arc::new(Mutex::new(Answer::Says(200, head(&Work::default())))), Arc::default());
        let (answers, notes) = (answer.clone(), Arc::clone(&asked));
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answers.clone(), Arc::clone(&notes)));
            }
        });
        Self { address, answer, asked, runtime: Some(runtime) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on this is answered.
    pub(crate) fn says(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    /// From now on a head is there with that work.
    pub(crate) fn has(&self, work: &Work) {
        self.says(Answer::Says(200, head(work)));
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for FakeMetrics {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(mut stream: TcpStream, answer: Arc<Mutex<Answer>>, asked: Arc<Mutex<Vec<Asked>>>) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    let request = String::from_utf8(request).unwrap();
    let header =
        |line: &str| line.to_ascii_lowercase().starts_with("authorization:").then(|| line[14..].trim().to_owned());
    asked.lock().unwrap().push(Asked {
        path: request.split(' ').nth(1).unwrap_or_default().to_owned(),
        authorization: request.lines().find_map(header),
    });
    let answer = answer.lock().unwrap().clone();
    let (status, body) = match answer {
        Answer::Says(status, body) => (status, body),
        // Until whoever asked gives up.
        Answer::Never => {
            let _ = stream.read_u8().await;
            return;
        }
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let body = body.replace("{now}", &now.to_string());
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
}

/// Work of a head.
#[derive(Clone, Debug, Default)]
pub(crate) struct Work {
    pub(crate) queued_tasks: u64,
    pub(crate) queued_seconds: f64,
    pub(crate) running_tasks: u64,
    pub(crate) running_seconds: f64,
    pub(crate) ready_slots: u64,
    pub(crate) jobs: u64,
}

/// What a head with that work writes.
pub(crate) fn head(work: &Work) -> String {
    let Work { queued_tasks, queued_seconds, running_tasks, running_seconds, ready_slots, jobs } = work;
    let class = r#"{priority="0",shape="slot",worker_group="any"}"#;
    format!(
        "# TYPE shoal_head_leads gauge\nshoal_head_leads 1\nshoal_queued_slot_seconds{class} {queued_seconds}\n\
         shoal_queued_tasks{class} {queued_tasks}\nshoal_running_slot_seconds{class} {running_seconds}\n\
         shoal_running_tasks{class} {running_tasks}\nshoal_capacity_slots{{state=\"ready\"}} {ready_slots}\n\
         shoal_capacity_slots{{state=\"busy\"}} {running_tasks}\nshoal_capacity_slots{{state=\"draining\"}} 0\n\
         shoal_capacity_slots{{state=\"disk_full\"}} 0\nshoal_expected_workers 0\nshoal_held_partition_bytes 0\n\
         shoal_unfinished_jobs {jobs}\nshoal_signal_timestamp_seconds {{now}}\n"
    )
}

/// What a Prometheus answers that scrapes that head.
pub(crate) fn prometheus(head: &str) -> String {
    let sample = |line: &str| {
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let mut metric = json!({"__name__": name, "namespace": "n", "pod": "a-head-0", "shoal_dev_cluster": "a"});
        for label in labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty()) {
            let (name, value) = label.split_once('=')?;
            metric[name] = value.trim_matches('"').into();
        }
        Some(json!({"metric": metric, "value": [0, value]}))
    };
    let samples: Vec<Value> = head.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect();
    let answer = json!({"status": "success", "data": {"resultType": "vector", "result": samples}});
    answer.to_string().replace("[0,", "[{now},")
}
