//! From what is kept of a job to its spans. Pure.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use shoal_core::JobUid;
use shoal_core::history::{AttemptOutcome, AttemptReport, AttemptTook, JobHistory};
use shoal_core::report::{JobStatus, Phase};
use xxhash_rust::xxh3::xxh3_64;

/// A time between two points, in milliseconds since 1970-01-01 UTC.
type Times = (u64, u64);

/// The spans of a job that has ended. Attempts whose start is not known are left out, and so are those that had not ended.
pub(crate) fn spans(status: &JobStatus, history: &JobHistory) -> Vec<SpanData> {
    let trace = Trace { uid: status.uid };
    let from = status.report.submitted_ms;
    let to = status.report.finished_ms.unwrap_or(from);
    let job = trace.id(&["job", &to.to_string()]);
    let mut spans = vec![trace.span(job, None, format!("job {}", status.name), (from, to), job_attributes(status))];
    spans[0].status = status_of_job(status);
    let attempts: Vec<(&AttemptReport, Times)> =
        history.attempts.iter().filter_map(|attempt| Some((attempt, times(attempt)?))).collect();
    for stage in &status.report.stages {
        let own = || attempts.iter().filter(|(attempt, _)| attempt.stage == stage.name);
        let Some(from) = own().map(|(_, (from, _))| *from).min() else { continue };
        let to = own().map(|(_, (_, to))| *to).max().unwrap_or(from);
        let id = trace.id(&["stage", &stage.name]);
        let attributes = vec![
            KeyValue::new("shoal.stage", stage.name.clone()),
            KeyValue::new("shoal.tasks", i64::from(stage.tasks)),
            KeyValue::new("shoal.attempts", i64::from(stage.attempts)),
        ];
        spans.push(trace.span(id, Some(job), format!("stage {}", stage.name), (from, to), attributes));
        own().for_each(|(attempt, times)| spans.extend(trace.attempt(attempt, *times, id)));
    }
    spans
}

fn times(attempt: &AttemptReport) -> Option<Times> {
    let lasted = attempt.seconds?;
    (attempt.started_ms > 0).then(|| (attempt.started_ms, attempt.started_ms + (lasted * 1_000.0).round() as u64))
}

fn job_attributes(status: &JobStatus) -> Vec<KeyValue> {
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let JobStatus { name, uid, kind, phase, progress, report, .. } = status;
    vec![
        KeyValue::new("shoal.job", name.clone()),
        KeyValue::new("shoal.job.uid", uid.to_string()),
        KeyValue::new("shoal.job.kind", kind.clone()),
        KeyValue::new("shoal.job.phase", format!("{phase:?}")),
        KeyValue::new("shoal.unit", progress.unit.clone()),
        KeyValue::new("shoal.succeeded", count(progress.succeeded)),
        KeyValue::new("shoal.failed", count(progress.failed)),
        KeyValue::new("shoal.rows_in", count(report.counters.rows_in)),
    ]
}

fn status_of_job(status: &JobStatus) -> Status {
    match (&status.failure, status.phase) {
        (Some(failure), _) => Status::error(failure.to_string()),
        (None, Phase::Succeeded) => Status::Ok,
        (None, _) => Status::Unset,
    }
}

/// What all spans of a job have in common.
struct Trace {
    uid: JobUid,
}

impl Trace {
    /// The id of a span, the same whenever it is exported.
    fn id(&self, parts: &[&str]) -> SpanId {
        let name = format!("{}/{}", self.uid, parts.join("/"));
        // Zero is no id.
        SpanId::from_bytes(xxh3_64(name.as_bytes()).max(1).to_be_bytes())
    }

    fn span(
        &self,
        id: SpanId,
        parent: Option<SpanId>,
        name: impl Into<Cow<'static, str>>,
        (from, to): Times,
        attributes: Vec<KeyValue>,
    ) -> SpanData {
        let trace_id = TraceId::from_bytes(*self.uid.0.as_bytes());
        let at = |ms: u64| SystemTime::UNIX_EPOCH + Duration::from_millis(ms);
        SpanData {
            span_context: SpanContext::new(trace_id, id, TraceFlags::SAMPLED, false, TraceState::default()),
            parent_span_id: parent.unwrap_or(SpanId::INVALID),
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: name.into(),
            start_time: at(from),
            end_time: at(to.max(from)),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::builder("shoal")
                .with_version(env!("CARGO_PKG_VERSION"))
                .build(),
        }
    }

    /// An attempt, and within it the time in which it read partitions.
    fn attempt(&self, attempt: &AttemptReport, (from, to): Times, stage: SpanId) -> Vec<SpanData> {
        let AttemptReport { stage: name, task, attempt: number, worker, speculative, outcome, message, took, .. } =
            attempt;
        let parts = [name.as_str(), &task.to_string(), &number.to_string()];
        let id = self.id(&parts);
        let mut attributes = vec![
            KeyValue::new("shoal.stage", name.clone()),
            KeyValue::new("shoal.task", i64::from(*task)),
            KeyValue::new("shoal.attempt", i64::from(*number)),
            KeyValue::new("shoal.worker", worker.clone()),
            KeyValue::new("shoal.outcome", format!("{outcome:?}")),
        ];
        if *speculative {
            attributes.push(KeyValue::new("shoal.speculative", true));
        }
        attributes.extend(took.iter().flat_map(took_attributes));
        let mut span = self.span(id, Some(stage), format!("{name}/{task} attempt {number}"), (from, to), attributes);
        if *outcome == AttemptOutcome::Failed {
            span.status = Status::error(message.clone().unwrap_or_default());
        }
        let mut spans = vec![span];
        if let Some(exchange) = took.as_ref().and_then(|took| took.exchange) {
            let waited = i64::try_from(exchange.waited_ms).unwrap_or(i64::MAX);
            let attributes = vec![KeyValue::new("shoal.waited_ms", waited)];
            let of_exchange = self.id(&[parts[0], parts[1], parts[2], "exchange"]);
            spans.push(self.span(of_exchange, Some(id), "exchange", exchange.within((from, to), 1), attributes));
        }
        spans
    }
}

fn took_attributes(took: &AttemptTook) -> [KeyValue; 5] {
    let number = |name: &'static str, value: u64| KeyValue::new(name, i64::try_from(value).unwrap_or(i64::MAX));
    [
        number("shoal.rows_in", took.rows_in),
        number("shoal.rows_out", took.rows_out),
        number("shoal.bytes_fetched", took.bytes_fetched),
        number("shoal.bytes_local", took.bytes_local),
        number("shoal.peak_memory_bytes", took.peak_memory_bytes),
    ]
}
