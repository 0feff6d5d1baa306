//! What is logged while an attempt runs, kept for the head: a layer of the process's log writes into a ring beside the
//! attempt's span, and whoever reports the attempt takes it from there.

use std::collections::VecDeque;
use std::fmt::{Debug, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use shoal_core::task::Assignment;
use shoal_wire::proto::{LogLevel, LogLine};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Span, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, Registry};
use tracing_subscriber::{Layer, filter::LevelFilter};

use crate::limits::{ATTEMPT_LINE_BYTES_MAX, ATTEMPT_LINES_MAX, BEAT_LINES_MAX, EARLY_LINES_MAX};

/// Name of the span that an attempt runs in.
const SPAN: &str = "attempt";

/// The span that an attempt runs in.
pub(crate) fn span(assignment: &Assignment) -> Span {
    let attempt = assignment.attempt;
    tracing::info_span!(
        parent: None,
        SPAN,
        job = %attempt.task.job,
        job_name = %assignment.job_name,
        task = %attempt.task,
        attempt = attempt.number,
        stage = %assignment.stage,
    )
}

/// The layer that keeps what attempts log, whatever else the process's log takes. Without it in the process's
/// subscriber, which is built on [`Registry`], the head gets no lines.
pub fn attempt_logs<S: Subscriber + for<'a> LookupSpan<'a>>() -> impl Layer<S> {
    Capture.with_filter(LevelFilter::INFO)
}

/// What was logged during one attempt.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) lines: VecDeque<LogLine>,
    /// Lines before those.
    pub(crate) left_out: u32,
    /// Lines from the first on that were told before the attempt's end, or were left out by then.
    pub(crate) told: u32,
}

/// Lines that are told while their attempt runs.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Early {
    /// How many came before them.
    pub(crate) before: u32,
    pub(crate) lines: Vec<LogLine>,
}

impl Log {
    fn push(&mut self, line: LogLine) {
        if self.lines.len() == ATTEMPT_LINES_MAX {
            // The last ones say how it ended.
            self.lines.pop_front();
            self.left_out = self.left_out.saturating_add(1);
        }
        self.lines.push_back(line);
    }

    fn next_lines(&mut self) -> Early {
        let before = self.told.max(self.left_out);
        let first = (before - self.left_out) as usize;
        let most = BEAT_LINES_MAX.min(EARLY_LINES_MAX.saturating_sub(before)) as usize;
        let lines: Vec<LogLine> = self.lines.iter().skip(first).take(most).cloned().collect();
        self.told = before + u32::try_from(lines.len()).unwrap_or(u32::MAX);
        Early { before, lines }
    }
}

/// The next lines that were logged in an attempt's span and not told yet, a few at a time; they stay for its end, too.
pub(crate) fn next_lines(span: &Span) -> Early {
    let next = span.with_subscriber(|(id, dispatch)| {
        let span = dispatch.downcast_ref::<Registry>()?.span(id)?;
        Some(span.extensions_mut().get_mut::<Log>()?.next_lines())
    });
    next.flatten().unwrap_or_default()
}

/// Takes what was logged in an attempt's span; nothing where nobody kept it.
pub(crate) fn take(span: &Span) -> Log {
    let taken = span.with_subscriber(|(id, dispatch)| {
        let span = dispatch.downcast_ref::<Registry>()?.span(id)?;
        span.extensions_mut().remove::<Log>()
    });
    taken.flatten().unwrap_or_default()
}

struct Capture;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Capture {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let metadata = attributes.metadata();
        if metadata.name() == SPAN
            && metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
            && let Some(span) = context.span(id)
        {
            span.extensions_mut().insert(Log::default());
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Some(scope) = context.event_scope(event) else { return };
        for span in scope {
            if let Some(log) = span.extensions_mut().get_mut::<Log>() {
                return log.push(line(event));
            }
        }
    }
}

fn line(event: &Event<'_>) -> LogLine {
    let level = match *event.metadata().level() {
        Level::ERROR => LogLevel::Error,
        Level::WARN => LogLevel::Warn,
        _ => LogLevel::Info,
    };
    let mut text = Text::default();
    event.record(&mut text);
    let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    LogLine { at_ms: u64::try_from(at_ms).unwrap_or(u64::MAX), level: level.into(), text: text.finish() }
}

