//! The head: the actors around the control state machine, its journal, and the door that workers come in by.
//!
//! Knows no job kind by name and links no query engine: kinds and the publisher come in as trait objects.
//!
//! ```text
//!   REST, command line --> Head --event--> Coordinator (ractor actor around core's Control)
//!   workers --gRPC stream--> Membership --event-->  |          (one per term: see `govern`)
//!                                                   +--effects--> journal writer, worker links, facts, commits
//! ```

mod archive;
mod blobs;
mod coordinator;
mod doors;
mod effects;
mod event_log;
mod govern;
mod head;
mod history;
mod jobs;
mod journal;
mod journal_writer;
mod links;
pub mod local_paths;
mod membership;
mod metrics;
mod newcomers;
mod reign;
mod standing;
pub mod state;
mod traces;

pub use archive::ArchiveConfig;
pub use blobs::TakenBlob;
pub use head::{Head, HeadConfig};
pub use journal::{EtcdConfig, EtcdJournal, EtcdTls, EtcdUser, PREFIX_DEFAULT, RedbJournal, StateConfig};
pub use local_paths::LocalPaths;
