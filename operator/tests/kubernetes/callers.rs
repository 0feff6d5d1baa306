//! Callers of a head whom Kubernetes knows: what a real API server says of real accounts, through a real head.

use std::path::Path;
use std::time::{Duration, SystemTime};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use shoal_core::{Failure, Reason};
use shoal_testkit::{eventually, free_ports};

use crate::api::Namespace;
use crate::clusters::cluster;
use crate::operator::Operator;
use crate::processes::{Process, api_server};
use crate::security::mount;
use crate::tokens::{token, token_until};

/// A head's process on this machine, with the files of its pod in a folder, where the API server is there.
fn head(pod: &Value, folder: &Path, server: (String, String)) -> Process {
    let adapt = |option: &str, value: &str| match option {
        "--listen" | "--workers-listen" => Some("127.0.0.1:0".to_owned()),
        "--state-dir" => Some(tempfile::tempdir_in(folder).unwrap().keep().display().to_string()),
        "--token-file" | "--tls-cert" | "--tls-key" | "--tls-ca" => {
            Some(folder.join(Path::new(value).file_name().unwrap()).display().to_string())
        }
        "--kubernetes-ca" => Some(folder.join("kubernetes").join("ca.crt").display().to_string()),
        _ => None,
    };
    Process::with_server(pod, adapt, server)
}

/// Whoever asks a head.
struct Caller<'a> {
    runtime: &'a tokio::runtime::Runtime,
    http: &'a Client,
    token: Option<String>,
}

impl Caller<'_> {
    fn ask(&self, head: &Process, action: &str) -> (u16, Value) {
        let (method, path) = action.split_once(' ').unwrap();
        let request =
            self.http.request(Method::from_bytes(method.as_bytes()).unwrap(), format!("{}{path}", head.url()));
        let request = self.token.iter().fold(request.body("no job"), |request, token| request.bearer_auth(token));
        self.runtime.block_on(async {
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
        })
    }

    fn status(&self, head: &Process, action: &str) -> u16 {
        self.ask(head, action).0
    }

    fn refusal(&self, head: &Process, action: &str) -> Failure {
        let (status, answer) = self.ask(head, action);
        assert!(status >= 400, "{action}: {answer}");
        serde_json::from_value(answer).unwrap()
    }
}

const LIST: &str = "GET /api/v1/jobs";
const SUBMIT: &str = "POST /api/v1/jobs";
const SHOW: &str = "GET /api/v1/jobs/x";
const CHANGE: &str = "PATCH /api/v1/jobs/x";
const CANCEL: &str = "POST /api/v1/jobs/x/cancel";
const CLUSTER: &str = "GET /api/v1/cluster";
const METRICS: &str = "GET /metrics";
const DRAIN: &str = "POST /api/v1/workers/x/drain";

/// What the head says of a request that it has let in: of no job, of a job or a worker that is not there.
const LET_IN: [u16; 4] = [200, 400, 404, 422];

