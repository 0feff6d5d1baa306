//! A kind with a map and a reduce stage, and short ways to say what happens.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use crate::control::{Control, Effect, Event, ReplyId, SubmitOptions, WorkerInfo};
use crate::failure::{Failure, Reason};
use crate::id::{AttemptId, JobUid, WorkerId};
use crate::job::Job;
use crate::journal::Record;
use crate::kind::{Capacity, JobKind, Kinds, Planned, StageOutcome, Step};
use crate::payload::Payload;
use crate::publish::{CommitIntent, PublishedTable};
use crate::report::{JobStatus, Phase};
use crate::spec::v1alpha1::{OutputMode, ShoalJob};
use crate::task::{Assignment, Counters, FileMeta, PartitionMeta, StagePlan, TaskOutput, TaskPlan};

pub(super) const MAPS: u32 = 4;
pub(super) const BUCKETS: u32 = 3;

/// Four map tasks whose partitions three reduce tasks read.
struct TwoStages;

#[async_trait]
impl JobKind for TwoStages {
    fn name(&self) -> &'static str {
        "groupedTraining"
    }

    async fn facts(&self, _: &Job) -> Result<Payload, Failure> {
        Ok(Payload::default())
    }

    fn plan(&self, job: &Job, _: &Payload, done: &[StageOutcome], _: Capacity) -> Result<Planned, Failure> {
        let task = |bucket| TaskPlan { bucket, weight: 1, payload: Payload::default() };
        let step = match done {
            [] => Step::Run(StagePlan {
                name: "map".into(),
                reads: None,
                percent_after: 50,
                common: Payload::default(),
                tasks: (0..MAPS).map(|_| task(None)).collect(),
            }),
            [_] => Step::Run(StagePlan {
                name: "reduce".into(),
                reads: Some(0),
                percent_after: 90,
                common: Payload::default(),
                tasks: (0..BUCKETS).map(|bucket| task(Some(bucket))).collect(),
            }),
            [.., reduce] => Step::Publish(CommitIntent {
                job: job.uid,
                job_name: job.name.clone(),
                output: "models".into(),
                table: "/out".into(),
                mode: OutputMode::Overwrite,
                schema: String::new(),
                files: reduce.outputs.iter().flat_map(|output| output.files.clone()).collect(),
            }),
        };
        Ok(Planned { step, notes: Vec::new() })
    }
}

pub(super) fn kinds() -> Kinds {
    Kinds::new([Arc::new(TwoStages) as Arc<dyn JobKind>])
}

pub(super) fn spec(name: &str, max_task_attempts: u32) -> Arc<ShoalJob> {
    let spec = json!({
        "apiVersion": "shoal.dev/v1alpha1",
        "kind": "ShoalJob",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": {"maxTaskAttempts": max_task_attempts},
            "groupedTraining": {
                "input": {"table": "/in.csv"},
                "groupBy": ["firm"],
                "model": {"ols": {"target": "y", "features": ["x"]}},
                "output": {"table": "/out", "mode": "overwrite"},
            },
        },
    });
    Arc::new(serde_json::from_value(spec).unwrap())
}

pub(super) fn uid(number: u128) -> JobUid {
    JobUid(uuid::Uuid::from_u128(number))
}

pub(super) fn worker(name: &str) -> WorkerId {
    WorkerId(name.into())
}

pub(super) fn joined(name: &str, instance: &str, slots: u32) -> Event {
    Event::WorkerJoined { worker: WorkerInfo::new(worker(name), instance, format!("http://{name}"), slots) }
}

pub(super) fn submit(uid: JobUid, spec: &Arc<ShoalJob>, rerun: bool) -> Event {
    Event::Submit {
        uid,
        spec: spec.clone(),
        options: SubmitOptions { rerun, fresh: false },
        reply: ReplyId(uid.0.as_u128() as u64),
    }
}

pub(super) fn finished(name: &str, instance: &str, attempt: AttemptId, result: Result<TaskOutput, Failure>) -> Event {
    Event::AttemptFinished { worker: worker(name), instance: instance.into(), attempt, result }
}

pub(super) fn heartbeat(name: &str, running: Vec<AttemptId>) -> Event {
    Event::Heartbeat {
        worker: worker(name),
        instance: "1".into(),
        running,
        permille: Vec::new(),
        calls: Vec::new(),
        peak_memory_bytes: 0,
    }
}

pub(super) fn published(uid: JobUid) -> Event {
    let table = PublishedTable { name: "models".into(), table: "/out".into(), version: 0, rows: 1 };
    Event::Published { job: uid, result: Ok(table) }
}

