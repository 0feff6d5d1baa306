//! Two heads on one etcd: whatever happens to the one that leads, the other goes on with its jobs.

use std::time::{Duration, Instant};

use serde_json::Value;
use shoal_testkit::Etcd;
use shoal_testkit::{eventually, eventually_within};
use shoal_tests::cluster::{Head, Worker};
use shoal_tests::delta_log::times_committed;
use shoal_tests::http::{self, metric};
use shoal_tests::process::Process;
use shoal_tests::signals::{Signal, signal};
use shoal_tests::{data, job, shoal, slots};

use crate::lost_worker::{GROUPS, assert_right, stage};
use crate::place::Place;

/// Within this another head leads. Measured times are far below it; a loaded machine takes longer.
const FAILOVER_MAX: Duration = Duration::from_secs(10);

/// Less than a lease lasts: nobody waited for it to run out.
const HANDOVER_MAX: Duration = Duration::from_millis(2_500);

/// One split each; enough of them to be in the middle of for a while.
const FILE_BYTES: [usize; 8] = [4_400_000; 8];

/// An etcd, two heads and two workers, with a job in the middle of its map stage. The first head leads.
struct Cluster {
    leading: Head,
    standby: Head,
    workers: [Worker; 2],
    place: Place,
    _etcd: Etcd,
}

impl Cluster {
    fn in_the_middle_of_a_job() -> Self {
        let place = Place::new();
        data::padded_csv(&place.join("data"), &FILE_BYTES, GROUPS);
        let etcd = Etcd::start(1);
        let leading = Head::start_on_etcd(&etcd.endpoints());
        eventually("the first head leads", || leading.is_ready().then_some(()));
        let standby = Head::start_on_etcd(&etcd.endpoints());
        // The one that does not lead is named first: workers and clients find the other.
        let workers =
            ["one", "two"].map(|name| Worker::start(&leading, name, 1, &place.join(name), &["--head", standby.url()]));
        let job = job::training("survivor", &place.join("data"), "shop", &["a", "b"], "y", &place.join("models"));
        let file = place.job(&job::with_strategy(job, "aggregate"));
        standby.submit(&file, &["--head", leading.url()]).succeeded();
        eventually("the job is in the middle of its map stage", || {
            let status = leading.job("survivor");
            let map = stage(&status, "map");
            let (tasks, done) = (map["tasks"].as_u64()?, map["done"].as_u64()?);
            assert!(done < tasks, "the job was too fast for this test: {status:#}");
            (done > 0).then_some(())
        });
        assert!(!standby.is_ready());
        Self { leading, standby, workers, place, _etcd: etcd }
    }

    /// Waits until the other head leads; says how long that took since then.
    fn failed_over_since(&self, since: Instant) -> Duration {
        eventually_within(FAILOVER_MAX, "the other head leads", || self.standby.is_ready().then_some(()));
        let took = since.elapsed();
        println!("the other head led {:.2} s later", took.as_secs_f64());
        took
    }

    /// The job ends well, once, with the right table, whichever head is asked first.
    fn job_succeeds(&mut self) -> Value {
        let status = self.leading.ask(&["wait", "survivor", "--head", self.standby.url()]).succeeded();
        assert_eq!(status["phase"], "Succeeded", "{status:#}");
        assert_right(&self.place);
        let application = format!("shoal/{}", status["uid"].as_str().unwrap());
        assert_eq!(times_committed(&self.place.join("models"), &application), 1);
        for worker in &mut self.workers {
            assert!(worker.process().is_running(), "worker {} ended", worker.name());
        }
        status
    }
}

#[test]
fn a_job_survives_the_head_that_is_killed() {
    let _slots = slots::take(4);
    let mut cluster = Cluster::in_the_middle_of_a_job();
    let since = Instant::now();
    cluster.leading.kill();
    cluster.failed_over_since(since);
    cluster.job_succeeds();
    assert_eq!(metric(&cluster.standby.metrics(), "shoal_head_leads", &[]), 1.0);
}

