//! Clusters whose size the operator decides, by what a head or a Prometheus tells that the test plays.

use serde_json::{Value, json};
use shoal_core::Failure;
use shoal_core::control::{WorkerLoad, WorkerPhase};
use shoal_core::report::Phase;
use shoal_operator::DoorTo;
use shoal_testkit::eventually;
use shoal_testkit::kubernetes::condition;

use crate::api::{Namespace, server};
use crate::clusters::cluster;
use crate::fake_head::FakeHead;
use crate::fake_metrics::{Answer, FakeMetrics, Work, head as told, prometheus};
use crate::jobs::job;
use crate::operator::{Operator, Settings};

/// A cluster called `a` with a group `cpu` of workers with two slots each, of which there are so many at first.
fn scaled(replicas: u32, autoscaling: &Value) -> String {
    let mut settings = json!({
        "mode": "Internal",
        "targetDrainTime": "30s",
    });
    settings.as_object_mut().unwrap().extend(autoscaling.as_object().unwrap().clone());
    let group = json!({
        "name": "cpu", "replicas": replicas, "resources": {"cpu": "2", "memory": "1Gi"},
        "minReplicas": 0, "maxReplicas": 4, "idleTimeout": "1s",
    });
    cluster(&json!({"workerGroups": [group], "autoscaling": settings}))
}

/// An operator, and the head of its only cluster.
struct Scene {
    namespace: Namespace,
    head: FakeHead,
    metrics: FakeMetrics,
    operator: Operator,
}

impl Scene {
    fn new() -> Self {
        let (namespace, head, metrics) = (Namespace::new(), FakeHead::start(), FakeMetrics::start());
        let metrics_url = format!("{}/metrics", metrics.url());
        let settings = Settings { head_url: head.url(), metrics_url, ..Settings::default() };
        let operator = Operator::start_with(&namespace, settings);
        Self { namespace, head, metrics, operator }
    }

    fn replicas(&self) -> u64 {
        self.namespace.get("shoalworkergroup/a-cpu")["spec"]["replicas"].as_u64().unwrap_or(0)
    }

    /// Waits for that many pods of workers, and lets them work.
    fn until_workers(&self, count: usize) -> Vec<String> {
        let workers = || {
            let pods = self.namespace.list("pods --selector=shoal.dev/component=worker");
            let live = pods.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
            let names: Vec<String> = live.map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()).collect();
            (names.len() == count).then_some(names)
        };
        let names = eventually(&format!("there are {count} workers"), workers);
        self.namespace.all_pods_are_ready();
        names
    }

    fn until_metrics(&self, status: &str, reason: &str) -> Value {
        self.namespace.until_condition("shoalcluster/a", "MetricsAvailable", status, reason)
    }
}

/// What `shoal cluster explain` prints.
fn explain(namespace: &Namespace) -> Result<Vec<String>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let to = DoorTo {
        cluster: "a".to_owned(),
        namespace: Some(namespace.name().to_owned()),
        context: None,
        kubeconfig: Some(server().kubeconfig().to_owned()),
    };
    runtime.block_on(shoal_operator::explain(to)).map(|explanation| explanation.lines)
}

/// Work for so many seconds of a slot in that many tasks.
fn queued(tasks: u64, seconds: f64) -> Work {
    Work { queued_tasks: tasks, queued_seconds: seconds, jobs: 1, ..Work::default() }
}

