//! Python with the packages that the oracles need.

use std::path::PathBuf;

/// Where `scripts/setup` puts it.
///
/// # Panics
/// Where it is not there: `make setup` installs it.
pub fn python() -> PathBuf {
    let environment = std::env::var_os("SHOAL_VENV").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache/shoal/venv"),
        PathBuf::from,
    );
    let python = environment.join("bin/python");
    assert!(python.exists(), "there is no {}: run `make setup`", python.display());
    python
}
