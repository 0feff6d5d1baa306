//! Types of core inside messages: as JSON, so that each has one definition.

use serde::Serialize;
use serde::de::DeserializeOwned;
use shoal_core::{Failure, Reason};

/// The value as JSON.
///
/// # Errors
/// [`Reason::Internal`] where the type cannot be written, which its own tests should have shown.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(value)
        .map_err(|error| Failure::internal("a message for another process cannot be written").because(&error))
}

/// The value of some JSON; `what` names it in the failure.
///
/// # Errors
/// [`Reason::IncompatibleVersion`]: the peer writes something that this build cannot read.
pub fn decode<T: DeserializeOwned>(json: &[u8], what: &str) -> Result<T, Failure> {
    serde_json::from_slice(json).map_err(|error| {
        Failure::new(Reason::IncompatibleVersion, format!("{what} that another process sent cannot be read"))
            .because(&error)
            .next("run the same version of shoal in the whole cluster")
    })
}