#[test]
fn groups_follow_the_work_from_zero_and_back() {
    let scene = Scene::new();
    scene.namespace.apply(&scaled(0, &json!({})));
    scene.namespace.until_names("pods", &["a-head-0"]);
    scene.namespace.all_pods_are_ready();
    scene.until_metrics("True", "Complete");
    let token = scene.metrics.asked().last().unwrap().authorization.clone().unwrap();
    assert!(token.starts_with("Bearer ") && token.len() > 30, "the head is shown the cluster's token");

    let names = ["a-cpu-0", "a-cpu-1", "a-cpu-2", "a-cpu-3"];
    let load = |name: &str, used| WorkerLoad { name: name.into(), state: WorkerPhase::Ready, used, held_bytes: 0 };
    scene.head.with(|known| known.loads = names.map(|name| load(name, 2)).to_vec());
    // 180 slot-seconds in 30 s take 6 slots.
    scene.metrics.has(&queued(36, 180.0));
    scene.namespace.apply(&job(&json!({})));
    let workers = scene.until_workers(3);
    assert_eq!(workers, names[..3]);
    let status = scene.namespace.until("shoalcluster/a", "it says why", |cluster| {
        cluster["status"]["autoscaling"]["desired"].as_u64().unwrap_or(0) >= 3
    })["status"]["autoscaling"]
        .clone();
    assert_eq!(status["groups"][0]["name"], "cpu");
    assert_eq!((&status["inputs"]["queuedTasks"], &status["inputs"]["queuedSlotSeconds"]), (&json!(36), &json!(180)));
    eventually("an event tells it", || {
        let events = scene.namespace.kubectl(&["get", "events", "--field-selector=involvedObject.kind=ShoalCluster"]);
        (events.contains("ScaledUp") && events.contains("3 workers: 180 slot-seconds queued")).then_some(())
    });

    let explained = explain(&scene.namespace).unwrap();
    assert!(explained[0].contains("180 slot-seconds queued / 30 s target / 2 slots"), "{explained:?}");
    assert!(explained.iter().any(|line| line.starts_with("work: 36 tasks wait (180 slot-seconds)")), "{explained:?}");

    // More than there may be.
    scene.metrics.has(&queued(360, 1_800.0));
    scene.until_workers(4);
    scene.namespace.until("shoalcluster/a", "it says what limits it", |cluster| {
        cluster["status"]["autoscaling"]["limitedBy"] == "MaxReplicas"
    });

    // All is done.
    scene.head.with(|known| known.loads = names.map(|name| load(name, 0)).to_vec());
    scene.head.job_is(Phase::Succeeded, 11);
    scene.metrics.has(&Work { ready_slots: 8, ..Work::default() });
    scene.until_workers(0);
    eventually("the operator counts it", || {
        let counted = scene.operator.metrics();
        (counted.contains("shoal_operator_scaling_decisions_total")
            && counted.contains("shoal_operator_scaling_metrics_available")
            && counted.lines().any(|line| {
                line.starts_with("shoal_operator_scaling_workers") && line.contains("desired") && line.ends_with(" 0")
            }))
        .then_some(())
    });
}

#[test]
fn a_job_gets_its_first_worker_while_its_head_starts() {
    let namespace = Namespace::new();
    let _operator = Operator::start(&namespace);
    namespace.apply(&scaled(0, &json!({})));
    namespace.until_names("pods", &["a-head-0"]);
    namespace.until_condition("shoalcluster/a", "MetricsAvailable", "False", "HeadNotReady");
    namespace.apply(&job(&json!({})));
    namespace.until_names("pods", &["a-cpu-0", "a-head-0"]);
}

#[test]
fn a_size_is_held_on_each_kind_of_bad_metrics() {
    let scene = Scene::new();
    scene.namespace.apply(&scaled(2, &json!({})));
    scene.until_workers(2);
    scene.until_metrics("True", "Complete");
    let good = told(&queued(360, 1_800.0));
    // Ever so much work, which none of these says in a way that can be believed.
    for (answer, reason) in [
        (Answer::Says(200, good.replace(" 1800", " NaN")), "ValueNotANumber"),
        (Answer::Says(200, good.replace(" 1800", " +Inf")), "ValueInfinite"),
        (Answer::Says(200, good.replace(" 1800", " -1")), "ValueNegative"),
        (Answer::Says(200, format!("{good}shoal_unfinished_jobs 2\n")), "SeriesDuplicate"),
        (Answer::Says(200, good.replace("shoal_head_leads 1", "shoal_head_leads 0")), "HeadDoesNotLead"),
        (Answer::Says(200, good.replace("{now}", "1700000000")), "MetricsStale"),
        (Answer::Says(200, good.replace("shoal_expected_workers 0", "shoal_expected_workers 1")), "MetricsPartial"),
        (Answer::Says(200, String::new()), "SeriesAbsent"),
        (Answer::Says(200, "<html>".into()), "AnswerMalformed"),
        (Answer::Says(401, String::new()), "SourceUnauthorized"),
        (Answer::Says(404, String::new()), "SourceNotFound"),
        (Answer::Says(500, String::new()), "SourceFailed"),
        (Answer::Never, "SourceTimedOut"),
    ] {
        scene.metrics.says(answer);
        let said = scene.until_metrics("False", reason);
        assert!(said["message"].as_str().unwrap().contains("stay"), "{said}");
        assert_eq!(scene.replicas(), 2, "{reason}");
    }
    let status = scene.namespace.get("shoalcluster/a")["status"]["autoscaling"].clone();
    assert_eq!((&status["desired"], &status["reason"]), (&json!(2), &json!("Held")), "{status}");
    // And on it goes.
    scene.metrics.says(Answer::Says(200, good));
    scene.until_metrics("True", "Complete");
    scene.until_workers(4);
}

