//! How an etcd is reached.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use etcd_client::{Certificate, ConnectOptions, Identity, TlsOptions};
use shoal_core::{Failure, Reason};
use shoal_wire::limits::CONNECT_TIMEOUT;

use super::LEASE_TTL;

/// Where keys lie unless told otherwise.
pub const PREFIX_DEFAULT: &str = "/shoal/";

/// How often an idle connection is tested. etcd hangs up on clients that ask more often than every 5 s.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// How long such a test may stay unanswered. Requests have limits of their own: this only closes what is dead.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// An etcd and what this head is to it.
#[derive(Clone, Debug)]
pub struct EtcdConfig {
    /// URLs of its members, as `http://HOST:PORT` or `https://HOST:PORT`.
    pub endpoints: Vec<String>,
    /// What all keys begin with: clusters that share an etcd have one each.
    pub prefix: String,
    /// Name of the Shoal cluster whose state this must be; any where none is named.
    pub cluster: Option<String>,
    /// Certificates, for `https`.
    pub tls: Option<EtcdTls>,
    /// Who this head is to etcd.
    pub user: Option<EtcdUser>,
    /// URL of this head's REST interface, which other heads send clients to.
    pub advertise: Option<String>,
    /// How long etcd waits for a silent head before another may lead.
    pub lease_ttl: Duration,
}

/// Files with certificates, in PEM. Read anew for every connection.
#[derive(Clone, Debug)]
pub struct EtcdTls {
    /// The authority that signed etcd's certificate.
    pub ca: PathBuf,
    /// This head's certificate and its key, where etcd asks for one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// A name and a password.
#[derive(Clone)]
pub struct EtcdUser {
    /// The name.
    pub name: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for EtcdUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdUser").field("name", &self.name).finish_non_exhaustive()
    }
}

impl EtcdConfig {
    /// An etcd without TLS and passwords, and the usual values for the rest.
    pub fn new(endpoints: Vec<String>) -> Self {
        Self {
            endpoints,
            prefix: PREFIX_DEFAULT.to_owned(),
            cluster: None,
            tls: None,
            user: None,
            advertise: None,
            lease_ttl: LEASE_TTL,
        }
    }

    /// What messages call it.
    pub fn place(&self) -> String {
        self.endpoints.join(",")
    }

    /// Refuses what cannot work.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let refuse = |why: String, next: &str| Err(Failure::new(Reason::InvalidValue, why).next(next));
        if self.endpoints.is_empty() {
            return refuse("no member of etcd is named".into(), "name at least one as http://HOST:PORT");
        }
        for url in &self.endpoints {
            let is_secure = url.starts_with("https://");
            if !is_secure && !url.starts_with("http://") {
                return refuse(format!("`{url}` is no URL of an etcd"), "write it as http://HOST:PORT or https://...");
            }
            match (&self.tls, is_secure) {
                (Some(_), false) => {
                    return refuse(format!("`{url}` is no https URL, but certificates are named"), "write https://...");
                }
                (None, true) => {
                    let next = "name the file with the authority that signed etcd's certificate with `--etcd-ca FILE`";
                    return refuse(format!("nothing says whom to trust at `{url}`"), next);
                }
                _ => {}
            }
        }
        if !self.prefix.starts_with('/') || !self.prefix.ends_with('/') {
            let why = format!("`{}` cannot be what keys begin with", self.prefix);
            return refuse(why, "write a prefix that begins and ends with a slash, as /shoal/");
        }
        Ok(())
    }

    /// What a connection is opened with.
    pub(super) fn options(&self) -> Result<ConnectOptions, Failure> {
        let mut options = ConnectOptions::new()
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_keep_alive(KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT)
            // A member that is cut off from the others says so, instead of waiting for them.
            .with_require_leader(true);
        if let Some(EtcdUser { name, password }) = &self.user {
            options = options.with_user(name, password);
        }
        if let Some(EtcdTls { ca, identity }) = &self.tls {
            let mut tls = TlsOptions::new().ca_certificate(Certificate::from_pem(read(ca)?));
            if let Some((cert, key)) = identity {
                tls = tls.identity(Identity::from_pem(read(cert)?, read(key)?));
            }
            options = options.with_tls(tls);
        }
        Ok(options)
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|error| {
        Failure::new(Reason::InvalidValue, "a certificate's file cannot be read")
            .because(&error)
            .file(file.display().to_string())
            .next("name a file in PEM that this user may read")
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused_with_a_way_out() {
        let good = EtcdConfig::new(vec!["http://127.0.0.1:2379".into()]);
        good.check().unwrap();
        let tls = Some(EtcdTls { ca: "ca.pem".into(), identity: None });
        let url = |url: &str| EtcdConfig { endpoints: vec![url.to_owned()], ..good.clone() };
        for bad in [
            EtcdConfig { endpoints: Vec::new(), ..good.clone() },
            url("127.0.0.1:2379"),
            url("https://127.0.0.1:2379"),
            EtcdConfig { tls: tls.clone(), ..good.clone() },
            EtcdConfig { prefix: "shoal".into(), ..good.clone() },
        ] {
            let failure = bad.check().unwrap_err();
            assert!(failure.reason == Reason::InvalidValue && failure.next.is_some(), "{failure:?}");
        }
        EtcdConfig { tls, ..url("https://127.0.0.1:2379") }.check().unwrap();
    }

    #[test]
    fn a_password_is_never_shown() {
        let user = EtcdUser { name: "shoal".into(), password: "secret".into() };
        let config = EtcdConfig { user: Some(user), ..EtcdConfig::new(Vec::new()) };
        assert!(!format!("{config:?}").contains("secret"));
    }
}
