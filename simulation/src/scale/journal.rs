//! A journal without a disk to wait for: a file that is only appended to.

use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::PathBuf;

use shoal_core::journal::{Record, decode, encode};
use shoal_core::{Failure, Reason};

/// The file; deleted when it is dropped.
pub(super) struct FileJournal {
    path: PathBuf,
    file: BufWriter<File>,
    pub(super) records: u64,
}

impl FileJournal {
    pub(super) fn create() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("shoal-scale-{}.journal", std::process::id()));
        let file = File::create(&path).map_err(|error| unusable(&path, &error))?;
        Ok(Self { path, file: BufWriter::new(file), records: 0 })
    }

    pub(super) fn append(&mut self, records: &[Record]) -> Result<(), Failure> {
        for record in records {
            let bytes = encode(record)?;
            self.file
                .write_all(&(bytes.len() as u64).to_le_bytes())
                .and_then(|()| self.file.write_all(&bytes))
                .map_err(|error| unusable(&self.path, &error))?;
        }
        self.records += records.len() as u64;
        Ok(())
    }

    pub(super) fn load(&mut self) -> Result<Vec<Record>, Failure> {
        let failed = |error| unusable(&self.path, &error);
        self.file.flush().map_err(failed)?;
        let mut file = BufReader::new(File::open(&self.path).map_err(failed)?);
        let mut records = Vec::new();
        let mut length = [0; 8];
        loop {
            match file.read_exact(&mut length) {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(records),
                result => result.map_err(failed)?,
            }
            let mut bytes = vec![0; u64::from_le_bytes(length) as usize];
            file.read_exact(&mut bytes).map_err(failed)?;
            records.push(decode(&bytes)?);
        }
    }
}

impl Drop for FileJournal {
    fn drop(&mut self) {
        // A file that stays in the folder for temporary ones harms nobody.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn unusable(path: &std::path::Path, error: &std::io::Error) -> Failure {
    Failure::new(Reason::Io, "the journal's file cannot be used").file(path.display().to_string()).because(error)
}
