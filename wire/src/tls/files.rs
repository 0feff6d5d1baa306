//! The files that a process takes its certificate, its key and its trust from.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use shoal_core::{Failure, Reason};

use crate::limits::TLS_FILE_BYTES_MAX;

/// Where certificate, key and authority are. All are PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate of this process, followed by those between it and the authority.
    pub cert: PathBuf,
    /// The key of that certificate, without a passphrase.
    pub key: PathBuf,
    /// The certificates of the authorities that sign those of the cluster: one, or two while one replaces the other.
    pub ca: PathBuf,
}

/// What is in the files. Compared as a whole to see whether something changed: times and sizes of files say less.
#[derive(PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) cert: Vec<u8>,
    pub(super) key: Vec<u8>,
    pub(super) ca: Vec<u8>,
}

impl TlsFiles {
    pub(super) fn read(&self) -> Result<Contents, Failure> {
        Ok(Contents { cert: read(&self.cert)?, key: read(&self.key)?, ca: read(&self.ca)? })
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(TLS_FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| invalid(path, "cannot be read").because(&error).next("name a file that this user may read"))?;
    if bytes.len() as u64 > TLS_FILE_BYTES_MAX {
        return Err(invalid(path, "is too large to hold certificates or a key").next("name a PEM file"));
    }
    Ok(bytes)
}

/// A failure about one of the files.
pub(super) fn invalid(path: &Path, what: &str) -> Failure {
    let name = path.display().to_string();
    Failure::new(Reason::InvalidValue, format!("`{name}` {what}")).file(name)
}
