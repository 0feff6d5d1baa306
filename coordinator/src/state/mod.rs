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
use self::import::Parsed;
use crate::coordinator::now_ms;
use crate::journal::{StateConfig, Stores};

/// Version of the export's format: what surrounds the records, which have a version of their own.
const EXPORT_VERSION: u32 = 1;

/// How long an import into etcd waits for the lead. A head that is gone loses it within seconds; one that runs keeps it.
const LEAD_WAIT_MAX: Duration = Duration::from_secs(10);

/// Reads every record of a state and replays every job.
///
/// # Errors
/// [`Reason::InvalidValue`] where there is no state; [`Reason::StateLocked`] while a head runs on its folder (an etcd can be
/// read while heads use it); what keeps the journal from being opened. What is wrong with a record is part of the report.
pub async fn check(state: StateConfig, kinds: &Kinds) -> Result<StateReport, Failure> {
    let stored = Stores::open_existing(state).await?.journal.scan().await?;
    Ok(check::check(&stored, kinds, now_ms()))
}

/// All of a state but some jobs, in the format that [`import()`] reads.
///
/// # Errors
/// As [`check()`]; [`Reason::CorruptFile`] for a record that cannot be read, naming the job to leave out.
pub async fn export(state: StateConfig, without: &[JobUid]) -> Result<Export, Failure> {
    let Stores { journal, epochs, .. } = Stores::open_existing(state).await?;
    // After the records: whoever wrote them had no higher one.
    let stored = journal.scan().await?;
    export::export(&stored, without, epochs.highest().await?)
}

/// Reads an export, called `name` in messages, into a state that has no jobs: all of it or nothing.
///
/// # Errors
/// [`Reason::NotPossible`] where jobs are there already; [`Reason::StateLocked`] where a head leads;
/// [`Reason::CorruptFile`] and [`Reason::IncompatibleVersion`] for a file that is no whole export of this build or an
/// older one; what a head would refuse to start with.
pub async fn import(state: StateConfig, export: impl BufRead, name: &str, kinds: &Kinds) -> Result<Imported, Failure> {
    // Before anything is made, so that a refusal leaves nothing behind.
    let Parsed { records, epoch } = import::parse(export, name)?;
    import::verify(&records, kinds, now_ms()).map_err(|failure| failure.file(name))?;
    let stores = Stores::open(state).await?;
    let imported = async {
        let epoch = lead_above(&stores, epoch).await?;
        import::store(stores.journal.as_ref(), epoch, records).await
    };
    let imported = imported.await;
    stores.leadership.resign().await;
    imported.map_err(|failure| match failure.reason {
        Reason::NotPossible => failure.file(stores.place),
        _ => failure,
    })
}

/// Leads a state that has no jobs under an epoch that is higher than `floor`, as every later one is then: workers that
/// have seen a head of where the state came from follow the next one.
async fn lead_above(stores: &Stores, floor: u64) -> Result<u64, Failure> {
    let epoch = lead(stores).await?;
    import::check_empty(stores.journal.as_ref()).await?;
    if epoch > floor {
        return Ok(epoch);
    }
    stores.epochs.raise(epoch, floor).await?;
    lead(stores).await
}

async fn lead(Stores { leadership, place, .. }: &Stores) -> Result<u64, Failure> {
    tokio::time::timeout(LEAD_WAIT_MAX, leadership.campaign()).await.unwrap_or_else(|_| {
        Err(Failure::new(Reason::StateLocked, "a head leads, and keeps the state").file(place).next("end it first"))
    })
}

#[cfg(test)]
#[path = "moving_tests.rs"]
mod moving_tests;
#[cfg(test)]
#[path = "tests.rs"]
mod tests;