#[test]
fn a_prometheus_may_tell_it() {
    let scene = Scene::new();
    let server = FakeMetrics::start();
    server.says(Answer::Says(200, prometheus(&told(&Work::default()))));
    scene.namespace.kubectl(&["create", "secret", "generic", "prom", "--from-literal=token=let-me-in"]);
    let source = json!({"prometheus": {"url": server.url(), "authSecretRef": {"name": "prom"}}});
    scene.namespace.apply(&scaled(1, &json!({"source": source})));
    scene.until_workers(1);
    scene.until_metrics("True", "Complete");
    let asked = server.asked().pop().unwrap();
    assert_eq!(asked.authorization.as_deref(), Some("Bearer let-me-in"));
    assert!(asked.path.starts_with("/api/v1/query?query="), "{asked:?}");
    assert!(asked.path.contains(&format!("namespace%3D%22{}%22", scene.namespace.name())), "{asked:?}");
    let good = prometheus(&told(&queued(360, 1_800.0)));
    let error = json!({"status": "error", "errorType": "bad_data", "error": "no"}).to_string();
    for (answer, reason) in [
        (Answer::Says(401, String::new()), "SourceUnauthorized"),
        (Answer::Says(404, String::new()), "SourceNotFound"),
        (Answer::Says(500, String::new()), "SourceFailed"),
        (Answer::Says(400, error), "QueryFailed"),
        (Answer::Says(200, "garbage".into()), "AnswerMalformed"),
        (Answer::Says(200, prometheus("")), "SeriesAbsent"),
        (
            Answer::Says(200, good.replace("a-head-0", "a-head-1").replacen("a-head-1", "a-head-0", 1)),
            "HeadDoesNotLead",
        ),
        (Answer::Never, "SourceTimedOut"),
    ] {
        server.says(answer);
        scene.until_metrics("False", reason);
        assert_eq!(scene.replicas(), 1, "{reason}");
    }
    scene.namespace.kubectl(&["delete", "secret", "prom"]);
    scene.until_metrics("False", "CredentialsUnusable");
    scene.namespace.kubectl(&["create", "secret", "generic", "prom", "--from-literal=token=let-me-in"]);
    server.says(Answer::Says(200, good));
    scene.until_workers(4);
}

#[test]
fn others_may_say_how_large_a_group_is() {
    let scene = Scene::new();
    scene.namespace.apply(&scaled(1, &json!({"mode": "External"})));
    scene.until_workers(1);
    scene.metrics.has(&queued(360, 1_800.0));
    scene.namespace.kubectl(&["scale", "shoalworkergroup", "a-cpu", "--replicas=3"]);
    scene.until_workers(3);
    // A job wakes nobody, and nothing is asked.
    scene.namespace.apply(&job(&json!({})));
    eventually("the head has the job", || scene.head.with(|known| (known.jobs.len() == 1).then_some(())));
    let cluster = scene.namespace.get("shoalcluster/a");
    assert!(
        cluster["status"]["autoscaling"].is_null() && condition(&cluster, "MetricsAvailable").is_null(),
        "{cluster}"
    );
    assert_eq!((scene.replicas(), scene.metrics.asked().len()), (3, 0));
    let failure = explain(&scene.namespace).unwrap_err();
    assert!(failure.next.unwrap().contains("autoscaling.mode: Internal"));
    // From now on the operator says it.
    scene.namespace.apply(&scaled(1, &json!({})));
    scene.until_workers(4);
}
