//! Attempts of a job over time, in the Trace Event Format, which Perfetto and chrome://tracing show: a process per worker
//! and a thread per lane. Two attempts in one lane never overlap, so there are as many lanes as slots were in use at once.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shoal_api::JobAttempts;
use shoal_core::history::AttemptReport;

/// What stands for a worker whose name is not known any more.
const NOBODY: &str = "unknown worker";

/// The trace of a job's attempts, in microseconds since the first one's start; those that run last until `now_ms`, by the
/// head's clock. Attempts of which no start is known are left out, and counted.
pub(crate) fn trace(of: &JobAttempts, now_ms: u64) -> Value {
    let mut attempts: Vec<&AttemptReport> = of.attempts.iter().filter(|attempt| attempt.started_ms > 0).collect();
    attempts.sort_by_key(|attempt| attempt.started_ms);
    let origin_ms = attempts.first().map_or(now_ms, |first| first.started_ms);
    let mut workers: BTreeMap<&str, Vec<Span<'_>>> = BTreeMap::new();
    for attempt in &attempts {
        let name = if attempt.worker.is_empty() { NOBODY } else { &attempt.worker };
        workers.entry(name).or_default().push(Span::of(attempt, origin_ms, now_ms));
    }
    let events: Vec<Value> = (1..).zip(&workers).flat_map(|(pid, (name, spans))| process(pid, name, spans)).collect();
    json!({
        "displayTimeUnit": "ms",
        "traceEvents": events,
        "otherData": {
            "job": of.name,
            "uid": of.uid,
            "startsAtMs": origin_ms,
            "attempts": attempts.len(),
            "attemptsLeftOut": of.left_out,
            "attemptsWithoutTimes": of.attempts.len() - attempts.len(),
        },
    })
}

/// An attempt on the trace's clock, in microseconds.
struct Span<'a> {
    attempt: &'a AttemptReport,
    from: u64,
    to: u64,
}

impl<'a> Span<'a> {
    fn of(attempt: &'a AttemptReport, origin_ms: u64, now_ms: u64) -> Self {
        let from = (attempt.started_ms - origin_ms) * 1_000;
        let to = match attempt.seconds {
            Some(seconds) => from + (seconds * 1e6).round() as u64,
            None => (now_ms.saturating_sub(origin_ms) * 1_000).max(from),
        };
        Self { attempt, from, to }
    }

    /// The attempt, and within it the time in which it read partitions.
    fn events(&self, pid: usize, tid: usize) -> Vec<Value> {
        let AttemptReport { stage, task, attempt, outcome, speculative, reason, message, took, .. } = self.attempt;
        let mut args = json!({"outcome": outcome});
        let mut add = |name: &str, value: Value| args[name] = value;
        if *speculative {
            add("speculative", json!(true));
        }
        reason.iter().for_each(|reason| add("reason", json!(reason)));
        message.iter().for_each(|message| add("message", json!(message)));
        if let Some(took) = took {
            add("rowsIn", json!(took.rows_in));
            add("rowsOut", json!(took.rows_out));
            add("bytesOverFlight", json!(took.bytes_fetched));
            add("bytesLocal", json!(took.bytes_local));
            add("peakMemoryBytes", json!(took.peak_memory_bytes));
        }
        let event = |name: &str, category: &str, (from, to): (u64, u64), args: Value| {
            json!({"ph": "X", "name": name, "cat": category, "pid": pid, "tid": tid,
                   "ts": from, "dur": to - from, "args": args})
        };
        let name = format!("{stage}/{task} attempt {attempt}");
        let mut events = vec![event(&name, "attempt", (self.from, self.to), args)];
        if let Some(exchange) = took.as_ref().and_then(|took| took.exchange) {
            let args = json!({"waitedMs": exchange.waited_ms});
            events.push(event("exchange", "exchange", exchange.within((self.from, self.to), 1_000), args));
        }
        events
    }
}

/// The events of one worker, whose spans are in the order of their starts.
fn process(pid: usize, name: &str, spans: &[Span<'_>]) -> Vec<Value> {
    let named = |what: &str, tid: usize, name: &str| json!({"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": name}});
    let mut events = vec![named("process_name", 0, name)];
    for (span, lane) in spans.iter().zip(lanes(spans)) {
        events.extend(span.events(pid, lane + 1));
    }
    let used = lanes(spans).into_iter().max().map_or(0, |last| last + 1);
    events.extend((1..=used).map(|tid| named("thread_name", tid, &format!("slot {tid}"))));
    events
}

