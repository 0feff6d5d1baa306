//! All runs, one after the other, each in a process with namespaces of its own.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use shoal_tests::data::Numbers;

use crate::INSIDE;
use crate::fault::control_groups_left;
use crate::inside::VERDICT;
use crate::plan::Seed;
use crate::scenario::{SCENARIOS, Scenario};

/// Variables that say how many runs there are, or which one.
const RUNS: &str = "SHOAL_CHAOS_RUNS";
const SEED: &str = "SHOAL_CHAOS_SEED";

/// Runs where nobody says how many: each scenario once.
const RUNS_DEFAULT: usize = SCENARIOS.len();

/// How often a scenario is run again on which no fault fell, or not each of its own: on a fast machine a job may be over
/// before.
const REPEATS_MAX: usize = 5;

/// How long a run may take: far more than the job and all that is waited for around it.
const RUN_MAX: Duration = Duration::from_secs(240);

/// Seeds of runs that once showed a bug, with what it was.
const KEPT: &str = include_str!("kept-seeds.txt");

/// What a run came to.
struct Verdict {
    met: Vec<String>,
    impossible: Vec<String>,
    line: String,
}

/// Scenarios, each with the kinds of faults that its runs have met, or that this machine cannot do.
type Met = BTreeSet<(&'static str, String)>;

impl Verdict {
    /// What a run has met of its scenario's own; what this machine cannot do is told, and counts.
    fn done(self, scenario: &'static Scenario) -> Met {
        let impossible = self.impossible.iter().filter_map(|why| why.split(':').next());
        let done = self.met.iter().map(String::as_str).chain(impossible);
        done.map(|kind| (scenario.name, kind.to_owned())).collect()
    }
}

/// Does the runs that the environment asks for.
pub(crate) fn main(arguments: &[String]) -> ExitCode {
    // As the harness of other suites would: a filter that does not name this one leaves nothing to do.
    let mut filters = arguments.iter().filter(|argument| !argument.starts_with('-')).peekable();
    if arguments.iter().any(|argument| argument == "--list")
        || filters.peek().is_some() && !filters.any(|it| "chaos".contains(it.as_str()))
    {
        return ExitCode::SUCCESS;
    }
    let missing = missing();
    if !missing.is_empty() {
        eprintln!("chaos cannot run here:\n{}", missing.join("\n"));
        return ExitCode::FAILURE;
    }
    let shared = tempfile::tempdir().unwrap();
    let since = Instant::now();
    let result = runs(shared.path());
    say(&format!("chaos took {:.0} s", since.elapsed().as_secs_f64()));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn runs(shared: &Path) -> Result<(), String> {
    if let Some(text) = variable(SEED) {
        let seed =
            Seed::parse(&text).ok_or_else(|| format!("{SEED} is `{text}`, not as a run shows it: NAME/NUMBER"))?;
        return run("replay", seed, shared).map(|_| ());
    }
    let number = variable(RUNS)
        .map_or(Ok(RUNS_DEFAULT), |text| text.parse().map_err(|_| format!("{RUNS} is `{text}`, no number")))?;
    for line in KEPT.lines().filter(|line| !line.starts_with('#')) {
        let seed = line.split_whitespace().next().unwrap_or_default();
        let seed = Seed::parse(seed).ok_or_else(|| format!("a kept seed is of no scenario: {seed}"))?;
        run("kept", seed, shared)?;
    }
    let mut numbers = Numbers::new(entropy());
    let mut met = BTreeSet::new();
    for index in 0..number {
        let scenario = &SCENARIOS[index % SCENARIOS.len()];
        met.extend(counted_run(&index.to_string(), scenario, &mut numbers, shared)?.done(scenario));
    }
    for scenario in SCENARIOS.iter().take(number) {
        met = complete(scenario, met, &mut numbers, shared)?;
    }
    let kinds: BTreeSet<String> = met.into_iter().map(|(_, kind)| kind).collect();
    say(&format!("faults met: {}", kinds.into_iter().collect::<Vec<_>>().join(", ")));
    Ok(())
}

/// Runs a scenario with a new seed until one counts. One that no fault fell on does not.
fn counted_run(
    name: &str,
    scenario: &'static Scenario,
    numbers: &mut Numbers,
    shared: &Path,
) -> Result<Verdict, String> {
    for _ in 0..REPEATS_MAX {
        let verdict = run(name, Seed { scenario, number: numbers.below(1 << 32) }, shared)?;
        if !verdict.met.is_empty() {
            return Ok(verdict);
        }
    }
    Err(format!("no fault fell on {REPEATS_MAX} runs of {}", scenario.name))
}

/// Runs a scenario again until each of its kinds of faults was met, and says which were.
fn complete(scenario: &'static Scenario, mut met: Met, numbers: &mut Numbers, shared: &Path) -> Result<Met, String> {
    for _ in 0..REPEATS_MAX {
        let missed = missed(scenario, &met);
        if missed.is_empty() {
            break;
        }
        say(&format!("{} has not met {}: it is run again", scenario.name, missed.join(", ")));
        met.extend(run("again", Seed { scenario, number: numbers.below(1 << 32) }, shared)?.done(scenario));
    }
    match missed(scenario, &met) {
        missed if missed.is_empty() => Ok(met),
        missed => Err(format!(
            "{} has not met {}, though it was run {REPEATS_MAX} times more for that",
            scenario.name,
            missed.join(", ")
        )),
    }
}

/// Kinds of faults that are a scenario's own, and that none of its runs has met.
fn missed(scenario: &Scenario, met: &Met) -> Vec<String> {
    let kinds: BTreeSet<String> = scenario.faults.iter().map(|(kind, _)| format!("{kind:?}")).collect();
    kinds.into_iter().filter(|kind| !met.contains(&(scenario.name, kind.clone()))).collect()
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A number that is another one in each process.
fn entropy() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

/// Does one run, and says its seed first.
fn run(name: &str, seed: Seed, shared: &Path) -> Result<Verdict, String> {
    say(&format!("run {name} seed {seed} {}: ...", seed.scenario));
    let verdict = shared.join(VERDICT);
    let _ = std::fs::remove_file(&verdict);
    let mut command = isolated();
    command.arg(std::env::current_exe().unwrap()).arg(INSIDE).arg(seed.to_string()).arg(shared);
    let failed = |why: String| format!("run {name} seed {seed} failed: {why}\nreplay it with `make chaos SEED={seed}`");
    // Its stdin is held open for as long as it may run.
    let mut child = command.stdin(Stdio::piped()).spawn().map_err(|error| failed(format!("{command:?}: {error}")))?;
    let deadline = Instant::now() + RUN_MAX;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            return Err(failed(format!("it did not end within {RUN_MAX:?}")));
        }
        std::thread::park_timeout(Duration::from_millis(20));
    };
    if !status.success() {
        // All else that a failed run leaves has gone with its namespaces.
        for group in control_groups_left(shared) {
            let _ = std::fs::remove_dir(group);
        }
        return Err(failed(status.to_string()));
    }
    let said: Value = serde_json::from_slice(&std::fs::read(&verdict).unwrap()).unwrap();
    let list = |field: &str| said[field].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect();
    let verdict =
        Verdict { met: list("met"), impossible: list("impossible"), line: said["line"].as_str().unwrap().to_owned() };
    let impossible: String = verdict.impossible.iter().map(|why| format!("; not done: {why}")).collect();
    let counts = if verdict.met.is_empty() { "; met no fault, does not count" } else { "" };
    say(&format!("run {name} seed {seed} {}: {}{impossible}{counts}", seed.scenario, verdict.line));
    Ok(verdict)
}

/// A command with network, mounts and processes of its own, all of which end with it.
fn isolated() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]);
    command
}

/// What this machine lacks.
fn missing() -> Vec<String> {
    let mut missing = Vec::new();
    let tried = isolated().arg("true").output();
    match tried {
        Ok(tried) if tried.status.success() => {}
        Ok(tried) => missing.push(format!(
            "- namespaces for network, mounts and processes: run as root, in a container as a privileged one ({})",
            String::from_utf8_lossy(&tried.stderr).trim()
        )),
        Err(error) => missing.push(format!("- unshare, of the package util-linux ({error})")),
    }
    for (program, package) in [
        ("ip", "iproute2"),
        ("tc", "iproute2"),
        ("ss", "iproute2"),
        ("iptables", "iptables"),
        ("nsenter", "util-linux"),
    ] {
        if Command::new(program).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            missing.push(format!("- {program}, of the package {package}: run `make setup`"));
        }
    }
    missing
}

/// Writes a line at once, whatever becomes of the process.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}
