//! How often in a row each object could not be brought further.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Counts by uid.
#[derive(Debug, Default)]
pub(crate) struct Failures(Mutex<HashMap<String, u32>>);

impl Failures {
    /// Counts one more, and gives the count.
    pub(crate) fn count(&self, uid: &str) -> u32 {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(uid.to_owned()).or_default();
        *count = count.saturating_add(1);
        *count
    }

    /// Forgets them: it went well, or the object is gone.
    pub(crate) fn clear(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}
