//! What a function cannot see or take: its worker, variables that nobody named, and all the memory.

use serde_json::{Value, json};
use shoal_tests::control_group::ControlGroup;
use shoal_tests::oracle::read_delta;
use shoal_tests::process::{Finished, Process};
use shoal_tests::{job as jobs, shoal, slots};

use super::{FIRMS, firms, job, member, run_here};
use crate::place::Place;

/// A function that returns for each firm what an expression gives, a number; `worker` is the number of its worker's process.
fn giving(expression: &str) -> String {
    format!(
        "import os, resource, sys

def parent(pid):
    status = open(f'/proc/{{pid}}/status').read()
    return int(status.split('PPid:')[1].split()[0])

def read(pid, *files):
    return sum(opened(f'/proc/{{pid}}/{{file}}') for file in files) + sum(followed(pid))

def opened(path):
    try:
        return len(open(path, 'rb').read(1) or b'?')
    except OSError:
        return 0

def followed(pid):
    try:
        names = os.listdir(f'/proc/{{pid}}/fd')
    except OSError:
        return
    for name in names:
        try:
            yield len(os.readlink(f'/proc/{{pid}}/fd/{{name}}')) > 0
        except OSError:
            pass

def fit(group):
    worker = parent(os.getppid())
    return {{'n': {expression}}}
"
    )
}

/// The one number that the expression gives in all firms.
fn given(place: &Place, name: &str, expression: &str, change: impl Fn(Value) -> Value, more: &[&str]) -> i64 {
    let output = place.join(name);
    let job = change(job(name, &firms(place), &giving(expression), &output));
    run_here(place, &job, more).succeeded();
    let mut found: Vec<i64> = read_delta(&output).iter().map(|row| row["n"].as_i64().expect(expression)).collect();
    assert_eq!(found.len(), FIRMS);
    found.dedup();
    assert_eq!(found.len(), 1, "{expression}: {found:?}");
    found[0]
}

fn with_env(job: Value, env: Value) -> Value {
    jobs::with(job, &member("env"), env)
}

#[test]
fn a_function_cannot_look_into_its_worker_or_its_head() {
    let _slots = slots::take(2);
    let place = Place::new();
    let looks = "read(worker, 'environ', 'mem', 'maps', 'auxv')";
    assert_eq!(given(&place, "worker", looks, |job| job, &[]), 0);
    // The same reads find something where they may.
    let own = "read(os.getpid(), 'environ', 'maps', 'auxv') > 3";
    assert_eq!(given(&place, "own", own, |job| job, &[]), 1);
    // Workers that are processes of their own have the head as their parent.
    let looks = "read(parent(worker), 'environ', 'mem', 'maps', 'auxv')";
    assert_eq!(given(&place, "head", looks, |job| job, &["--workers", "2"]), 0);
}

#[test]
fn a_function_has_no_files_of_its_worker_and_leaves_no_core() {
    let _slots = slots::take(2);
    let place = Place::new();
    // Of whoever started the worker, and of the worker itself.
    let marked = place.join("marked");
    std::fs::write(&marked, "secret").unwrap();
    let folder = place.join("state");
    let links = "[os.path.realpath(f'/proc/self/fd/{number}') for number in range(256)]";
    let code = giving(&format!("sum(link in ({marked:?},) or link.startswith({folder:?}) for link in {links})"));
    let output = place.join("out");
    let job = job("files", &firms(&place), &code, &output);
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "exec \"$0\" \"$@\" 9< \"$MARKED\""]).env("MARKED", &marked).arg(shoal::binary());
    command.args(["run", "--output", "json"]).arg(place.job(&job)).arg("--state-dir").arg(place.join("state"));
    Process::start(&mut command).finish().succeeded();
    assert!(read_delta(&output).iter().all(|row| row["n"] == 0));
    let core = "sum(resource.getrlimit(resource.RLIMIT_CORE))";
    assert_eq!(given(&place, "core", core, |job| job, &[]), 0);
}

#[test]
fn a_function_sees_the_variables_that_its_job_names_and_no_others() {
    let _slots = slots::take(2);
    let place = Place::new();
    let output = place.join("out");
    let seen = "len([name for name in ('AWS_SECRET_ACCESS_KEY', 'SHOAL_HEAD', 'TOKEN') if name in os.environ]) \
                + 10 * (os.environ.get('REGION') == 'eu') + 100 * (os.environ['OMP_NUM_THREADS'] == '2')";
    let job = job("seen", &firms(&place), &giving(seen), &output);
    let job = jobs::with(job, "/groupedTraining/output/mode", json!("overwrite"));
    let run = |job: &Value| -> Finished {
        let mut command = shoal::command(["run", "--output", "json"]);
        command.arg(place.job(job)).arg("--state-dir").arg(place.join("state"));
        command.env("AWS_SECRET_ACCESS_KEY", "secret").env("TOKEN", "secret");
        Process::start(&mut command).finish()
    };
    run(&job).succeeded();
    assert!(read_delta(&output).iter().all(|row| row["n"] == 0));
    let env = json!([
        {"name": "REGION", "value": "eu"},
        {"name": "OMP_NUM_THREADS", "value": "2"},
        {"name": "TOKEN", "fromWorker": true},
    ]);
    run(&with_env(job.clone(), env)).succeeded();
    assert!(read_delta(&output).iter().all(|row| row["n"] == 111));

    let failure = run(&with_env(job, json!([{"name": "NOT_THERE", "fromWorker": true}]))).failed(2);
    assert_eq!(failure["reason"], "InvalidEnvironment", "{failure:#}");
    assert_eq!(failure["message"], "`NOT_THERE` is not set where the worker runs");
    assert_eq!(failure["location"]["fieldPath"], "spec.groupedTraining.model.python.env[0]", "{failure:#}");
}

