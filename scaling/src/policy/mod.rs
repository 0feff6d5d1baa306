//! How others scale, and how Shoal does: one module each.
//!
//! The others' policies are written from their published formulas; each module says which file or page has them, and
//! its tests are cases that the project's own unit tests work through. A policy sees what it could see in a cluster: no
//! task's true duration, no arrival that has not come yet. All of them run on the same workers with the same scheduler.

mod dask;
mod fixed;
mod hpa;
mod keda;
mod ray;
mod shoal;

use shoal_core::Failure;

use crate::time::{Millis, SECOND};
use crate::trace::{Group, Trace};
use crate::world::WorkerId;

/// Whose way of scaling it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scaler {
    /// Shoal's own decision.
    Shoal,
    /// Kubernetes' HorizontalPodAutoscaler.
    Hpa,
    /// KEDA.
    Keda,
    /// Ray's autoscaler, version 2.
    Ray,
    /// Dask's adaptive deployments.
    Dask,
    /// Always as many.
    Fixed,
}

/// Which of a policy's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Settings {
    /// What one gets without saying anything.
    Default,
    /// What the project's documentation advises for work from a queue.
    Advised,
}

/// A policy with its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Choice {
    /// Whose.
    pub scaler: Scaler,
    /// Which.
    pub settings: Settings,
}

impl Scaler {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Shoal, Self::Hpa, Self::Keda, Self::Ray, Self::Dask, Self::Fixed];

    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shoal => "shoal",
            Self::Hpa => "hpa",
            Self::Keda => "keda",
            Self::Ray => "ray",
            Self::Dask => "dask",
            Self::Fixed => "fixed",
        }
    }

    /// Whose it is.
    pub fn about(self) -> &'static str {
        match self {
            Self::Shoal => "Shoal's own decision, as its operator takes it",
            Self::Hpa => "Kubernetes' HorizontalPodAutoscaler",
            Self::Keda => "KEDA: ScaledObject, and ScaledJob as advised",
            Self::Ray => "Ray's autoscaler 2 on KubeRay",
            Self::Dask => "Dask's adaptive deployments",
            Self::Fixed => "always as many workers",
        }
    }

    /// It with each of its settings. Shoal has the default only: whoever tunes it does so after the fact.
    pub fn choices(self) -> Vec<Choice> {
        let settings = if self == Self::Shoal { &Settings::ALL[..1] } else { &Settings::ALL[..] };
        settings.iter().map(|settings| Choice { scaler: self, settings: *settings }).collect()
    }
}

impl Settings {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Default, Self::Advised];

    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Advised => "advised",
        }
    }

    /// What they are.
    pub fn about(self) -> &'static str {
        match self {
            Self::Default => "what one gets without saying anything",
            Self::Advised => "what the project's documentation advises for work from a queue",
        }
    }
}

impl Choice {
    /// Its name in tables.
    pub fn name(self) -> String {
        match self.settings {
            _ if self.scaler == Scaler::Shoal => "shoal".to_owned(),
            Settings::Default => self.scaler.name().to_owned(),
            Settings::Advised => format!("{}, advised", self.scaler.name()),
        }
    }

    /// What its settings are, in a sentence.
    pub fn about(self) -> &'static str {
        let advised = self.settings == Settings::Advised;
        match self.scaler {
            Scaler::Shoal => shoal::ABOUT,
            Scaler::Hpa => hpa::ABOUT[usize::from(advised)],
            Scaler::Keda => keda::ABOUT[usize::from(advised)],
            Scaler::Ray => ray::ABOUT[usize::from(advised)],
            Scaler::Dask => dask::ABOUT[usize::from(advised)],
            Scaler::Fixed => fixed::ABOUT[usize::from(advised)],
        }
    }

    /// The policy, at the beginning of a trace.
    ///
    /// # Errors
    /// What [`shoal::Shoal::new`] says.
    pub(crate) fn policy(self, trace: &Trace) -> Result<Box<dyn Policy>, Failure> {
        let advised = self.settings == Settings::Advised;
        Ok(match self.scaler {
            Scaler::Shoal => Box::new(shoal::Shoal::new(trace)?),
            Scaler::Hpa => Box::new(hpa::Hpa::new(advised)),
            Scaler::Keda if advised => Box::new(keda::ScaledJob),
            Scaler::Keda => Box::new(keda::ScaledObject::new()),
            Scaler::Ray => Box::new(ray::Ray::new(advised)),
            Scaler::Dask => Box::new(dask::Dask::new(advised)),
            Scaler::Fixed => Box::new(fixed::Fixed::new(trace, advised)),
        })
    }
}

/// Decides how many workers there are to be.
pub(crate) trait Policy {
    /// How often it looks.
    fn interval(&self) -> Millis;

