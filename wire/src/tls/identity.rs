//! What the files mean: checked once, then only used.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use shoal_core::{Failure, Reason};

use super::files::{Contents, TlsFiles, invalid};
use super::refusal::explain;

/// What gRPC speaks, as both sides say it in the handshake.
const GRPC: &[u8] = b"h2";

const CERTIFICATE_NEXT: &str =
    "name a PEM file with the certificate first and those between it and the authority after it";
const KEY_NEXT: &str = "name the PEM file of the certificate's key, as PKCS#8, PKCS#1 or SEC1 without a passphrase";
const CA_NEXT: &str = "name a PEM file with the certificate of the authority that signs those of the cluster";

/// A certificate with its key, an authority, and how connections are made with them.
pub(super) struct Identity {
    pub(super) key: Arc<CertifiedKey>,
    /// For gRPC and Flight: shows the certificate and asks for the client's.
    pub(super) server: Arc<ServerConfig>,
    /// For gRPC and Flight: shows the certificate and checks the server's.
    pub(super) client: Arc<ClientConfig>,
    /// For REST: checks the server's certificate and shows none.
    pub(super) https: ClientConfig,
}

impl Identity {
    /// Of files with that content, as seen at `now`.
    pub(super) fn new(files: &TlsFiles, contents: &Contents, now: UnixTime) -> Result<Self, Failure> {
        let roots = roots(&files.ca, &contents.ca)?;
        let key = Arc::new(key(files, contents)?);
        let clients = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider())
            .build()
            .map_err(|error| invalid(&files.ca, "is no authority").because(&error).next(CA_NEXT))?;
        check_own(files, &key, &roots, clients.as_ref(), now)?;
        let shown = Arc::new(SingleCertAndKey::from(key.clone()));
        // Peers are of this project, so the newest version is enough.
        let mut server = versions(ServerConfig::builder_with_provider(provider()).with_protocol_versions(NEWEST))?
            .with_client_cert_verifier(clients)
            .with_cert_resolver(shown.clone());
        server.alpn_protocols = vec![GRPC.to_vec()];
        never_resume(&mut server);
        let mut client = versions(ClientConfig::builder_with_provider(provider()).with_protocol_versions(NEWEST))?
            .with_root_certificates(roots.clone())
            .with_client_cert_resolver(shown);
        client.alpn_protocols = vec![GRPC.to_vec()];
        client.resumption = Resumption::disabled();
        Ok(Self { key, server: Arc::new(server), client: Arc::new(client), https: https(&roots)? })
    }

    pub(super) fn check_host(&self, cert: &Path, host: &str) -> Result<(), Failure> {
        let name = server_name(host)?;
        let own = self.key.end_entity_cert().and_then(ParsedCertificate::try_from);
        own.and_then(|own| rustls::client::verify_server_name(&own, &name)).map_err(|error| {
            invalid(cert, &format!("is no certificate for `{host}`, where others reach this process"))
                .because(&error)
                .next("have that name or address put into the certificate, or advertise one that it has")
        })
    }
}

/// What all TLS of this project is computed with. Said each time, because two are linked: a default would be a guess.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

const NEWEST: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];

pub(super) fn versions<T>(builder: Result<T, rustls::Error>) -> Result<T, Failure> {
    builder.map_err(|error| Failure::internal("the TLS library lacks a version of the protocol").because(&error))
}

/// Has every connection show a certificate that is valid and in use then: one that is resumed goes by what was shown
/// before, which may have been replaced because somebody stole its key.
pub(super) fn never_resume(server: &mut ServerConfig) {
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
}

/// The certificates of a file, as those that are trusted.
pub(super) fn roots(path: &Path, pem: &[u8]) -> Result<Arc<RootCertStore>, Failure> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, pem, CA_NEXT)? {
        roots
            .add(certificate)
            .map_err(|error| invalid(path, "holds a damaged certificate").because(&error).next(CA_NEXT))?;
    }
    Ok(Arc::new(roots))
}

/// How REST is asked: trusting these authorities.
pub(super) fn https(roots: &Arc<RootCertStore>) -> Result<ClientConfig, Failure> {
    Ok(versions(ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions())?
        .with_root_certificates(roots.clone())
        .with_no_client_auth())
}

/// The name or address of a host, as certificates have it.
pub(super) fn server_name(host: &str) -> Result<ServerName<'static>, Failure> {
    // Brackets belong to the URL.
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    ServerName::try_from(bare.to_owned()).map_err(|error| {
        Failure::new(Reason::InvalidValue, format!("`{host}` is no name that a certificate can have"))
            .because(&error)
            .next("use a DNS name or an IP address")
    })
}

fn certificates(path: &Path, pem: &[u8], next: &str) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let read = read.map_err(|error| invalid(path, "holds a damaged certificate").because(&error).next(next))?;
    if read.is_empty() {
        return Err(invalid(path, "holds no certificate").next(next));
    }
    Ok(read)
}

fn key(files: &TlsFiles, contents: &Contents) -> Result<CertifiedKey, Failure> {
    let chain = certificates(&files.cert, &contents.cert, CERTIFICATE_NEXT)?;
    let unusable = |error: &(dyn Error + 'static)| {
        invalid(&files.key, "holds no key that can be used").because(error).next(KEY_NEXT)
    };
    let key = PrivateKeyDer::from_pem_slice(&contents.key).map_err(|error| unusable(&error))?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match &error {
        rustls::Error::InconsistentKeys(_) => {
            let what = format!("is not the key of the certificate in `{}`", files.cert.display());
            invalid(&files.key, &what).next(KEY_NEXT)
        }
        rustls::Error::InvalidCertificate(_) => {
            invalid(&files.cert, "holds a damaged certificate").because(&error).next(CERTIFICATE_NEXT)
        }
        _ => unusable(&error),
    })
}

/// Refuses a certificate that peers with the same authority would refuse, while somebody is there to read why.
fn check_own(
    files: &TlsFiles,
    key: &CertifiedKey,
    roots: &RootCertStore,
    clients: &dyn ClientCertVerifier,
    now: UnixTime,
) -> Result<(), Failure> {
    let algorithms = provider().signature_verification_algorithms.all;
    let (own, between) =
        key.cert.split_first().ok_or_else(|| Failure::internal("a certificate was read and is gone"))?;
    let as_server = ParsedCertificate::try_from(own).and_then(|own| {
        rustls::client::verify_server_cert_signed_by_trust_anchor(&own, roots, between, now, algorithms)
    });
    let checked = as_server.and_then(|()| clients.verify_client_cert(own, between, now).map(drop));
    checked.map_err(|error| {
        let (what, next) = match &error {
            rustls::Error::InvalidCertificate(error) => explain(error),
            _ => ("cannot be accepted".to_owned(), CERTIFICATE_NEXT),
        };
        let authority = files.ca.display();
        invalid(&files.cert, &format!("holds a certificate that {what} (authority: `{authority}`)"))
            .because(&error)
            .next(next)
    })
}
