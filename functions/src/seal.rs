//! Closes a process to others of its user.

use shoal_core::{Failure, Reason};

/// Closes this process to all others of its user: its variables, memory and descriptors cannot be read through `/proc`, it
/// cannot be traced, and it leaves no core. Whoever may trace any process still can.
///
/// # Errors
/// [`Reason::Io`] where the system does not do that.
#[cfg(target_os = "linux")]
pub fn seal() -> Result<(), Failure> {
    capctl::prctl::set_dumpable(false).map_err(|error| {
        Failure::new(Reason::Io, "the worker cannot be closed to the processes of functions")
            .because(&error)
            .next("see whether a security profile of the container forbids `prctl(PR_SET_DUMPABLE)`")
    })
}

/// Refuses: nothing is known that would close it.
///
/// # Errors
/// [`Reason::Io`], always.
#[cfg(not(target_os = "linux"))]
pub fn seal() -> Result<(), Failure> {
    Err(Failure::new(Reason::Io, "the worker cannot be closed to the processes of functions")
        .next("run workers on Linux"))
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_process_is_not_dumpable() {
        seal().unwrap();
        assert!(!capctl::prctl::get_dumpable().unwrap());
    }
}
