//! `shoal job show --timeline`.

use std::path::Path;

use serde_json::json;
use shoal_api::JobAttempts;
use shoal_core::report::JobStatus;
use shoal_core::{Failure, Reason};

use crate::args::Output;
use crate::render::timeline::trace;
use crate::terminal::{print, print_json};

/// Writes the trace of a job's attempts into a file, and says what is in it.
pub(super) fn write(status: &JobStatus, attempts: &JobAttempts, file: &Path, output: Output) -> Result<(), Failure> {
    let trace = trace(attempts, now_of(status));
    std::fs::write(file, trace.to_string()).map_err(|error| {
        let failure = Failure::new(Reason::Io, "the trace cannot be written");
        failure.file(file.display().to_string()).because(&error).next("name a file in a folder that you may write to")
    })?;
    let about = &trace["otherData"];
    match output {
        Output::Json => print_json(&json!({"file": file, "trace": about})),
        Output::Table => {
            print(&format!("{} attempts are in {}", about["attempts"], file.display()))?;
            if attempts.left_out > 0 {
                print(&format!("; {} more are not, which there was no room to keep", attempts.left_out))?;
            }
            print("\nnext: open it in https://ui.perfetto.dev or in chrome://tracing\n")
        }
    }
}

/// The head's clock when it told of the job.
fn now_of(status: &JobStatus) -> u64 {
    status.report.submitted_ms + (status.report.seconds * 1_000.0).round() as u64
}
