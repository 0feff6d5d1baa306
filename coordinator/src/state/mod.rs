//! What whoever runs a cluster does with a head's state without a head: verify it, write it out, read it in.

mod check;
mod export;
mod import;

use std::io::BufRead;
use std::time::Duration;

use shoal_core::kind::Kinds;
use shoal_core::{Failure, JobUid, Reason};

pub use self::check::{StateProblem, StateReport};
pub use self::export::Export;
pub use self::import::Imported;
use crate::coordinator::now_ms;
use crate::journal::{StateConfig, Stores, journal_path};

/// Version of the export's format: what surrounds the records, which have a version of their own.
const EXPORT_VERSION: u32 = 1;

/// How long an import into etcd waits for the lead. A head that is gone loses it within seconds; one that runs keeps it.
const LEAD_WAIT_MAX: Duration = Duration::from_secs(10);

/// Reads every record of a state and replays every job.
///
/// # Errors
/// [`Reason::StateLocked`] while a head runs on its folder; what keeps the journal from being opened. What is wrong with
/// a record is part of the report.
pub async fn check(state: StateConfig, kinds: &Kinds) -> Result<StateReport, Failure> {
    let stored = existing(state).await?.journal.scan().await?;
    Ok(check::check(&stored, kinds, now_ms()))
}

/// All of a state but some jobs, in the format that [`import()`] reads.
///
/// # Errors
/// As [`check()`]; [`Reason::CorruptFile`] for a record that cannot be read, naming the job to leave out.
pub async fn export(state: StateConfig, without: &[JobUid]) -> Result<Export, Failure> {
    export::export(&existing(state).await?.journal.scan().await?, without)
}

/// Reads an export, called `name` in messages, into a state that has no jobs: all of it or nothing.
///
/// # Errors
/// [`Reason::NotPossible`] where jobs are there already; [`Reason::StateLocked`] where a head leads;
/// [`Reason::CorruptFile`] and [`Reason::IncompatibleVersion`] for a file that is no whole export of this build or an
/// older one; what a head would refuse to start with.
pub async fn import(state: StateConfig, export: impl BufRead, name: &str, kinds: &Kinds) -> Result<Imported, Failure> {
    // Before anything is made, so that a refusal leaves nothing behind.
    let records = import::parse(export, name)?;
    import::verify(&records, kinds, now_ms()).map_err(|failure| failure.file(name))?;
    let Stores { journal, leadership, place } = Stores::open(state).await?;
    let Ok(epoch) = tokio::time::timeout(LEAD_WAIT_MAX, leadership.campaign()).await else {
        return Err(Failure::new(Reason::StateLocked, "a head leads, and keeps the state")
            .file(place)
            .next("end it first"));
    };
    let imported = import::store(journal.as_ref(), epoch?, records).await;
    leadership.resign().await;
    imported.map_err(|failure| match failure.reason {
        Reason::NotPossible => failure.file(place),
        _ => failure,
    })
}

/// A state, which is not made where it is not there.
async fn existing(state: StateConfig) -> Result<Stores, Failure> {
    if let StateConfig::Folder(folder) = &state
        && !journal_path(folder).exists()
    {
        return Err(Failure::new(Reason::InvalidValue, "no head has kept its state in this folder")
            .file(folder.display().to_string())
            .next("name the folder that the head was started with: `--state-dir DIR`"));
    }
    Stores::open(state).await
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
