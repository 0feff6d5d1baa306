#![allow(clippy::unwrap_used)]

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use shoal_core::spec::v1alpha1::status::ConditionStatus;

use super::*;
use crate::cluster::tls::TlsFacts;
use crate::trouble::Refusal;

fn cluster(spec: &Value, status: &Value) -> Arc<ShoalCluster> {
    let metadata = json!({"name": "a", "namespace": "n", "uid": "c", "generation": 1});
    Arc::new(serde_json::from_value(json!({"metadata": metadata, "spec": spec, "status": status})).unwrap())
}

fn owner(uid: &str) -> Value {
    json!([{"apiVersion": "shoal.dev/v1alpha1", "kind": "ShoalCluster", "name": "a", "uid": uid, "controller": true}])
}

/// The head as the operator has made it of that spec, with a pod that is ready or not.
fn head(spec: &Value, image: &str, ready: i32) -> Arc<StatefulSet> {
    let spec: ClusterSpec = serde_json::from_value(spec.clone()).unwrap();
    let named = Named { namespace: "n", name: "a", uid: "c" };
    let mut head = head::stateful_set(named, &spec, image, Some("a-tls"));
    head["metadata"]["ownerReferences"] = owner("c");
    head["metadata"]["uid"] = "s".into();
    head["status"] = json!({"replicas": 1, "readyReplicas": ready});
    Arc::new(serde_json::from_value(head).unwrap())
}

/// A group as the operator has made it of its entry, with so many ready and updated pods.
fn group(spec: &Value, entry: usize, image: &str, replicas: u32, updated: u32) -> Arc<ShoalWorkerGroup> {
    let spec: ClusterSpec = serde_json::from_value(spec.clone()).unwrap();
    let entry = &spec.worker_groups[entry];
    let mut group = children::group("a", &spec, entry, image, Some("a-tls"), None);
    group["spec"]["replicas"] = replicas.into();
    group["metadata"]["ownerReferences"] = owner("c");
    group["metadata"]["generation"] = 1.into();
    group["status"] =
        json!({"observedGeneration": 1, "replicas": replicas, "readyReplicas": replicas, "updatedReplicas": updated});
    Arc::new(serde_json::from_value(group).unwrap())
}

/// Service and token are that one's.
fn sight(holder: Holder) -> Sight {
    Sight { service: holder.clone(), heads_service: Holder::Nobody, token: holder, tls: TlsFacts::default() }
}

fn facts(spec: &Value) -> Facts {
    Facts {
        cluster: cluster(spec, &Value::Null),
        head: None,
        head_pods: Vec::new(),
        sight: sight(Holder::Nobody),
        budget: None,
        policies: Vec::new(),
        new_token: || "0123456789abcdef".into(),
        groups: Vec::new(),
        ready_workers: 0,
        busy: false,
        scaling: None,
        default_image: "shoal:1".into(),
        now: Timestamp::UNIX_EPOCH,
    }
}

/// As [`facts`], where all is there and works.
fn settled(spec: &Value) -> Facts {
    Facts {
        head: Some(head(spec, "shoal:1", 1)),
        sight: sight(Holder::Cluster),
        ready_workers: 2 * spec["workerGroups"].as_array().map_or(0, |groups| groups.len() as u32),
        groups: (0..spec["workerGroups"].as_array().map_or(0, Vec::len))
            .map(|entry| group(spec, entry, "shoal:1", 2, 2))
            .collect(),
        cluster: cluster(spec, &json!({"image": "shoal:1", "tls": true})),
        ..facts(spec)
    }
}

