//! The API server's audit log: a line per request that was answered.

use std::path::{Path, PathBuf};

use serde_json::Value;
use shoal_benches::BenchResult;

/// What the API server is to note: who did what to which object, and when.
const POLICY: &str = "apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- {level: None, verbs: [get, list, watch]}
- {level: Metadata}
";

/// The log of one API server.
pub(crate) struct Audit {
    folder: tempfile::TempDir,
}

/// A request that was answered with success.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) verb: String,
    /// The resource, and what below it, as `pods/status`.
    pub(crate) resource: String,
    pub(crate) namespace: String,
    pub(crate) user: String,
    /// When it was answered, in seconds since 1970-01-01 UTC.
    pub(crate) at: f64,
}

impl Audit {
    pub(crate) fn new() -> BenchResult<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("policy.yaml"), POLICY)?;
        Ok(Self { folder })
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("audit.log")
    }

    /// Flags that make an API server write it, and take as many requests at once as it can.
    pub(crate) fn flags(&self) -> Vec<String> {
        let file = |path: &Path| path.display().to_string();
        vec![
            format!("--audit-policy-file={}", file(&self.folder.path().join("policy.yaml"))),
            format!("--audit-log-path={}", file(&self.log())),
            "--max-requests-inflight=4000".to_owned(),
            "--max-mutating-requests-inflight=2000".to_owned(),
        ]
    }

    /// All writes so far.
    pub(crate) fn writes(&self) -> BenchResult<Vec<Write>> {
        let text = std::fs::read_to_string(self.log())?;
        Ok(text.lines().filter_map(|line| write(&serde_json::from_str(line).ok()?)).collect())
    }
}

fn write(event: &Value) -> Option<Write> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let code = event["responseStatus"]["code"].as_u64()?;
    if !(200..300).contains(&code) {
        return None;
    }
    let object = &event["objectRef"];
    let below = object["subresource"].as_str().map(|below| format!("/{below}")).unwrap_or_default();
    let user = text(&event["impersonatedUser"]["username"]).or_else(|| text(&event["user"]["username"]))?;
    let at: k8s_openapi::jiff::Timestamp = event["stageTimestamp"].as_str()?.parse().ok()?;
    Some(Write {
        verb: text(&event["verb"])?,
        resource: text(&object["resource"])? + &below,
        namespace: text(&object["namespace"]).unwrap_or_default(),
        user,
        at: at.as_microsecond() as f64 / 1e6,
    })
}

/// How many pods a second were made in a namespace, from the first of those requests to the last pod.
pub(crate) fn pods_per_second(writes: &[Write], namespace: &str, since: f64) -> (usize, f64) {
    let is_pod = |write: &&Write| write.verb == "create" && write.resource == "pods" && write.namespace == namespace;
    let times: Vec<f64> = writes.iter().filter(is_pod).map(|write| write.at).filter(|at| *at >= since).collect();
    let last = times.iter().copied().fold(since, f64::max);
    (times.len(), times.len() as f64 / (last - since))
}
