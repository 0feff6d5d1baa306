//! What was typed after `shoal simulate`.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use shoal_scaling::{Kind, SEED_DEFAULT, Scaler, Settings};

use crate::args::Output;

/// Tries policies on a cluster that is simulated: nothing is started, nothing is asked.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shoal simulate scaling --generated bursts")]
pub(crate) struct SimulateArgs {
    #[command(subcommand)]
    pub(crate) command: SimulateCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SimulateCommand {
    Scaling(ScalingArgs),
    Trace(TraceArgs),
}

/// Shows what autoscalers make of a trace: how long its jobs take, and how many hours of workers that costs.
///
/// A trace says when which jobs come, how long a pod takes to start, what workers cost and when their nodes go. It runs once
/// under each policy: Shoal's own, and those of Kubernetes' HPA, KEDA, Ray and Dask, each with its defaults and with what
/// its documentation advises; and a cluster of fixed size. The same trace has the same result every time.
///
/// In the table, `p50 s` and `p95 s` are the seconds from a job's arrival to its end that half and 95 of 100 jobs keep below;
/// `worker h` are the hours that workers had a node, `idle h` those of them that no result came of; `turns` is how often the
/// size asked for changed its direction, `missed` how many jobs missed their deadline.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  shoal simulate scaling --generated bursts\n  shoal simulate trace daily > day.jsonl\n  \
                  shoal simulate scaling --trace day.jsonl --policy shoal,ray\n  \
                  shoal simulate scaling --generated all --write report"
)]
pub(crate) struct ScalingArgs {
    /// File with a trace, JSON lines; may be repeated. `shoal simulate trace` writes one to begin with.
    #[arg(long, value_name = "FILE", required_unless_present = "generated")]
    pub(crate) trace: Vec<PathBuf>,
    /// Trace that is made up; several separated by commas.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = kinds())]
    pub(crate) generated: Vec<Kinds>,
    /// Seed of generated traces.
    #[arg(long, value_name = "N", default_value_t = SEED_DEFAULT)]
    pub(crate) seed: u64,
    /// Policy to run; several separated by commas [default: all of them].
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = scaler())]
    pub(crate) policy: Vec<Scaler>,
    /// Settings with which the others run [default: both].
    #[arg(long, value_name = "NAME", value_parser = settings())]
    pub(crate) settings: Option<Settings>,
    /// Writes a page with tables and plots into this folder: scaling.md, scaling.html, scaling.svg, scaling-workers.svg.
    #[arg(long, value_name = "DIR")]
    pub(crate) write: Option<PathBuf>,
    /// How results are written to stdout.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) output: Output,
}

/// Writes a made-up trace to stdout, as `shoal simulate scaling --trace` reads it.
///
/// It is JSON lines: the first says what the trace is, then each describes a group of workers, a job, an interruption of
/// nodes or a time in which there are none. Times are in seconds; docs/traces.md has all fields. Change it, or write one of
/// your own.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shoal simulate trace bursts > bursts.jsonl")]
pub(crate) struct TraceArgs {
    /// What it is to be like.
    #[arg(value_name = "NAME", value_parser = kind())]
    pub(crate) kind: Kind,
    /// Seed: another one makes another trace of the same kind.
    #[arg(long, value_name = "N", default_value_t = SEED_DEFAULT)]
    pub(crate) seed: u64,
}

/// Kinds of traces that one name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kinds(pub(crate) Vec<Kind>);

/// What stands for all kinds.
const ALL: &str = "all";

fn kind_named(name: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.name() == name)
}

fn kind_values() -> impl Iterator<Item = PossibleValue> {
    Kind::ALL.into_iter().map(|kind| PossibleValue::new(kind.name()).help(kind.about()))
}

fn kind() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(kind_values()).try_map(|name| kind_named(&name).ok_or("no trace has this name"))
}

fn kinds() -> impl TypedValueParser<Value = Kinds> {
    let all = PossibleValue::new(ALL).help("each of the following");
    PossibleValuesParser::new([all].into_iter().chain(kind_values())).try_map(|name| match kind_named(&name) {
        Some(kind) => Ok(Kinds(vec![kind])),
        None if name == ALL => Ok(Kinds(Kind::ALL.to_vec())),
        None => Err("no trace has this name"),
    })
}

fn scaler() -> impl TypedValueParser<Value = Scaler> {
    let values = Scaler::ALL.into_iter().map(|scaler| PossibleValue::new(scaler.name()).help(scaler.about()));
    PossibleValuesParser::new(values)
        .try_map(|name| Scaler::ALL.into_iter().find(|it| it.name() == name).ok_or("no policy has this name"))
}

fn settings() -> impl TypedValueParser<Value = Settings> {
    let values = Settings::ALL.into_iter().map(|settings| PossibleValue::new(settings.name()).help(settings.about()));
    PossibleValuesParser::new(values)
        .try_map(|name| Settings::ALL.into_iter().find(|it| it.name() == name).ok_or("no settings have this name"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn parse(line: &str) -> Result<SimulateCommand, clap::Error> {
        Cli::try_parse_from(line.split(' ')).map(|cli| match cli.command {
            Command::Simulate(args) => args.command,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn names_are_those_of_the_simulator() {
        let line = "shoal simulate scaling --generated bursts,all --policy ray,shoal --settings advised";
        let Ok(SimulateCommand::Scaling(args)) = parse(line) else { panic!("it is understood") };
        assert_eq!(args.generated, [Kinds(vec![Kind::Bursts]), Kinds(Kind::ALL.to_vec())]);
        assert_eq!((args.policy, args.settings), (vec![Scaler::Ray, Scaler::Shoal], Some(Settings::Advised)));
        let Ok(SimulateCommand::Trace(args)) = parse("shoal simulate trace heavy-tailed --seed 3") else {
            panic!("a trace")
        };
        assert_eq!((args.kind, args.seed), (Kind::HeavyTailed, 3));
    }

    #[test]
    fn what_makes_no_sense_is_a_usage_error() {
        for line in [
            "shoal simulate scaling",
            "shoal simulate scaling --generated bursts --policy spark",
            "shoal simulate scaling --generated bursts --settings tuned",
            "shoal simulate scaling --generated often",
            "shoal simulate trace all",
        ] {
            assert_eq!(parse(line).expect_err(line).exit_code(), 2, "{line}");
        }
    }
}
