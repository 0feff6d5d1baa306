//! The way from a user's machine to a head: what stands in it is told by its name, with what to do.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use serde_json::json;
use shoal_core::{Failure, Reason};
use shoal_operator::{AtHand, Door, DoorTo};
use shoal_wire::Token;

use crate::api::{Namespace, server};
use crate::clusters::cluster;
use crate::operator::{Operator, as_service_account};
use crate::tokens::token;

/// A runtime, and a door that was opened in it.
fn open(
    namespace: &Namespace,
    kubeconfig: &Path,
    token: Option<Token>,
) -> (tokio::runtime::Runtime, Result<Door, Failure>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let to = DoorTo {
        cluster: "a".to_owned(),
        namespace: Some(namespace.name().to_owned()),
        context: None,
        kubeconfig: Some(kubeconfig.to_owned()),
    };
    let door = runtime.block_on(Door::open(to, AtHand { token, authority: false }));
    (runtime, door)
}

fn refusal(namespace: &Namespace, kubeconfig: &Path) -> Failure {
    let failure = open(namespace, kubeconfig, None).1.unwrap_err();
    assert!(failure.message.contains(namespace.name()), "{failure:#?}");
    assert!(failure.next.is_some(), "{failure:#?}");
    failure
}

#[test]
fn a_cluster_that_cannot_be_asked_says_why() {
    let namespace = Namespace::new();
    let admin = server().kubeconfig();
    assert_eq!(refusal(&namespace, admin).reason, Reason::ClusterNotFound);

    namespace.apply(&cluster(&json!({"suspend": true})));
    let suspended = refusal(&namespace, admin);
    assert_eq!(suspended.reason, Reason::NotPossible);
    assert!(suspended.message.ends_with("is suspended: it has no pods"), "{suspended:#?}");

    // Nobody has made its token yet.
    namespace.kubectl(&["patch", "shoalcluster", "a", "--type=merge", r#"--patch={"spec": {"suspend": false}}"#]);
    let no_token = refusal(&namespace, admin);
    assert_eq!(no_token.reason, Reason::HeadUnreachable);
    assert!(no_token.message.contains("a-token with the cluster's token is not there"), "{no_token:#?}");

    let _operator = Operator::start(&namespace);
    namespace.until_names("pods", &["a-cpu-0", "a-cpu-1", "a-head-0"]);
    let not_ready = refusal(&namespace, admin);
    assert_eq!(not_ready.reason, Reason::HeadUnreachable);
    assert!(not_ready.message.contains("/a is not ready: "), "{not_ready:#?}");
}

#[test]
fn whoever_lacks_a_right_hears_which() {
    let namespace = Namespace::new();
    let _operator = Operator::start(&namespace);
    namespace.apply(&cluster(&json!({})));
    namespace.until_names("pods", &["a-cpu-0", "a-cpu-1", "a-head-0"]);
    namespace.all_pods_are_ready();
    namespace.until("pod/a-head-0", "the head is ready", |pod| pod["status"]["phase"] == "Running");
    namespace.kubectl(&["create", "serviceaccount", "user"]);
    let folder = tempfile::tempdir().unwrap();
    let user = as_service_account(folder.path(), "user", &namespace, None);
    let subject = format!("--serviceaccount={}:user", namespace.name());
    let may = |name: &str, verb: &str, resource: &str| {
        namespace.kubectl(&["create", "role", name, &format!("--verb={verb}"), &format!("--resource={resource}")]);
        namespace.kubectl(&["create", "rolebinding", name, &format!("--role={name}"), &subject]);
    };

    let named = |role: &str, verb: &str, resource: &str, name: &str| {
        let (verb, resource) = (format!("--verb={verb}"), format!("--resource={resource}"));
        namespace.kubectl(&["create", "role", role, &verb, &resource, &format!("--resource-name={name}")]);
        namespace.kubectl(&["create", "rolebinding", role, &format!("--role={role}"), &subject]);
    };
    let lacks = |right: &str| {
        shoal_testkit::eventually("the rights are known", || {
            let failure = refusal(&namespace, &user);
            let next = failure.next.as_deref().unwrap();
            (failure.reason == Reason::Unauthorized && next.contains(right)).then_some(())
        });
    };
    lacks("kubectl auth can-i get shoalclusters.shoal.dev/a");
    may("clusters", "get", "shoalclusters.shoal.dev");
    // This user shows a certificate to the API server: there is no token of his own.
    lacks("sign in to Kubernetes with a token of your own: `kubectl auth can-i get secret/a-token");
    named("secrets", "get", "secrets", "a-token");
    // The authority stands in the status: nobody reads the Secret that holds the certificate's key.
    lacks("kubectl auth can-i list pods");
    may("pods", "list", "pods");

    // That ports of pods may be forwarded is known once one is.
    let (_runtime, door) = shoal_testkit::eventually("the head's pod is found", || {
        let (runtime, door) = open(&namespace, &user, None);
        door.ok().map(|door| (runtime, door))
    });
    assert!(no_answer(&door).contains("kubectl auth can-i create pods/portforward"));
    // Nobody runs this pod.
    let (_runtime, door) = open(&namespace, server().kubeconfig(), None);
    let door = door.unwrap();
    no_answer(&door);
    assert_eq!(door.trouble().reason, Reason::HeadUnreachable);
}

#[test]
fn a_users_own_token_is_shown_where_the_clusters_may_not_be_read() {
    let namespace = Namespace::new();
    let _operator = Operator::start(&namespace);
    namespace.apply(&cluster(&json!({})));
    namespace.until_names("pods", &["a-cpu-0", "a-cpu-1", "a-head-0"]);
    namespace.all_pods_are_ready();
    namespace.kubectl(&["create", "serviceaccount", "user"]);
    let subject = format!("--serviceaccount={}:user", namespace.name());
    let may = |name: &str, verb: &str, resource: &str| {
        namespace.kubectl(&["create", "role", name, &format!("--verb={verb}"), &format!("--resource={resource}")]);
        namespace.kubectl(&["create", "rolebinding", name, &format!("--role={name}"), &subject]);
    };
    may("clusters", "get", "shoalclusters.shoal.dev");
    may("pods", "list", "pods");
    let folder = tempfile::tempdir().unwrap();
    let own = token(&namespace, "user", &[]);
    let kubeconfig = with_token(folder.path(), &own);
    let shown = || {
        shoal_testkit::eventually("the door is open", || {
            let (runtime, door) = open(&namespace, &kubeconfig, None);
            let door = door.ok()?;
            // Known by what stands in the status.
            assert!(door.authority()?.pem.is_some());
            Some(runtime.block_on(door.token()).unwrap().header())
        })
    };
    assert_eq!(shown(), format!("Bearer {own}"));

    // Whoever may have the cluster's hands nobody his own.
    may("secrets", "get", "secrets");
    shoal_testkit::eventually("the cluster's is shown", || (shown() != format!("Bearer {own}")).then_some(()));
}

/// A kubeconfig whose user shows that token and nothing else.
fn with_token(folder: &Path, token: &str) -> PathBuf {
    let admin = std::fs::read_to_string(server().kubeconfig()).unwrap();
    let is_kept = |line: &&str| !line.trim_start().starts_with("client-certificate:");
    let as_user = |line: &str| match line.trim_start().starts_with("client-key:") {
        true => format!("    token: {token}\n"),
        false => format!("{line}\n"),
    };
    let config: String = admin.lines().filter(is_kept).map(as_user).collect();
    assert!(config.contains(token), "the kubeconfig is not as it was: {admin}");
    let path = folder.join("kubeconfig");
    std::fs::write(&path, config).unwrap();
    path
}

/// Speaks through the door until it is shut; says what is to be done then.
fn no_answer(door: &Door) -> String {
    let mut connection = TcpStream::connect(door.address()).unwrap();
    connection.write_all(b"GET /healthz HTTP/1.1\r\nhost: head\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    // Cut off in one way or the other.
    let _ = connection.read_to_end(&mut answer);
    assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
    // What is noted is noted before the connection ends.
    door.trouble().next.unwrap()
}

#[test]
fn a_token_that_is_given_is_shown_and_the_secret_not_read() {
    let namespace = Namespace::new();
    namespace.apply(&cluster(&json!({})));
    let token = Token::new("0123456789abcdef").unwrap();
    // Without an operator there is no Secret, and what is missing next is the head's pod.
    let failure = open(&namespace, server().kubeconfig(), Some(token)).1.unwrap_err();
    assert_eq!(failure.reason, Reason::HeadUnreachable);
    assert!(failure.message.ends_with("/a is not ready: it has no pod yet"), "{failure:#?}");
}
