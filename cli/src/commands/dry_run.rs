//! `shoal run --dry-run`: a few groups of a job, without a cluster and without an output.

use std::sync::Arc;

use shoal_core::blobs::{BlobSource, LocalFiles};
use shoal_core::spec::v1alpha1::ShoalJob;
use shoal_core::{Failure, Job, JobUid};
use shoal_jobs::dry_run::{DryRun, Lent, dry_run};

use crate::args::{Output, RunArgs};
use crate::cluster::private_folder;
use crate::exit::End;
use crate::interrupts::Interrupts;
use crate::job_file::JobFile;
use crate::kinds;
use crate::machine::Share;
use crate::render::dry_run::{dry_run_json, dry_run_text};
use crate::terminal::{print, print_json, program};
use crate::uploads::InPlace;

/// One part in this many of a worker's memory is what its tasks have together; partitions have the other.
const TASK_MEMORY_SHARE: u64 = 2;

/// Trains a few groups and shows what came of them.
pub(super) async fn run(args: &RunArgs, file: &JobFile, interrupts: &mut Interrupts) -> Result<(), End> {
    let (job, files) = file.job().map_err(|failure| End::from(failure).about(file))?;
    let tried = tokio::select! {
        tried = tried(args, &job, files) => tried.map_err(|failure| End::from(failure).about(file))?,
        _ = interrupts.next() => return Err(End::Interrupted(None)),
    };
    match args.output {
        Output::Json => print_json(&dry_run_json(&tried)?)?,
        Output::Table => {
            let next = format!("next: {} run {}\n", program(), args.job.display());
            print(&format!("{}{next}", dry_run_text(&job, &tried)?))?;
        }
    }
    // The report has said which.
    if tried.groups.iter().any(|group| group.failed.is_some()) { Err(End::Broken) } else { Ok(()) }
}

async fn tried(args: &RunArgs, job: &ShoalJob, files: LocalFiles) -> Result<DryRun, Failure> {
    let job = Job::parse(JobUid(uuid::Uuid::now_v7()), Arc::new(job.clone()))?;
    let workers = args.workers.unwrap_or(1);
    let Share { slots, memory_bytes } = Share::of_this_machine(workers, args.memory);
    // All of it goes when this is done: the folder last.
    let folder = private_folder("dry-run")?;
    // What a worker would fetch from a head is at hand.
    let blobs: Arc<dyn BlobSource> = Arc::new(InPlace(files));
    let lent = Lent {
        functions: kinds::functions(
            folder.path(),
            args.environments.folder(None, folder.path()),
            blobs.clone(),
            slots,
            memory_bytes,
        ),
        blobs,
        scratch: folder.path().join("scratch"),
        memory_bytes: memory_bytes / TASK_MEMORY_SHARE / u64::from(slots),
        slots: slots * workers,
    };
    dry_run(&job, &lent).await
}
