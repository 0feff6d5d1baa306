//! One run, in namespaces of its own.

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use shoal_tests::process::Process;

use crate::fault::{self, Fault, Refusal};
use crate::input::{self, JOB};
use crate::plan::{Planned, Seed, plan};
use crate::scenario::Scenario;
use crate::watch::{Seen, Watch};
use crate::world::World;
use crate::{leaks, result};

/// Where a run says how it went.
pub(crate) const VERDICT: &str = "verdict.json";

/// A variable that asks for the logs of runs that went well, too.
const LOGS: &str = "SHOAL_CHAOS_LOGS";

/// How long a job may take, with all that happens to it.
const JOB_MAX: Duration = Duration::from_secs(90);

/// Pause between two looks at what should happen next.
const PAUSE: Duration = Duration::from_millis(10);

/// A fault that has begun.
struct Begun {
    kind: crate::scenario::Kind,
    fault: Box<dyn Fault>,
    what: String,
    place: String,
    at: SystemTime,
    since: Instant,
    hold: Duration,
    lasted: Option<Duration>,
}

/// Does the run of a seed and writes its verdict into the folder that all runs share.
pub(crate) fn main(seed: &str, shared: &Path) -> ExitCode {
    std::thread::spawn(end_with_parent);
    let seed = Seed::parse(seed).expect("the parent names a seed that there is");
    let mounts = leaks::mounts();
    let expected = undisturbed(seed.scenario, shared);
    let verdict = disturbed(seed, shared, &expected);
    let left: Vec<String> = leaks::mounts().difference(&mounts).cloned().collect();
    assert!(left.is_empty(), "mounts are left: {left:?}");
    std::fs::write(shared.join(VERDICT), verdict.to_string()).unwrap();
    ExitCode::SUCCESS
}

/// The first process of a process namespace hears no Ctrl-C: it ends when whoever holds its stdin is gone.
fn end_with_parent() {
    let mut buffer = [0; 16];
    while !matches!(std::io::stdin().lock().read(&mut buffer), Ok(0) | Err(_)) {}
    std::process::exit(1);
}

/// The table that workers make when nothing happens to them. Made once for all runs.
fn undisturbed(scenario: &'static Scenario, shared: &Path) -> PathBuf {
    let kept = shared.join(format!("undisturbed-{}-{}", scenario.strategy.name(), scenario.store.name()));
    if !kept.exists() {
        let input = input(scenario, shared);
        let folder = shared.join("undisturbed");
        let mut world = World::start(scenario, &folder, &input);
        let job = input::job(scenario, &world.input(&input), &world.output());
        let status = world.submit_and_wait(&job).finish_within(JOB_MAX).succeeded();
        assert_eq!(status["phase"], "Succeeded", "undisturbed: {status:#}\n{}", world.logs());
        crate::network::run("cp", &["-r", world.output_folder().to_str().unwrap(), kept.to_str().unwrap()]);
        assert_eq!(world.end_cluster(), Vec::<String>::new());
        world.end();
        std::fs::remove_dir_all(&folder).unwrap();
    }
    kept
}

fn input(scenario: &Scenario, shared: &Path) -> PathBuf {
    let folder = shared.join(format!("input-{}", scenario.strategy.name()));
    if !folder.exists() {
        input::write(&folder, scenario.strategy);
    }
    folder
}

fn disturbed(seed: Seed, shared: &Path, expected: &Path) -> Value {
    let input = input(seed.scenario, shared);
    let folder = shared.join("run");
    let mut world = World::start(seed.scenario, &folder, &input);
    let verdict = catch_unwind(AssertUnwindSafe(|| watched_run(seed, &mut world, &input, expected)));
    let verdict = verdict.unwrap_or_else(|_| {
        eprintln!("{}", world.logs());
        // What is left goes with the namespaces.
        std::process::exit(1);
    });
    if std::env::var_os(LOGS).is_some_and(|value| !value.is_empty()) {
        eprintln!("{}", world.logs());
    }
    let mut wrong = world.end();
    wrong.extend(leaks::processes());
    let groups = fault::control_groups_left(shared);
    wrong.extend(groups.iter().map(|group| format!("the control group {} is left", group.display())));
    assert!(wrong.is_empty(), "left behind: {wrong:#?}");
    std::fs::remove_dir_all(&folder).unwrap();
    verdict
}

