//! What is in the file: records by job and number, and what the file says of itself.

use std::ops::RangeInclusive;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, TableError, WriteTransaction};
use shoal_core::history::JobHistory;
use shoal_core::journal::{self, Record, Retention, StoredRecord};
use shoal_core::{Failure, JobUid, Reason};
use uuid::Uuid;

use super::file;
use crate::journal::term::not_leading;

/// Records of a job in the order of their numbers; the number counts all appends of this file.
const RECORDS: TableDefinition<'_, (u128, u64), &[u8]> = TableDefinition::new("records");

/// What is kept apart of a job; absent in files of builds that kept nothing apart.
const APART: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("apart");

/// What the file says of itself: `format`, `epoch`, and the `next` number.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// Version of the file's layout that this build writes; records have a version of their own.
const FORMAT: u64 = 1;

const FORMAT_KEY: &str = "format";
const EPOCH_KEY: &str = "epoch";
const NEXT_KEY: &str = "next";

/// Begins what is on disk once it is committed.
///
/// In two phases: the commit is synced before the header points at it. In one phase a header that was damaged after a crash
/// could not be told from one that was being written, and the last commit, which was acknowledged, would be gone unnoticed.
fn begin_write(database: &Database) -> Result<WriteTransaction, redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    Ok(transaction)
}

/// Makes what a new file begins with.
pub(super) fn initialize(database: &Database) -> Result<(), Failure> {
    let write = || -> Result<(), redb::Error> {
        let transaction = begin_write(database)?;
        transaction.open_table(META)?.insert(FORMAT_KEY, FORMAT)?;
        transaction.open_table(RECORDS)?;
        transaction.commit()?;
        Ok(())
    };
    write().map_err(unwritable)
}

/// Whether this build knows the file's layout.
///
/// # Errors
/// [`Reason::IncompatibleVersion`]; [`Reason::CorruptFile`] for a file of another program.
pub(super) fn check_format(database: &Database) -> Result<(), Failure> {
    let format = || -> Result<Option<u64>, redb::Error> {
        let transaction = database.begin_read()?;
        let meta = transaction.open_table(META)?;
        transaction.open_table(RECORDS)?;
        Ok(meta.get(FORMAT_KEY)?.map(|value| value.value()))
    };
    match format() {
        Ok(Some(format)) if format > FORMAT => Err(Failure::new(
            Reason::IncompatibleVersion,
            format!("the journal has format {format}; this build reads up to {FORMAT}"),
        )
        .next("use the newer build that wrote it, or another `--state-dir`")),
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(Failure::new(Reason::CorruptFile, "the file is no journal of Shoal")),
        Err(error) => Err(unreadable(error)),
    }
}

/// Counts the epoch up and returns it.
pub(super) fn take_epoch(database: &Database) -> Result<u64, Failure> {
    let take = || -> Result<u64, redb::Error> {
        let transaction = begin_write(database)?;
        let epoch = {
            let mut meta = transaction.open_table(META)?;
            let epoch = meta.get(EPOCH_KEY)?.map_or(0, |value| value.value()) + 1;
            meta.insert(EPOCH_KEY, epoch)?;
            epoch
        };
        transaction.commit()?;
        Ok(epoch)
    };
    take().map_err(unwritable)
}

/// The highest epoch so far.
pub(super) fn epoch(database: &Database) -> Result<u64, Failure> {
    let read = || -> Result<u64, redb::Error> {
        Ok(database.begin_read()?.open_table(META)?.get(EPOCH_KEY)?.map_or(0, |value| value.value()))
    };
    read().map_err(unreadable)
}

/// Counts the epoch up to `floor` at least, unless the file's is another than `epoch`.
pub(super) fn raise_epoch(database: &Database, epoch: u64, floor: u64) -> Result<(), Failure> {
    let write = || -> Result<bool, redb::Error> {
        let transaction = begin_write(database)?;
        {
            let mut meta = transaction.open_table(META)?;
            if meta.get(EPOCH_KEY)?.map(|value| value.value()) != Some(epoch) {
                return Ok(false);
            }
            meta.insert(EPOCH_KEY, floor.max(epoch))?;
        }
        transaction.commit()?;
        Ok(true)
    };
    written(write(), epoch)
}

/// Every record, each job's in the order in which they were appended.
pub(super) fn load_all(database: &Database) -> Result<Vec<Record>, Failure> {
    load(database, (u128::MIN, u64::MIN)..=(u128::MAX, u64::MAX))
}

/// The records of one job.
pub(super) fn load_job(database: &Database, job: JobUid) -> Result<Vec<Record>, Failure> {
    load(database, all_of(job))
}

fn all_of(job: JobUid) -> RangeInclusive<(u128, u64)> {
    let job = job.0.as_u128();
    (job, u64::MIN)..=(job, u64::MAX)
}

fn load(database: &Database, keys: RangeInclusive<(u128, u64)>) -> Result<Vec<Record>, Failure> {
    let transaction = database.begin_read().map_err(|error| unreadable(error.into()))?;
    let table = transaction.open_table(RECORDS).map_err(|error| unreadable(error.into()))?;
    let mut records = Vec::new();
    for entry in table.range(keys).map_err(|error| unreadable(error.into()))? {
        let (_, value) = entry.map_err(|error| unreadable(error.into()))?;
        records.push(journal::decode(value.value())?);
    }
    Ok(records)
}