    /// Looks, and says what is to be.
    fn look(&mut self, seen: &Seen<'_>) -> Wish;

    /// Whether it is told of a job's arrival, beside looking now and then.
    fn is_told_of_arrivals(&self) -> bool {
        false
    }

    /// How long a worker that is to leave may go on with what it runs. Kubernetes' `terminationGracePeriodSeconds`, unless
    /// something says otherwise.
    fn grace(&self) -> Millis {
        30 * SECOND
    }

    /// Whether workers end by themselves where nothing waits for them, and are not replaced then.
    fn leaves_when_idle(&self) -> bool {
        false
    }

    /// Whether it deletes pods of workers that have left by itself: it may take back those that it has not deleted.
    fn deletes(&self) -> bool {
        false
    }
}

/// What a policy wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    /// Workers of each group, in the order of the trace. Missing ones are created; of those that are too many, pods that
    /// are not ready go first, then the youngest, as a Deployment does it.
    pub(crate) targets: Vec<u32>,
    /// So many beside those that there are when it is done: for who creates pods and not targets, which then are empty.
    pub(crate) more: Vec<u32>,
    /// Workers that leave in any case: they do not count towards the targets.
    pub(crate) leave: Vec<WorkerId>,
    /// Workers that are leaving and are wanted back.
    pub(crate) stay: Vec<WorkerId>,
    /// Workers whose pods are deleted, whatever they do.
    pub(crate) delete: Vec<WorkerId>,
}

/// What can be seen in a cluster.
#[derive(Clone, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) now: Millis,
    pub(crate) groups: &'a [Group],
    /// What was asked for last.
    pub(crate) targets: Vec<u32>,
    /// Time that starts took, by group, of the workers that got ready so far; seconds.
    pub(crate) start_seconds: Vec<Option<f64>>,
    /// Oldest first.
    pub(crate) workers: Vec<SeenWorker>,
    /// Unfinished ones, oldest first.
    pub(crate) jobs: Vec<SeenJob>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its pod has no node.
    Pending,
    /// Its pod has a node and is not ready.
    Starting,
    Ready,
    /// It gets no more tasks, and goes.
    Leaving,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct SeenWorker {
    pub(crate) id: WorkerId,
    pub(crate) group: usize,
    pub(crate) phase: Phase,
    pub(crate) slots: u32,
    pub(crate) busy: u32,
    pub(crate) created: Millis,
    /// Since when it runs nothing, where it runs nothing.
    pub(crate) idle_since: Option<Millis>,
    /// When its node goes, where the node has said so.
    pub(crate) interrupted: Option<Millis>,
    /// Whether its pod is being deleted.
    pub(crate) deleted: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct SeenJob {
    pub(crate) priority: i32,
    /// All of its tasks.
    pub(crate) tasks: u32,
    pub(crate) waiting: u32,
    pub(crate) running: u32,
    pub(crate) finished: u32,
    /// How long its finished tasks took, one after the other.
    pub(crate) finished_time: Millis,
    /// Mean in which each newest finished task has half of the weight, seconds.
    pub(crate) recent_seconds: Option<f64>,
    /// How long each of its running tasks has run.
    pub(crate) ran: Vec<Millis>,
}

impl Seen<'_> {
    pub(crate) fn waiting(&self) -> u32 {
        self.jobs.iter().map(|job| job.waiting).sum()
    }

    pub(crate) fn running(&self) -> u32 {
        self.jobs.iter().map(|job| job.running).sum()
    }

    /// Workers of a group that are not leaving.
    pub(crate) fn staying(&self, group: usize) -> impl Iterator<Item = &SeenWorker> {
        self.workers.iter().filter(move |worker| worker.group == group && worker.phase != Phase::Leaving)
    }

    /// What is asked for already, with another number for the first group: what scales one Deployment does so.
    fn with_first(&self, target: u32) -> Wish {
        let mut targets = self.targets.clone();
        targets[0] = target;
        Wish { targets, ..Wish::default() }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::trace::Spread;

    /// A group as the others' tests have one: a Deployment, a node type.
    pub(crate) fn group(slots: u32, min_workers: u32, max_workers: u32) -> Group {
        let start = Spread { median: 1.0, spread: 0.0 };
        Group { name: "g".to_owned(), slots, min_workers, max_workers, cost_per_hour: 0.0, start, never_ready: 0.0 }
    }

    pub(crate) fn worker(id: u32, phase: Phase, slots: u32, busy: u32) -> SeenWorker {
        let idle_since = (phase == Phase::Ready && busy == 0).then_some(0);
        let (id, deleted) = (WorkerId(id), false);
        SeenWorker { id, group: 0, phase, slots, busy, created: 0, idle_since, interrupted: None, deleted }
    }

    pub(crate) fn job(waiting: u32, running: u32) -> SeenJob {
        let (finished_time, recent_seconds, ran) = (0, None, vec![0; running as usize]);
        SeenJob {
            priority: 0,
            tasks: waiting + running,
            waiting,
            running,
            finished: 0,
            finished_time,
            recent_seconds,
            ran,
        }
    }

    pub(crate) fn seen(groups: &[Group], workers: Vec<SeenWorker>, jobs: Vec<SeenJob>) -> Seen<'_> {
        let targets = (0..groups.len())
            .map(|group| {
                workers.iter().filter(|worker| worker.group == group && worker.phase != Phase::Leaving).count() as u32
            })
            .collect();
        Seen { now: 0, groups, targets, start_seconds: vec![None; groups.len()], workers, jobs }
    }

    #[test]
    fn every_policy_has_its_name_and_says_what_it_is() {
        let names: Vec<String> = Scaler::ALL.into_iter().flat_map(Scaler::choices).map(Choice::name).collect();
        assert_eq!(names[..3], ["shoal", "hpa", "hpa, advised"]);
        assert_eq!(names.len(), 11);
        assert!(Scaler::ALL.into_iter().flat_map(Scaler::choices).all(|choice| choice.about().len() > 20));
    }
}
