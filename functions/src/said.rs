//! What a process writes to its standard output and error: see `python/src/shoal/worker/speech.py`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::watch;

use crate::limits::{LINE_BYTES_MAX, LINES_MAX};

const BEFORE_KEY: u8 = 0x1e;
const AFTER_KEY: u8 = 0x1f;
const COMPLETE: u8 = 0x1d;

/// Bytes that are read at a time.
const CHUNK_BYTES: usize = 1 << 14;

/// Which of its streams a process wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Output,
    Error,
}

/// A line that a process wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) stream: Stream,
    /// The key of the group that it is about, where it is about one.
    pub(crate) group: Option<String>,
    pub(crate) text: String,
}

/// Lines that nobody has taken yet, and how many are lost.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub(crate) lines: VecDeque<Line>,
    pub(crate) left_out: u64,
}

/// What both streams have said. Clones are handles on the same.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    lines: Arc<Mutex<Lines>>,
    /// Up to which message each stream is complete; all where it has ended.
    complete: Arc<watch::Sender<[u64; 2]>>,
}

impl Said {
    pub(crate) fn new() -> Self {
        Self { lines: Arc::default(), complete: Arc::new(watch::Sender::new([0; 2])) }
    }

    /// Takes the lines so far.
    pub(crate) fn take(&self) -> Lines {
        std::mem::take(&mut *self.held())
    }

    /// The last lines on standard error that are of no group: what the interpreter itself says.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let held = self.held();
        let own = held.lines.iter().filter(|line| line.stream == Stream::Error && line.group.is_none());
        own.map(|line| line.text.clone()).collect()
    }

    /// Waits until all is here that was said up to the end of a message, or of all.
    pub(crate) async fn complete(&self, sequence: u64) {
        let mut complete = self.complete.subscribe();
        // It is kept by whoever asks.
        let _ = complete.wait_for(|streams| streams.iter().all(|upto| *upto >= sequence)).await;
    }

    /// Reads a stream to its end.
    pub(crate) async fn listen(self, stream: Stream, mut from: impl AsyncRead + Unpin) {
        let (mut splitter, mut chunk) = (Splitter::default(), vec![0; CHUNK_BYTES]);
        // An error is an end as well.
        while let Ok(read @ 1..) = from.read(&mut chunk).await {
            for bytes in splitter.push(&chunk[..read]) {
                self.hear(stream, &bytes);
            }
        }
        if let Some(bytes) = splitter.rest() {
            self.hear(stream, &bytes);
        }
        self.is_complete(stream, u64::MAX);
    }

    fn hear(&self, stream: Stream, bytes: &[u8]) {
        let (line, mark) = understood(stream, bytes);
        if let Some(line) = line {
            let mut held = self.held();
            if held.lines.len() == LINES_MAX {
                held.lines.pop_front();
                held.left_out += 1;
            }
            held.lines.push_back(line);
        }
        if let Some(sequence) = mark {
            self.is_complete(stream, sequence);
        }
    }

    fn is_complete(&self, stream: Stream, sequence: u64) {
        self.complete.send_modify(|streams| streams[stream as usize] = sequence);
    }

    fn held(&self) -> MutexGuard<'_, Lines> {
        // Lines are moved in and out whole.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a line means: something said, and that a message is complete.
fn understood(stream: Stream, bytes: &[u8]) -> (Option<Line>, Option<u64>) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, mark) = match bytes.iter().rposition(|byte| *byte == COMPLETE) {
        // Native code may have left a line open before the mark.
        Some(at) => match str::from_utf8(&bytes[at + 1..]).ok().and_then(|digits| digits.parse().ok()) {
            Some(sequence) => (&bytes[..at], Some(sequence)),
            None => (bytes, None),
        },
        None => (bytes, None),
    };
    let key_ends = said.iter().position(|byte| *byte == AFTER_KEY);
    let (group, said) = match (said.first(), key_ends) {
        (Some(&BEFORE_KEY), Some(end)) => (Some(text(&said[1..end])), &said[end + 1..]),
        _ => (None, said),
    };
    let is_said = mark.is_none() || !said.is_empty();
    (is_said.then(|| Line { stream, group, text: text(said) }), mark)
}

/// Cuts bytes into lines.
#[derive(Debug, Default)]
struct Splitter(Vec<u8>);

impl Splitter {
    /// The lines that are complete with further bytes; of a long one the beginning.
    fn push(&mut self, mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.extend(&bytes[..end]);
            lines.push(std::mem::take(&mut self.0));
            bytes = &bytes[end + 1..];
        }
        self.extend(bytes);
        lines
    }

    fn extend(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES_MAX.saturating_sub(self.0.len());
        self.0.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// What is left of a line that never ended.
    fn rest(self) -> Option<Vec<u8>> {
        (!self.0.is_empty()).then_some(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(group: Option<&str>, text: &str) -> Line {
        Line { stream: Stream::Output, group: group.map(str::to_owned), text: text.to_owned() }
    }

    async fn said(bytes: &[u8]) -> Said {
        let said = Said::new();
        said.clone().listen(Stream::Output, bytes).await;
        said.clone().listen(Stream::Error, &b""[..]).await;
        said
    }

    #[tokio::test]
    async fn lines_have_their_group_and_marks_are_none() {
        let said = said(b"loaded\n\x1d0\n\x1ea, 1\x1fhello\n\x1eb\x1f\nnative\x1d7\n\xff\x1dno mark\nopen").await;
        said.complete(u64::MAX).await;
        let lines: Vec<Line> = said.take().lines.into();
        let expected = [
            line(None, "loaded"),
            line(Some("a, 1"), "hello"),
            line(Some("b"), ""),
            line(None, "native"),
            line(None, "\u{fffd}\u{1d}no mark"),
            line(None, "open"),
        ];
        assert_eq!(lines, expected);
        assert!(said.take().lines.is_empty(), "taken once");
    }

    #[tokio::test]
    async fn a_stream_is_complete_up_to_its_mark() {
        let said = Said::new();
        let (mut writer, reader) = tokio::io::duplex(64);
        let listening = tokio::spawn(said.clone().listen(Stream::Output, reader));
        said.clone().listen(Stream::Error, &b""[..]).await;
        tokio::io::AsyncWriteExt::write_all(&mut writer, b"one\n\x1d5\n").await.expect("the pipe is open");
        said.complete(5).await;
        assert_eq!(said.take().lines.len(), 1);
        assert!(!listening.is_finished());
    }

    #[tokio::test]
    async fn what_is_too_much_is_left_out_and_counted() {
        let mut bytes = vec![b'x'; 3 * LINE_BYTES_MAX];
        bytes.push(b'\n');
        bytes.extend((0..LINES_MAX + 2).flat_map(|number| format!("{number}\n").into_bytes()));
        let Lines { lines, left_out } = said(&bytes).await.take();
        assert_eq!((lines.len(), left_out), (LINES_MAX, 3));
        assert_eq!(lines[0].text, "2");
        assert_eq!(said(&[b'x'; 3 * LINE_BYTES_MAX]).await.take().lines[0].text.len(), LINE_BYTES_MAX);
    }
}