#[test]
fn limits_that_do_not_fit_into_a_worker_are_refused_before_anything_runs() {
    let _slots = slots::take(2);
    let place = Place::new();
    let output = place.join("out");
    let job = job("large", &firms(&place), "raise SystemExit('it was loaded')\n\ndef fit(group): ...\n", &output);
    let job = jobs::with(job, &member("processMemoryLimit"), json!("1Gi"));
    for more in [None, Some("--dry-run")] {
        let mut command = shoal::command(["run", "--output", "json", "--memory", "1Gi"]);
        match more {
            Some(more) => command.arg(more),
            None => command.arg("--state-dir").arg(place.join("state")),
        };
        let failure = Process::start(command.arg(place.job(&job))).finish().failed(2);
        assert_eq!(failure["reason"], "InvalidValue", "{failure:#}");
        let path = "spec.groupedTraining.model.python.processMemoryLimit";
        assert_eq!(failure["location"]["fieldPath"], path, "{failure:#}");
        let message = failure["message"].as_str().unwrap();
        let told =
            message.contains("processes of 1024 MiB") && message.contains("more than the 1024 MiB that a worker has");
        assert!(told, "{message}");
        assert!(failure["next"].as_str().unwrap().contains("Mi` or less"), "{failure:#}");
    }
    assert!(!output.exists(), "nothing is written");
}

#[test]
fn functions_that_eat_their_container_cost_their_groups_and_not_the_worker() {
    const LIMIT: u64 = 1 << 30;
    let Some(container) = ControlGroup::with_memory("shoal-eaters", LIMIT) else {
        eprintln!("not tested: no control group can be made here");
        return;
    };
    let _slots = slots::take(2);
    let place = Place::new();
    let code = "import time

def fit(group, key):
    eaten = []
    while key.firm in ('firm 7', 'firm 8', 'firm 31'):
        eaten.append(bytearray(b'x') * (8 << 20))
        time.sleep(0.005)
    return {'n': len(group)}
";
    let output = place.join("out");
    let job = job("eaters", &firms(&place), code, &output);
    let mut command = container.command(&shoal::binary());
    command.args(["run", "--output", "json"]).arg(place.job(&job)).arg("--state-dir").arg(place.join("state"));
    let status = Process::start(&mut command).finish().succeeded();
    let counters = &status["report"]["counters"];
    assert_eq!((&counters["groupsOk"], &counters["groupsFailed"]), (&json!(FIRMS - 3), &json!(3)), "{status:#}");
    let rows = read_delta(&output);
    let failed: Vec<&Value> = rows.iter().filter(|row| row["status"] != "ok").collect();
    for row in &failed {
        assert!(["firm 7", "firm 8", "firm 31"].map(Value::from).contains(&row["firm"]), "{row:#}");
        assert_eq!(row["status"], "out_of_memory", "{row:#}");
        let message = row["message"].as_str().unwrap();
        assert!(message.contains("of the 1024 MiB that there are for the worker and all its processes"), "{message}");
    }
    assert_eq!(failed.len(), 3, "{rows:#?}");
    assert_eq!(container.kills(), 0, "the kernel was faster");
}

#[test]
fn a_process_that_the_kernel_ends_for_its_memory_costs_its_group() {
    const LIMIT: u64 = 1 << 30;
    let Some(container) = ControlGroup::with_memory("shoal-kernel", LIMIT) else {
        eprintln!("not tested: no control group can be made here");
        return;
    };
    let _slots = slots::take(2);
    let place = Place::new();
    let code = "def fit(group, key):
    if key.firm == 'firm 7':
        b'x' * (4 << 30)
    return {'n': len(group)}
";
    let output = place.join("out");
    let job = job("kernel", &firms(&place), code, &output);
    // The worker does not see that there is a limit, so that nobody is faster than the kernel.
    let mut command = container.command("unshare".as_ref());
    let hide = "umount -l /sys/fs/cgroup/memory 2> /dev/null || umount -l /sys/fs/cgroup && exec \"$0\" \"$@\"";
    command.args(["--mount", "sh", "-c", hide]).arg(shoal::binary()).args(["run", "--output", "json"]);
    command.arg(place.job(&job)).arg("--state-dir").arg(place.join("state"));
    Process::start(&mut command).finish().succeeded();
    let rows = read_delta(&output);
    let failed: Vec<&Value> = rows.iter().filter(|row| row["status"] != "ok").collect();
    assert_eq!((rows.len(), failed.len()), (FIRMS, 1), "{failed:#?}");
    assert!(failed[0]["firm"] == "firm 7" && failed[0]["status"] == "out_of_memory", "{failed:#?}");
    assert!(failed[0]["message"].as_str().unwrap().contains("was ended by the kernel"), "{failed:#?}");
    assert!(container.kills() > 0);
}

#[test]
fn a_function_that_starts_processes_without_an_end_costs_its_group() {
    let _slots = slots::take(2);
    let place = Place::new();
    let code = "import os, time

def fit(group, key):
    while key.firm == 'firm 7':
        if os.fork() == 0:
            time.sleep(600)
            os._exit(0)
        time.sleep(0.001)
    return {'n': len(group)}
";
    let output = place.join("out");
    run_here(&place, &job("forks", &firms(&place), code, &output), &[]).succeeded();
    let rows = read_delta(&output);
    let failed: Vec<&Value> = rows.iter().filter(|row| row["status"] != "ok").collect();
    assert_eq!((rows.len(), failed.len()), (FIRMS, 1), "{failed:#?}");
    let message = failed[0]["message"].as_str().unwrap();
    assert!(failed[0]["firm"] == "firm 7" && message.contains("started more than 512 processes"), "{failed:#?}");
}