fn told(decision: &Decision) -> Vec<String> {
    let named = |verb: &str, object: &Value| {
        format!("{verb} {} {}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap())
    };
    let change = |change: &Change| match change {
        Change::Apply(object) => named("apply", object),
        Change::Create(object) => named("create", object),
        Change::Try(object) => named("try", object),
        Change::Merge(reference, patch) => format!("patch {} {} {}", reference.kind, reference.name, patch["spec"]),
        Change::Delete(reference) => format!("delete {} {}", reference.kind, reference.name),
    };
    decision.changes.iter().map(change).collect()
}

const CPU: &str = r#"{"workerGroups": [{"name": "cpu", "replicas": 2}]}"#;

fn cpu() -> Value {
    serde_json::from_str(CPU).unwrap()
}

#[test]
fn a_new_cluster_gets_all_that_it_consists_of() {
    assert_eq!(
        told(&decide(&facts(&cpu()))),
        ["create Secret a-token", "apply StatefulSet a-head", "apply Service a-head", "apply ShoalWorkerGroup a-cpu",]
    );
}

#[test]
fn nothing_is_written_where_nothing_is_to_be_changed() {
    let decision = decide(&settled(&cpu()));
    assert_eq!(told(&decision), [""; 0]);
    assert_eq!((decision.view.workers, decision.view.ready_workers, decision.view.head_is_ready), (2, 2, true));
}

#[test]
fn somebody_elses_replicas_stay_until_the_entry_changes() {
    let scaled = Facts { groups: vec![group(&cpu(), 0, "shoal:1", 7, 7)], ..settled(&cpu()) };
    assert_eq!(told(&decide(&scaled)), [""; 0]);
    let changed = json!({"workerGroups": [{"name": "cpu", "replicas": 3}]});
    let changed = Facts { cluster: cluster(&changed, &json!({"image": "shoal:1", "tls": true})), ..scaled };
    let decision = decide(&changed);
    assert_eq!(told(&decision), ["apply ShoalWorkerGroup a-cpu"]);
    assert_eq!(applied_group(&decision)["spec"]["replicas"], 3);
}

#[test]
fn another_change_of_a_group_keeps_the_size_that_somebody_gave_it() {
    let mut scaled = (*group(&cpu(), 0, "shoal:1", 7, 7)).clone();
    scaled.metadata.resource_version = Some("12".into());
    let spec = json!({"image": "shoal:2", "workerGroups": [{"name": "cpu", "replicas": 2}]});
    let facts = Facts { groups: vec![Arc::new(scaled)], cluster: cluster(&spec, &Value::Null), ..settled(&cpu()) };
    let group = applied_group(&decide(&facts));
    assert_eq!((&group["spec"]["replicas"], &group["spec"]["image"]), (&json!(7), &json!("shoal:2")));
    assert_eq!(group["metadata"]["resourceVersion"], "12", "who scales it at that moment is not overwritten");
}

fn applied_group(decision: &Decision) -> Value {
    let group = decision.changes.iter().find_map(|change| match change {
        Change::Apply(object) if object["kind"] == "ShoalWorkerGroup" => Some(object.clone()),
        _ => None,
    });
    group.unwrap()
}

#[test]
fn a_group_has_the_python_image_of_its_entry_beside_the_clusters_image() {
    let spec = json!({"image": "shoal:2", "workerGroups": [{"name": "cpu", "pythonImage": "python:3.12-slim"}]});
    let group = applied_group(&decide(&facts(&spec)));
    let images = (&group["spec"]["image"], &group["spec"]["pythonImage"]);
    assert_eq!(images, (&json!("shoal:2"), &json!("python:3.12-slim")));
}

#[test]
fn an_image_that_was_chosen_stays_also_before_a_status_says_it() {
    let started = Facts { cluster: cluster(&cpu(), &Value::Null), default_image: "shoal:2".into(), ..settled(&cpu()) };
    let decision = decide(&started);
    assert_eq!((told(&decision), decision.view.image.as_deref()), (vec![], Some("shoal:1")));
}

#[test]
fn a_group_without_an_entry_goes() {
    let none = json!({"workerGroups": []});
    let facts = Facts { cluster: cluster(&none, &json!({"image": "shoal:1", "tls": true})), ..settled(&cpu()) };
    assert_eq!(told(&decide(&facts)), ["delete ShoalWorkerGroup a-cpu"]);
}

#[test]
fn an_image_that_was_chosen_for_the_user_stays() {
    let newer = Facts { default_image: "shoal:2".into(), ..settled(&cpu()) };
    let decision = decide(&newer);
    assert_eq!(told(&decision), [""; 0]);
    assert_eq!(decision.view.image.as_deref(), Some("shoal:1"));
}

#[test]
fn workers_get_a_new_image_first_and_the_head_gets_it_last() {
    let spec = json!({"image": "shoal:2", "workerGroups": [{"name": "cpu", "replicas": 2}]});
    let with = |groups, busy| Facts {
        cluster: cluster(&spec, &json!({"image": "shoal:1", "tls": true})),
        groups,
        busy,
        ..settled(&cpu())
    };
    let first = decide(&with(vec![group(&cpu(), 0, "shoal:1", 2, 2)], false));
    assert_eq!((told(&first), first.view.head_waits), (vec!["apply ShoalWorkerGroup a-cpu".to_owned()], true));
    let half = decide(&with(vec![group(&spec, 0, "shoal:2", 2, 1)], false));
    assert_eq!((told(&half), half.view.head_waits), (vec![], true));
    let done = decide(&with(vec![group(&spec, 0, "shoal:2", 2, 2)], false));
    assert_eq!((told(&done), done.view.head_waits), (vec!["apply StatefulSet a-head".to_owned()], false));
    let busy = decide(&with(vec![group(&spec, 0, "shoal:2", 2, 2)], true));
    assert_eq!((told(&busy), busy.view.head_waits), (vec![], true));
    let broken = Facts { head: Some(head(&cpu(), "shoal:1", 0)), ..with(vec![group(&spec, 0, "shoal:2", 2, 0)], true) };
    assert_eq!(told(&decide(&broken)), ["apply StatefulSet a-head"], "a head that does not work has nothing to lose");
}

#[test]
fn a_heads_pod_that_is_not_made_is_tried_and_only_of_the_newest_settings() {
    let mut old = (*head(&cpu(), "shoal:1", 0)).clone();
    old.metadata.creation_timestamp = Some(serde_json::from_value(json!("1970-01-01T00:00:00Z")).unwrap());
    let lacking = |spec: &Value, second| Facts {
        cluster: cluster(spec, &json!({"image": "shoal:1", "tls": true})),
        head: Some(Arc::new(old.clone())),
        now: Timestamp::from_second(second).unwrap(),
        ..settled(&cpu())
    };
    let soon = decide(&lacking(&cpu(), 4));
    assert_eq!((told(&soon), soon.again_after), (vec![], Some(Duration::from_secs(6))));
    assert_eq!(told(&decide(&lacking(&cpu(), 10))), ["try Pod a-head-0"]);
    let there = Facts { head_pods: head_pods(["new", "new"]), ..lacking(&cpu(), 10) };
    assert_eq!((told(&decide(&there)), decide(&there).again_after), (vec![], None));
    let mut changed = cpu();
    changed["head"] = json!({"resources": {"cpu": "2", "memory": "1Gi"}});
    assert_eq!(told(&decide(&lacking(&changed, 10))), ["apply StatefulSet a-head"]);
}

#[test]
fn a_suspended_cluster_has_no_pods_and_keeps_its_head_as_it_is() {
    let mut spec = cpu();
    spec["suspend"] = true.into();
    let facts = Facts { cluster: cluster(&spec, &json!({"image": "shoal:1", "tls": true})), ..settled(&cpu()) };
    let decision = decide(&facts);
    assert_eq!(told(&decision), ["apply ShoalWorkerGroup a-cpu", r#"patch StatefulSet a-head {"replicas":0}"#]);
    assert!(decision.view.suspended && !decision.view.head_is_ready);
}

/// Two heads on an etcd, of which the first leads.
const HEADS: &str = r#"{"head": {"replicas": 2, "state": {"etcd": {"endpoints": ["http://e:2379"]}}}}"#;

fn heads() -> Value {
    serde_json::from_str(HEADS).unwrap()
}

fn head_pods(revisions: [&str; 2]) -> Vec<Arc<Pod>> {
    let pod = |(index, revision): (usize, &str)| {
        let pod = json!({
            "metadata": {"name": format!("a-head-{index}"), "uid": format!("h{index}"), "labels": {"controller-revision-hash": revision}},
            "status": {
                "conditions": [{"type": "Ready", "status": if index == 0 { "True" } else { "False" }}],
                "containerStatuses": [{"name": "shoal", "image": "i", "imageID": "", "restartCount": 0, "ready": index == 0, "started": true}],
            },
        });
        Arc::new(serde_json::from_value(pod).unwrap())
    };
    revisions.into_iter().enumerate().map(pod).collect()
}

#[test]
fn several_heads_are_named_each_and_their_number_is_changed_at_any_time() {
    let made = told(&decide(&facts(&heads())));
    assert_eq!(
        made,
        ["create Secret a-token", "apply StatefulSet a-head", "apply Service a-head", "apply Service a-heads"]
    );
    let with = |spec: &Value, busy| Facts {
        cluster: cluster(spec, &json!({"image": "shoal:1", "tls": true})),
        sight: Sight { heads_service: Holder::Cluster, ..sight(Holder::Cluster) },
        busy,
        ..settled(&heads())
    };
    assert_eq!(told(&decide(&with(&heads(), true))), [""; 0]);
    let mut three = heads();
    three["head"]["replicas"] = 3.into();
    assert_eq!(told(&decide(&with(&three, true))), [r#"patch StatefulSet a-head {"replicas":3}"#]);
    let taken = Sight { heads_service: Holder::User, ..sight(Holder::Cluster) };
    let taken = Facts { sight: taken, ..with(&heads(), false) };
    assert_eq!(decide(&taken).view.taken.as_deref(), Some("the Service a-heads"));
}

#[test]
fn several_heads_are_exchanged_one_after_the_other_and_not_under_jobs() {
    let with = |revisions, busy| {
        let mut set = (*head(&heads(), "shoal:1", 1)).clone();
        set.status.as_mut().unwrap().update_revision = Some("new".into());
        set.status.as_mut().unwrap().observed_generation = set.metadata.generation;
        Facts {
            head: Some(Arc::new(set)),
            sight: Sight { heads_service: Holder::Cluster, ..sight(Holder::Cluster) },
            head_pods: head_pods(revisions),
            busy,
            ..settled(&heads())
        }
    };
    assert_eq!(told(&decide(&with(["old", "old"], false))), ["delete Pod a-head-1"]);
    assert_eq!(told(&decide(&with(["old", "new"], false))), ["delete Pod a-head-0"]);
    assert_eq!(told(&decide(&with(["new", "new"], false))), [""; 0]);
    let busy = decide(&with(["old", "old"], true));
    assert_eq!((told(&busy), busy.view.head_waits), (vec![], true));
}

#[test]
fn policies_are_made_and_follow_the_operator() {
    let wanted = crate::policies::of_cluster("a", "shoal");
    let with = |found: Option<&str>| {
        let of = |policy: &Value| {
            let mut policy = policy.clone();
            policy["metadata"]["ownerReferences"] = owner(found?);
            Some(Arc::new(serde_json::from_value(policy).unwrap()))
        };
        let policies = wanted.iter().map(|policy| (of(policy), policy.clone())).collect();
        Facts { policies, ..settled(&cpu()) }
    };
    assert_eq!(told(&decide(&with(None))), ["create NetworkPolicy a-head", "create NetworkPolicy a-worker"]);
    assert_eq!(told(&decide(&with(Some("c")))), [""; 0]);
    let mut moved = with(Some("c"));
    let elsewhere = crate::policies::of_cluster("a", "elsewhere");
    moved.policies.iter_mut().zip(elsewhere).for_each(|(policy, wanted)| policy.1 = wanted);
    let changed = told(&decide(&moved));
    assert!(changed.len() == 1 && changed[0].starts_with("patch NetworkPolicy a-head"), "{changed:?}");
}

#[test]
fn only_a_head_whose_end_would_be_its_jobs_end_holds_its_node() {
    let ephemeral = json!({"head": {"state": {"ephemeral": {}}}});
    for (spec, owner, expected) in
        [(&ephemeral, Some("ShoalJob"), true), (&ephemeral, None, false), (&cpu(), Some("ShoalJob"), false)]
    {
        let mut facts = settled(spec);
        let mut of_job = (*facts.cluster).clone();
        of_job.metadata.owner_references = owner.map(|kind| {
            serde_json::from_value(json!([{"apiVersion": "shoal.dev/v1alpha1", "kind": kind, "name": "j", "uid": "j"}]))
                .unwrap()
        });
        facts.cluster = Arc::new(of_job);
        let expected = if expected { vec!["create PodDisruptionBudget a-head".to_owned()] } else { vec![] };
        assert_eq!(told(&decide(&facts)), expected, "{spec} {owner:?}");
    }
}

#[test]
fn what_belongs_to_something_else_is_waited_for() {
    let with = |service, token| Sight { service, ..sight(token) };
    let mut other_head = (*head(&cpu(), "shoal:1", 1)).clone();
    other_head.metadata.owner_references.as_mut().unwrap()[0].uid = "before".into();
    let mut other_group = (*group(&cpu(), 0, "shoal:1", 2, 2)).clone();
    other_group.metadata.owner_references.as_mut().unwrap()[0].uid = "b".into();
    for (facts, expected) in [
        (Facts { head: Some(Arc::new(other_head)), ..settled(&cpu()) }, "the StatefulSet a-head"),
        (Facts { sight: with(Holder::User, Holder::Cluster), ..settled(&cpu()) }, "the Service a-head"),
        (Facts { sight: with(Holder::Cluster, Holder::Other), ..settled(&cpu()) }, "the Secret a-token"),
        (Facts { groups: vec![Arc::new(other_group)], ..settled(&cpu()) }, "the ShoalWorkerGroup a-cpu"),
    ] {
        let decision = decide(&facts);
        assert_eq!((told(&decision), decision.view.taken.as_deref()), (vec![], Some(expected)));
        assert_eq!(decision.again_after, Some(NAME_LOOK));
    }
    let users_token = Facts { sight: with(Holder::Cluster, Holder::User), ..settled(&cpu()) };
    assert_eq!(decide(&users_token).view.taken, None);
}

#[test]
fn a_spec_that_cannot_be_read_changes_nothing() {
    let decision = decide(&facts(&json!({"wokerGroups": []})));
    assert_eq!(told(&decision), [""; 0]);
    assert!(decision.view.unreadable.unwrap().contains("wokerGroups"));
}

#[test]
fn the_status_says_where_a_cluster_stands_and_why() {
    let pod = |status: Value| {
        let pod = json!({"metadata": {"name": "a-head-0"}, "status": status});
        vec![Arc::new(serde_json::from_value::<Pod>(pod).unwrap())]
    };
    let pulling = pod(json!({"containerStatuses": [{
        "name": "shoal", "image": "x", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"waiting": {"reason": "ErrImagePull"}},
    }]}));
    let refusal = Refusal { reason: "SpecRefused", message: "no such field".into() };
    let suspended = json!({"suspend": true});
    for (facts, refusal, phase, reason, progress) in [
        (facts(&cpu()), None, "Pending", "HeadNotReady", "PodsStarting"),
        (settled(&cpu()), None, "Ready", "Ready", "Settled"),
        (
            Facts { head: Some(head(&cpu(), "shoal:1", 0)), head_pods: pulling, ..settled(&cpu()) },
            None,
            "Pending",
            "ImageNotPulled",
            "PodsStarting",
        ),
        (Facts { sight: sight(Holder::Other), ..settled(&cpu()) }, None, "Pending", "NameTaken", "Settled"),
        (facts(&cpu()), Some(refusal), "Failed", "SpecRefused", "PodsStarting"),
        (facts(&suspended), None, "Suspended", "Suspended", "Settled"),
        (facts(&json!({"unknown": 1})), None, "Failed", "InvalidSpec", "Settled"),
    ] {
        let decision = decide(&facts);
        let status = decision.view.status(&facts.cluster, refusal.as_ref(), "cluster.local", Timestamp::UNIX_EPOCH);
        let [ready, progressing] = &status.conditions[..] else { panic!("{status:?}") };
        assert_eq!(
            (status.phase.as_str(), ready.reason.as_str(), progressing.reason.as_str()),
            (phase, reason, progress)
        );
        assert_eq!(ready.status == ConditionStatus::True, phase == "Ready");
        let endpoint = (reason != "InvalidSpec").then_some("https://a-head.n.svc.cluster.local:7370");
        assert_eq!(status.endpoint.as_deref(), endpoint);
    }
}

#[test]
fn where_copies_go_concerns_the_head_alone() {
    let spec = |storage: &Value| -> ClusterSpec {
        let whole = json!({"storage": storage, "workerGroups": [{"name": "cpu"}]});
        serde_json::from_value(whole).unwrap()
    };
    let (without, with) = (spec(&json!({})), spec(&json!({"uri": "s3://b/shoal"})));
    let named = head::Named { namespace: "n", name: "a", uid: "c" };
    let head =
        |spec| head::stateful_set(named, spec, "shoal:1", None)["spec"]["template"]["spec"]["containers"][0].clone();
    let arguments = |spec| head(spec)["args"].as_array().unwrap().clone();
    let added: Vec<Value> = arguments(&with).into_iter().filter(|one| !arguments(&without).contains(one)).collect();
    assert_eq!(added, ["--storage=s3://b/shoal", "--storage-namespace=n"]);
    assert_ne!(head::hash(&with, "shoal:1"), head::hash(&without, "shoal:1"));
    let group = |spec: &ClusterSpec| children::group("a", spec, &spec.worker_groups[0], "shoal:1", None, None);
    assert_eq!(group(&with), group(&without), "no worker is restarted for it");
}