/// What is kept apart of a job.
pub(super) fn load_history(database: &Database, job: JobUid) -> Result<Option<JobHistory>, Failure> {
    let found = || -> Result<Option<Vec<u8>>, redb::Error> {
        let transaction = database.begin_read()?;
        let Some(table) = if_there(transaction.open_table(APART))? else { return Ok(None) };
        Ok(table.get(job.0.as_u128())?.map(|value| value.value().to_vec()))
    };
    match found().map_err(unreadable)?.map(|bytes| journal::decode(&bytes)).transpose()? {
        Some(Record::History { history, .. }) => Ok(Some(*history)),
        _ => Ok(None),
    }
}

/// All that is stored, as it is stored.
pub(super) fn scan(database: &Database) -> Result<Vec<StoredRecord>, Failure> {
    let all = || -> Result<Vec<StoredRecord>, redb::Error> {
        let transaction = database.begin_read()?;
        let mut found = Vec::new();
        for entry in transaction.open_table(RECORDS)?.iter()? {
            let (key, value) = entry?;
            let (job, number) = key.value();
            let job = JobUid(Uuid::from_u128(job));
            let key = format!("records/{job}/{number}");
            found.push(StoredRecord { job, key, is_apart: false, bytes: value.value().to_vec() });
        }
        if let Some(table) = if_there(transaction.open_table(APART))? {
            for entry in table.iter()? {
                let (key, value) = entry?;
                let job = JobUid(Uuid::from_u128(key.value()));
                let key = format!("apart/{job}");
                found.push(StoredRecord { job, key, is_apart: true, bytes: value.value().to_vec() });
            }
        }
        Ok(found)
    };
    all().map_err(unreadable)
}

/// A table, where the file has it.
fn if_there<T>(opened: Result<T, TableError>) -> Result<Option<T>, redb::Error> {
    match opened {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Appends records in one transaction, unless the file's epoch is another.
pub(super) fn append(database: &Database, epoch: u64, records: &[Record]) -> Result<(), Failure> {
    let encoded = records.iter().map(journal::encode).collect::<Result<Vec<_>, _>>()?;
    let write = || -> Result<bool, redb::Error> {
        let transaction = begin_write(database)?;
        {
            let mut meta = transaction.open_table(META)?;
            if meta.get(EPOCH_KEY)?.map(|value| value.value()) != Some(epoch) {
                return Ok(false);
            }
            let mut next = meta.get(NEXT_KEY)?.map_or(0, |value| value.value());
            let mut table = transaction.open_table(RECORDS)?;
            let mut apart = transaction.open_table(APART)?;
            for (record, bytes) in records.iter().zip(&encoded) {
                let job = record.job();
                match record.retention() {
                    Retention::Apart => {
                        apart.insert(job.0.as_u128(), bytes.as_slice())?;
                        continue;
                    }
                    Retention::None => {
                        apart.remove(job.0.as_u128())?;
                        table.retain_in(all_of(job), |_, _| false)?;
                        continue;
                    }
                    Retention::First => {
                        let first = table.range(all_of(job))?.next().transpose()?.map(|(key, _)| key.value());
                        table.retain_in(all_of(job), |key, _| Some(key) == first)?;
                    }
                    Retention::All => {}
                }
                table.insert((job.0.as_u128(), next), bytes.as_slice())?;
                next += 1;
            }
            meta.insert(NEXT_KEY, next)?;
        }
        transaction.commit()?;
        Ok(true)
    };
    written(write(), epoch)
}

/// What came of a write that is made under one epoch only.
fn written(done: Result<bool, redb::Error>, epoch: u64) -> Result<(), Failure> {
    match done {
        Ok(true) => Ok(()),
        Ok(false) => Err(not_leading(format!("the journal's epoch is not {epoch} any more"))),
        Err(error) => Err(unwritable(error)),
    }
}

pub(super) fn unreadable(error: redb::Error) -> Failure {
    let reason = if is_damage(&error) { Reason::CorruptFile } else { Reason::Io };
    Failure::new(reason, "the journal cannot be read").because(&error)
}

fn unwritable(error: redb::Error) -> Failure {
    let failure = match &error {
        redb::Error::Io(io) if file::is_full(io) => {
            Failure::new(Reason::ResourcesExhausted, "the journal cannot be written: the disk is full")
                .next(file::FULL_NEXT)
        }
        error if is_damage(error) => Failure::new(Reason::CorruptFile, "the journal cannot be written"),
        _ => Failure::new(Reason::Io, "the journal cannot be written")
            .next("check the disk below the state folder; the head tries again"),
    };
    failure.because(&error)
}

fn is_damage(error: &redb::Error) -> bool {
    use redb::Error::*;
    matches!(error, Corrupted(_) | TableTypeMismatch { .. } | TableDoesNotExist(_) | TypeDefinitionChanged { .. })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) fn write_format(database: &Database, format: u64) {
    let transaction = database.begin_write().unwrap();
    transaction.open_table(META).unwrap().insert(FORMAT_KEY, format).unwrap();
    transaction.commit().unwrap();
}
