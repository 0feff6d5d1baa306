use std::io::{self, Read};

use bytes::{Buf, Bytes};
use object_store::ObjectStoreExt;
use tokio::runtime::Handle;

use super::Location;

/// Bytes that are fetched at a time: few requests, little memory.
const CHUNK_BYTES: u64 = 4 << 20;

/// A file, read from front to back by code that blocks. To be used on a thread that may block, of a runtime.
pub(crate) struct ObjectReader {
    place: Location,
    runtime: Handle,
    next: u64,
    end: u64,
    chunk: Bytes,
}

impl ObjectReader {
    /// Starts at a byte of a file that has so many in all.
    pub(crate) fn new(place: Location, start: u64, end: u64) -> Self {
        Self { place, runtime: Handle::current(), next: start, end, chunk: Bytes::new() }
    }
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.chunk.is_empty() && self.next < self.end {
            let range = self.next..self.end.min(self.next + CHUNK_BYTES);
            self.next = range.end;
            let fetched = self.runtime.block_on(self.place.store().get_range(self.place.path(), range));
            self.chunk = fetched.map_err(io::Error::other)?;
        }
        let read = buffer.len().min(self.chunk.len());
        self.chunk.copy_to_slice(&mut buffer[..read]);
        Ok(read)
    }
}
