//! An authority, and certificates for the programs of one cluster.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};

use super::trouble::{Trouble, While};

/// A certificate and its key, as files.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// Signs for everyone in one cluster, and is trusted by everyone in it.
pub(super) struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    pair: Pair,
}

impl Authority {
    /// Makes one, with its files in `folder`, which exists.
    pub(super) fn new(folder: &Path, name: &str) -> Result<Self, Trouble> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().or_could_not("make a key")?;
        let certificate = params.self_signed(&key).or_could_not("make an authority")?;
        let pair = write(folder, name, &certificate.pem(), &key.serialize_pem())?;
        Ok(Self { folder: folder.to_owned(), issuer: Issuer::new(params, key), pair })
    }

    /// Its own certificate and key.
    pub(super) fn pair(&self) -> &Pair {
        &self.pair
    }

    /// A client that Kubernetes sees as `user`, a member of `group`.
    pub(super) fn client(&self, file: &str, user: &str, group: Option<&str>) -> Result<Pair, Trouble> {
        self.sign(file, user, group, &[], ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// A server with these names and addresses.
    pub(super) fn server(&self, file: &str, names: &[&str]) -> Result<Pair, Trouble> {
        self.sign(file, file, None, names, ExtendedKeyUsagePurpose::ServerAuth)
    }

    fn sign(
        &self,
        file: &str,
        user: &str,
        group: Option<&str>,
        names: &[&str],
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<Pair, Trouble> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, user);
        if let Some(group) = group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        for name in names {
            params.subject_alt_names.push(match name.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName((*name).try_into().or_could_not(format!("make a certificate for {name}"))?),
            });
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().or_could_not("make a key")?;
        let certificate = params.signed_by(&key, &self.issuer).or_could_not(format!("sign for {user}"))?;
        write(&self.folder, file, &certificate.pem(), &key.serialize_pem())
    }
}

/// The key that signs tokens of service accounts: the public part is where a certificate would be.
pub(super) fn token_key(folder: &Path) -> Result<Pair, Trouble> {
    let key = KeyPair::generate().or_could_not("make a key")?;
    write(folder, "tokens", &key.public_key_pem(), &key.serialize_pem())
}

fn write(folder: &Path, name: &str, certificate: &str, key: &str) -> Result<Pair, Trouble> {
    let pair = Pair { certificate: folder.join(format!("{name}.crt")), key: folder.join(format!("{name}.key")) };
    std::fs::write(&pair.certificate, certificate).or_could_not(format!("write {}", pair.certificate.display()))?;
    std::fs::write(&pair.key, key).or_could_not(format!("write {}", pair.key.display()))?;
    Ok(pair)
}
