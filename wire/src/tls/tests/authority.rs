//! Authorities, and the certificates that they sign.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::UnixTime;
use tempfile::TempDir;

use crate::tls::{Current, Tls, TlsFiles};

pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
pub(crate) struct Signed {
    pub(crate) cert: String,
    pub(crate) key: String,
}

/// Dates of a certificate.
#[derive(Clone, Copy)]
pub(crate) enum Valid {
    Always,
    InJanuary2020,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        Self { pem: params.self_signed(&key).unwrap().pem(), issuer: Issuer::new(params, key) }
    }

    pub(crate) fn sign(&self, hosts: &[&str]) -> Signed {
        use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
        self.sign_as(hosts, Valid::Always, &[ServerAuth, ClientAuth])
    }

    pub(crate) fn sign_as(&self, hosts: &[&str], valid: Valid, uses: &[ExtendedKeyUsagePurpose]) -> Signed {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.extended_key_usages = uses.to_vec();
        if let Valid::InJanuary2020 = valid {
            (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 2, 1));
        }
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap().pem();
        Signed { cert, key: key.serialize_pem() }
    }
}

/// The files of one process.
pub(crate) struct Folder(TempDir);

impl Folder {
    /// With a certificate for these hosts.
    pub(crate) fn new(authority: &Authority, hosts: &[&str]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write(&authority.sign(hosts), &authority.pem);
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn files(&self) -> TlsFiles {
        TlsFiles { cert: self.path("cert.pem"), key: self.path("key.pem"), ca: self.path("ca.pem") }
    }

    pub(crate) fn write(&self, signed: &Signed, ca: &str) {
        let TlsFiles { cert, key, ca: of_ca } = self.files();
        std::fs::write(cert, &signed.cert).unwrap();
        std::fs::write(key, &signed.key).unwrap();
        std::fs::write(of_ca, ca).unwrap();
    }

    /// With a watch that needs no patience.
    pub(crate) fn tls(&self) -> Tls {
        Tls::watched(self.files(), Duration::from_millis(10)).unwrap()
    }

    /// As it would have started in January 2020, and still runs.
    pub(crate) fn tls_of_2020(&self) -> Tls {
        let january = UnixTime::since_unix_epoch(Duration::from_secs(1_579_000_000));
        let contents = self.files().read().unwrap();
        Tls { current: Arc::new(Current::new(self.files(), &contents, january).unwrap()), name: None }
    }
}

/// A process whose certificate is for this machine.
pub(crate) fn local(authority: &Authority) -> (Folder, Tls) {
    let folder = Folder::new(authority, &["127.0.0.1", "localhost"]);
    let tls = folder.tls();
    (folder, tls)
}
