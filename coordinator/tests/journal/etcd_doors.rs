//! Who is let in, and what is said to who is not.

use std::path::Path;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use shoal_coordinator::{EtcdConfig, EtcdJournal, EtcdTls, EtcdUser};
use shoal_core::journal::{Journal, Leadership};
use shoal_core::{Failure, Reason};
use shoal_testkit::{Etcd, EtcdSecurity, free_ports};

use crate::samples::facts;

async fn refused(config: EtcdConfig) -> Failure {
    let failure = EtcdJournal::connect(config).await.err().expect("it is refused");
    assert!(failure.next.is_some(), "{failure:?}");
    failure
}

async fn works(config: EtcdConfig) {
    let head = EtcdJournal::connect(config).await.unwrap();
    let epoch = head.campaign().await.unwrap();
    head.append(epoch, vec![facts(1, 1)]).await.unwrap();
    assert_eq!(head.load().await.unwrap(), [facts(1, 1)]);
    head.append(epoch, vec![shoal_core::journal::Record::Forgotten { job: crate::samples::uid(1) }]).await.unwrap();
    head.resign().await;
}

#[tokio::test]
async fn an_etcd_that_does_not_answer_is_named() {
    let port = free_ports(1)[0];
    let url = format!("http://127.0.0.1:{port}");
    let since = Instant::now();
    let failure = refused(EtcdConfig::new(vec![url.clone()])).await;
    assert!(since.elapsed() < Duration::from_secs(10));
    assert_eq!(failure.reason, Reason::Io);
    assert!(failure.message.contains(&url) && failure.location.file.as_deref() == Some(url.as_str()), "{failure:?}");
    assert!(!failure.causes.is_empty(), "{failure:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_member_that_answers_is_enough() {
    let etcd = Etcd::start(1);
    let mut endpoints = vec![format!("http://127.0.0.1:{}", free_ports(1)[0])];
    endpoints.extend(etcd.endpoints());
    works(EtcdConfig::new(endpoints)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_of_another_cluster_and_members_of_another_etcd_are_refused() {
    let (one, other) = (Etcd::start(1), Etcd::start(1));
    let of =
        |cluster: Option<&str>| EtcdConfig { cluster: cluster.map(str::to_owned), ..EtcdConfig::new(one.endpoints()) };
    works(of(Some("blue"))).await;
    works(of(None)).await;
    let failure = refused(of(Some("green"))).await;
    assert_eq!(failure.reason, Reason::NotPossible);
    assert!(failure.message.contains("blue") && failure.message.contains("green"), "{failure:?}");
    works(EtcdConfig { prefix: "/green/".into(), ..of(Some("green")) }).await;

    let mixed = [one.endpoints(), other.endpoints()].concat();
    let failure = refused(EtcdConfig::new(mixed)).await;
    assert_eq!(failure.reason, Reason::NotPossible);
    assert_eq!(failure.location.file, other.endpoints().pop());

    one.ctl(&["put", "/shoal/identity", r#"{"format": 9, "cluster": "blue"}"#]);
    assert_eq!(refused(of(None)).await.reason, Reason::IncompatibleVersion);
    one.ctl(&["put", "/shoal/identity", "something else"]);
    assert_eq!(refused(of(None)).await.reason, Reason::CorruptFile);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_asked_for() {
    let mut etcd = Etcd::start(1);
    let of = |user: Option<(&str, &str)>, etcd: &Etcd| EtcdConfig {
        user: user.map(|(name, password)| EtcdUser { name: name.into(), password: password.into() }),
        ..EtcdConfig::new(etcd.endpoints())
    };
    assert_eq!(refused(of(Some(("shoal", "sesame")), &etcd)).await.reason, Reason::InvalidValue);
    // A user that may use the prefix and nothing else.
    etcd.ctl(&["user", "add", "shoal:sesame"]);
    etcd.ctl(&["role", "add", "shoal"]);
    etcd.ctl(&["role", "grant-permission", "shoal", "readwrite", "/shoal/", "--prefix"]);
    etcd.ctl(&["user", "grant-role", "shoal", "shoal"]);
    etcd.enable_authentication("root-sesame");
    works(of(Some(("shoal", "sesame")), &etcd)).await;
    let refusals = [Some(("shoal", "wrong")), Some(("nobody", "sesame")), None];
    for user in refusals {
        let failure = refused(of(user, &etcd)).await;
        assert_eq!(failure.reason, Reason::Unauthorized, "{user:?}: {failure:?}");
        assert!(failure.message.contains(&etcd.endpoints()[0]), "{failure:?}");
        assert!(!format!("{failure:?}").contains("wrong"), "no password is told");
    }
    let elsewhere = EtcdConfig { prefix: "/other/".into(), ..of(Some(("shoal", "sesame")), &etcd) };
    assert_eq!(refused(elsewhere).await.reason, Reason::Unauthorized);

    // Tokens are lost with the member that gave them: the head gets itself another.
    let head = EtcdJournal::connect(of(Some(("shoal", "sesame")), &etcd)).await.unwrap();
    let epoch = head.campaign().await.unwrap();
    etcd.kill(0);
    etcd.restart(0);
    tokio::task::block_in_place(|| etcd.wait());
    head.append(epoch, vec![facts(1, 1)]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_shows_both_sides_who_the_other_is() {
    let (folder, stranger) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ours = certificates(folder.path());
    let theirs = certificates(stranger.path());
    let etcd = Etcd::start_secure(ours.clone());
    let of = |ca: &EtcdSecurity, identity: Option<&EtcdSecurity>| EtcdConfig {
        tls: Some(EtcdTls {
            ca: ca.ca.clone(),
            identity: identity.map(|files| (files.cert.clone(), files.key.clone())),
        }),
        ..EtcdConfig::new(etcd.endpoints())
    };
    works(of(&ours, Some(&ours))).await;
    let failure = refused(of(&theirs, Some(&ours))).await;
    assert_eq!(failure.reason, Reason::Unauthorized, "{failure:?}");
    assert!(failure.next.as_deref().is_some_and(|next| next.contains("--etcd-ca")), "{failure:?}");
    for wrong in [of(&ours, Some(&theirs)), of(&ours, None)] {
        let failure = refused(wrong).await;
        // etcd hangs up on whom it does not know; its word about that may be lost with the connection.
        assert!(matches!(failure.reason, Reason::Unauthorized | Reason::Io), "{failure:?}");
        assert!(failure.next.as_deref().is_some_and(|next| next.contains("certificates")), "{failure:?}");
    }
    let missing = EtcdSecurity { ca: folder.path().join("none.pem"), ..ours.clone() };
    let failure = refused(of(&missing, None)).await;
    assert!(failure.reason == Reason::InvalidValue && failure.location.file.unwrap().ends_with("none.pem"));
}

fn certificates(folder: &Path) -> EtcdSecurity {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let cert = params.signed_by(&key, &authority).unwrap();
    let files = EtcdSecurity { ca: folder.join("ca.pem"), cert: folder.join("cert.pem"), key: folder.join("key.pem") };
    std::fs::write(&files.ca, authority.pem()).unwrap();
    std::fs::write(&files.cert, cert.pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    files
}
