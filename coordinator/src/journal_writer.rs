//! Takes appends from the effect loop to the journal, beside the actor.

use std::sync::Arc;

use ractor::ActorRef;
use shoal_core::JobUid;
use shoal_core::journal::{Journal, Record};
use tokio::sync::mpsc;

use crate::archive::Archives;
use crate::coordinator::Message;
use crate::history::Histories;
use crate::traces::Tracer;

/// Who hears of jobs whose end is stored.
pub(crate) struct Ends {
    pub(crate) histories: Histories,
    pub(crate) archives: Option<Archives>,
    pub(crate) tracer: Option<Tracer>,
}

impl Ends {
    fn stored(&self, ended: &[JobUid]) {
        self.histories.stored(ended);
        if let Some(archives) = self.archives.as_ref().filter(|_| !ended.is_empty()) {
            archives.a_job_has_ended();
        }
        if let Some(tracer) = &self.tracer {
            tracer.jobs_have_ended(ended);
        }
    }
}

/// Appends what comes in, one after the other, and tells the coordinator how each ended. Ends with the coordinator.
pub(crate) async fn run(
    journal: Arc<dyn Journal>,
    epoch: u64,
    mut appends: mpsc::Receiver<Vec<Record>>,
    coordinator: ActorRef<Message>,
    ends: Ends,
) {
    while let Some(records) = appends.recv().await {
        let is_end = |record: &&Record| matches!(record, Record::Ended { .. });
        let ended: Vec<JobUid> = records.iter().filter(is_end).map(Record::job).collect();
        let result = journal.append(epoch, records).await;
        if result.is_ok() {
            ends.stored(&ended);
        }
        if coordinator.send_message(Message::Stored(result)).is_err() {
            return;
        }
    }
}
