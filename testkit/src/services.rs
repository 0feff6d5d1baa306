//! Where the services are.

use std::path::PathBuf;

/// The folder that `scripts/services` writes.
pub(crate) fn folder() -> PathBuf {
    std::env::var_os("SHOAL_SERVICES").map(PathBuf::from).unwrap_or_else(|| {
        let home = std::env::var_os("HOME").expect("HOME is set");
        PathBuf::from(home).join(".cache/shoal/services")
    })
}

/// A program that `scripts/services` builds.
///
/// # Panics
/// Where it is not there, saying what builds it.
pub fn program(name: &str) -> PathBuf {
    let program = folder().join("bin").join(name);
    assert!(program.is_file(), "there is no {}: run `make services`, which builds it", program.display());
    program
}