/// What a map task leaves: a partition in every bucket.
pub(super) fn map_output() -> TaskOutput {
    let partition = |bucket| PartitionMeta { bucket, rows: 1, bytes: 8, checksum: 0 };
    TaskOutput { partitions: (0..BUCKETS).map(partition).collect(), ..TaskOutput::default() }
}

/// What a reduce task leaves: a file named after its attempt.
pub(super) fn reduce_output(attempt: AttemptId) -> TaskOutput {
    let file = FileMeta { path: format!("part-{attempt}"), bytes: 1, rows: 1, statistics: None };
    TaskOutput {
        files: vec![file],
        counters: Counters { groups_ok: 1, ..Counters::default() },
        ..TaskOutput::default()
    }
}

pub(super) fn lost(attempt: AttemptId) -> Failure {
    let mut failure = Failure::new(Reason::PartitionLost, "gone");
    failure.location.attempt = Some(attempt);
    failure
}

/// Effects without their nesting, records apart.
#[derive(Default)]
pub(super) struct Done {
    pub(super) records: Vec<Record>,
    pub(super) effects: Vec<Effect>,
}

impl Done {
    pub(super) fn of(effects: Vec<Effect>) -> Self {
        let mut done = Self::default();
        done.add(effects);
        done
    }

    fn add(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Persist { records, then } => {
                    self.records.extend(records);
                    self.add(then);
                }
                effect => self.effects.push(effect),
            }
        }
    }

    pub(super) fn assignments(&self) -> Vec<(WorkerId, Assignment)> {
        let assigned = |effect: &Effect| match effect {
            Effect::Assign { worker, assignment, .. } => Some((worker.clone(), assignment.as_ref().clone())),
            _ => None,
        };
        self.effects.iter().filter_map(assigned).collect()
    }

    pub(super) fn answer(&self) -> Result<JobStatus, Failure> {
        let answer = |effect: &Effect| match effect {
            Effect::Reply { answer, .. } => Some(answer.as_ref().clone()),
            _ => None,
        };
        self.effects.iter().find_map(answer).expect("nobody was answered")
    }
}

/// A machine with one submitted job whose facts are known.
pub(super) fn running_job(workers: &[(&str, u32)]) -> (Control, Done) {
    let mut head = Head::new();
    for (name, slots) in workers {
        head.handle(joined(name, "1", *slots), 0);
    }
    head.submit("job", 1, 0);
    let done = head.gather(1, 0);
    (head.control, done)
}

/// A machine and all that it has stored.
pub(super) struct Head {
    pub(super) control: Control,
    pub(super) records: Vec<Record>,
}

impl Head {
    pub(super) fn new() -> Self {
        Self { control: Control::new(kinds()), records: Vec::new() }
    }

    pub(super) fn handle(&mut self, event: Event, now_ms: u64) -> Done {
        let done = Done::of(self.control.handle(event, now_ms));
        self.records.extend(done.records.iter().cloned());
        done
    }

    pub(super) fn submit(&mut self, name: &str, number: u128, now_ms: u64) -> Done {
        self.handle(submit(uid(number), &spec(name, 4), false), now_ms)
    }

    /// Lets a job know its facts.
    pub(super) fn gather(&mut self, number: u128, now_ms: u64) -> Done {
        self.handle(Event::FactsGathered { job: uid(number), result: Ok(Payload::default()) }, now_ms)
    }

    /// Finishes an assignment as its stage would.
    pub(super) fn finish(&mut self, worker: &WorkerId, assignment: &Assignment, now_ms: u64) -> Done {
        let output = if assignment.stage == "map" { map_output() } else { reduce_output(assignment.attempt) };
        self.handle(finished(&worker.0, "1", assignment.attempt, Ok(output)), now_ms)
    }

    /// Finishes assignments and all that follow, while they are meant; gives those that are not, unfinished.
    pub(super) fn drive(
        &mut self,
        mut waiting: Vec<(WorkerId, Assignment)>,
        now_ms: u64,
        is_meant: impl Fn(&Assignment) -> bool,
    ) -> Vec<(WorkerId, Assignment)> {
        let mut left = Vec::new();
        while let Some((worker, assignment)) = waiting.pop() {
            if is_meant(&assignment) {
                waiting.extend(self.finish(&worker, &assignment, now_ms).assignments());
            } else {
                left.push((worker, assignment));
            }
        }
        left
    }

    /// Another head starts from what this one has stored.
    pub(super) fn restart(self, now_ms: u64) -> (Self, Done) {
        let (control, effects) = Control::recover(kinds(), self.records.clone(), now_ms).unwrap();
        let mut next = Self { control, records: self.records };
        let done = Done::of(effects);
        next.records.extend(done.records.iter().cloned());
        (next, done)
    }

    pub(super) fn phase(&self, name: &str) -> Phase {
        self.control.show(name, 0).unwrap().phase
    }
}
