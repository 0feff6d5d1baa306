//! The authority of a cluster, and the certificates that it signs.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::cluster::TlsFiles;

/// Who signs the certificates of a cluster.
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Another one each time.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // OpenSSL takes a certificate whose name is that of its issuer for one that has signed itself.
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        let key = KeyPair::generate().unwrap();
        Self { pem: params.self_signed(&key).unwrap().pem(), issuer: Issuer::new(params, key) }
    }

    /// Writes a new certificate for a machine of these addresses into a folder, over the one that may be there.
    pub fn sign(&self, folder: &Path, addresses: &[&str]) -> TlsFiles {
        let params = CertificateParams::new(addresses.iter().map(|&address| address.to_owned()).collect::<Vec<_>>());
        let key = KeyPair::generate().unwrap();
        let cert = params.unwrap().signed_by(&key, &self.issuer).unwrap().pem();
        let files = TlsFiles { cert: folder.join("cert.pem"), key: folder.join("key.pem"), ca: folder.join("ca.pem") };
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(&files.cert, cert).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        std::fs::write(&files.ca, &self.pem).unwrap();
        files
    }
}
