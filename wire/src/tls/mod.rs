//! TLS for everything that a process serves and for everything that it asks another process of its cluster.
//!
//! Each process has a certificate, its key, and the certificate of the authority that signs those of the whole cluster.
//! Between processes (gRPC and Flight) both sides show a certificate, and each checks the other's. Over REST only the head
//! shows one: its users have a token.
//!
//! The three files are looked at every few seconds. What they hold is taken over as a whole, for connections that are
//! opened from then on; what does not fit together is not taken, and the process goes on with what it has.

mod connection;
mod files;
mod identity;
mod refusal;
mod reload;

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::pki_types::{ServerName, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
pub use rustls::{ClientConfig, ServerConfig};
use shoal_core::Failure;

pub use self::connection::Connection;
pub(crate) use self::connection::{connector, incoming};
use self::files::Contents;
pub use self::files::TlsFiles;
use self::identity::Identity;
pub use self::refusal::refusal;

/// What a process shows and trusts, always as its files have it. Clones share it.
#[derive(Clone)]
pub struct Tls {
    current: Arc<Current>,
    /// What the others are known by, where that is not the host in their URL.
    name: Option<ServerName<'static>>,
}

/// What was read last and fits together. Whatever holds it, the files are watched for.
struct Current {
    files: TlsFiles,
    identity: RwLock<Arc<Identity>>,
    /// Where others reach this process: what its certificate has to name, also after it was replaced.
    hosts: RwLock<BTreeSet<String>>,
}

impl Tls {
    /// Reads the files, and from then on whenever they change. Needs a tokio runtime, on which the files are watched until
    /// nothing uses them any more.
    ///
    /// # Errors
    /// [`shoal_core::Reason::InvalidValue`] with the file's name where one cannot be read or holds something else, where
    /// the key is not the certificate's, and where the authority would not accept the certificate: peers do not either.
    pub fn start(files: TlsFiles) -> Result<Self, Failure> {
        Self::watched(files, reload::PAUSE)
    }

    fn watched(files: TlsFiles, pause: Duration) -> Result<Self, Failure> {
        let contents = files.read()?;
        let current = Arc::new(Current::new(files, &contents, UnixTime::now())?);
        // Ends by itself once nothing holds what it would replace.
        tokio::spawn(reload::watch(Arc::downgrade(&current), contents, pause));
        Ok(Self { current, name: None })
    }

    /// As [`Tls::start`], of what is in memory already: certificate, key and authority, all PEM. For a process that reads
    /// them from somewhere else than files, and comes again when they change.
    ///
    /// # Errors
    /// As [`Tls::start`].
    pub fn fixed(cert: Vec<u8>, key: Vec<u8>, ca: Vec<u8>) -> Result<Self, Failure> {
        let files = TlsFiles { cert: "tls.crt".into(), key: "tls.key".into(), ca: "ca.crt".into() };
        let current = Current::new(files, &Contents { cert, key, ca }, UnixTime::now())?;
        Ok(Self { current: Arc::new(current), name: None })
    }

    /// Goes by one name that the certificates of all processes of the cluster have, in the place of the hosts in their URLs:
    /// for processes that come and go under addresses that no certificate can name before. Over REST hosts count as ever.
    ///
    /// # Errors
    /// [`shoal_core::Reason::InvalidValue`] where it is no name, or this process' own certificate does not have it.
    pub fn named(self, name: &str) -> Result<Self, Failure> {
        self.advertise(name)?;
        Ok(Self { name: Some(identity::server_name(name)?), ..self })
    }

    /// How an HTTP server answers: with this certificate, and asking for none. Follows the files by itself.
    ///
    /// # Errors
    /// [`shoal_core::Reason::Internal`] where the library has none of the protocol's versions.
    pub fn rest_server(&self) -> Result<ServerConfig, Failure> {
        let builder = ServerConfig::builder_with_provider(identity::provider()).with_safe_default_protocol_versions();
        let mut server = identity::versions(builder)?.with_no_client_auth().with_cert_resolver(self.current.clone());
        identity::never_resume(&mut server);
        Ok(server)
    }

    /// What an HTTP client trusts: the cluster's authority, as of now.
    pub fn https_client(&self) -> ClientConfig {
        self.current.identity().https.clone()
    }

    /// Says under which host others will reach this process. A certificate that is not made for it is refused: the present
    /// one here, a later one when the files change. Nobody goes by it where there is a name for all ([`Tls::named`]).
    ///
    /// # Errors
    /// [`shoal_core::Reason::InvalidValue`].
    pub fn advertise(&self, host: &str) -> Result<(), Failure> {
        if self.name.is_some() {
            return Ok(());
        }
        self.current.identity().check_host(&self.current.files.cert, host)?;
        self.current.hosts.write().unwrap_or_else(PoisonError::into_inner).insert(host.to_owned());
        Ok(())
    }
}

/// What an HTTP client trusts that is told of an authority and has no certificate of its own.
///
/// # Errors
/// [`shoal_core::Reason::InvalidValue`] with the file's name.
pub fn trusting(ca: &Path) -> Result<ClientConfig, Failure> {
    identity::https(&identity::roots(ca, &files::read(ca)?)?)
}

/// The same, of an authority whose certificate (PEM) is at hand; `source` is where it came from.
///
/// # Errors
/// [`shoal_core::Reason::InvalidValue`] with the source.
pub fn trusting_pem(pem: &[u8], source: &Path) -> Result<ClientConfig, Failure> {
    identity::https(&identity::roots(source, pem)?)
}

/// The scheme of what a process serves.
pub fn scheme(tls: Option<&Tls>) -> &'static str {
    if tls.is_some() { "https" } else { "http" }
}

impl Current {
    fn new(files: TlsFiles, contents: &Contents, now: UnixTime) -> Result<Self, Failure> {
        let identity = Identity::new(&files, contents, now)?;
        Ok(Self { files, identity: RwLock::new(Arc::new(identity)), hosts: RwLock::default() })
    }

    fn identity(&self) -> Arc<Identity> {
        self.identity.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes over what the files hold now, where it can be used in the place of what they held.
    ///
    /// # Errors
    /// [`shoal_core::Reason::InvalidValue`]: nothing has changed then.
    fn replace(&self, contents: &Contents, now: UnixTime) -> Result<(), Failure> {
        let identity = Identity::new(&self.files, contents, now)?;
        for host in self.hosts.read().unwrap_or_else(PoisonError::into_inner).iter() {
            identity.check_host(&self.files.cert, host)?;
        }
        *self.identity.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(identity);
        Ok(())
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.identity().key.clone())
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.current.fmt(f)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
