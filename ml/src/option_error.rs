//! What is wrong with an estimator's options.

/// An option outside its range. Options are checked before anything runs; a fit with wrong ones panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{option} {rule}")]
pub struct OptionError {
    /// The option's name in Rust.
    pub option: &'static str,
    /// What has to hold, as in "must be zero or more".
    pub rule: &'static str,
}

/// `Ok` if `holds`.
pub(crate) fn require(holds: bool, option: &'static str, rule: &'static str) -> Result<(), OptionError> {
    if holds { Ok(()) } else { Err(OptionError { option, rule }) }
}
