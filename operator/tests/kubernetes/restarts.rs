//! An API server that is killed and comes back, on the same port and with the same etcd.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use shoal_core::report::Phase;
use shoal_testkit::kubernetes::Cluster;

use crate::api::{Namespace, start_server};
use crate::fake_head::FakeHead;
use crate::story::{Moment, Restarted, story};

/// One of this test's own: all others would notice.
static SERVER: LazyLock<Cluster> = LazyLock::new(start_server);

fn pods(namespace: &Namespace) -> BTreeSet<String> {
    namespace.list("pods").iter().map(|pod| pod["metadata"]["uid"].to_string()).collect()
}

#[test]
fn an_api_server_that_is_killed_again_and_again_finds_every_story_go_on() {
    let (namespace, head) = (Namespace::on(&SERVER), FakeHead::start());
    let kills = Cell::new(0);
    let operator = Restarted { namespace: &namespace, head: &head, proxy: None };
    let restarts = operator.during(|| {
        story(&namespace, &head, |moment| {
            let before = (moment == Moment::Runs).then(|| pods(&namespace));
            SERVER.restart("kube-apiserver").unwrap();
            kills.set(kills.get() + 1);
            // What is told while nobody can write it down.
            if before.is_some() {
                head.job_is(Phase::Running, 6);
            }
            SERVER.wait_until_ready().unwrap();
            if let Some(before) = before {
                namespace.until("shoaljob/grunfeld", "it goes on", |job| job["status"]["progress"]["done"] == 6);
                assert_eq!(pods(&namespace), before, "nothing is made anew");
            }
        });
    });
    assert_eq!(kills.get(), 4);
    // While the API server is away an operator may have to give up the lead, and not more often.
    assert!(restarts <= kills.get(), "{restarts}");
}