fn watched_run(seed: Seed, world: &mut World, input: &Path, expected: &Path) -> Value {
    let since = Instant::now();
    let job = input::job(seed.scenario, &world.input(input), &world.output());
    let watch = Watch::start(world, JOB);
    let mut client = world.submit_and_wait(&job);
    let (begun, impossible) = drive(world, &watch, &mut client, plan(seed));
    let status = client.finish_within(JOB_MAX).succeeded();
    let seconds = since.elapsed().as_secs_f64();
    let seen = Seen { status: status.clone(), ..watch.now() };
    drop(watch);

    // All that is wrong, so that a failing run says as much as it can.
    let table = world.output_folder();
    let mut wrong = Vec::new();
    if status["phase"] != "Succeeded" {
        wrong.push(format!("the job is {}", status["phase"]));
    }
    wrong.extend(result::differences(&result::rows(&table), &result::rows(expected)));
    wrong.extend(result::wrong_with(&table, status["uid"].as_str().unwrap()));
    world.wait_for_workers();
    wrong.extend(leaks::after_the_job(world));
    let committed = result::committed_at(&table);
    wrong.extend(world.end_cluster());
    wrong.extend(leaks::after_the_cluster(world));
    let told: Vec<String> = begun.iter().map(|fault| tell(fault, &seen, committed)).collect();
    assert!(wrong.is_empty(), "after {}:\n{}\n{status:#}", told.join(", "), wrong.join("\n"));

    let met: Vec<String> =
        begun.iter().filter(|fault| fell(fault, &seen, committed)).map(|it| format!("{:?}", it.kind)).collect();
    let (attempts, tasks) = seen.attempts();
    json!({
        "met": met,
        "impossible": impossible,
        "line": format!("{}, ok in {seconds:.1} s, attempts {attempts} ({tasks} tasks)", told.join(", ")),
    })
}

/// Lets faults fall when their moment has come, and ends them, until the job has ended.
fn drive(world: &mut World, watch: &Watch, client: &mut Process, plan: Vec<Planned>) -> (Vec<Begun>, Vec<String>) {
    let deadline = Instant::now() + JOB_MAX;
    let (mut pending, mut begun, mut impossible) = (plan, Vec::<Begun>::new(), Vec::new());
    while client.is_running() {
        assert!(Instant::now() < deadline, "the job does not end: {:#}\n{}", watch.now().status, client.output());
        let seen = watch.now();
        for index in (0..pending.len()).rev() {
            if seen.is_final() || !seen.has_come(pending[index].moment) {
                continue;
            }
            let planned = &pending[index];
            let mut fault = fault::make(planned);
            match fault.start(world, &seen) {
                Err(Refusal::NotNow) => continue,
                Err(Refusal::Impossible(why)) => impossible.push(format!("{:?}: {why}", planned.kind)),
                Ok(what) => begun.push(Begun {
                    kind: planned.kind,
                    fault,
                    what,
                    place: seen.place(),
                    at: SystemTime::now(),
                    since: Instant::now(),
                    hold: planned.hold,
                    lasted: None,
                }),
            }
            pending.remove(index);
        }
        for fault in begun.iter_mut().filter(|fault| fault.lasted.is_none()) {
            if fault.fault.is_done(world, &seen) || fault.since.elapsed() >= fault.hold {
                fault.end(world);
            }
        }
        std::thread::park_timeout(PAUSE);
    }
    begun.iter_mut().filter(|fault| fault.lasted.is_none()).for_each(|fault| fault.end(world));
    (begun, impossible)
}

impl Begun {
    fn end(&mut self, world: &mut World) {
        self.fault.stop(world);
        self.lasted = Some(self.since.elapsed());
    }
}

/// Whether a fault fell between the start of the first task and the commit, and was felt.
fn fell(fault: &Begun, seen: &Seen, committed: SystemTime) -> bool {
    fault.fault.was_felt() && seen.first_task.is_some_and(|first| first <= fault.at) && fault.at < committed
}

fn tell(fault: &Begun, seen: &Seen, committed: SystemTime) -> String {
    let lasted = fault.lasted.unwrap_or_default().as_secs_f64();
    let late = if fell(fault, seen, committed) { "" } else { " (not felt between first task and commit)" };
    format!("{} {lasted:.1} s @{}{late}", fault.what, fault.place)
}
