//! Operators that are killed, and API servers that fail: every story ends as it does on a good day.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;
use shoal_core::report::Phase;
use shoal_testkit::eventually;
use tokio::sync::watch;

use crate::api::Namespace;
use crate::clusters::{cluster, get_ready};
use crate::fake_head::FakeHead;
use crate::fault_proxy::{Fate, FaultProxy, Request};
use crate::jobs::job;
use crate::operator::{Operator, Settings};
use crate::story::{Restarted, story};

/// Writes that a story may do without: the lease may not have to be renewed in its time, and no event may come twice.
const NOT_ALWAYS: [&str; 2] = ["PUT leases", "PATCH events"];

/// Stories that happen at the same time.
const SIDE_BY_SIDE: usize = 4;

/// The kinds of writes that the story takes.
fn kinds_of_writes() -> BTreeSet<String> {
    let (namespace, head) = (Namespace::new(), FakeHead::start());
    let proxy = FaultProxy::start(|_| Fate::Passes);
    let restarts = Restarted { namespace: &namespace, head: &head, proxy: Some(&proxy) }
        .during(|| story(&namespace, &head, |_| ()));
    assert_eq!(restarts, 0);
    proxy.seen().iter().filter(|request| request.is_write()).map(Request::kind).collect()
}

#[test]
fn an_operator_that_is_killed_at_any_write_leaves_nothing_double_and_nothing_behind() {
    let kinds = kinds_of_writes();
    let expected = [
        "POST pods",
        "DELETE pods",
        "PATCH shoaljobs",
        "PATCH shoaljobs/status",
        "PATCH shoalclusters",
        "PATCH shoalclusters/status",
        "PATCH shoalworkergroups",
        "PATCH shoalworkergroups/status",
        "PATCH statefulsets",
        "PATCH services",
        "DELETE shoalclusters",
        "DELETE shoaljobs",
        "DELETE shoalworkergroups",
        "POST networkpolicies",
        "POST poddisruptionbudgets",
        "POST secrets",
        "POST leases",
    ];
    for kind in expected {
        assert!(kinds.contains(kind), "the story takes no {kind}: {kinds:?}");
    }
    // A story has several deaths, and stories wait more than they work: this way it takes a minute and not ten.
    let kinds: Vec<String> = kinds.into_iter().collect();
    std::thread::scope(|scope| {
        for first in 0..SIDE_BY_SIDE {
            let kinds: Vec<String> = kinds.iter().skip(first).step_by(SIDE_BY_SIDE).cloned().collect();
            scope.spawn(move || {
                survives_deaths_at(&kinds, &Fate::SenderDiesBefore);
                survives_deaths_at(&kinds, &Fate::SenderDiesAfter);
            });
        }
    });
}

/// A story in which the operator ends at its first write of each of these kinds.
fn survives_deaths_at(kinds: &[String], fate: &Fate) {
    println!("killed at {kinds:?}: {fate:?}");
    let (namespace, head) = (Namespace::new(), FakeHead::start());
    let left = Arc::new(Mutex::new(BTreeSet::from_iter(kinds.to_vec())));
    let (to_come, fate_then) = (left.clone(), fate.clone());
    let proxy = FaultProxy::start(move |request| match to_come.lock().unwrap().remove(&request.kind()) {
        true => fate_then.clone(),
        false => Fate::Passes,
    });
    let operator = Restarted { namespace: &namespace, head: &head, proxy: Some(&proxy) };
    let restarts = operator.during(|| story(&namespace, &head, |_| ()));
    let mut left = left.lock().unwrap().clone();
    left.retain(|kind| !NOT_ALWAYS.contains(&kind.as_str()));
    assert!(left.is_empty(), "it met no end at {left:?} ({fate:?})");
    // Two writes at the same moment are one end.
    assert!(restarts > 1, "{restarts} restarts at {kinds:?} ({fate:?})");
}

/// What befalls a request on a very bad day: one in ten fails, each in another way. A look at a cluster takes several: where
/// one in four fails, hardly any look ends well, and the pauses between them grow.
fn mishap(random: &mut SmallRng, request: &Request) -> Fate {
    if random.random_range(0..10) > 0 {
        return Fate::Passes;
    }
    if request.is_watch() {
        return if random.random() { Fate::Refused(410) } else { Fate::Unheard };
    }
    match random.random_range(0..6) {
        0 => Fate::Refused(409),
        1 => Fate::Refused(429),
        2 => Fate::Refused(500),
        3 => Fate::Refused(504),
        4 => Fate::Unheard,
        _ => Fate::AnswerLost,
    }
}

