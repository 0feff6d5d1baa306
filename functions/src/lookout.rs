//! Looks at the memory of what the worker runs in while there are processes, and ends the largest before it runs out: the
//! kernel would end the worker as well.
//!
//! A thread of its own does: tasks compute for as long as they like, and those that look after a single process wait with
//! them. To end a process its socket is shut down, which its guardian sees at once.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Instant;

use crate::limits::{END_TIME_MAX, ROOM_LOOK_EVERY};
use crate::memory;
use crate::room::{Held, Shortage, Surroundings};

/// The processes that are looked at.
pub(crate) struct Lookout {
    surroundings: Arc<dyn Surroundings>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    watched: Vec<Weak<Watched>>,
    /// Whether a thread looks at them.
    has_thread: bool,
}

/// A process that may be ended for the memory that it holds.
pub(crate) struct Watched {
    guardian: u32,
    /// The worker's end of its socket.
    socket: UnixStream,
    ended: OnceLock<(Shortage, Instant)>,
}

impl Watched {
    /// What it was ended for, if it was.
    pub(crate) fn shortage(&self) -> Option<Shortage> {
        self.ended.get().map(|(shortage, _)| *shortage)
    }

    fn held(&self) -> Held {
        let bytes = memory::held(self.guardian);
        // One that cannot be ended does not keep others from it for ever.
        let is_ending = self.ended.get().is_some_and(|(_, since)| bytes > 0 && since.elapsed() < END_TIME_MAX);
        Held { bytes: if self.ended.get().is_some() && !is_ending { 0 } else { bytes }, is_ending }
    }

    fn end(&self, shortage: Shortage) {
        // Asked for by whoever finds its socket closed.
        let _ = self.ended.set((shortage, Instant::now()));
        self.hang_up();
    }

    /// Has its guardian end it: that whoever reads and writes has dropped the socket says nothing while it is held here.
    pub(crate) fn hang_up(&self) {
        // One whose other end is gone has ended.
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

impl Lookout {
    pub(crate) fn new(surroundings: Arc<dyn Surroundings>) -> Arc<Self> {
        Arc::new(Self { surroundings, state: Mutex::default() })
    }

    /// What the processes live in.
    pub(crate) fn surroundings(&self) -> Arc<dyn Surroundings> {
        Arc::clone(&self.surroundings)
    }

    /// Looks at a process from now on, for as long as somebody keeps what it gives.
    pub(crate) fn watch(self: &Arc<Self>, guardian: u32, socket: UnixStream) -> io::Result<Arc<Watched>> {
        let watched = Arc::new(Watched { guardian, socket, ended: OnceLock::new() });
        let mut state = self.state();
        if !state.has_thread {
            let lookout = Arc::downgrade(self);
            std::thread::Builder::new().name("shoal-memory".to_owned()).spawn(move || look_until_none(&lookout))?;
            state.has_thread = true;
        }
        state.watched.push(Arc::downgrade(&watched));
        Ok(watched)
    }

    /// Looks once; false where there is nothing to look at.
    fn look(&self) -> bool {
        let watched: Vec<Arc<Watched>> = {
            let mut state = self.state();
            state.watched.retain(|watched| watched.strong_count() > 0);
            state.has_thread = !state.watched.is_empty();
            if !state.has_thread {
                return false;
            }
            state.watched.iter().filter_map(Weak::upgrade).collect()
        };
        // What each of them holds takes the kernel a while to say, and is asked only where it makes a difference.
        let Some(room) = self.surroundings.room().filter(|room| room.is_short()) else { return true };
        let held: Vec<Held> = watched.iter().map(|watched| watched.held()).collect();
        if let Some((place, shortage)) = room.ends(&held) {
            watched[place].end(shortage);
            let (limit, used) = (room.limit, room.used);
            tracing::warn!(limit, used, held = shortage.held, "memory runs out: the largest process is ended");
        }
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in it is ever half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn look_until_none(lookout: &Weak<Lookout>) {
    while lookout.upgrade().is_some_and(|lookout| lookout.look()) {
        std::thread::sleep(ROOM_LOOK_EVERY);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Read;
    use std::process::{Child, Command, Stdio};

    use shoal_testkit::eventually;

    use super::*;
    use crate::room::Room;

    struct Told(Option<Room>);

    impl Surroundings for Told {
        fn room(&self) -> Option<Room> {
            self.0
        }

        fn kills(&self) -> Option<u64> {
            None
        }
    }

    /// A shell with a child, that ends with its test.
    struct Running(Child);

    impl Running {
        fn start() -> Self {
            let mut command = Command::new("sh");
            command.args(["-c", "cat; true"]).stdin(Stdio::piped()).stdout(Stdio::null());
            let running = Self(command.spawn().unwrap());
            eventually("its child is there", || (memory::held(running.0.id()) > 0).then_some(()));
            running
        }
    }

    impl Drop for Running {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn one_process_ends_and_the_next_only_once_it_is_gone() {
        let lookout = Lookout::new(Arc::new(Told(Some(Room { limit: 1 << 30, used: 1 << 30 }))));
        let processes = [Running::start(), Running::start()];
        let (sockets, theirs): (Vec<_>, Vec<_>) = processes.iter().map(|_| UnixStream::pair().unwrap()).unzip();
        let watched: Vec<Arc<Watched>> = (processes.iter().zip(sockets))
            .map(|(process, socket)| lookout.watch(process.0.id(), socket).unwrap())
            .collect();
        let ended = || watched.iter().filter(|watched| watched.shortage().is_some()).count();
        eventually("one of them is told to end", || (ended() == 1).then_some(()));
        // Its other side hears of it, and the other one goes on as long as nothing is given back.
        let first = watched.iter().position(|watched| watched.shortage().is_some()).unwrap();
        let mut socket = &theirs[first];
        assert_eq!(socket.read(&mut [0]).unwrap(), 0);
        assert!(watched[first].held().is_ending);
        assert!(lookout.look());
        assert_eq!(ended(), 1);
        drop(processes);
        drop(watched);
        eventually("nobody looks any more", || (!lookout.state().has_thread).then_some(()));
    }

    #[test]
    fn nothing_ends_where_there_is_room_or_nobody_says() {
        for room in [None, Some(Room { limit: 1 << 40, used: 1 << 30 })] {
            let lookout = Lookout::new(Arc::new(Told(room)));
            let process = Running::start();
            let (socket, _theirs) = UnixStream::pair().unwrap();
            let watched = lookout.watch(process.0.id(), socket).unwrap();
            assert!(lookout.look());
            assert_eq!(watched.shortage(), None);
        }
    }
}
