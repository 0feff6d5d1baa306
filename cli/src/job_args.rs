//! What was typed behind `shoal job`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use shoal_core::control::SubmitOptions;
use shoal_core::limits::PRIORITIES;

/// What is done with a job, or with all.
#[derive(Debug, Subcommand)]
pub(crate) enum JobCommand {
    /// Submits a job; the same job again is the same job, and goes on where it has failed.
    #[command(after_help = "Example:\n  shoal job submit examples/grunfeld.yaml --rerun --wait")]
    Submit {
        /// The job file, YAML or JSON; paths in it are relative to it.
        #[arg(value_name = "JOB.yaml")]
        job: PathBuf,
        /// Runs a finished job of that name again.
        #[arg(long)]
        rerun: bool,
        #[command(flatten)]
        start: StartArgs,
    },
    /// Lists all jobs, oldest first.
    #[command(after_help = "Examples:\n  shoal job list --head http://127.0.0.1:7370\n  \
                            shoal job list --head https://10.0.0.1:7370 --token-file token --tls-ca ca.pem\n  \
                            shoal job list --cluster shared -n default")]
    List,
    /// Shows where a job stands, what it took, and why it failed.
    #[command(
        after_help = "Examples:\n  shoal job show grunfeld --output json\n  shoal job show grunfeld --attempts\n  \
                            shoal job show grunfeld --timeline trace.json\n  \
                            shoal job show --from s3://bucket/shoal/jobs/default/grunfeld/01890a5d-ac96-774b-bcce-b302099a8057"
    )]
    Show {
        /// Name of the job.
        #[arg(required_unless_present = "from")]
        name: Option<String>,
        #[command(flatten)]
        from: FromArgs,
        /// Lists its attempts: where and when each ran, and how it ended.
        #[arg(long)]
        attempts: bool,
        /// Writes a trace of its attempts, a lane per slot, for Perfetto or chrome://tracing; replaces the file.
        #[arg(long, value_name = "FILE", conflicts_with = "attempts")]
        timeline: Option<PathBuf>,
    },
    /// Shows the log of a job: what its head decided, and what its tasks logged.
    #[command(after_help = "Examples:\n  shoal job logs grunfeld --follow\n  shoal job logs grunfeld --task map/3\n  \
                            shoal job logs --from s3://bucket/shoal/jobs/default/grunfeld/01890a5d-ac96-774b-bcce-b302099a8057")]
    Logs {
        /// Name of the job.
        #[arg(required_unless_present = "from")]
        name: Option<String>,
        #[command(flatten)]
        from: FromArgs,
        /// Only what is about this stage, or about one of its tasks.
        #[arg(long, value_name = "STAGE[/INDEX]")]
        task: Option<String>,
        /// Goes on until the job has ended; with JSON, a document per line.
        #[arg(short, long, conflicts_with = "from")]
        follow: bool,
    },
    /// Waits until a job has ended; exits as `shoal run` would.
    #[command(after_help = "Example:\n  shoal job wait grunfeld")]
    Wait {
        /// Name of the job.
        name: String,
    },
    /// Cancels a job and waits until nothing of it is left; one whose commit is already made has succeeded.
    #[command(after_help = "Example:\n  shoal job cancel grunfeld")]
    Cancel {
        /// Name of the job.
        name: String,
    },
    /// Suspends a job: it hands its running tasks back and keeps what is finished.
    #[command(after_help = "Example:\n  shoal job suspend grunfeld")]
    Suspend {
        /// Name of the job.
        name: String,
    },
    /// Lets a suspended job go on. One that has ended is run again with `rerun`.
    #[command(after_help = "Example:\n  shoal job resume grunfeld")]
    Resume {
        /// Name of the job.
        name: String,
    },
    /// Changes a job's priority: higher ones get free slots first.
    #[command(after_help = "Example:\n  shoal job priority grunfeld 10")]
    Priority {
        /// Name of the job.
        name: String,
        /// The new priority, from -1000 to 1000.
        #[arg(allow_negative_numbers = true, value_parser = clap::value_parser!(i32).range(i64::from(*PRIORITIES.start())..=i64::from(*PRIORITIES.end())))]
        priority: i32,
    },
    /// Runs a job again that has ended, as it was submitted. One that failed goes on from what it had done.
    #[command(after_help = "Example:\n  shoal job rerun grunfeld --wait")]
    Rerun {
        /// Name of the job.
        name: String,
        #[command(flatten)]
        start: StartArgs,
    },
}

/// A job that has ended, where its head's storage has it.
#[derive(Debug, Args)]
pub(crate) struct FromArgs {
    /// Reads a job that has ended from the storage of its cluster, without a head: the folder that the job's
    /// `status.logsUri` names, a URL or a path.
    #[arg(long, value_name = "URI", conflicts_with = "name")]
    pub(crate) from: Option<String>,
}

/// How a job is started.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct StartArgs {
    /// Starts a job over that has failed: what it had done does not count.
    #[arg(long)]
    fresh: bool,
    /// Waits until it has ended.
    #[arg(long)]
    pub(crate) wait: bool,
}

impl StartArgs {
    /// How a submission treats a job of the same name.
    pub(crate) fn options(self, rerun: bool) -> SubmitOptions {
        SubmitOptions { rerun, fresh: self.fresh }
    }
}
