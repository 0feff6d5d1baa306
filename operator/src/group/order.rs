//! Which of a group's pods go first where it has too many. Pure.

use std::cmp::Reverse;
use std::collections::HashMap;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use shoal_core::control::{WorkerLoad, WorkerPhase};

use crate::names;
use crate::pod_state::is_ready;

/// What each worker has to do and to hold, by its name, which is its pod's; empty where the head could not be asked.
pub(super) type Loads = HashMap<String, WorkerLoad>;

/// A group's pods, those first whose end costs least: one that does not work, one that leaves already, an idle one, the
/// one that runs the least and then holds the least; of equal ones one that is not as the spec has it, then the youngest.
///
/// One that leaves already comes before idle ones, so that a decision that is made again, by this operator or the next one,
/// is the same one.
pub(super) fn cheapest_first<'a>(
    group: &str,
    pods: &[&'a Pod],
    loads: &Loads,
    is_current: impl Fn(&Pod) -> bool,
) -> Vec<&'a Pod> {
    let mut order = pods.to_vec();
    order.sort_by_cached_key(|pod| cost(group, pod, loads.get(&pod.name_any()), is_current(pod)));
    order
}

type Cost = (bool, bool, u32, u64, bool, Reverse<Option<Timestamp>>, Reverse<u32>);

fn cost(group: &str, pod: &Pod, load: Option<&WorkerLoad>, is_current: bool) -> Cost {
    let ordinal = names::ordinal(group, &pod.name_any()).unwrap_or(u32::MAX);
    let created = pod.creation_timestamp().map(|time| time.0);
    let stays = load.is_none_or(|load| load.state != WorkerPhase::Draining);
    // A worker that the head does not know has nothing to do.
    let (used, held) = load.map_or((0, 0), |load| (load.used, load.held_bytes));
    (is_ready(pod), stays, used, held, is_current, Reverse(created), Reverse(ordinal))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `a-cpu-ORDINAL`, made at that second.
    fn pod(ordinal: u32, ready: bool, created: u32) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": format!("a-cpu-{ordinal}"), "creationTimestamp": format!("2026-11-01T00:00:{created:02}Z")},
            "status": {"conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]},
        }))
        .unwrap()
    }

    fn load(ordinal: u32, state: WorkerPhase, used: u32, held_bytes: u64) -> (String, WorkerLoad) {
        let name = format!("a-cpu-{ordinal}");
        (name.clone(), WorkerLoad { name, state, used, held_bytes })
    }

    /// What it is about; pods, what they do, which of them are outdated, and the order in which they go.
    type Case<'a> = (&'a str, Vec<Pod>, Vec<(String, WorkerLoad)>, &'a [u32], [u32; 3]);

    #[test]
    fn the_one_whose_end_costs_least_goes_first() {
        use WorkerPhase::{Draining, Ready};
        let three = || vec![pod(0, true, 0), pod(1, true, 1), pod(2, true, 2)];
        let cases: [Case<'_>; 9] = [
            ("the youngest, where no more is known", three(), vec![], &[], [2, 1, 0]),
            (
                "the youngest by its age and not by its number",
                vec![pod(0, true, 5), pod(1, true, 3), pod(2, true, 4)],
                vec![],
                &[],
                [0, 2, 1],
            ),
            (
                "one that does not work, whatever it runs",
                vec![pod(0, false, 0), pod(1, true, 1), pod(2, true, 2)],
                vec![load(0, Ready, 4, 9)],
                &[],
                [0, 2, 1],
            ),
            (
                "then one that leaves, however busy",
                three(),
                vec![load(0, Draining, 4, 9), load(1, Ready, 0, 0)],
                &[],
                [0, 2, 1],
            ),
            (
                "then idle ones",
                three(),
                vec![load(0, Ready, 0, 0), load(1, Ready, 1, 0), load(2, Ready, 2, 0)],
                &[],
                [0, 1, 2],
            ),
            (
                "an idle one that holds less",
                three(),
                vec![load(0, Ready, 0, 7), load(1, Ready, 0, 8), load(2, Ready, 0, 9)],
                &[],
                [0, 1, 2],
            ),
            (
                "what runs costs more than what is held",
                three(),
                vec![load(0, Ready, 1, 0), load(1, Ready, 0, 1_000_000), load(2, Ready, 2, 0)],
                &[],
                [1, 0, 2],
            ),
            (
                "one that the head does not know is idle",
                three(),
                vec![load(1, Ready, 1, 0), load(2, Ready, 1, 0)],
                &[],
                [0, 2, 1],
            ),
            (
                "an outdated one of equal ones, and no busy one",
                three(),
                vec![load(0, Ready, 0, 0), load(1, Ready, 1, 0)],
                &[0, 1],
                [0, 2, 1],
            ),
        ];
        for (case, pods, loads, outdated, expected) in cases {
            let loads: Loads = loads.into_iter().collect();
            let is_current = |pod: &Pod| !outdated.iter().any(|one| pod.name_any() == format!("a-cpu-{one}"));
            let pods: Vec<&Pod> = pods.iter().collect();
            let order: Vec<_> =
                cheapest_first("a-cpu", &pods, &loads, is_current).iter().map(|pod| pod.name_any()).collect();
            assert_eq!(order, expected.map(|ordinal| format!("a-cpu-{ordinal}")), "{case}");
        }
    }
}
