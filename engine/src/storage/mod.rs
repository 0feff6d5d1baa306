//! Where tables lie: paths of this machine and URLs of object stores, each with the store that holds it.
//!
//! Everything that finds, reads, writes or deletes a file of a table goes through a [`Location`]. Two things differ
//! between a disk and an object store and are told apart here alone: what a place is called, and how a file comes into
//! being (`NewFile`).

mod cloud;
mod failure;
mod location;
mod new_file;
mod reader;
mod upload;

use failure::remote_failure_of;
pub(crate) use failure::{names_missing, remote_failure, write_failure};
pub use location::Location;
pub(crate) use new_file::NewFile;
pub(crate) use reader::ObjectReader;
