//! What was typed. Nothing is looked up or checked here beyond its form.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use shoal_coordinator::PREFIX_DEFAULT;
use shoal_core::limits::{
    DRAIN_DEFAULT, DRAIN_MAX, HEAD_GONE_DEFAULT, HEAD_GONE_MAX, NO_WORKER_DEFAULT, NO_WORKER_MAX,
};

use crate::client_args::ClientArgs;
use crate::cluster_args::ClusterArgs;
use crate::environments::EnvironmentsArgs;
use crate::job_args::JobCommand;
use crate::program_args::ProgramArgs;
use crate::simulate_args::{SimulateArgs, SimulateCommand};
use crate::sizes;
use crate::state_args::StateToolArgs;
use crate::trust_args::{TlsArgs, TokenArgs};

/// Where a head's REST interface is unless told otherwise.
pub(crate) const HEAD_URL_DEFAULT: &str = "http://127.0.0.1:7370";

const EXIT_CODES: &str =
    "Exit codes: 0 succeeded, 1 the job failed, 2 the input is wrong, 3 the platform failed, 130 interrupted";

/// Trains one model per group of a table, on this machine or on a cluster.
#[derive(Debug, Parser)]
#[command(
    name = "shoal",
    version,
    arg_required_else_help = true,
    after_help = format!("Example:\n  shoal run examples/grunfeld.yaml --workers 2\n\n{EXIT_CODES}")
)]
pub(crate) struct Cli {
    /// How logs are written; they go to stderr, and RUST_LOG says which.
    #[arg(long, global = true, value_enum, default_value = "text", value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(RunArgs),
    Head(HeadArgs),
    Worker(WorkerArgs),
    Job(JobArgs),
    State(StateToolArgs),
    Cluster(ClusterArgs),
    Sql(SqlArgs),
    Simulate(SimulateArgs),
    Completions(CompletionsArgs),
    #[command(hide = true)]
    Operator(OperatorArgs),
    #[command(hide = true)]
    Program(ProgramArgs),
}

impl Command {
    /// Whether what users' functions print is shown.
    pub(crate) fn shows_functions(&self) -> bool {
        matches!(self, Self::Run(RunArgs { dry_run: true, .. }))
    }

    /// How results are to be written, where the command has any.
    pub(crate) fn output(&self) -> Output {
        match self {
            Self::Run(args) => args.output,
            Self::Sql(args) => args.output,
            Self::Job(args) => args.client.output,
            Self::State(args) => args.output,
            Self::Cluster(args) => args.client.output,
            Self::Simulate(SimulateArgs { command: SimulateCommand::Scaling(args) }) => args.output,
            Self::Simulate(_)
            | Self::Head(_)
            | Self::Worker(_)
            | Self::Completions(_)
            | Self::Operator(_)
            | Self::Program(_) => Output::Table,
        }
    }
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

impl LogFormat {
    /// As it is typed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// How results are written to stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// One JSON document.
    Json,
}

/// Runs one job, with a cluster of its own on this machine.
///
/// Starts a head and workers, runs the job, shows what it took and what came of it, and ends them. Paths in the job file
/// are relative to the file. Ctrl-C cancels the job: nothing half-done is published.
#[derive(Debug, Args)]
#[command(after_help = format!("Examples:\n  shoal run examples/grunfeld.yaml --workers 2\n  \
                                 shoal run examples/grunfeld.yaml --memory 1GiB\n  \
                                 shoal run examples/python/ols.yaml --dry-run\n\n{EXIT_CODES}"))]
pub(crate) struct RunArgs {
    /// The job file, YAML or JSON.
    #[arg(value_name = "JOB.yaml")]
    pub(crate) job: PathBuf,
    /// Worker processes to start; without it one worker runs inside this process.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) workers: Option<u32>,
    /// Memory of all workers together, as 512Mi or 2Gi [default: the container's limit, else 70 % of the machine's].
    #[arg(long, value_name = "SIZE", value_parser = sizes::parse)]
    pub(crate) memory: Option<u64>,
    /// Folder of the journal [default: `.shoal` beside the job file].
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) environments: EnvironmentsArgs,
    /// Starts the job over where it has failed before: what it had done does not count.
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Trains three groups of the input and writes nothing: shows what the output will look like, and about how long the job
    /// will take on this machine.
    #[arg(long, conflicts_with_all = ["fresh", "state_dir"])]
    pub(crate) dry_run: bool,
    /// How the result is written to stdout.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) output: Output,
}

