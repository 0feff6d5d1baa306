#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::{Value, json};
use shoal_core::control::{WorkerLoad, WorkerPhase};

use super::*;
use crate::group::backoff::Backoff;

/// A pod of the group `a-cpu`, in short.
#[derive(Clone, Copy, Debug)]
struct Short {
    ordinal: u32,
    ready: bool,
    current: bool,
    ending: bool,
    failed: bool,
}

const GOOD: Short = Short { ordinal: 0, ready: true, current: true, ending: false, failed: false };

fn good(ordinal: u32) -> Short {
    Short { ordinal, ..GOOD }
}

fn group(spec: &Value) -> Arc<ShoalWorkerGroup> {
    let mut whole = json!({"clusterName": "a", "image": "shoal:2"});
    whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    Arc::new(
        serde_json::from_value(json!({
            "metadata": {"name": "a-cpu", "namespace": "n", "uid": "g", "labels": {(names::GROUP_LABEL): "cpu"}},
            "spec": whole,
        }))
        .unwrap(),
    )
}

fn pod(group: &ShoalWorkerGroup, short: Short) -> Arc<Pod> {
    let Short { ordinal, ready, current, ending, failed } = short;
    let hash = if current { pod::hash(&group.spec().unwrap()) } else { "1-of-another-spec".to_owned() };
    let mut pod = json!({
        "metadata": {"name": format!("a-cpu-{ordinal}"), "uid": format!("p{ordinal}"), "annotations": {(names::HASH_ANNOTATION): hash}},
        "status": {
            "phase": if failed { "Failed" } else { "Running" },
            "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}],
        },
    });
    if ending {
        pod["metadata"]["deletionTimestamp"] = "2026-11-01T00:00:00Z".into();
    }
    Arc::new(serde_json::from_value(pod).unwrap())
}

fn facts(spec: &Value, pods: &[Short]) -> Facts {
    let group = group(spec);
    let pods: Vec<_> = pods.iter().map(|short| pod(&group, *short)).collect();
    let taken = pods.iter().map(|pod| pod.name_any()).collect();
    Facts { group, pods, taken, busy: false, hold: None, loads: Loads::new(), budget: None }
}

