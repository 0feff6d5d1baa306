//! The journal's records as log lines: what happened to which job, task and attempt.

use shoal_core::journal::Record;

/// Logs what records say, with the ids that a search goes by.
pub(crate) fn log(records: &[Record]) {
    for record in records {
        match record {
            Record::Accepted { job, spec, .. } => tracing::info!(%job, name = %spec.metadata.name, "job accepted"),
            Record::Facts { job, .. } => tracing::debug!(%job, "input looked at"),
            Record::StagePlanned { job, stage, plan } => {
                tracing::info!(%job, stage, name = %plan.name, tasks = plan.tasks.len(), "stage planned");
            }
            Record::AttemptStarted { attempt, worker, queued_ms, .. } => {
                tracing::debug!(job = %attempt.task.job, %attempt, %worker, queued_ms, "attempt started");
            }
            Record::AttemptFinished { attempt, worker, output, .. } => {
                let rows = output.counters.rows_in;
                tracing::debug!(job = %attempt.task.job, %attempt, %worker, rows, "attempt finished");
            }
            Record::AttemptFailed { attempt, failure, .. } => {
                tracing::warn!(job = %attempt.task.job, %attempt, reason = ?failure.reason, %failure, "attempt failed");
            }
            Record::Intent { intent } => {
                tracing::info!(job = %intent.job, table = %intent.table, files = intent.files.len(), "commit intended");
            }
            Record::Published { job, table } => {
                tracing::info!(%job, table = %table.table, version = table.version, rows = table.rows, "committed");
            }
            Record::PartitionsMoved { attempt, worker, .. } => {
                tracing::debug!(job = %attempt.task.job, %attempt, %worker, "partitions moved");
            }
            Record::Updated { job, change, .. } => tracing::info!(%job, ?change, "job updated"),
            Record::Ending { job, failure } => tracing::info!(%job, reason = ?failure.reason, %failure, "job is ended"),
            Record::Resumed { job, .. } => tracing::info!(%job, "job goes on"),
            Record::Ended { job, status, .. } => match &status.failure {
                None => tracing::info!(%job, name = %status.name, phase = ?status.phase, "job ended"),
                Some(failure) => {
                    // Not a warning: whoever waits for the job is told, and `shoal run` would say it twice.
                    tracing::info!(%job, name = %status.name, reason = ?failure.reason, %failure, "job failed");
                }
            },
            Record::TimeUsed { .. } | Record::History { .. } => {}
            Record::Forgotten { job } => tracing::debug!(%job, "job forgotten"),
        }
    }
}
