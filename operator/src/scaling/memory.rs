//! What is remembered of clusters whose size the operator decides. An operator that starts anew knows nothing of it, and
//! holds what there is until it knows enough.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use shoal_core::autoscaling::History;
use shoal_core::spec::v1alpha1::status::{AutoscalingStatus, ConditionStatus};
use tokio::sync::mpsc;

use super::facts::IdleSince;
use super::starts::Starts;
use crate::conditions::Fact;
use crate::resources::{Kind, ShoalCluster};

/// The condition that says whether there is anything to decide by.
pub(crate) const METRICS_AVAILABLE: &str = "MetricsAvailable";

/// Between two statuses that differ in what was decided by only: a write is one that somebody waits for.
const REST: Duration = Duration::from_secs(30);

/// What is said of a cluster's size.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Told {
    pub(crate) status: Option<AutoscalingStatus>,
    /// Whether there is anything to decide by.
    pub(crate) metrics: Option<Fact>,
}

impl Told {
    /// Whether that is worth to be written although it was not long since.
    fn is_news(&self, before: &Self) -> bool {
        let essence = |told: &Self| {
            let status = told.status.clone().unwrap_or_default();
            let AutoscalingStatus { desired, current, reason, limited_by, groups, .. } = status;
            let metrics = told.metrics.as_ref().map(|fact| (fact.holds, fact.reason.clone()));
            (desired, current, reason, limited_by, groups, metrics)
        };
        essence(self) != essence(before)
    }

    fn differs(&self, before: &Self) -> bool {
        let inputs = |told: &Self| told.status.as_ref().and_then(|status| status.inputs.clone());
        self.is_news(before) || inputs(self) != inputs(before)
    }
}

/// What is remembered of a cluster.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) history: History,
    pub(super) starts: Starts,
    pub(super) idle_since: IdleSince,
    looked: Option<Instant>,
    told: Option<(Instant, Told)>,
}

/// What is remembered of all of them, by uid.
pub(crate) struct Scaling {
    memories: Mutex<HashMap<String, Memory>>,
    /// Clusters whose status has something new to say.
    wake: mpsc::Sender<ObjectRef<ShoalCluster>>,
}

impl Scaling {
    pub(crate) fn new(wake: mpsc::Sender<ObjectRef<ShoalCluster>>) -> Self {
        Self { memories: Mutex::default(), wake }
    }

    /// Looks at what is remembered of a cluster, or changes it.
    pub(super) fn remembering<T>(&self, uid: &str, look: impl FnOnce(&mut Memory) -> T) -> T {
        let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        look(memories.entry(uid.to_owned()).or_default())
    }

    /// Forgets a cluster that is gone, or that others scale.
    pub(crate) fn forget(&self, uid: &str) {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    /// How long a cluster has to wait that was looked at only just now; none where this is a look.
    pub(super) fn turn(&self, uid: &str, now: Instant, least: Duration) -> Option<Duration> {
        self.remembering(uid, |memory| {
            let since = memory.looked.map(|looked| now.duration_since(looked));
            let pause = since.and_then(|since| least.checked_sub(since)).filter(|pause| !pause.is_zero());
            if pause.is_none() {
                memory.looked = Some(now);
            }
            pause
        })
    }

    /// Has a cluster's status say this, if it is worth it.
    pub(super) async fn tell(&self, cluster: &ShoalCluster, told: Told, now: Instant) {
        let is_said = self.remembering(&cluster.uid().unwrap_or_default(), |memory| {
            let waits = memory.told.as_ref().is_some_and(|(at, before)| {
                !told.is_news(before) && (now.duration_since(*at) < REST || !told.differs(before))
            });
            if !waits {
                memory.told = Some((now, told));
            }
            !waits
        });
        if is_said {
            let _ = self.wake.send(ObjectRef::from_obj(cluster)).await;
        }
    }

    /// What to say of a cluster: what was said last, by an operator before this one, until there is something new.
    pub(crate) fn told(&self, cluster: &ShoalCluster) -> Option<Told> {
        super::policy_of(&cluster.spec().ok()?)?;
        let memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        let told = memories.get(&cluster.uid()?).and_then(|memory| memory.told.as_ref());
        Some(told.map_or_else(|| said(cluster), |(_, told)| told.clone()))
    }
}

/// What a cluster's status says already.
fn said(cluster: &ShoalCluster) -> Told {
    let status = cluster.status().cloned().unwrap_or_default();
    let metrics = status.conditions.iter().find(|condition| condition.type_ == METRICS_AVAILABLE);
    let metrics = metrics.map(|condition| {
        let holds = condition.status == ConditionStatus::True;
        Fact::new(METRICS_AVAILABLE, holds, condition.reason.clone(), condition.message.clone())
    });
    Told { status: status.autoscaling, metrics }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn told(desired: u32, reason: &str, seconds: u64) -> Told {
        let inputs = shoal_core::spec::v1alpha1::status::AutoscalingInputs {
            queued_slot_seconds: seconds,
            ..Default::default()
        };
        let status = AutoscalingStatus { desired, reason: reason.into(), inputs: Some(inputs), ..Default::default() };
        Told { status: Some(status), metrics: None }
    }

    #[tokio::test]
    async fn what_is_decided_is_said_at_once_and_what_it_was_decided_by_now_and_then() {
        let (sender, mut woken) = mpsc::channel(8);
        let scaling = Scaling::new(sender);
        let cluster: ShoalCluster =
            serde_json::from_value(serde_json::json!({"metadata": {"name": "a", "uid": "u", "namespace": "n"}}))
                .unwrap();
        let start = Instant::now();
        for (after, told, is_said) in [
            (Duration::ZERO, told(3, "Work", 90), true),
            (Duration::from_secs(1), told(3, "Work", 80), false),
            (Duration::from_secs(2), told(2, "Work", 70), true),
            (Duration::from_secs(3), told(2, "MaxReplicas", 70), true),
            (REST + Duration::from_secs(2), told(2, "MaxReplicas", 60), false),
            (REST + Duration::from_secs(3), told(2, "MaxReplicas", 60), true),
            (3 * REST, told(2, "MaxReplicas", 60), false),
        ] {
            scaling.tell(&cluster, told.clone(), start + after).await;
            assert_eq!(woken.try_recv().is_ok(), is_said, "{after:?} {told:?}");
        }
    }

    #[test]
    fn a_cluster_that_was_looked_at_only_just_waits_for_the_rest_of_the_pause() {
        let scaling = Scaling::new(mpsc::channel(1).0);
        let (now, ms) = (Instant::now(), Duration::from_millis);
        assert_eq!(scaling.turn("u", now, ms(300)), None);
        assert_eq!(scaling.turn("u", now + ms(100), ms(300)), Some(ms(200)));
        assert_eq!(scaling.turn("v", now + ms(100), ms(300)), None);
        assert_eq!(scaling.turn("u", now + ms(300), ms(300)), None);
        assert_eq!(scaling.turn("u", now + ms(400), ms(300)), Some(ms(200)), "it counts from the last look");
    }
}