/// The group's budget as the operator makes it.
fn budget_of(spec: &Value) -> Arc<PodDisruptionBudget> {
    let group = group(spec);
    let made = change_of_budget(&group, &group.spec().unwrap(), "cpu", None);
    let Some(Change::Create(mut made)) = made else { panic!("{made:?}") };
    made["metadata"]["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "K", "name": "a-cpu", "uid": "g"}]);
    Arc::new(serde_json::from_value(made).unwrap())
}

fn is_of_budget(change: &Change) -> bool {
    match change {
        Change::Create(made) | Change::Apply(made) | Change::Try(made) => made["kind"] == "PodDisruptionBudget",
        Change::Merge(reference, _) | Change::Delete(reference) => reference.kind == "PodDisruptionBudget",
    }
}

/// The changes in short: `+a-cpu-0` and `-a-cpu-1`.
fn told(decision: &Decision) -> Vec<String> {
    let mut told: Vec<_> = decision
        .changes
        .iter()
        .filter(|change| !is_of_budget(change))
        .map(|change| match change {
            Change::Create(pod) => format!("+{}", pod["metadata"]["name"].as_str().unwrap()),
            Change::Delete(Reference { name, uid, .. }) => {
                assert!(uid.is_some(), "a pod is deleted as this very one");
                format!("-{name}")
            }
            other => panic!("{other:?}"),
        })
        .collect();
    told.sort();
    told
}

#[test]
fn pods_are_made_and_deleted_until_there_are_as_many_as_wanted() {
    let starting = |ordinal| Short { ready: false, ..good(ordinal) };
    let cases: [(&str, Value, Vec<Short>, Vec<&str>); 10] = [
        ("none yet", json!({"replicas": 2}), vec![], vec!["+a-cpu-0", "+a-cpu-1"]),
        ("all there", json!({"replicas": 2}), vec![good(0), starting(1)], vec![]),
        ("the lowest free number", json!({"replicas": 3}), vec![good(0), good(2)], vec!["+a-cpu-1"]),
        ("no name of one that ends", json!({"replicas": 1}), vec![Short { ending: true, ..good(0) }], vec!["+a-cpu-1"]),
        (
            "a failed one goes",
            json!({"replicas": 1}),
            vec![Short { failed: true, ..good(0) }],
            vec!["+a-cpu-1", "-a-cpu-0"],
        ),
        ("the youngest first", json!({"replicas": 1}), vec![good(0), good(1), good(2)], vec!["-a-cpu-1", "-a-cpu-2"]),
        ("one that does not work first", json!({"replicas": 1}), vec![starting(0), good(1)], vec!["-a-cpu-0"]),
        (
            "an outdated one first",
            json!({"replicas": 1}),
            vec![Short { current: false, ..good(0) }, good(1)],
            vec!["-a-cpu-0"],
        ),
        ("suspended", json!({"replicas": 2, "suspend": true}), vec![good(0)], vec!["-a-cpu-0"]),
        ("unreadable", json!({"replicas": "many"}), vec![], vec![]),
    ];
    for (case, spec, pods, expected) in cases {
        let decision = if case == "unreadable" {
            let group = group(&spec);
            decide(&Facts { group, ..facts(&json!({"replicas": 1}), &[]) }, Timestamp::UNIX_EPOCH)
        } else {
            decide(&facts(&spec, &pods), Timestamp::UNIX_EPOCH)
        };
        assert_eq!(told(&decision), expected, "{case}");
        assert_eq!(decision.view.unreadable.is_some(), case == "unreadable");
    }
}

#[test]
fn outdated_pods_go_one_at_a_time_and_not_under_jobs() {
    let old = |ordinal| Short { current: false, ..good(ordinal) };
    let cases: [(&str, Vec<Short>, bool, Vec<&str>); 6] = [
        ("one at a time", vec![old(0), old(1), old(2)], false, vec!["-a-cpu-0"]),
        ("the next when the last is ready", vec![good(0), old(1), old(2)], false, vec!["-a-cpu-1"]),
        ("not before", vec![Short { ready: false, ..good(0) }, old(1), old(2)], false, vec![]),
        (
            "what does not work at once",
            vec![Short { ready: false, ..old(0) }, Short { ready: false, ..old(1) }, old(2)],
            false,
            vec!["-a-cpu-0", "-a-cpu-1"],
        ),
        ("none under jobs", vec![old(0), old(1), old(2)], true, vec![]),
        ("none while one is missing", vec![old(0), old(1)], false, vec!["+a-cpu-2"]),
    ];
    for (case, pods, busy, expected) in cases {
        let decision = decide(&Facts { busy, ..facts(&json!({"replicas": 3}), &pods) }, Timestamp::UNIX_EPOCH);
        assert_eq!(told(&decision), expected, "{case}");
        assert_eq!(decision.view.waits_for_jobs, busy, "{case}");
        assert_eq!(decision.again_after == Some(JOBS_LOOK), busy, "{case}");
    }
}

#[test]
fn the_name_of_another_groups_pod_is_left_alone() {
    let mut facts = facts(&json!({"replicas": 1}), &[]);
    facts.taken.insert("a-cpu-0".into());
    assert_eq!(told(&decide(&facts, Timestamp::UNIX_EPOCH)), ["+a-cpu-1"]);
}

#[test]
fn many_pods_are_made_in_several_looks() {
    let decision = decide(&facts(&json!({"replicas": MADE_AT_ONCE + 1}), &[]), Timestamp::UNIX_EPOCH);
    let pods = told(&decision).into_iter().filter(|told| told.starts_with("+a-cpu-")).count();
    assert_eq!((pods, decision.again_after), (MADE_AT_ONCE, Some(MADE_LOOK)));
}

#[test]
fn after_failures_no_pod_is_made_for_a_while() {
    let at = |ms| Timestamp::from_millisecond(ms).unwrap();
    let hold = Backoff::default().note(vec![("p0".into(), "pod a-cpu-0 has ended: Evicted".into())], false, at(0));
    let mut facts = facts(&json!({"replicas": 1}), &[Short { failed: true, ..good(0) }]);
    facts.hold = hold;
    let held = decide(&facts, at(100));
    assert_eq!(told(&held), ["-a-cpu-0"]);
    assert_eq!(held.again_after, Some(Duration::from_millis(400)));
    assert_eq!(held.view.failing.as_deref(), Some("pod a-cpu-0 has ended: Evicted"));
    let later = decide(&facts, at(500));
    assert_eq!(told(&later), ["+a-cpu-1", "-a-cpu-0"]);
    assert_eq!((later.again_after, later.view.failing), (Some(MADE_LOOK), None));
}

#[test]
fn a_pod_is_a_workers_and_has_what_the_user_set() {
    let spec = json!({"replicas": 1, "resources": {"cpu": "2500m", "memory": "4Gi"}});
    let decision = decide(&facts(&spec, &[]), Timestamp::UNIX_EPOCH);
    let [Change::Create(pod)] = &decision.changes[..] else { panic!("{decision:?}") };
    let arguments = pod["spec"]["containers"][0]["args"].as_array().unwrap();
    assert!(arguments.contains(&"--drain-timeout=110".into()), "{arguments:?}");
    assert_eq!(pod["spec"]["terminationGracePeriodSeconds"], 120, "the drain and a little more");
    for expected in ["worker", "--head=http://a-head:7370", "--slots=3", "--memory=3221225472", "--name=$(POD_NAME)"] {
        assert!(arguments.contains(&expected.into()), "{expected}: {arguments:?}");
    }
    assert_eq!(pod["metadata"]["labels"][names::GROUP_LABEL], "cpu");
    assert_eq!(decision.view.selector, "shoal.dev/cluster=a,shoal.dev/component=worker,shoal.dev/worker-group=cpu");
}

/// The only pod that a group of that spec gets.
fn made(spec: &Value) -> Value {
    let decision = decide(&facts(spec, &[]), Timestamp::UNIX_EPOCH);
    let [Change::Create(pod)] = &decision.changes[..] else { panic!("{decision:?}") };
    pod.clone()
}

#[test]
fn a_python_image_gets_the_program_and_is_looked_at_first() {
    let resources = json!({"cpu": "1", "memory": "1Gi"});
    let pod = made(&json!({"replicas": 1, "pythonImage": "python:3.12-slim", "resources": resources}));
    let spec = &pod["spec"];
    let [brings, checks] = &spec["initContainers"].as_array().unwrap()[..] else { panic!("{spec:#}") };
    let worker = &spec["containers"][0];
    assert_eq!(
        (&brings["image"], &checks["image"], &worker["image"]),
        (&json!("shoal:2"), &json!("python:3.12-slim"), &json!("python:3.12-slim"))
    );
    assert_eq!(brings["args"], json!(["program", "copy", "--to=/shoal-program"]));
    let program = json!(["/shoal-program/loader", "--library-path", "/shoal-program/lib", "/shoal-program/shoal"]);
    assert_eq!((&checks["command"], &worker["command"]), (&program, &program));
    assert_eq!(checks["args"], json!(["program", "check-python"]));
    assert_eq!(worker["args"][0], "worker");
    // As `restricted` asks, of each.
    for container in [brings, checks, worker] {
        assert_eq!(container["securityContext"], crate::pods::confined(), "{container:#}");
        assert_eq!(container["resources"]["limits"]["memory"], "1Gi", "{container:#}");
        let mounts = container["volumeMounts"].as_array().unwrap();
        let at = mounts.iter().find(|mount| mount["mountPath"] == "/shoal-program").unwrap();
        assert_eq!(at["readOnly"] == true, container["name"] != "shoal-program", "{container:#}");
    }
    assert!(spec["volumes"].as_array().unwrap().contains(&json!({"name": "shoal-program", "emptyDir": {}})));
    assert_eq!(made(&json!({"replicas": 1}))["spec"].get("initContainers"), None);
}

#[test]
fn a_python_image_restarts_its_own_groups_pods_and_no_others() {
    let hash = |spec: &Value| super::pod::hash(&group(spec).spec().unwrap());
    // Frozen: what pods of such groups have had before there was a `pythonImage`.
    assert_eq!(hash(&json!({"replicas": 1})), "1-f3060b9811474918");
    let python = hash(&json!({"pythonImage": "python:3.12-slim"}));
    assert_ne!(python, hash(&json!({})));
    assert_ne!(python, hash(&json!({"pythonImage": "python:3.13-slim"})));
}

#[test]
fn workers_know_all_heads_by_name() {
    let argument = |heads: u32| {
        let decision = decide(&facts(&json!({"replicas": 1, "heads": heads}), &[]), Timestamp::UNIX_EPOCH);
        let [Change::Create(pod)] = &decision.changes[..] else { panic!("{decision:?}") };
        let arguments = pod["spec"]["containers"][0]["args"].as_array().unwrap().clone();
        arguments.iter().find_map(|one| one.as_str().unwrap().strip_prefix("--head=").map(str::to_owned)).unwrap()
    };
    assert_eq!(argument(1), "http://a-head:7370");
    assert_eq!(argument(2), "http://a-head:7370,http://a-head-0.a-heads:7370,http://a-head-1.a-heads:7370");
}

#[test]
fn those_that_run_the_least_leave_and_the_head_is_told_first() {
    let starting = Short { ready: false, ..good(3) };
    let pods = [good(0), good(1), good(2), starting];
    let load = |ordinal: u32, used| {
        let name = format!("a-cpu-{ordinal}");
        (name.clone(), WorkerLoad { name, state: WorkerPhase::Ready, used, held_bytes: 0 })
    };
    let loads: Loads = [load(0, 1), load(1, 0), load(2, 2)].into();
    let decision =
        decide(&Facts { loads: loads.clone(), ..facts(&json!({"replicas": 1}), &pods) }, Timestamp::UNIX_EPOCH);
    assert_eq!(told(&decision), ["-a-cpu-0", "-a-cpu-1", "-a-cpu-3"]);
    assert_eq!(decision.leaving, ["a-cpu-1", "a-cpu-0"], "one that does not work has nothing to hand over");
    assert!(has_a_choice(&group(&json!({"replicas": 1})), &facts(&json!({}), &pods).pods));

    for (case, spec) in [("none stays", json!({"replicas": 0})), ("suspended", json!({"replicas": 1, "suspend": true}))]
    {
        let facts = facts(&spec, &pods);
        assert!(!has_a_choice(&facts.group, &facts.pods), "{case}");
        assert_eq!(decide(&facts, Timestamp::UNIX_EPOCH).leaving.is_empty(), case == "suspended", "{case}");
    }
    // One that is exchanged for a newer one leaves in the same way.
    let old = decide(&facts(&json!({"replicas": 1}), &[Short { current: false, ..good(0) }]), Timestamp::UNIX_EPOCH);
    assert_eq!(old.leaving, ["a-cpu-0"]);
}

#[test]
fn a_group_has_a_budget_as_soon_as_it_would_hold_something_up() {
    let of = |spec: &Value, found: Option<Arc<PodDisruptionBudget>>| {
        let facts = Facts { budget: found, ..facts(spec, &[]) };
        decide(&facts, Timestamp::UNIX_EPOCH).changes.into_iter().find(is_of_budget)
    };
    for (spec, expected) in [
        (json!({"replicas": 0}), None),
        (json!({"replicas": 1}), None),
        (json!({"replicas": 2}), Some(json!("10%"))),
        (json!({"replicas": 2, "maxUnavailable": 2}), None),
        (json!({"replicas": 3, "maxUnavailable": 2}), Some(json!(2))),
        (json!({"replicas": 1, "maxUnavailable": 0}), Some(json!(0))),
    ] {
        let made = of(&spec, None).map(|change| match change {
            Change::Create(made) => made["spec"]["maxUnavailable"].clone(),
            other => panic!("{other:?}"),
        });
        assert_eq!(made, expected, "{spec}");
    }
    let two = json!({"replicas": 2});
    assert_eq!(of(&two, Some(budget_of(&two))), None);
    // One that is there stays, whatever becomes of the group.
    assert_eq!(of(&json!({"replicas": 1}), Some(budget_of(&two))), None);
    let changed = of(&json!({"replicas": 2, "maxUnavailable": "50%"}), Some(budget_of(&two)));
    assert!(
        matches!(&changed, Some(Change::Merge(_, patch)) if patch["spec"]["maxUnavailable"] == "50%"),
        "{changed:?}"
    );
}

fn any_pods() -> impl Strategy<Value = Vec<Short>> {
    let one = (0..20_u32, any::<[bool; 4]>());
    prop::collection::vec(one, 0..12).prop_map(|pods| {
        let mut shorts: Vec<Short> = pods
            .into_iter()
            .map(|(ordinal, [ready, current, ending, failed])| Short { ordinal, ready, current, ending, failed })
            .collect();
        shorts.sort_by_key(|short| short.ordinal);
        shorts.dedup_by_key(|short| short.ordinal);
        shorts
    })
}

proptest! {
    /// Whatever there is: after the decision was carried out as many pods live as are wanted, none has the name of
    /// another, and of those that work no more than one is exchanged.
    #[test]
    fn what_is_decided_leads_to_what_is_wanted(pods in any_pods(), replicas in 0..10_u32, busy in any::<bool>()) {
        let facts = Facts { busy, ..facts(&json!({"replicas": replicas}), &pods) };
        let decision = decide(&facts, Timestamp::UNIX_EPOCH);
        let made = decision.changes.iter().filter(|change| matches!(change, Change::Create(_)) && !is_of_budget(change)).count();
        let live: Vec<&Short> = pods.iter().filter(|pod| !pod.ending && !pod.failed).collect();
        let gone: Vec<&str> = decision
            .changes
            .iter()
            .filter_map(|change| match change { Change::Delete(reference) => Some(reference.name.as_str()), _ => None })
            .collect();
        let deleted: Vec<&&Short> = live.iter().filter(|pod| gone.contains(&format!("a-cpu-{}", pod.ordinal).as_str())).collect();
        let exchanged = if live.len() + made > replicas as usize { live.len() - replicas as usize } else { 0 };
        if exchanged > 0 || made > 0 {
            prop_assert_eq!(live.len() + made - deleted.len(), replicas as usize);
        } else {
            prop_assert!(deleted.iter().all(|pod| !pod.current));
            prop_assert!(deleted.iter().filter(|pod| pod.ready).count() <= 1);
            prop_assert!(!busy || deleted.is_empty());
        }
        let mut names: Vec<_> = decision.changes.iter().filter_map(|change| match change {
            Change::Create(pod) if !is_of_budget(change) => pod["metadata"]["name"].as_str().map(str::to_owned),
            _ => None,
        }).collect();
        prop_assert!(names.iter().all(|name| !facts.taken.contains(name)));
        names.dedup();
        prop_assert_eq!(names.len(), made);
        prop_assert!(made == 0 || deleted.is_empty());
    }
}
