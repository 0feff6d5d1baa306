//! Why there is no cluster.

use std::fmt::{Debug, Display, Formatter};
use std::path::Path;

/// How much of a log is shown with a failure: enough for an error and what led to it.
const LOG_LINES: usize = 25;

/// What failed and, where it can be known, what to do about it.
pub struct Trouble(String);

impl Trouble {
    /// Something failed, as a sentence.
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }

    /// The same, with the end of a log.
    pub(super) fn with_log(self, path: &Path) -> Self {
        Self(format!("{}\nthe end of {}:\n{}", self.0, path.display(), last_lines(path)))
    }
}

impl Display for Trouble {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

/// As it is displayed: `unwrap` in a test shows it, and a log is unreadable on one line.
impl Debug for Trouble {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Trouble {}

/// Adds what was being done to an error of the system.
pub(super) trait While<T> {
    /// `what` completes "could not".
    fn or_could_not(self, what: impl Display) -> Result<T, Trouble>;
}

impl<T, E: Display> While<T> for Result<T, E> {
    fn or_could_not(self, what: impl Display) -> Result<T, Trouble> {
        self.map_err(|error| Trouble::new(format!("could not {what}: {error}")))
    }
}

fn last_lines(path: &Path) -> String {
    // A program may write what is not UTF-8.
    let text = std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_end_of_a_log_that_is_not_all_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubelet.log");
        let mut log: Vec<u8> = (0..100).flat_map(|line| format!("line {line}\n").into_bytes()).collect();
        log.extend(b"\xff broken");
        std::fs::write(&path, log).unwrap();

        let trouble = Trouble::new("kubelet ended").with_log(&path).to_string();

        assert!(trouble.starts_with("kubelet ended\nthe end of "), "{trouble}");
        assert!(trouble.contains("line 99") && trouble.ends_with("broken"), "{trouble}");
        assert!(!trouble.contains("line 50"), "{trouble}");
    }
}
