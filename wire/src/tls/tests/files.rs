//! Files that hold something else than they should.

use std::path::Path;

use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
use shoal_core::{Failure, Reason};

use super::authority::{Authority, Folder, Valid};
use crate::limits::TLS_FILE_BYTES_MAX;
use crate::tls::{Tls, trusting};

fn refused(folder: &Folder) -> Failure {
    let failure = Tls::start(folder.files()).unwrap_err();
    assert!(failure.reason == Reason::InvalidValue && failure.next.is_some(), "{failure:?}");
    failure
}

fn is_about(failure: &Failure, file: &Path) -> bool {
    let name = file.to_str().unwrap();
    failure.location.file.as_deref() == Some(name) && failure.message.contains(name)
}

#[tokio::test]
async fn every_broken_file_is_named() {
    let authority = Authority::new("one");
    let folder = Folder::new(&authority, &["a"]);
    let files = folder.files();
    Tls::start(files.clone()).unwrap();
    let good = [&files.cert, &files.key, &files.ca].map(|file| std::fs::read_to_string(file).unwrap());
    let huge = "x".repeat(TLS_FILE_BYTES_MAX as usize + 1);
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (file, good) in [&files.cert, &files.key, &files.ca].into_iter().zip(&good) {
        for broken in ["", "no PEM", &good[..good.len() / 2], &huge] {
            std::fs::write(file, broken).unwrap();
            let failure = refused(&folder);
            assert!(is_about(&failure, file), "{}: {failure:?}", broken.len());
        }
        std::fs::remove_file(file).unwrap();
        assert!(is_about(&refused(&folder), file));
        std::fs::write(file, good).unwrap();
    }
    for file in [&files.cert, &files.ca] {
        let good = std::fs::read_to_string(file).unwrap();
        std::fs::write(file, damaged).unwrap();
        assert!(is_about(&refused(&folder), file));
        std::fs::write(file, good).unwrap();
    }
    // A key where a certificate should be, and the other way round.
    std::fs::write(&files.cert, &good[1]).unwrap();
    assert!(refused(&folder).message.contains("holds no certificate"));
    std::fs::write(&files.cert, &good[0]).unwrap();
    std::fs::write(&files.key, &good[0]).unwrap();
    assert!(is_about(&refused(&folder), &files.key));
}

#[tokio::test]
async fn what_does_not_fit_together_is_refused() {
    let (own, other) = (Authority::new("own"), Authority::new("other"));
    let folder = Folder::new(&own, &["a"]);
    let files = folder.files();
    let mixed = super::authority::Signed { cert: own.sign(&["a"]).cert, key: own.sign(&["a"]).key };
    folder.write(&mixed, &own.pem);
    let failure = refused(&folder);
    assert!(is_about(&failure, &files.key) && failure.message.contains(files.cert.to_str().unwrap()), "{failure:?}");

    folder.write(&own.sign(&["a"]), &other.pem);
    let failure = refused(&folder);
    assert!(is_about(&failure, &files.cert) && failure.message.contains("not signed by"), "{failure:?}");
    assert!(failure.message.contains(files.ca.to_str().unwrap()));

    let purposes = own.sign_as(&["a"], Valid::Always, &[ServerAuth]);
    folder.write(&purposes, &own.pem);
    assert!(refused(&folder).next.unwrap().contains("client authentication"));

    folder.write(&own.sign_as(&["a"], Valid::InJanuary2020, &[ServerAuth, ClientAuth]), &own.pem);
    assert!(refused(&folder).message.contains("has expired"));
}

#[tokio::test]
async fn a_certificate_has_to_be_for_the_host_that_is_told_to_others() {
    let folder = Folder::new(&Authority::new("own"), &["w.example", "10.0.0.2", "::1"]);
    let tls = Tls::start(folder.files()).unwrap();
    for host in ["w.example", "10.0.0.2", "[::1]"] {
        tls.advertise(host).unwrap();
    }
    for host in ["other.example", "10.0.0.3", "not a name"] {
        let failure = tls.advertise(host).unwrap_err();
        assert!(failure.reason == Reason::InvalidValue && failure.message.contains(host), "{failure:?}");
    }
}

#[test]
fn an_authority_is_enough_for_a_client_and_has_to_be_one() {
    let folder = Folder::new(&Authority::new("own"), &["a"]);
    trusting(&folder.files().ca).unwrap();
    let failure = trusting(&folder.path("none")).unwrap_err();
    assert!(failure.reason == Reason::InvalidValue && is_about(&failure, &folder.path("none")));
    assert!(trusting(&folder.files().key).unwrap_err().message.contains("holds no certificate"));
}

#[tokio::test]
async fn nothing_prints_the_key() {
    let folder = Folder::new(&Authority::new("own"), &["a"]);
    let key = std::fs::read_to_string(folder.files().key).unwrap();
    let shown = format!("{:?}", Tls::start(folder.files()).unwrap());
    assert!(shown.contains("cert.pem") && !shown.contains(&key[40..80]), "{shown}");
}
