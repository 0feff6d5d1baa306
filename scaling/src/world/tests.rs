#![allow(clippy::unwrap_used)]

use super::*;
use crate::policy::{Phase, Seen};
use crate::trace::parse;

/// Does what a test says.
struct Script<F> {
    interval: Millis,
    told: bool,
    leaves: bool,
    deletes: bool,
    grace: Millis,
    look: F,
}

impl<F: FnMut(&Seen<'_>) -> Wish> Policy for Script<F> {
    fn interval(&self) -> Millis {
        self.interval
    }
    fn look(&mut self, seen: &Seen<'_>) -> Wish {
        (self.look)(seen)
    }
    fn is_told_of_arrivals(&self) -> bool {
        self.told
    }
    fn grace(&self) -> Millis {
        self.grace
    }
    fn leaves_when_idle(&self) -> bool {
        self.leaves
    }
    fn deletes(&self) -> bool {
        self.deletes
    }
}

fn script<F: FnMut(&Seen<'_>) -> Wish + 'static>(look: F) -> Script<F> {
    Script { interval: SECOND, told: false, leaves: false, deletes: false, grace: 30 * SECOND, look }
}

fn targets(targets: &[u32]) -> Wish {
    Wish { targets: targets.to_vec(), ..Wish::default() }
}

/// One group, workers with two slots that start within 10 s, a trace of 100 s.
fn trace(happens: &str) -> Trace {
    let head = r#"{"trace": {"name": "t", "seed": 1, "end": 100}}
{"group": {"name": "w", "slots": 2, "maxWorkers": 4, "startSeconds": 10, "costPerHour": 3600}}
"#;
    parse(&format!("{head}{happens}"), "t").unwrap()
}

const FOUR_TASKS: &str = r#"{"job": {"at": 0, "name": "a", "tasks": 4, "taskSeconds": 5}}"#;

#[test]
fn one_worker_does_four_tasks_in_two_rounds() {
    let run = run(&trace(FOUR_TASKS), Box::new(script(|_| targets(&[1]))));
    // A second until it acts, ten to start, twice five.
    assert_eq!(run.latencies, [Some(21 * SECOND)]);
    assert_eq!((run.paid, run.worked, run.lost, run.end), (99 * SECOND, 10_000.0, 0, 100 * SECOND));
    assert!((run.cost - 99.0).abs() < 1e-9);
    assert_eq!(run.workers, [(0, 0), (SECOND, 1), (100 * SECOND, 0)]);
}

#[test]
fn a_target_beyond_the_bounds_is_bounded() {
    let run = run(&trace(FOUR_TASKS), Box::new(script(|_| targets(&[400]))));
    assert_eq!(run.workers[1], (SECOND, 4));
}

#[test]
fn who_is_not_ready_goes_first_and_what_runs_may_end_within_the_grace() {
    let mut kept = script(|seen| targets(&[if seen.now < 12 * SECOND { 2 } else { 0 }]));
    let long = trace(r#"{"job": {"at": 0, "name": "a", "tasks": 2, "taskSeconds": 20}}"#);
    kept.grace = 5 * SECOND;
    // At 11 s one of two has both tasks; told at 13 s, it is gone at 18 s with what it ran.
    let lost = run(&long, Box::new(kept));
    assert_eq!((lost.latencies[0], lost.lost), (None, 2 * 7 * SECOND));
    let run = run(&long, Box::new(script(|seen| targets(&[if seen.now < 12 * SECOND { 2 } else { 0 }]))));
    assert_eq!((run.latencies[0], run.lost), (Some(31 * SECOND), 0));
    // The idle one is gone 2 s after it was told, the other 2 s after its tasks.
    assert_eq!(run.workers[2..], [(15 * SECOND, 1), (33 * SECOND, 0)]);
    assert_eq!(run.turns, 1);
}

#[test]
fn what_is_leaving_can_be_taken_back() {
    let look = |seen: &Seen<'_>| {
        let id = WorkerId(0);
        match seen.now / SECOND {
            13 => Wish { leave: vec![id], ..targets(&[0]) },
            14.. => Wish { stay: vec![id], ..targets(&[1]) },
            _ => targets(&[1]),
        }
    };
    let run = run(&trace(FOUR_TASKS), Box::new(script(look)));
    assert_eq!((run.latencies[0], run.workers.len()), (Some(21 * SECOND), 3));
}

#[test]
fn who_deletes_pods_by_itself_decides_when() {
    let look = |seen: &Seen<'_>| {
        let is_idle = seen.workers.first().is_some_and(|worker| worker.phase == Phase::Leaving && worker.busy == 0);
        let delete = if is_idle && seen.now > 40 * SECOND { vec![WorkerId(0)] } else { Vec::new() };
        match seen.now / SECOND {
            0..15 => targets(&[1]),
            _ => Wish { leave: vec![WorkerId(0)], delete, ..targets(&[0]) },
        }
    };
    let mut script = script(look);
    script.deletes = true;
    let two = trace(r#"{"job": {"at": 0, "name": "a", "tasks": 2, "taskSeconds": 9}}"#);
    let run = run(&two, Box::new(script));
    // Ready at 11 s, told at 16 s, done at 20 s, deleted at 42 s, gone 2 s later.
    assert_eq!((run.latencies[0], run.paid), (Some(20 * SECOND), 43 * SECOND));
}

#[test]
fn workers_that_end_when_idle_are_not_replaced() {
    let mut script = script(|seen| {
        let more = vec![u32::from(seen.waiting() > 0 && seen.workers.is_empty())];
        Wish { more, ..Wish::default() }
    });
    (script.leaves, script.interval) = (true, 2 * SECOND);
    let run = run(&trace(FOUR_TASKS), Box::new(script));
    assert_eq!((run.latencies[0], run.paid), (Some(21 * SECOND), 22 * SECOND));
}

#[test]
fn an_interrupted_worker_is_replaced_and_its_tasks_run_again() {
    let happens = r#"{"job": {"at": 0, "name": "a", "tasks": 2, "taskSeconds": 20}}
{"interruption": {"at": 12, "group": "w", "share": 0.1, "noticeSeconds": 3}}"#;
    let run = run(&trace(happens), Box::new(script(|_| targets(&[1]))));
    // Its successor is created at the notice, at 12 s, ready at 22 s, and does all of it.
    assert_eq!((run.latencies[0], run.lost), (Some(42 * SECOND), 2 * 4 * SECOND));
}

#[test]
fn pods_without_a_node_cost_nothing_and_wait_for_the_end_of_a_shortage() {
    let happens = r#"{"shortage": {"at": 0, "until": 50, "group": "w"}}
{"job": {"at": 0, "name": "a", "tasks": 2, "taskSeconds": 5}}"#;
    let run = run(&trace(happens), Box::new(script(|_| targets(&[1]))));
    assert_eq!((run.latencies[0], run.paid), (Some(65 * SECOND), 50 * SECOND));
}

#[test]
fn a_policy_sees_durations_of_finished_tasks_only() {
    let look = |seen: &Seen<'_>| {
        match seen.jobs.first() {
            Some(job) if seen.now < 16 * SECOND => assert!(job.recent_seconds.is_none() && job.finished_time == 0),
            Some(job) => assert_eq!((job.finished_time, job.finished, job.running), (10 * SECOND, 2, 2)),
            None => assert!(seen.now >= 21 * SECOND),
        }
        if seen.now == 13 * SECOND {
            assert_eq!((seen.jobs[0].waiting, &seen.jobs[0].ran[..]), (2, &[2 * SECOND, 2 * SECOND][..]));
            assert_eq!(
                (seen.start_seconds[0], seen.workers[0].phase, seen.workers[0].busy),
                (Some(10.0), Phase::Ready, 2)
            );
        }
        targets(&[1])
    };
    assert_eq!(run(&trace(FOUR_TASKS), Box::new(script(look))).latencies, [Some(21 * SECOND)]);
}

#[test]
fn an_arrival_wakes_who_wants_to_be_told() {
    let late = trace(r#"{"job": {"at": 7, "name": "a", "tasks": 2, "taskSeconds": 5}}"#);
    for (told, expected) in [(true, 16), (false, 69)] {
        let mut script = script(|seen| targets(&[u32::from(seen.waiting() > 0)]));
        (script.interval, script.told) = (60 * SECOND, told);
        assert_eq!(run(&late, Box::new(script)).latencies, [Some(expected * SECOND)]);
    }
}

#[test]
fn the_highest_priority_comes_first_and_jobs_share() {
    let happens = r#"{"job": {"at": 0, "name": "low", "tasks": 2, "taskSeconds": 5}}
{"job": {"at": 0, "name": "high", "tasks": 2, "taskSeconds": 5, "priority": 1}}
{"job": {"at": 0, "name": "next", "tasks": 2, "taskSeconds": 5}}"#;
    let run = run(&trace(happens), Box::new(script(|_| targets(&[1]))));
    assert_eq!(run.latencies, [26, 16, 26].map(|at| Some(at * SECOND)));
}
