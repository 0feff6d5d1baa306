//! How many processes of Shoal run at a time, over all tests of a binary: more than the machine has cores and a little,
//! and every one of them looks hung to the others.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Processes at a time.
pub const PROCESSES: usize = 5;

/// Who came first is served first, or whoever wants all of them would wait for the end of the suite.
struct Queue {
    free: usize,
    drawn: u64,
    served: u64,
}

static QUEUE: Mutex<Queue> = Mutex::new(Queue { free: PROCESSES, drawn: 0, served: 0 });
static MOVED: Condvar = Condvar::new();

/// The right to run so many processes; given back when it is dropped.
#[derive(Debug)]
pub struct Slots(usize);

/// Waits for the right to run `number` processes. Ask once per test, or two tests may wait for each other.
pub fn take(number: usize) -> Slots {
    let number = number.min(PROCESSES);
    let mut queue = lock();
    let mine = queue.drawn;
    queue.drawn += 1;
    while queue.served != mine || queue.free < number {
        queue = MOVED.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
    queue.served += 1;
    queue.free -= number;
    // Whoever is next may find enough left.
    MOVED.notify_all();
    Slots(number)
}

impl Drop for Slots {
    fn drop(&mut self) {
        lock().free += self.0;
        MOVED.notify_all();
    }
}

/// A test that failed with the queue in its hands left it as it was.
fn lock() -> MutexGuard<'static, Queue> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}
