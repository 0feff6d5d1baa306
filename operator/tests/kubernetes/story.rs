//! A job's and a group's life from beginning to end, which faults are to change nothing of.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use shoal_core::Reason;
use shoal_core::report::Phase;
use shoal_testkit::eventually;

use crate::api::Namespace;
use crate::clusters::cluster;
use crate::fake_head::FakeHead;
use crate::fault_proxy::FaultProxy;
use crate::jobs::job;
use crate::operator::{Operator, Settings};

/// How often the operator is looked at that a test may have killed.
const LOOK: Duration = Duration::from_millis(10);

/// An operator that is started again whenever it has ended, as Kubernetes does.
pub(crate) struct Restarted<'a> {
    pub(crate) namespace: &'a Namespace,
    pub(crate) head: &'a FakeHead,
    /// What stands between it and the API server.
    pub(crate) proxy: Option<&'a FaultProxy>,
}

impl Restarted<'_> {
    fn settings(&self) -> Settings {
        let (head_url, api_url) = (self.head.url(), self.proxy.map(FaultProxy::url));
        Settings { head_url, api_url, network_policies: true, ..Settings::default() }
    }

    /// Lets the story happen; says how often the operator was started again.
    pub(crate) fn during(&self, story: impl FnOnce()) -> u32 {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let keeper = scope.spawn(|| {
                let mut operator = Operator::start_with(self.namespace, self.settings());
                let mut restarts = 0;
                while !over.load(Ordering::SeqCst) {
                    let was_killed = self.proxy.is_some_and(FaultProxy::sender_died);
                    if was_killed || operator.has_ended() {
                        match was_killed {
                            true => operator.kill(),
                            // There is one reason to end, and a crash is none.
                            false => assert_eq!(operator.ended().unwrap_err().reason, Reason::NotLeading),
                        }
                        if let Some(proxy) = self.proxy {
                            proxy.speak();
                        }
                        operator = Operator::start_again(self.namespace, self.settings());
                        restarts += 1;
                    }
                    std::thread::park_timeout(LOOK);
                }
                restarts
            });
            let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(story));
            over.store(true, Ordering::SeqCst);
            let restarts = keeper.join().unwrap();
            told.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            restarts
        })
    }
}

/// Just after something has changed, and before all that follows from it can have been done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// There is a job, which wants a cluster of its own.
    Begins,
    /// The job runs, and nothing else happens.
    Runs,
    /// The group is to have fewer workers.
    Shrinks,
    /// The job has succeeded: all that was made for it is to go.
    Ends,
}

/// What is made for clusters and jobs.
const WHAT_GOES: [&str; 9] = [
    "shoaljobs",
    "shoalclusters",
    "shoalworkergroups",
    "pods",
    "statefulsets",
    "services",
    "secrets",
    "networkpolicies",
    "poddisruptionbudgets",
];

/// A cluster that loses a group, and goes. It leaves nothing.
fn story_of_groups(namespace: &Namespace) {
    let with = |groups: Value| cluster(&json!({"workerGroups": groups, "head": {"state": {"ephemeral": {}}}}));
    namespace.apply(&with(json!([{"name": "cpu"}, {"name": "gpu"}])));
    namespace.until_names("pods", &["a-cpu-0", "a-gpu-0", "a-head-0"]);
    namespace.apply(&with(json!([{"name": "cpu"}])));
    namespace.until_names("shoalworkergroups", &["a-cpu"]);
    namespace.until_names("pods", &["a-cpu-0", "a-head-0"]);
    namespace.kubectl(&["delete", "shoalcluster", "a", "--wait=false"]);
    namespace.until_names("pods", &[]);
}

/// After that a job with a cluster of its own, which shrinks while the job runs, and goes when it has succeeded. In the end
/// nothing is left, and the head has heard of one job.
pub(crate) fn story(namespace: &Namespace, head: &FakeHead, at: impl Fn(Moment)) {
    story_of_groups(namespace);
    let groups = json!([{"name": "cpu", "replicas": 2}]);
    let own = json!({
        "cluster": {"workerGroups": groups, "head": {"state": {"ephemeral": {}}}}, "ttlSecondsAfterFinished": 1,
    });
    namespace.apply(&job(&own));
    at(Moment::Begins);
    let name = eventually("it has a cluster", || namespace.names("shoalclusters").first().cloned());
    let pods = [format!("{name}-cpu-0"), format!("{name}-cpu-1"), format!("{name}-head-0")];
    namespace.until_names("pods", &pods.each_ref().map(String::as_str));
    eventually("the head has the job", || {
        namespace.all_pods_are_ready();
        head.with(|known| !known.jobs.is_empty()).then_some(())
    });
    head.job_is(Phase::Running, 5);
    namespace.until("shoaljob/grunfeld", "it runs", |job| job["status"]["progress"]["done"] == 5);
    at(Moment::Runs);

    namespace.kubectl(&["scale", "shoalworkergroup", &format!("{name}-cpu"), "--replicas=1"]);
    at(Moment::Shrinks);
    eventually("one worker is left", || {
        namespace.all_pods_are_ready();
        (namespace.names("pods").len() == 2).then_some(())
    });
    namespace.until("shoalworkergroup", "it says so", |groups| groups["items"][0]["status"]["replicas"] == 1);

    head.job_is(Phase::Succeeded, 11);
    at(Moment::Ends);
    for kind in WHAT_GOES {
        namespace.until_names(kind, &[]);
    }
    head.with(|known| {
        let uids: BTreeSet<_> = known.submissions.iter().map(|(uid, _)| *uid).collect();
        assert_eq!((uids.len(), known.jobs.len(), known.cancelled.len()), (1, 1, 0), "{:?}", known.submissions);
    });
}
