//! How many processes of Shoal run at a time, over all tests of a binary: more than the machine has cores and a little,
//! and every one of them looks hung to the others.

use std::sync::{Condvar, Mutex, PoisonError};

/// Processes at a time.
pub const PROCESSES: usize = 5;

static FREE: Mutex<usize> = Mutex::new(PROCESSES);
static FREED: Condvar = Condvar::new();

/// The right to run so many processes; given back when it is dropped.
#[derive(Debug)]
pub struct Slots(usize);

/// Waits for the right to run `number` processes. Ask once per test, or two tests may wait for each other.
pub fn take(number: usize) -> Slots {
    let number = number.min(PROCESSES);
    let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    while *free < number {
        free = FREED.wait(free).unwrap_or_else(PoisonError::into_inner);
    }
    *free -= number;
    Slots(number)
}

impl Drop for Slots {
    fn drop(&mut self) {
        *FREE.lock().unwrap_or_else(PoisonError::into_inner) += self.0;
        FREED.notify_all();
    }
}