/// Runs a head: the front door of a cluster, and its memory.
///
/// Runs until Ctrl-C or SIGTERM. Jobs that are unfinished then go on when a head is started with the same state folder.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  shoal head\n  shoal head --listen 0.0.0.0:7370 --token-file token --allow-local /data \
                  --tls-cert head.pem --tls-key head.key --tls-ca ca.pem\n  \
                  shoal head --etcd http://10.0.0.5:2379,http://10.0.0.6:2379\n  \
                  shoal head --storage s3://bucket/shoal"
)]
pub(crate) struct HeadArgs {
    /// Where REST listens; port 0 takes one that is free. Beyond this machine it takes a token.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7370")]
    pub(crate) listen: SocketAddr,
    /// Where workers connect [default: the same host, port 7371].
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) workers_listen: Option<SocketAddr>,
    #[command(flatten)]
    pub(crate) token: TokenArgs,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
    #[command(flatten)]
    pub(crate) state: StateArgs,
    /// Folder of this machine that jobs may read and write; may be repeated [default: all of it where the head listens on
    /// this machine only, else none].
    #[arg(long, value_name = "DIR")]
    pub(crate) allow_local: Vec<PathBuf>,
    /// How long a job does without any worker before it fails, in seconds. Longer where something starts workers by itself.
    #[arg(long, value_name = "SECONDS", default_value_t = NO_WORKER_DEFAULT.as_secs(),
          value_parser = clap::value_parser!(u64).range(1..=NO_WORKER_MAX.as_secs()))]
    pub(crate) no_worker_timeout: u64,
    /// Where a copy is kept of report, spec, attempts and log of each job that has ended, below `jobs/`: s3://BUCKET/PREFIX,
    /// gs://BUCKET/PREFIX, az://CONTAINER/PREFIX or a folder [default: nowhere but in the state].
    #[arg(long, value_name = "URI")]
    pub(crate) storage: Option<String>,
    /// Lets callers in, beside those with the token, that Kubernetes knows and lets do the same with ShoalJobs of that
    /// namespace, or with that ShoalCluster. For a head in a pod; the operator sets it.
    #[arg(long, value_name = "NAMESPACE/CLUSTER", requires_all = ["kubernetes_ca", "tls_cert"])]
    pub(crate) kubernetes_callers: Option<String>,
    /// File with the authority of the Kubernetes API server, which is asked who calls.
    #[arg(long, value_name = "FILE", requires = "kubernetes_callers")]
    pub(crate) kubernetes_ca: Option<PathBuf>,
    /// Namespace of the cluster, which copies lie under.
    #[arg(long, hide = true, value_name = "NAMESPACE", requires = "storage")]
    pub(crate) storage_namespace: Option<String>,
    /// Ends when stdin is closed, and takes the state folder with it.
    #[arg(long, hide = true, requires = "state_dir")]
    pub(crate) exit_with_parent: bool,
}

/// Runs a worker of a head's cluster.
///
/// Runs until SIGTERM, or until its head tells it to end: then it leaves in order. It gets no more tasks, what it runs ends
/// or is handed back, and what it holds moves to others. Ctrl-C, or SIGTERM again, ends it at once; its tasks run again
/// elsewhere.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  shoal worker --head http://127.0.0.1:7370\n  \
                        shoal worker --head https://10.0.0.1:7370 --listen 10.0.0.2 --token-file token \
                        --tls-cert worker.pem --tls-key worker.key --tls-ca ca.pem")]
pub(crate) struct WorkerArgs {
    /// URL of the head's REST interface; of several heads, all of them: the worker goes to the one that leads.
    #[arg(long, value_name = "URL", env = "SHOAL_HEAD", default_value = HEAD_URL_DEFAULT, value_delimiter = ',')]
    pub(crate) head: Vec<String>,
    /// Name, unique in the cluster [default: host and process id].
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Address for other workers and for probes. Beyond this machine it takes a token.
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    pub(crate) listen: IpAddr,
    /// Port for other workers; 0 takes one that is free.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub(crate) flight_port: u16,
    /// Port for probes and metrics; 0 takes one that is free.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub(crate) http_port: u16,
    /// Host under which other workers reach this one [default: the address that it listens on].
    #[arg(long, value_name = "HOST")]
    pub(crate) advertise: Option<String>,
    /// Tasks that run at the same time [default: one per core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) slots: Option<u32>,
    /// Memory for tasks and partitions, as 512Mi or 2Gi [default: the container's limit, else 70 % of the machine's].
    #[arg(long, value_name = "SIZE", value_parser = sizes::parse)]
    pub(crate) memory: Option<u64>,
    /// Folder for what does not fit in memory [default: a private one, deleted at the end].
    #[arg(long, value_name = "DIR")]
    pub(crate) scratch: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) environments: EnvironmentsArgs,
    /// How long it may take to leave after SIGTERM, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = DRAIN_DEFAULT.as_secs(),
          value_parser = clap::value_parser!(u64).range(..=DRAIN_MAX.as_secs()))]
    pub(crate) drain_timeout: u64,
    /// How long a head may take to be there when the worker starts, in seconds: both may have been started together.
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(..=3_600))]
    pub(crate) head_wait: u64,
    /// How long it does without a head before it ends, in seconds. Until then it keeps what it runs and holds for the next.
    #[arg(long, value_name = "SECONDS", default_value_t = HEAD_GONE_DEFAULT.as_secs(),
          value_parser = clap::value_parser!(u64).range(1..=HEAD_GONE_MAX.as_secs()))]
    pub(crate) head_gone_timeout: u64,
    #[command(flatten)]
    pub(crate) token: TokenArgs,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
    /// Ends when stdin is closed, and takes the scratch folder with it.
    #[arg(long, hide = true, requires = "scratch")]
    pub(crate) exit_with_parent: bool,
}

