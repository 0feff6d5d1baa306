//! Reads and status patches without a process for each: `kubectl proxy`, which runs as long as its cluster, takes plain HTTP
//! on a socket. Tests look at objects some ten times a second, and kubectl takes a tenth of a second of a processor to start.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::folder::Folder;
use super::place::Place;
use super::process::Launch;
use super::tools;
use super::trouble::Trouble;

/// The socket in the cluster's folder.
const SOCKET: &str = "kubectl.sock";

/// Longer than that no answer takes that is worth waiting for: who asks asks kubectl then.
const LIMIT: Duration = Duration::from_secs(20);

/// Where the API has the kinds that tests look at: as kubectl calls one and many of them.
const KINDS: [(&str, &str, &str); 14] = [
    ("shoaljob", "shoaljobs", "/apis/shoal.dev/v1alpha1"),
    ("shoalcluster", "shoalclusters", "/apis/shoal.dev/v1alpha1"),
    ("shoalworkergroup", "shoalworkergroups", "/apis/shoal.dev/v1alpha1"),
    ("pod", "pods", "/api/v1"),
    ("secret", "secrets", "/api/v1"),
    ("service", "services", "/api/v1"),
    ("event", "events", "/api/v1"),
    ("configmap", "configmaps", "/api/v1"),
    ("resourcequota", "resourcequotas", "/api/v1"),
    ("persistentvolumeclaim", "persistentvolumeclaims", "/api/v1"),
    ("statefulset", "statefulsets", "/apis/apps/v1"),
    ("poddisruptionbudget", "poddisruptionbudgets", "/apis/policy/v1"),
    ("networkpolicy", "networkpolicies", "/apis/networking.k8s.io/v1"),
    ("lease", "leases", "/apis/coordination.k8s.io/v1"),
];

/// The path of a kind in a namespace; none of a kind that is not known here.
pub(super) fn path(namespace: &str, kind: &str) -> Option<String> {
    let (_, plural, prefix) = KINDS.iter().find(|(one, many, _)| *one == kind || *many == kind)?;
    Some(format!("{prefix}/namespaces/{namespace}/{plural}"))
}

/// A value in a query.
pub(super) fn encoded(value: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    value
        .bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// What the API server says.
pub(super) enum Answer {
    Found(Value),
    Missing,
    /// Something else: kubectl is to ask again, and says what it is.
    Unclear,
}

/// How to start it.
pub(super) fn launch(folder: &Folder, kubeconfig: &Path) -> Result<Launch, Trouble> {
    Ok(Launch {
        name: "kubectl-proxy",
        program: tools::built("kubectl")?,
        arguments: vec!["proxy".to_owned(), format!("--unix-socket={}", folder.join(SOCKET).display())],
        environment: vec![("KUBECONFIG", kubeconfig.display().to_string())],
        place: Place::Host,
    })
}

/// Speaks to it.
pub(super) struct Direct {
    socket: PathBuf,
}

impl Direct {
    pub(super) fn new(folder: &Folder) -> Self {
        Self { socket: folder.join(SOCKET) }
    }

    pub(super) fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n"))
    }

    /// Patches strategically, as kubectl does.
    pub(super) fn patch(&self, path: &str, patch: &str) -> Answer {
        let kind = "application/strategic-merge-patch+json";
        let length = patch.len();
        self.ask(&format!(
            "PATCH {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{patch}"
        ))
    }

    fn ask(&self, request: &str) -> Answer {
        self.exchange(request).as_deref().map_or(Answer::Unclear, answer)
    }

    fn exchange(&self, request: &str) -> Option<Vec<u8>> {
        let mut stream = UnixStream::connect(&self.socket).ok()?;
        stream.set_read_timeout(Some(LIMIT)).ok()?;
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        Some(answer)
    }
}

/// Reads an answer, which ends with its connection. One that was cut off is no JSON.
fn answer(bytes: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return Answer::Unclear };
    match (head.split_whitespace().nth(1), serde_json::from_str::<Value>(body)) {
        (Some("200"), Ok(mut found)) => {
            name_items(&mut found);
            Answer::Found(found)
        }
        // Of the object, and not of its kind.
        (Some("404"), Ok(status)) if status["details"]["name"].is_string() => Answer::Missing,
        _ => Answer::Unclear,
    }
}

/// As kubectl shows objects: those of a list with their kind, and none with who manages which of its fields.
fn name_items(found: &mut Value) {
    let forget = |object: &mut Value| {
        object["metadata"].as_object_mut().map(|metadata| metadata.remove("managedFields"));
    };
    let version = found["apiVersion"].clone();
    let kind = found["kind"].as_str().and_then(|kind| kind.strip_suffix("List")).map(str::to_owned);
    match (kind, found.get_mut("items").and_then(Value::as_array_mut)) {
        (Some(kind), Some(items)) => {
            for item in items {
                forget(item);
                item["apiVersion"] = version.clone();
                item["kind"] = kind.as_str().into();
            }
        }
        _ => forget(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_what_kubectl_would_show_or_it_is_asked() {
        let list = "HTTP/1.0 200 OK\r\nA: b\r\n\r\n{\"apiVersion\": \"v1\", \"kind\": \"PodList\", \"items\": \
                    [{\"metadata\": {\"name\": \"a\", \"managedFields\": []}}]}";
        let Answer::Found(list) = answer(list.as_bytes()) else { panic!("a list is expected") };
        let pod = serde_json::json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}});
        assert_eq!(list["items"][0], pod);
        let one = "HTTP/1.0 200 OK\r\n\r\n{\"kind\": \"Pod\", \"metadata\": {\"name\": \"a\", \"managedFields\": []}}";
        let Answer::Found(one) = answer(one.as_bytes()) else { panic!("a pod is expected") };
        assert_eq!(one, serde_json::json!({"kind": "Pod", "metadata": {"name": "a"}}));
        let missing = "HTTP/1.0 404 Not Found\r\n\r\n{\"kind\": \"Status\", \"details\": {\"name\": \"a\"}}";
        assert!(matches!(answer(missing.as_bytes()), Answer::Missing));
        for unclear in [
            "",
            "HTTP/1.0 404 Not Found\r\n\r\n404 page not found",
            "HTTP/1.0 502 Bad Gateway\r\n\r\n",
            "HTTP/1.0 200 OK\r\n\r\n{\"kind\": ",
        ] {
            assert!(matches!(answer(unclear.as_bytes()), Answer::Unclear), "{unclear}");
        }
    }

    #[test]
    fn kinds_are_found_by_both_names() {
        let pods = Some("/api/v1/namespaces/n/pods".to_owned());
        assert_eq!((path("n", "pod"), path("n", "pods"), path("n", "pods,secrets")), (pods.clone(), pods, None));
        assert_eq!(encoded("shoal.dev/cluster=a,b!=c"), "shoal.dev%2Fcluster%3Da%2Cb%21%3Dc");
    }
}
