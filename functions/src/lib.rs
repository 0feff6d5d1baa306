//! Long-lived Python processes that call users' functions for groups.
//!
//! ```text
//!   task --Groups--> Queue --> process: guardian -- forks --> Python with the user's code
//!        <-Returns--            |   ^                           |
//!                               |   +---- results, Arrow -------+   one socket, its standard input
//!                               +-- watched: which group runs, for how long; memory; what it prints
//! ```
//!
//! A process is a pair: see `python/src/shoal/worker/guardian.py`. Closing the socket ends both with all that the user's code
//! has started, and so does the end of this process.

mod answer;
mod cache;
mod calls;
mod chunks;
mod death;
mod environment;
mod files;
mod interpreter;
mod limits;
mod lookout;
mod memory;
mod offer;
mod pool;
mod process;
mod progress;
mod queue;
mod room;
mod said;
mod seal;
mod sources;
mod start;
mod wire;

pub use interpreter::{NoPython, python_version};
pub use offer::Offer;
pub use pool::Pool;
pub use room::{Room, Surroundings};
pub use seal::seal;