#[test]
fn a_head_that_was_paused_does_nothing_more_and_leads_again_when_it_is_needed() {
    let _slots = slots::take(4);
    let mut cluster = Cluster::in_the_middle_of_a_job();
    let since = Instant::now();
    signal(cluster.leading.process().pid(), Signal::Stop);
    cluster.failed_over_since(since);
    let status = cluster.job_succeeds();
    // It goes on in the middle of what it did, and finds that another head leads.
    signal(cluster.leading.process().pid(), Signal::Continue);
    eventually("the first head sends others away", || {
        let answer = http::get(&format!("{}/api/v1/jobs", cluster.leading.url()), None)?;
        (answer.status == 503
            && answer.json()["reason"] == "NotLeading"
            && answer.json()["next"].as_str()?.contains(cluster.standby.url()))
        .then_some(())
    });
    assert_eq!(cluster.leading.get("/healthz").status, 200);
    assert!(!cluster.leading.is_ready() && cluster.standby.is_ready());
    assert_eq!(cluster.standby.job("survivor"), status, "nothing has changed");
    assert_eq!(metric(&cluster.leading.metrics(), "shoal_head_leads", &[]), 0.0);
    // The other way round.
    let since = Instant::now();
    cluster.standby.kill();
    eventually_within(FAILOVER_MAX, "the first head leads again", || cluster.leading.is_ready().then_some(()));
    println!("the first head led again {:.2} s later", since.elapsed().as_secs_f64());
    assert_eq!(cluster.leading.job("survivor")["phase"], "Succeeded");
    cluster.leading.wait_for_workers(2);
}

#[test]
fn a_head_that_is_started_before_its_etcd_waits_for_it() {
    let _slots = slots::take(2);
    let place = Place::new();
    let mut etcd = Etcd::planned();
    let mut head = Head::start_on_etcd(&etcd.endpoints());
    let answer = eventually("the head says what it waits for", || {
        http::get(&format!("{}/readyz", head.url()), None).filter(|answer| answer.body.contains("waits for etcd"))
    });
    assert_eq!((answer.status, head.get("/healthz").status), (503, 200));
    eventually("its log says where", || {
        let output = head.output();
        (output.contains("waits for etcd") && output.contains(&etcd.endpoints()[0])).then_some(())
    });
    assert!(head.process().is_running());
    etcd.restart(0);
    eventually("the head leads", || head.is_ready().then_some(()));
    let _worker = Worker::start(&head, "early", 1, &place.join("early"), &[]);
    let file = place.job(&job::grunfeld("early", &place.join("models")));
    assert_eq!(head.submit(&file, &["--wait"]).succeeded()["phase"], "Succeeded");
}

#[test]
fn a_head_that_etcd_refuses_ends_at_once_and_says_why() {
    let _slots = slots::take(1);
    let mut etcd = Etcd::start(1);
    etcd.enable_authentication("sesame");
    let mut command = shoal::command(["head", "--listen", "127.0.0.1:0", "--workers-listen", "127.0.0.1:0"]);
    command.args(["--etcd", &etcd.endpoints().join(","), "--etcd-user", "root"]).env("SHOAL_ETCD_PASSWORD", "wrong");
    let refused = Process::start(&mut command).finish();
    assert!(refused.code != 0 && refused.stderr.contains("password"), "{refused:#?}");
}

#[test]
fn a_head_that_is_shut_down_hands_over_at_once() {
    let _slots = slots::take(4);
    let mut cluster = Cluster::in_the_middle_of_a_job();
    let since = Instant::now();
    signal(cluster.leading.process().pid(), Signal::Terminate);
    let took = cluster.failed_over_since(since);
    assert!(took < HANDOVER_MAX, "it took {took:?}");
    cluster.job_succeeds();
}