/// The message, and behind it the other fields as `name=value`.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    fn finish(self) -> String {
        let mut text = self.message + &self.fields;
        if text.len() > ATTEMPT_LINE_BYTES_MAX {
            let end = (0..=ATTEMPT_LINE_BYTES_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
            text.truncate(end);
            text.push_str("...");
        }
        text
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(value),
            _ => self.record_debug(field, &value),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tracing_subscriber::EnvFilter;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    fn texts(log: &Log) -> Vec<&str> {
        log.lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn what_is_logged_in_the_span_is_kept_whatever_is_printed() {
        let printed = tracing_subscriber::fmt::layer().with_writer(std::io::sink).with_filter(EnvFilter::new("error"));
        let subscriber = tracing_subscriber::registry().with(attempt_logs()).with(printed);
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!("outside");
            let (one, other) = (tracing::info_span!("attempt", job = 1), tracing::info_span!("attempt", job = 2));
            one.in_scope(|| {
                tracing::info!(rows = 3, file = "a", "read");
                tracing::debug!("not worth it");
                tracing::info_span!("inner").in_scope(|| tracing::warn!(error = %"full", "slow disk"));
            });
            other.in_scope(|| tracing::error!("of another"));
            let log = take(&one);
            assert_eq!(texts(&log), ["read rows=3 file=\"a\"", "slow disk error=full"]);
            assert_eq!(log.lines[1].level(), LogLevel::Warn);
            assert!(log.lines[0].at_ms > 1_600_000_000_000);
            assert_eq!(texts(&take(&one)), [""; 0], "taken once");
            assert_eq!(texts(&take(&other)), ["of another"]);
        });
    }

    #[test]
    fn the_last_lines_stay_and_long_ones_are_cut() {
        tracing::subscriber::with_default(tracing_subscriber::registry().with(attempt_logs()), || {
            let span = tracing::info_span!("attempt");
            span.in_scope(|| {
                (0..ATTEMPT_LINES_MAX + 7).for_each(|number| tracing::info!("{number}"));
                tracing::info!("{}", "é".repeat(ATTEMPT_LINE_BYTES_MAX));
            });
            let log = take(&span);
            assert_eq!((log.lines.len(), log.left_out), (ATTEMPT_LINES_MAX, 8));
            assert_eq!(log.lines[0].text, "8");
            let last = &log.lines.back().unwrap().text;
            assert!(last.ends_with("é...") && last.len() <= ATTEMPT_LINE_BYTES_MAX + 3);
        });
    }

    #[test]
    fn lines_are_told_early_a_few_at_a_time_and_stay_for_the_end() {
        tracing::subscriber::with_default(tracing_subscriber::registry().with(attempt_logs()), || {
            let span = tracing::info_span!("attempt");
            let told = |early: &Early| (early.before, early.lines.len());
            assert_eq!(next_lines(&span), Early::default());
            let beat = BEAT_LINES_MAX as usize;
            span.in_scope(|| (0..beat + 2).for_each(|number| tracing::info!("{number}")));
            let first = next_lines(&span);
            assert_eq!((told(&first), first.lines[0].text.as_str()), ((0, beat), "0"));
            assert_eq!(told(&next_lines(&span)), (BEAT_LINES_MAX, 2));
            assert_eq!(told(&next_lines(&span)), (BEAT_LINES_MAX + 2, 0));
            // What was pushed out meanwhile is told of by the place of the first one that is left.
            span.in_scope(|| (0..ATTEMPT_LINES_MAX + 5).for_each(|number| tracing::info!("{number}")));
            let later = next_lines(&span);
            assert_eq!((told(&later), later.lines[0].text.as_str()), ((BEAT_LINES_MAX + 7, beat), "5"));
            while !next_lines(&span).lines.is_empty() {}
            span.in_scope(|| (0..EARLY_LINES_MAX).for_each(|number| tracing::info!("{number}")));
            assert_eq!(next_lines(&span).lines.len(), 0, "the end has the rest");
            let log = take(&span);
            assert_eq!(log.lines.len(), ATTEMPT_LINES_MAX);
            let all = BEAT_LINES_MAX + 7 + ATTEMPT_LINES_MAX as u32 + EARLY_LINES_MAX;
            assert_eq!(log.left_out, all - ATTEMPT_LINES_MAX as u32);
        });
    }

    #[test]
    fn without_the_layer_there_is_nothing() {
        assert_eq!(take(&tracing::info_span!("attempt")).lines.len(), 0);
        tracing::subscriber::with_default(tracing_subscriber::registry(), || {
            assert_eq!(take(&tracing::info_span!("attempt")).lines.len(), 0);
        });
    }
}
