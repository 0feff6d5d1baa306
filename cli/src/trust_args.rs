//! How a process shows who it is, and whom it trusts.

use std::path::PathBuf;

use clap::Args;
use shoal_core::Failure;
use shoal_wire::Tls;
use shoal_wire::tls::TlsFiles;

/// What shows who is asking.
#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    /// File with the cluster's token; required beyond this machine.
    #[arg(long, value_name = "FILE", env = "SHOAL_TOKEN_FILE")]
    pub(crate) token_file: Option<PathBuf>,
}

/// What a process of a cluster shows and trusts. With it, everything that it serves and asks is TLS; the files are read
/// again when they change.
#[derive(Debug, Args)]
pub(crate) struct TlsArgs {
    /// File with this process' certificate (PEM); switches TLS on, for all that it serves.
    #[arg(long, value_name = "FILE", env = "SHOAL_TLS_CERT", requires_all = ["tls_key", "tls_ca"])]
    tls_cert: Option<PathBuf>,
    /// File with the certificate's key.
    #[arg(long, value_name = "FILE", env = "SHOAL_TLS_KEY", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// File with the authority that signs the certificates of all processes of the cluster.
    #[arg(long, value_name = "FILE", env = "SHOAL_TLS_CA", requires = "tls_cert")]
    tls_ca: Option<PathBuf>,
    /// Name that the certificates of all processes of the cluster have: workers and heads go by it in the place of the hosts
    /// in URLs, so that certificates need not name addresses.
    #[arg(long, value_name = "NAME", env = "SHOAL_TLS_NAME", requires = "tls_cert")]
    tls_name: Option<String>,
}

impl TlsArgs {
    /// TLS, where it is on: all three files are named, or none is.
    ///
    /// # Errors
    /// As [`Tls::start`] and [`Tls::named`].
    pub(crate) fn start(self) -> Result<Option<Tls>, Failure> {
        let Self { tls_cert: Some(cert), tls_key: Some(key), tls_ca: Some(ca), tls_name } = self else {
            return Ok(None);
        };
        let tls = Tls::start(TlsFiles { cert, key, ca })?;
        Ok(Some(match tls_name {
            Some(name) => tls.named(&name)?,
            None => tls,
        }))
    }
}