/// Submits, shows, changes and cancels jobs of a running head.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  shoal job submit examples/grunfeld.yaml --wait\n  \
                        shoal job list --cluster shared --namespace default")]
pub(crate) struct JobArgs {
    #[command(flatten)]
    pub(crate) client: ClientArgs,
    #[command(subcommand)]
    pub(crate) command: JobCommand,
}

/// Asks tables that are named by their paths, on this machine.
///
/// A table is a path in quotes: a Delta folder, a CSV, JSON (`.ndjson`) or Parquet file, a folder of them, or a glob.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  shoal sql \"SELECT firm, avg(invest) FROM 'examples/data/grunfeld.csv' GROUP BY firm\""
)]
pub(crate) struct SqlArgs {
    /// One statement that reads.
    #[arg(value_name = "SELECT ...")]
    pub(crate) statement: String,
    /// How rows are written to stdout.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) output: Output,
}

/// Writes a completion script for a shell to stdout.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shoal completions bash > ~/.local/share/bash-completion/completions/shoal")]
pub(crate) struct CompletionsArgs {
    /// The shell.
    pub(crate) shell: clap_complete::Shell,
}

/// What Shoal is on Kubernetes.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shoal operator run --image registry.example/shoal:0.1.0")]
pub(crate) struct OperatorArgs {
    #[command(subcommand)]
    pub(crate) command: OperatorCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OperatorCommand {
    /// Looks after the clusters and jobs of a Kubernetes cluster. Of several, one leads.
    #[command(after_help = "Example:\n  shoal operator run --image registry.example/shoal:0.1.0")]
    Run(OperatorRunArgs),
    /// Says whether an operator leads and its resources are served; `helm test` asks that.
    #[command(after_help = "Example:\n  shoal operator check --own-namespace shoal")]
    Check {
        /// Namespace of the lease that says who leads.
        #[arg(long, value_name = "NAMESPACE", env = "POD_NAMESPACE", default_value = "default")]
        own_namespace: String,
        /// Namespace that it looks after, where it is one [default: that of the lease].
        #[arg(long, value_name = "NAMESPACE")]
        namespace: Option<String>,
    },
    /// Writes the files that are made from the code.
    #[command(after_help = "Example:\n  shoal operator generate --root .")]
    Generate {
        /// Root of the repository.
        #[arg(long, value_name = "DIR", default_value = ".")]
        root: PathBuf,
    },
}

/// How the operator runs.
#[derive(Debug, Args)]
pub(crate) struct OperatorRunArgs {
    /// Image of clusters that name none.
    #[arg(long, value_name = "IMAGE")]
    pub(crate) image: String,
    /// Namespace to look after [default: all of them].
    #[arg(long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// Domain of the names of Services.
    #[arg(long, value_name = "DOMAIN", default_value = "cluster.local")]
    pub(crate) cluster_domain: String,
    /// Restricts by NetworkPolicies who may connect to the pods of clusters.
    #[arg(long)]
    pub(crate) network_policies: bool,
    /// Where probes and metrics are answered.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Name of this operator among those that may lead.
    #[arg(long, value_name = "NAME", env = "POD_NAME", default_value = "operator")]
    pub(crate) identity: String,
    /// Namespace of the lease that says who leads.
    #[arg(long, value_name = "NAMESPACE", env = "POD_NAMESPACE", default_value = "default")]
    pub(crate) own_namespace: String,
    /// Where heads take jobs: another than the name of the cluster's Service is of use to tests alone.
    #[arg(long, value_name = "URL", hide = true, default_value = shoal_operator::HEAD_URL)]
    pub(crate) head_url: String,
    /// Where heads show their metrics: as above.
    #[arg(long, value_name = "URL", hide = true, default_value = shoal_operator::METRICS_URL)]
    pub(crate) metrics_url: String,
}

/// Where a head keeps what must survive it.
#[derive(Debug, Args)]
pub(crate) struct StateArgs {
    /// Folder of the journal.
    #[arg(long, value_name = "DIR", default_value = ".shoal", conflicts_with = "etcd")]
    pub(crate) state_dir: PathBuf,
    /// Members of an etcd that keeps the journal instead: of several heads on the same etcd, one leads.
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    pub(crate) etcd: Vec<String>,
    /// What keys in etcd begin with; clusters that share an etcd have one each.
    #[arg(long, value_name = "PREFIX", default_value = PREFIX_DEFAULT, requires = "etcd")]
    pub(crate) etcd_prefix: String,
    /// Name of this cluster; state in etcd under another name is refused.
    #[arg(long, value_name = "NAME", requires = "etcd")]
    pub(crate) cluster_name: Option<String>,
    /// File with the authority that signed etcd's certificate.
    #[arg(long, value_name = "FILE", requires = "etcd")]
    pub(crate) etcd_ca: Option<PathBuf>,
    /// File with this head's certificate for etcd.
    #[arg(long, value_name = "FILE", requires_all = ["etcd_ca", "etcd_key"])]
    pub(crate) etcd_cert: Option<PathBuf>,
    /// File with the key of that certificate.
    #[arg(long, value_name = "FILE", requires = "etcd_cert")]
    pub(crate) etcd_key: Option<PathBuf>,
    /// User of etcd; its password is taken from SHOAL_ETCD_PASSWORD.
    #[arg(long, value_name = "NAME", requires = "etcd")]
    pub(crate) etcd_user: Option<String>,
    /// URL of this head's REST interface for those whom other heads send here [default: where it listens].
    #[arg(long, value_name = "URL", requires = "etcd")]
    pub(crate) advertise_url: Option<String>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Cli::try_parse_from(line.split(' ')).map(|cli| cli.command)
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_says_what_it_does_and_shows_an_example() {
        fn check(command: &clap::Command) {
            let help = command.clone().render_long_help().to_string();
            assert!(help.contains("Example") && help.contains("  shoal "), "{}: {help}", command.get_name());
            assert!(command.get_about().is_some(), "{}", command.get_name());
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }

    #[test]
    fn examples_of_the_help_are_accepted() {
        fn check(command: &clap::Command) {
            let help = command.get_after_help().unwrap().to_string();
            let examples = help.lines().filter(|line| line.starts_with("  shoal ") && !line.contains('"'));
            for example in examples {
                let words = example.split('>').next().unwrap().split_whitespace();
                assert!(Cli::try_parse_from(words).is_ok(), "{example}");
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }

    #[test]
    fn values_are_read_by_their_own_parsers() {
        let Ok(Command::Worker(worker)) = parse("shoal worker --head http://h:1 --memory 512Mi --slots 3") else {
            panic!("a worker is expected");
        };
        assert_eq!(
            (worker.memory, worker.slots, worker.head),
            (Some(512 << 20), Some(3), vec!["http://h:1".to_owned()])
        );
        let Ok(Command::Job(job)) = parse("shoal job wait grunfeld --head http://h:1,http://h:2 --output json") else {
            panic!("a job is expected");
        };
        assert!(job.client.head == ["http://h:1", "http://h:2"] && job.client.output == Output::Json);
    }

    #[test]
    fn what_makes_no_sense_is_a_usage_error() {
        for line in [
            "shoal run",
            "shoal run job.yaml --workers 0",
            "shoal run job.yaml --output xml",
            "shoal worker --memory 512MB",
            "shoal run job.yaml --memory much",
            "shoal worker --slots 257",
            "shoal worker --exit-with-parent",
            // The folder that is here unless another is named is somebody's.
            "shoal head --exit-with-parent",
            "shoal head --listen here",
            "shoal head --etcd http://e:1 --state-dir state",
            "shoal head --etcd-user shoal",
            "shoal job show",
            "shoal job show grunfeld --from s3://b/j",
            "shoal job show grunfeld --attempts --timeline trace.json",
            "shoal job logs --from s3://b/j --follow",
            "shoal head --etcd https://e:1 --etcd-ca ca --etcd-cert cert",
            "shoal completions cmd",
            // TLS by halves is none.
            "shoal head --tls-cert c --tls-key k",
            "shoal head --tls-ca a",
            "shoal worker --tls-key k --tls-ca a",
            "shoal worker --tls-name a",
            "shoal head --no-worker-timeout 0",
            "shoal job priority a high",
            "shoal job priority a 1001",
            "shoal state export --without nobody",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
