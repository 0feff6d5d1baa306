use std::collections::BTreeSet;

use async_trait::async_trait;
use shoal_core::publish::{CommitIntent, PublishedTable, Publisher, Settled};
use shoal_core::{Failure, JobUid};

use super::commit;
use super::leftovers::delete_files_of;
use super::open::open;
use super::transaction::is_published;
use crate::storage::Location;

/// Writes commits to Delta tables.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeltaPublisher;

#[async_trait]
impl Publisher for DeltaPublisher {
    async fn publish(&self, intent: &CommitIntent) -> Result<PublishedTable, Failure> {
        let place = Location::parse(&intent.table)?;
        let table = commit::publish(&place, intent).await.map_err(|failure| at_table(failure, &intent.table))?;
        let keep: BTreeSet<&str> = intent.files.iter().map(|file| file.path.as_str()).collect();
        if let Err(failure) = delete_files_of(&place, intent.job, &keep).await {
            // The commit stands, and files that no commit names do not harm readers.
            tracing::warn!(job = %intent.job, table = intent.table, %failure, "files of failed attempts stay");
        }
        Ok(table)
    }

    async fn withdraw(&self, intent: &CommitIntent) -> Result<Settled, Failure> {
        let place = Location::parse(&intent.table)?;
        commit::withdraw(&place, intent).await.map_err(|failure| at_table(failure, &intent.table))
    }

    async fn discard(&self, job: JobUid, table: &str) -> Result<(), Failure> {
        let place = Location::parse(table)?;
        if let Some(committed) = open(&place).await?
            && is_published(&committed, &job.application_id()).await?
        {
            return Err(
                Failure::internal(format!("files of job {job} are committed and must not be discarded")).file(table)
            );
        }
        delete_files_of(&place, job, &BTreeSet::new()).await?;
        if let Some(folder) = place.local_path() {
            // Not empty, or gone already: both are fine.
            tokio::fs::remove_dir(&folder).await.ok();
        }
        Ok(())
    }
}

/// Names the table in a failure that names no file.
fn at_table(failure: Failure, table: &str) -> Failure {
    match failure.location.file {
        Some(_) => failure,
        None => failure.file(table),
    }
}
