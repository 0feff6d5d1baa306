//! Of several operators, one works.

use serde_json::json;
use shoal_testkit::eventually;

use crate::api::Namespace;
use crate::clusters::cluster;
use crate::operator::{Operator, Settings};

#[test]
fn one_of_two_operators_leads_and_the_other_takes_over() {
    let namespace = Namespace::new();
    let start = |identity| Operator::start_with(&namespace, Settings { identity, ..Settings::default() });
    let first = start("first");
    let lease = || namespace.find("lease/shoal-operator").unwrap_or_default()["spec"].clone();
    eventually("the first leads", || first.leads().then_some(()));
    assert_eq!((&lease()["holderIdentity"], &lease()["leaseTransitions"]), (&json!("first"), &json!(0)));
    let second = start("second");
    namespace.apply(&cluster(&json!({})));
    namespace.until_names("pods", &["a-cpu-0", "a-cpu-1", "a-head-0"]);
    assert!(!second.leads());
    assert_eq!(second.reconciles("ShoalCluster"), 0);

    first.stop();
    eventually("the second leads", || second.leads().then_some(()));
    assert_eq!((&lease()["holderIdentity"], &lease()["leaseTransitions"]), (&json!("second"), &json!(1)));
    namespace.kubectl(&["scale", "shoalworkergroup", "a-cpu", "--replicas=1"]);
    namespace.until_names("pods", &["a-cpu-0", "a-head-0"]);
}

#[test]
fn a_leader_whose_lease_is_taken_ends() {
    let namespace = Namespace::new();
    let operator = Operator::start(&namespace);
    eventually("it leads", || operator.leads().then_some(()));
    let thief = r#"--patch={"spec": {"holderIdentity": "thief", "leaseTransitions": 7}}"#;
    namespace.kubectl(&["patch", "lease", "shoal-operator", "--type=merge", thief]);

    let failure = operator.ended().unwrap_err();
    assert_eq!(failure.reason, shoal_core::Reason::NotLeading);
    assert_eq!(namespace.get("lease/shoal-operator")["spec"]["holderIdentity"], "thief");
}
