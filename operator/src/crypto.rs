//! The process's cryptography.

/// Provides it, where nobody has: the Kubernetes library asks for the process's, and takes none itself where the build has
/// several. One that is there stays.
pub(crate) fn provide() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