/// A lane for each span: the first one that is free when it starts.
fn lanes(spans: &[Span<'_>]) -> Vec<usize> {
    let mut free_from: Vec<u64> = Vec::new();
    let place = |span: &Span<'_>| {
        let lane = free_from.iter().position(|free| *free <= span.from).unwrap_or(free_from.len());
        free_from.resize(free_from.len().max(lane + 1), 0);
        free_from[lane] = span.to;
        lane
    };
    spans.iter().map(place).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use shoal_core::history::{AttemptOutcome, AttemptTook};
    use shoal_core::task::ExchangeTimes;
    use shoal_core::{JobUid, Reason};

    use super::*;

    const START: u64 = 1_700_000_000_000;

    fn attempt(worker: &str, task: u32, from_ms: u64, seconds: Option<f64>) -> AttemptReport {
        AttemptReport {
            stage: "map".to_owned(),
            task,
            attempt: 1,
            worker: worker.to_owned(),
            speculative: false,
            started_ms: START + from_ms,
            seconds,
            outcome: if seconds.is_some() { AttemptOutcome::Succeeded } else { AttemptOutcome::Running },
            reason: None,
            message: None,
            took: None,
        }
    }

    fn traced(attempts: Vec<AttemptReport>) -> Value {
        let uid = JobUid(uuid::Uuid::nil());
        trace(&JobAttempts { name: "j".to_owned(), uid, attempts, left_out: 3 }, START + 10_000)
    }

    /// What is drawn: process, lane, name, from and to in milliseconds.
    fn drawn(trace: &Value) -> Vec<(u64, u64, &str, u64, u64)> {
        let events = trace["traceEvents"].as_array().unwrap();
        let number = |event: &Value, field: &str| event[field].as_u64().unwrap();
        events
            .iter()
            .filter(|event| event["ph"] == "X")
            .map(|event| {
                let (from, lasts) = (number(event, "ts") / 1_000, number(event, "dur") / 1_000);
                (number(event, "pid"), number(event, "tid"), event["name"].as_str().unwrap(), from, from + lasts)
            })
            .collect()
    }

    #[test]
    fn attempts_are_dealt_to_lanes_in_which_none_overlaps() {
        // (worker, from, seconds) and the lane that is expected
        type Attempts<'a> = &'a [(&'a str, u64, f64)];
        let cases: [(Attempts<'_>, &[(u64, u64)]); 4] = [
            (&[], &[]),
            (&[("a", 0, 1.0), ("a", 1_000, 1.0), ("b", 0, 3.0)], &[(1, 1), (1, 1), (2, 1)]),
            (&[("a", 0, 2.0), ("a", 500, 0.5), ("a", 900, 1.0), ("a", 1_000, 9.0)], &[(1, 1), (1, 2), (1, 3), (1, 2)]),
            (&[("a", 5, 0.0), ("a", 5, 0.0)], &[(1, 1), (1, 1)]),
        ];
        for (attempts, expected) in cases {
            let of = |(worker, from, seconds): &(&str, u64, f64)| attempt(worker, 0, *from, Some(*seconds));
            let trace = traced(attempts.iter().map(of).collect());
            let places: Vec<_> = drawn(&trace).iter().map(|(pid, tid, ..)| (*pid, *tid)).collect();
            assert_eq!(places, expected, "{attempts:?}");
        }
    }

    #[test]
    fn an_attempt_shows_what_it_took_and_when_it_read() {
        let exchange = ExchangeTimes { from_ms: 100, to_ms: 5_000, waited_ms: 90 };
        let took = AttemptTook { rows_in: 7, bytes_fetched: 8, exchange: Some(exchange), ..AttemptTook::default() };
        let reduced = AttemptReport { took: Some(took), ..attempt("a", 4, 2_000, Some(3.0)) };
        let lost = AttemptReport {
            outcome: AttemptOutcome::Failed,
            reason: Some(Reason::WorkerLost),
            message: Some("gone".to_owned()),
            ..attempt("", 5, 0, Some(1.0))
        };
        let unknown = AttemptReport { started_ms: 0, ..attempt("a", 6, 0, None) };
        let trace = traced(vec![reduced, lost, unknown, attempt("a", 8, 9_000, None)]);
        let expected = [
            (1, 1, "map/4 attempt 1", 2_000, 5_000),
            // Cut where the head heard of the end.
            (1, 1, "exchange", 2_100, 5_000),
            (1, 1, "map/8 attempt 1", 9_000, 10_000),
            (2, 1, "map/5 attempt 1", 0, 1_000),
        ];
        assert_eq!(drawn(&trace), expected);
        let args = |name: &str| {
            let events = trace["traceEvents"].as_array().unwrap();
            events.iter().find(|event| event["name"] == name).unwrap()["args"].clone()
        };
        let told = json!({"outcome": "Succeeded", "rowsIn": 7, "rowsOut": 0, "bytesOverFlight": 8, "bytesLocal": 0,
                          "peakMemoryBytes": 0});
        assert_eq!(args("map/4 attempt 1"), told);
        let told = json!({"outcome": "Failed", "reason": "WorkerLost", "message": "gone"});
        assert_eq!(args("map/5 attempt 1"), told);
        assert_eq!((args("exchange"), args("process_name")), (json!({"waitedMs": 90}), json!({"name": "a"})));
        let other = &trace["otherData"];
        assert_eq!((&other["attemptsLeftOut"], &other["attemptsWithoutTimes"]), (&json!(3), &json!(1)));
    }
}