#[test]
fn an_api_server_that_fails_every_tenth_request_delays_and_changes_nothing() {
    let met = AtomicU32::new(0);
    let one_story = |seed| {
        let (namespace, head) = (Namespace::new(), FakeHead::start());
        let (mut random, faults) = (SmallRng::seed_from_u64(seed), Arc::new(AtomicU32::new(0)));
        let count = faults.clone();
        let proxy = FaultProxy::start(move |request| {
            let fate = mishap(&mut random, request);
            count.fetch_add(u32::from(!matches!(fate, Fate::Passes)), Ordering::SeqCst);
            fate
        });
        let operator = Restarted { namespace: &namespace, head: &head, proxy: Some(&proxy) };
        operator.during(|| story(&namespace, &head, |_| ()));
        met.fetch_add(faults.load(Ordering::SeqCst), Ordering::SeqCst);
    };
    std::thread::scope(|scope| {
        for seed in 0..3 {
            let one_story = &one_story;
            scope.spawn(move || one_story(seed));
        }
    });
    let met = met.load(Ordering::SeqCst);
    assert!(met > 10, "{met} faults in all three stories");
}

#[test]
fn an_api_server_that_is_away_for_a_while_finds_the_operator_at_its_work() {
    let (namespace, head) = (Namespace::new(), FakeHead::start());
    // Watches of the time before are refused when it is back, as after a restart.
    let expired = Arc::new(Mutex::new(0));
    let refuse = expired.clone();
    let proxy = FaultProxy::start(move |request| {
        let mut left = refuse.lock().unwrap();
        if *left > 0 && request.is_watch() {
            *left -= 1;
            return Fate::Refused(410);
        }
        Fate::Passes
    });
    let settings = Settings { head_url: head.url(), api_url: Some(proxy.url()), ..Settings::default() };
    let operator = Operator::start_with(&namespace, settings);
    namespace.apply(&cluster(&json!({})));
    get_ready(&namespace, &["a-cpu-0", "a-cpu-1"]);
    namespace.apply(&job(&json!({})));
    eventually("the head has the job", || head.with(|known| known.jobs.len() == 1).then_some(()));

    proxy.fall_silent();
    *expired.lock().unwrap() = 5;
    let asked = proxy.seen().len();
    // What changes meanwhile is only found by asking.
    namespace.kubectl(&["scale", "shoalworkergroup", "a-cpu", "--replicas=1"]);
    namespace.kubectl(&["delete", "pod", "a-cpu-0"]);
    head.job_is(Phase::Succeeded, 11);
    proxy.speak();
    eventually("it asks again", || (proxy.seen().len() > asked).then_some(()));
    namespace.until_condition("shoaljob/grunfeld", "Complete", "True", "Published");
    eventually("one worker is left", || {
        namespace.all_pods_are_ready();
        (namespace.names("pods").len() == 2).then_some(())
    });
    assert!(!operator.has_ended(), "it outlives that");
    eventually("all watches were refused for once", || (*expired.lock().unwrap() == 0).then_some(()));
    head.with(|known| assert_eq!(known.submissions.len(), 1));
}

#[test]
fn a_write_of_an_operator_that_lost_the_lead_meanwhile_does_no_harm() {
    let (namespace, head) = (Namespace::new(), FakeHead::start());
    let (release, held) = watch::channel(false);
    let is_held = Arc::new(AtomicBool::new(false));
    let (told, mut held) = (is_held.clone(), Some(held));
    // Its first pod is on its way for as long as the test wants.
    let proxy = FaultProxy::start(move |request| match request.kind().as_str() {
        "POST pods" if held.is_some() => {
            told.store(true, Ordering::SeqCst);
            Fate::Held(held.take().unwrap())
        }
        _ => Fate::Passes,
    });
    let settings = |identity| Settings { identity, head_url: head.url(), ..Settings::default() };
    let first = Settings { api_url: Some(proxy.url()), ..settings("first") };
    let first = Operator::start_with(&namespace, first);
    eventually("the first leads", || first.leads().then_some(()));
    namespace.apply(&cluster(&json!({})));
    eventually("a pod is on its way", || is_held.load(Ordering::SeqCst).then_some(()));

    // As after a pause of its whole machine: another one takes over.
    namespace.kubectl(&[
        "patch",
        "lease",
        "shoal-operator",
        "--type=merge",
        r#"--patch={"spec": {"holderIdentity": ""}}"#,
    ]);
    let _second = Operator::start_with(&namespace, settings("second"));
    get_ready(&namespace, &["a-cpu-0", "a-cpu-1"]);
    let uids = || namespace.list("pods").iter().map(|pod| pod["metadata"]["uid"].to_string()).collect::<BTreeSet<_>>();
    let before = uids();
    release.send_replace(true);
    assert_eq!(first.ended().unwrap_err().reason, shoal_core::Reason::NotLeading);
    namespace.until_condition("shoalcluster/a", "Progressing", "False", "Settled");
    assert_eq!(uids(), before);
}