#[test]
fn a_caller_may_do_on_a_cluster_what_kubernetes_lets_him_do_with_its_jobs() {
    let namespace = Namespace::new();
    let _operator = Operator::start(&namespace);
    namespace.apply(&cluster(&json!({"head": {"state": {"ephemeral": {}}}})));
    namespace.until_names("pods", &["a-cpu-0", "a-cpu-1", "a-head-0"]);
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("kubernetes")).unwrap();
    mount(&namespace, "secret/a-tls", folder.path());
    mount(&namespace, "secret/a-token", folder.path());
    let pod = namespace.get("pod/a-head-0");
    let volume = pod["spec"]["volumes"].as_array().unwrap().iter().find(|one| one["name"] == "kubernetes").unwrap();
    let authority = format!("configmap/{}", volume["configMap"]["name"].as_str().unwrap());
    mount(&namespace, &authority, &folder.path().join("kubernetes"));
    let running = head(&pod, folder.path(), api_server());

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let own = reqwest::Certificate::from_pem(&std::fs::read(folder.path().join("ca.crt")).unwrap()).unwrap();
    let http = Client::builder().tls_certs_only([own]).no_proxy().pool_max_idle_per_host(0).build().unwrap();
    let caller = |token: Option<String>| Caller { runtime: &runtime, http: &http, token };
    let may = |account: &str, name: &str, verbs: &str, resource: &str| {
        let subject = format!("--serviceaccount={}:{account}", namespace.name());
        let (verbs, resource) = (format!("--verb={verbs}"), format!("--resource={resource}"));
        namespace.kubectl(&["create", "role", name, &verbs, &resource]);
        namespace.kubectl(&["create", "rolebinding", name, &format!("--role={name}"), &subject]);
    };
    for account in ["maker", "reader", "nobody", "gone"] {
        namespace.kubectl(&["create", "serviceaccount", account]);
    }
    may("maker", "makes", "create,list,patch,delete", "shoaljobs.shoal.dev");
    may("reader", "reads", "get,list", "shoaljobs.shoal.dev");
    may("gone", "went", "list", "shoaljobs.shoal.dev");

    // Each may do what he has the right to, and hears of the rest what he lacks.
    let all = [LIST, SUBMIT, SHOW, CHANGE, CANCEL, CLUSTER, METRICS, DRAIN];
    for (account, lets_in) in
        [("maker", &[LIST, SUBMIT, CHANGE, CANCEL][..]), ("reader", &[LIST, SHOW]), ("nobody", &[])]
    {
        let caller = caller(Some(token(&namespace, account, &[])));
        for action in all {
            let expected = lets_in.contains(&action);
            // The API server learns of a right in its own time.
            eventually(&format!("{account} is answered to {action}"), || {
                let status = caller.status(&running, action);
                (LET_IN.contains(&status) == expected && (expected || status == 403)).then_some(())
            });
        }
    }
    let reader = caller(Some(token(&namespace, "reader", &[])));
    let refused = reader.refusal(&running, SUBMIT);
    assert_eq!(refused.reason, Reason::Forbidden);
    let name = namespace.name();
    let expected = format!("`system:serviceaccount:{name}:reader` may not create ShoalJobs of namespace {name}");
    assert_eq!(refused.message, expected);
    // What is said to be done is what helps, word by word.
    let next = refused.next.unwrap();
    let commands: Vec<&str> = next.split('`').filter(|part| part.starts_with("kubectl ")).collect();
    assert_eq!(commands.len(), 2, "{next}");
    for command in commands {
        namespace.kubectl(&command.split(' ').skip(1).collect::<Vec<_>>());
    }
    eventually("the right counts", || LET_IN.contains(&reader.status(&running, SUBMIT)).then_some(()));

    // Who is not known is told so, whatever he shows.
    let hour = Duration::from_secs(3_600);
    let good = token_until(&namespace, "reader", SystemTime::now() + hour);
    assert_eq!(caller(Some(good)).status(&running, LIST), 200, "such a token is good as long as it lasts");
    let of_gone = token(&namespace, "gone", &[]);
    eventually("the account may do something", || {
        (caller(Some(token(&namespace, "gone", &[]))).status(&running, LIST) == 200).then_some(())
    });
    namespace.kubectl(&["delete", "serviceaccount", "gone"]);
    for (what, shown) in [
        ("made up", "0123456789abcdef0123456789abcdef".to_owned()),
        ("expired", token_until(&namespace, "reader", SystemTime::now() - hour)),
        ("for another audience", token(&namespace, "reader", &["--audience=vault"])),
        ("too short for any", "short".to_owned()),
    ] {
        let failure = caller(Some(shown)).refusal(&running, LIST);
        assert_eq!(failure.reason, Reason::Unauthorized, "{what}: {failure:#?}");
        assert!(failure.next.is_some(), "{what}: {failure:#?}");
    }
    eventually("an account that is gone is nobody", || {
        (caller(Some(of_gone.clone())).status(&running, LIST) == 401).then_some(())
    });
    let nothing = caller(None).refusal(&running, LIST);
    assert_eq!(nothing.reason, Reason::Unauthorized);
    assert!(nothing.next.unwrap().contains("--cluster a"));
    assert_eq!(caller(None).status(&running, "GET /healthz"), 200, "probes are open");
    let of_cluster = || caller(Some(std::fs::read_to_string(folder.path().join("token")).unwrap()));
    for action in all {
        assert!(LET_IN.contains(&of_cluster().status(&running, action)), "the cluster's own token: {action}");
    }

    // Nobody is let in on a guess.
    let nobody_there = ("127.0.0.1".to_owned(), free_ports(1)[0].to_string());
    let alone = head(&pod, folder.path(), nobody_there);
    let (status, answer) = reader.ask(&alone, LIST);
    let failure: Failure = serde_json::from_value(answer).unwrap();
    assert_eq!((status, failure.reason), (503, Reason::Io), "{failure:#?}");
    assert!(failure.is_transient() && failure.next.is_some_and(|next| next.contains("ask again")));
    assert_eq!(of_cluster().status(&alone, LIST), 200);
}
